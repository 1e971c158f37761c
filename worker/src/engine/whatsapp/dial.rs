//! Opens connections to WhatsApp: name, TCP, the session's proxy if it has one, TLS, WebSocket.
//!
//! The library's own way is not used: it never sets `TCP_NODELAY` (each login then waits for delayed acknowledgements, 47 ms instead of 2 ms on
//! loopback), builds a TLS configuration for every connection, and knows no proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, Uri, header};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use shared::egress::Policy;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower::Service as _;
use url::Url;
use wacore::net::{Transport, TransportEvent};
use whatsapp_rust::transport::from_websocket;

/// The `Origin` that WhatsApp Web's page sends (wacore/src/net.rs: `WHATSAPP_WEB_ORIGIN`).
const ORIGIN: HeaderValue = HeaderValue::from_static("https://web.whatsapp.com");
/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// An open connection and what arrives on it.
pub type Connection = (Arc<dyn Transport>, async_channel::Receiver<TransportEvent>);

/// Opens connections to one WhatsApp endpoint. One per worker.
pub struct Dialer {
    endpoint: Uri,
    host: String,
    port: u16,
    tls: Option<tokio_rustls::TlsConnector>,
    policy: Policy,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Dialer({})", self.endpoint)
    }
}

impl Dialer {
    /// Prepares for `endpoint` (`wss://…` or `ws://…`). Proxies of sessions must lead where `policy` allows.
    ///
    /// # Errors
    /// When the endpoint is not a WebSocket URL or TLS cannot be set up.
    pub fn new(endpoint: &Url, policy: Policy) -> anyhow::Result<Self> {
        let encrypted = match endpoint.scheme() {
            "wss" => true,
            "ws" => false,
            other => anyhow::bail!("the WhatsApp endpoint must be a ws:// or wss:// URL, not {other}://"),
        };
        let host = endpoint
            .host_str()
            .context("the WhatsApp endpoint has no host")?
            .to_owned();
        let port = endpoint.port().unwrap_or(if encrypted { 443 } else { 80 });
        let tls = if encrypted { Some(tls_connector()?) } else { None };
        Ok(Self {
            endpoint: endpoint.as_str().parse()?,
            host,
            port,
            tls,
            policy,
        })
    }

    /// Where proxies of sessions may lead.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Opens a connection, through `proxy` if there is one.
    ///
    /// # Errors
    /// When any step fails. The text names the step and never the proxy's password.
    pub async fn dial(&self, proxy: Option<&Url>) -> anyhow::Result<Connection> {
        let stream = match proxy {
            None => connect(&self.host, self.port, None)
                .await
                .context("cannot reach WhatsApp")?,
            Some(proxy) => self
                .connect_through(proxy)
                .await
                .context("cannot reach WhatsApp through the session's proxy")?,
        };
        match &self.tls {
            None => self.upgrade(stream).await,
            Some(tls) => {
                let name = rustls::pki_types::ServerName::try_from(self.host.clone())?;
                let stream = tls.connect(name, stream).await.context("TLS failed")?;
                self.upgrade(stream).await
            }
        }
    }

