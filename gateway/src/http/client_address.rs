//! Where a request comes from: the address of the connection, or what a trusted proxy says about it.
//!
//! Only for counting attempts together. Nothing is ever allowed because of an address.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use ipnet::IpNet;

use crate::app::App;

/// The other end of a connection; the server adds it to every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        Ok(Self(client(peer, &parts.headers, &app.limits().trusted_proxies)))
    }
}

/// The last address in the chain that no trusted proxy has vouched for: everything before it is what the client says.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.to_canonical();
    let chain: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in chain.into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client_of(peer: &str, forwarded: &'static str, trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client_of("192.0.2.1", "198.51.100.7", &[]), "192.0.2.1");
        assert_eq!(client_of("10.0.0.1", "198.51.100.7", &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(
            client_of("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2", &["10.0.0.0/8"]),
            "198.51.100.7",
            "what the client wrote before its own address is not believed"
        );
        assert_eq!(client_of("10.0.0.1", "nonsense", &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(
            client_of("::ffff:10.0.0.1", "198.51.100.7", &["10.0.0.0/8"]),
            "198.51.100.7"
        );
    }
}
