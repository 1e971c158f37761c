//! HTTP to hosts that WhatsApp's server names: for files, and for the library, which fetches app-state snapshots and the like.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use reqwest::{Client, Proxy};
use shared::egress::Policy;
use url::{Host, Url};
use wacore::net::{HttpClient, HttpRequest, HttpResponse};

use crate::engine::MediaError;

/// The most that one answer may hold: larger things are media, which do not come this way.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// How long a media server may be silent within a transfer. A transfer as a whole takes as long as it takes.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one of the library's requests may take as a whole.
const WHOLE: Duration = Duration::from_secs(60);

/// Clients of all sessions without a proxy: connections to WhatsApp's hosts are shared.
static DIRECT: LazyLock<Clients> = LazyLock::new(Clients::default);

/// Made when they are first used: most sessions move no files most of the time.
#[derive(Debug, Default)]
struct Clients {
    files: OnceLock<Client>,
    engine: OnceLock<Client>,
}

/// How a session reaches WhatsApp's hosts: directly, or through its proxy and in no other way. Its provider must see one address only. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Web(Option<Arc<Proxied>>);

struct Proxied {
    /// `None`: it cannot be used, and nothing goes around it.
    proxy: Option<Proxy>,
    policy: Policy,
    clients: Clients,
}

impl std::fmt::Debug for Proxied {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proxied")
    }
}

impl Web {
    /// Through the proxy with this URL if there is one, which must lead where `policy` allows. With one that cannot be used, every request fails.
    pub(super) fn through(proxy: Option<&str>, policy: &Policy) -> Self {
        Self(proxy.map(|url| {
            Arc::new(Proxied {
                proxy: usable(url, policy),
                policy: policy.clone(),
                clients: Clients::default(),
            })
        }))
    }

    /// The client for files. Everything it is given leads to hosts that WhatsApp's server has named.
    pub(super) fn files(&self) -> Result<&Client, MediaError> {
        let (clients, proxied) = self.clients();
        made(&clients.files, || {
            Ok(builder(proxied)?.read_timeout(SILENCE).build()?)
        })
        .map_err(|error| MediaError::Failed(format!("cannot set up HTTP: {error:#}")))
    }

    /// The library's client.
    pub(super) fn for_engine(&self) -> EngineClient {
        EngineClient(self.clone())
    }

    fn clients(&self) -> (&Clients, Option<&Proxied>) {
        match &self.0 {
            Some(proxied) => (&proxied.clients, Some(proxied)),
            None => (&DIRECT, None),
        }
    }
}

/// What is in the slot, made now if there is nothing.
fn made(slot: &OnceLock<Client>, make: impl FnOnce() -> anyhow::Result<Client>) -> anyhow::Result<&Client> {
    match slot.get() {
        Some(client) => Ok(client),
        None => {
            let client = make()?;
            Ok(slot.get_or_init(|| client))
        }
    }
}

/// The proxy, if it leads where it may.
fn usable(url: &str, policy: &Policy) -> Option<Proxy> {
    let mut url = Url::parse(url).ok()?;
    // A literal address is never resolved, so the resolver does not see it.
    match url.host()? {
        Host::Ipv4(address) => policy.check_address(address.into()).ok()?,
        Host::Ipv6(address) => policy.check_address(address.into()).ok()?,
        Host::Domain(_) => {}
    }
    if url.scheme() == "socks5" {
        // The proxy resolves the names: whoever runs a name server would see us otherwise.
        url = Url::parse(&url.as_str().replacen("socks5:", "socks5h:", 1)).ok()?;
    }
    Proxy::all(url).ok()
}

fn builder(proxied: Option<&Proxied>) -> anyhow::Result<reqwest::ClientBuilder> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the hosts are WhatsApp's, named over its authenticated connection"
    )]
    let builder = Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10));
    let builder = match proxied {
        // The only name that is resolved here is the proxy's.
        Some(proxied) => builder
            .proxy(proxied.proxy.clone().context("the session's proxy cannot be used")?)
            .dns_resolver(proxied.policy.resolver()),
        None => builder,
    };
    trust_simulation(builder)
}

/// The simulated network's media servers have certificates of its own.
#[cfg(feature = "simulated")]
fn trust_simulation(builder: reqwest::ClientBuilder) -> anyhow::Result<reqwest::ClientBuilder> {
    let Some(path) = std::env::var_os("ROOKERY_SIMULATED_MEDIA_CA") else {
        return Ok(builder);
    };
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(path)?)?;
    Ok(builder.tls_certs_merge([certificate]))
}

#[cfg(not(feature = "simulated"))]
#[expect(clippy::unnecessary_wraps, reason = "the simulated one may fail")]
fn trust_simulation(builder: reqwest::ClientBuilder) -> anyhow::Result<reqwest::ClientBuilder> {
    Ok(builder)
}

/// The library's HTTP client.
#[derive(Debug)]
pub(super) struct EngineClient(Web);

#[async_trait]
impl HttpClient for EngineClient {
    /// Whatever the status, a completed exchange is `Ok`: the library tells expired links from dead hosts by it.
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let method = request.method.parse()?;
        let (clients, proxied) = self.0.clients();
        let client = made(&clients.engine, || Ok(builder(proxied)?.timeout(WHOLE).build()?))?;
        let mut outgoing = client.request(method, &request.url);
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        if let Some(body) = request.body {
            outgoing = outgoing.body(body);
        }
        let mut answer = outgoing.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is too large");
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse {
            status_code: answer.status().as_u16(),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::EgressOptions;

    #[test]
    fn a_proxy_inside_our_network_is_refused_and_its_password_is_never_shown() {
        let policy = Policy::new(&EgressOptions {
            egress_allow: Vec::new(),
            egress_allow_http: false,
        });
        let through = |text: &str| Web::through(Some(text), &policy);
        for inside in ["http://user:secret@10.0.0.1:3128", "socks5://[::1]:1080", "nonsense"] {
            let error = format!("{:?}", through(inside).files().unwrap_err());
            assert!(error.contains("proxy") && !error.contains("secret"), "{error}");
        }
        for outside in ["http://user:secret@proxy.example:3128", "socks5://8.8.8.8:1080"] {
            let web = through(outside);
            web.files().unwrap();
            assert!(!format!("{web:?}").contains("secret"), "{web:?}");
        }
    }
}
