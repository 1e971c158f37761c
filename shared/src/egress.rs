//! The guard before every request to a URL that somebody else gave us.
//!
//! Threat: a tenant names a URL that leads into our own network (metadata services, Postgres, another tenant's receiver on localhost), directly,
//! through DNS, or through DNS that answers differently the second time. Defence: the scheme and port are checked, the name is resolved once, if
//! *any* answer is a forbidden address the URL is refused, and the connection goes to the addresses that were checked ([`Resolver`] is the
//! HTTP client's only resolver). Redirects are off, and no proxy is taken from the environment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use crate::config::EgressOptions;

/// Ports that webhooks may use besides those of an explicitly allowed network.
const ALLOWED_PORTS: [u16; 3] = [443, 80, 8443];
/// The longest URL that is accepted, in bytes.
const MAX_URL_LENGTH: usize = 2_048;

/// Why a URL is refused. The text is safe to show to whoever gave the URL: it tells nothing about our network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Not an absolute URL, or too long.
    #[error("must be an absolute URL of at most 2048 characters")]
    Malformed,
    /// Not `https` (or `http` where allowed).
    #[error("must use https")]
    Scheme,
    /// It carries a user name or password.
    #[error("must not contain a user name or password")]
    Credentials,
    /// The port is not one of those allowed.
    #[error("must use port 443, 80 or 8443")]
    Port,
    /// The host is, or resolves to, an address that is not public.
    #[error("must lead to a public address")]
    Address,
}

/// The host's name has no address right now. Found among the causes of a failed request.
#[derive(Debug, thiserror::Error)]
#[error("the name of the host cannot be resolved")]
pub struct Unresolved(#[source] std::io::Error);

/// What URLs from outside may lead to.
#[derive(Debug, Clone)]
pub struct Policy {
    allow: Arc<[IpNet]>,
    allow_http: bool,
}

impl Policy {
    /// The policy that an operator has configured.
    #[must_use]
    pub fn new(options: &EgressOptions) -> Self {
        Self {
            allow: options.egress_allow.clone().into(),
            allow_http: options.egress_allow_http,
        }
    }

    /// Checks everything about a URL that can be checked without resolving its name.
    ///
    /// # Errors
    /// [`Forbidden`] with what is wrong.
    pub fn check_url(&self, text: &str) -> Result<Url, Forbidden> {
        if text.len() > MAX_URL_LENGTH {
            return Err(Forbidden::Malformed);
        }
        let url = Url::parse(text).map_err(|_| Forbidden::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(Forbidden::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden::Credentials);
        }
        let port = url.port_or_known_default().ok_or(Forbidden::Port)?;
        match url.host().ok_or(Forbidden::Malformed)? {
            Host::Domain(name) => {
                let local = name == "localhost" || name.ends_with(".localhost") || name.ends_with(".internal");
                if local && self.allow.is_empty() {
                    return Err(Forbidden::Address);
                }
                if !ALLOWED_PORTS.contains(&port) && self.allow.is_empty() {
                    return Err(Forbidden::Port);
                }
            }
            Host::Ipv4(address) => self.check_literal(address.into(), port)?,
            Host::Ipv6(address) => self.check_literal(address.into(), port)?,
        }
        Ok(url)
    }

    fn check_literal(&self, address: IpAddr, port: u16) -> Result<(), Forbidden> {
        self.check_address(address)?;
        if ALLOWED_PORTS.contains(&port) || self.is_allowed(address) {
            Ok(())
        } else {
            Err(Forbidden::Port)
        }
    }

    /// Checks an address before anything connects to it.
    ///
    /// # Errors
    /// [`Forbidden::Address`] when it is not public and not allowed by the operator.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Forbidden> {
        if is_public(address) || self.is_allowed(address) {
            Ok(())
        } else {
            Err(Forbidden::Address)
        }
    }

    /// A resolver for an HTTP client that refuses a name if any of its addresses is forbidden. A literal address never comes to it.
    #[must_use]
    pub fn resolver(&self) -> Arc<impl reqwest::dns::Resolve + use<>> {
        Arc::new(Resolver { policy: self.clone() })
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        self.allow
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    }

    /// An HTTP client that follows this policy: its own resolver, no redirects, no proxy.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn http_client(&self, connect_timeout: Duration) -> reqwest::Result<reqwest::Client> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that builds a client for URLs from outside"
        )]
        reqwest::Client::builder()
            .user_agent(concat!("Rookery/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(self.resolver())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(connect_timeout)
            .build()
    }
}