    async fn upgrade<S>(&self, stream: S) -> anyhow::Result<Connection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (socket, _answer) = tokio_websockets::ClientBuilder::from_uri(self.endpoint.clone())
            .add_header(header::ORIGIN, ORIGIN)?
            .connect_on(stream)
            .await
            .context("the WebSocket was refused")?;
        Ok(from_websocket(socket))
    }

    async fn connect_through(&self, proxy: &Url) -> anyhow::Result<TcpStream> {
        let host = proxy.host_str().context("the proxy has no host")?;
        let port = proxy.port_or_known_default().unwrap_or(1080);
        let stream = connect(host, port, Some(&self.policy))
            .await
            .context("no connection to the proxy")?;
        // The proxy protocols ask for their first hop when they need it; it is open already.
        let open = std::sync::Mutex::new(Some(TokioIo::new(stream)));
        let first_hop = tower::service_fn(|_: Uri| {
            let open = open.lock().map_or(None, |mut open| open.take());
            async move { open.ok_or_else(|| std::io::Error::other("the first hop was used already")) }
        });
        let proxy_uri: Uri = format!("http://{host}:{port}").parse()?;
        let target: Uri = format!("https://{}:{}", self.host, self.port).parse()?;
        let stream = match proxy.scheme() {
            "socks5" | "socks5h" => {
                let mut socks = SocksV5::new(proxy_uri, first_hop);
                if !proxy.username().is_empty() {
                    socks = socks.with_auth(decoded(proxy.username()), decoded(proxy.password().unwrap_or_default()));
                }
                socks.call(target).await.context("the SOCKS proxy refused")?
            }
            "http" => {
                let mut tunnel = Tunnel::new(proxy_uri, first_hop);
                if !proxy.username().is_empty() {
                    tunnel = tunnel.with_auth(basic_authorization(proxy)?);
                }
                tunnel.call(target).await.context("the HTTP proxy refused")?
            }
            other => anyhow::bail!("{other} proxies are not supported: use socks5 or http"),
        };
        Ok(stream.into_inner())
    }
}

/// Connects to the first address of `host` that answers. With a policy, every address must be allowed by it.
async fn connect(host: &str, port: u16, policy: Option<&Policy>) -> anyhow::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .context("the name does not resolve")?
        .collect();
    if let Some(policy) = policy {
        for address in &addresses {
            policy.check_address(address.ip())?;
        }
    }
    let mut failure = anyhow::anyhow!("the name has no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = error.into(),
            Err(_) => failure = anyhow::anyhow!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(failure)
}

fn tls_connector() -> anyhow::Result<tokio_rustls::TlsConnector> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config)))
}

fn basic_authorization(proxy: &Url) -> anyhow::Result<HeaderValue> {
    use base64::Engine as _;
    let credentials = format!(
        "{}:{}",
        decoded(proxy.username()),
        decoded(proxy.password().unwrap_or_default())
    );
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A URL's user name or password with its percent-encoding undone.
fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::EgressOptions;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn policy(allow: &[&str]) -> Policy {
        Policy::new(&EgressOptions {
            egress_allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
            egress_allow_http: false,
        })
    }

    /// A proxy that takes one connection, reads the request and refuses it, so that the test sees what it was asked.
    async fn refusing_proxy() -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (address, asked)
    }

    #[tokio::test]
    async fn an_http_proxy_is_asked_for_the_endpoint_with_its_password() {
        let (address, asked) = refusing_proxy().await;
        let dialer = Dialer::new(
            &"wss://web.whatsapp.com/ws/chat".parse().unwrap(),
            policy(&["127.0.0.0/8"]),
        )
        .unwrap();
        let proxy = format!("http://us%20er:p%2Bw@{address}").parse().unwrap();
        let refused = format!("{:#}", dialer.dial(Some(&proxy)).await.err().unwrap());
        assert!(refused.contains("the HTTP proxy refused"), "{refused}");
        assert!(!refused.contains("p+w") && !refused.contains("p%2Bw"), "{refused}");
        let request = asked.await.unwrap();
        assert!(
            request.starts_with("CONNECT web.whatsapp.com:443 HTTP/1.1\r\n"),
            "{request}"
        );
        // base64 of "us er:p+w"
        assert!(request.contains("Basic dXMgZXI6cCt3"), "{request}");
    }

    #[tokio::test]
    async fn a_proxy_inside_our_own_network_is_refused() {
        let dialer = Dialer::new(&"wss://web.whatsapp.com/ws/chat".parse().unwrap(), policy(&[])).unwrap();
        for proxy in ["http://127.0.0.1:9", "socks5://localhost:9"] {
            let refused = format!("{:#}", dialer.dial(Some(&proxy.parse().unwrap())).await.err().unwrap());
            assert!(refused.contains("must lead to a public address"), "{proxy}: {refused}");
        }
    }

    #[test]
    fn only_websocket_endpoints_are_taken() {
        assert!(Dialer::new(&"https://web.whatsapp.com/".parse().unwrap(), policy(&[])).is_err());
    }
}