/// The resolver of the HTTP client: refuses a name if any of its addresses is forbidden.
#[derive(Debug, Clone)]
struct Resolver {
    policy: Policy,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let policy = self.policy.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(Unresolved)?;
            let found: Vec<SocketAddr> = found.collect();
            for address in &found {
                policy.check_address(address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// Whether an address belongs to the public internet. Ranges: IANA's special-purpose registries for IPv4 and IPv6.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private, loopback, link-local, private.
        (0 | 10 | 127, _, _) | (169, 254, _) | (192, 168, _) => true,
        (172, second, _) => (16..=31).contains(&second),
        // Carrier-grade NAT, benchmarking.
        (100, second, _) => (64..=127).contains(&second),
        (198, 18 | 19, _) => true,
        // Protocol assignments, documentation, the former 6to4 relay.
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => true,
        // Multicast, reserved, broadcast.
        (224.., _, _) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let Some(embedded) = embedded_v4(address) {
        return is_public_v4(embedded);
    }
    // Only 2000::/3 is global unicast; inside it some blocks are special.
    let global_unicast = segments[0] & 0xe000 == 0x2000;
    let special = match (segments[0], segments[1]) {
        // Teredo and the other protocol assignments 2001::/23, documentation, 6to4.
        (0x2001, second) => second < 0x0200 || second == 0x0db8,
        (0x2002, _) => true,
        (0x3fff, second) => second < 0x1000,
        _ => false,
    };
    // An interface identifier of ISATAP (…:5efe:a.b.c.d) leads to an IPv4 address inside a site.
    let isatap = segments[4] & 0xfdff == 0 && segments[5] == 0x5efe;
    global_unicast && !special && !isatap
}

/// The IPv4 address inside an IPv4-mapped (`::ffff:0:0/96`) or NAT64 (`64:ff9b::/96`) one.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    if nat64 {
        let [.., a, b, c, d] = address.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    address.to_ipv4_mapped()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], allow_http: bool) -> Policy {
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        Policy::new(&EgressOptions {
            egress_allow: allow,
            egress_allow_http: allow_http,
        })
    }

    #[test]
    fn every_way_into_our_own_network_is_refused() {
        let strict = policy(&[], false);
        for (url, why) in [
            ("http://example.com/", Forbidden::Scheme),
            ("file:///etc/passwd", Forbidden::Scheme),
            ("gopher://example.com/", Forbidden::Scheme),
            ("not a url", Forbidden::Malformed),
            ("https://user:secret@example.com/", Forbidden::Credentials),
            ("https://example.com:5432/", Forbidden::Port),
            ("https://localhost/", Forbidden::Address),
            ("https://metadata.google.internal/", Forbidden::Address),
            ("https://127.0.0.1/", Forbidden::Address),
            ("https://2130706433/", Forbidden::Address),
            ("https://0x7f.1/", Forbidden::Address),
            ("https://0177.0.0.1/", Forbidden::Address),
            ("https://10.1.2.3/", Forbidden::Address),
            ("https://169.254.169.254/latest/meta-data/", Forbidden::Address),
            ("https://100.64.0.1/", Forbidden::Address),
            ("https://172.31.255.255/", Forbidden::Address),
            ("https://0.0.0.0/", Forbidden::Address),
            ("https://255.255.255.255/", Forbidden::Address),
            ("https://[::1]/", Forbidden::Address),
            ("https://[::]/", Forbidden::Address),
            ("https://[::ffff:127.0.0.1]/", Forbidden::Address),
            ("https://[::127.0.0.1]/", Forbidden::Address),
            ("https://[64:ff9b::7f00:1]/", Forbidden::Address),
            ("https://[fe80::1]/", Forbidden::Address),
            ("https://[fd00::1]/", Forbidden::Address),
            ("https://[fec0::1]/", Forbidden::Address),
            ("https://[2001:0:53aa:64c::1]/", Forbidden::Address),
            ("https://[2002:7f00:1::]/", Forbidden::Address),
            ("https://[2001:db8::1]/", Forbidden::Address),
            ("https://[2606:4700::5efe:7f00:1]/", Forbidden::Address),
        ] {
            assert_eq!(strict.check_url(url).unwrap_err(), why, "{url}");
        }
        assert_eq!(
            strict.check_url(&format!("https://example.com/{}", "a".repeat(3_000))),
            Err(Forbidden::Malformed)
        );
    }

    #[test]
    fn the_public_internet_is_reachable() {
        let strict = policy(&[], false);
        for url in [
            "https://example.com/hook?x=1",
            "https://93.184.216.34/",
            "https://[2606:4700:4700::1111]:8443/",
            "https://[64:ff9b::5db8:d822]/",
        ] {
            assert!(strict.check_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_operator_can_open_one_private_network_and_no_other() {
        let developer = policy(&["127.0.0.0/8"], true);
        assert!(developer.check_url("http://127.0.0.1:4000/hook").is_ok());
        assert_eq!(developer.check_url("http://10.0.0.1/hook"), Err(Forbidden::Address));
        assert_eq!(developer.check_address("::1".parse().unwrap()), Err(Forbidden::Address));
        assert!(developer.check_address("::ffff:127.0.0.1".parse().unwrap()).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_forbidden_address_is_not_connected_to() {
        let client = policy(&[], true).http_client(Duration::from_secs(1)).unwrap();
        let error = client.get("http://localhost:9/").send().await.unwrap_err();
        let mut causes = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        assert!(
            causes.iter().any(|cause| cause == "must lead to a public address"),
            "{causes:?}"
        );
    }
}
