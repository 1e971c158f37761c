//! The address for other test suites: everything on one port, with a certificate that nobody issued.

use std::net::SocketAddr;

use network::Config;
use reqwest::StatusCode;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "it talks to a loopback address of its own")]
async fn one_port_with_tls_leads_to_the_admin_route_and_to_the_protocol() {
    let config = Config {
        upstream_address: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..Config::default()
    };
    let world = World::start_with(config).await;
    let address = world.upstream_address();
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        // A connection is for one side only.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let scanned = client
        .post(format!("https://{address}/admin/mock-phone/scan-qr"))
        .body("no code")
        .send()
        .await
        .unwrap();
    assert_eq!(scanned.status(), StatusCode::UNPROCESSABLE_ENTITY);
    // A WebSocket handshake is answered by the protocol's side, which knows no routes.
    let upgraded = client
        .get(format!("https://{address}/ws/chat"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .await
        .unwrap();
    assert_eq!(upgraded.status(), StatusCode::SWITCHING_PROTOCOLS);
}
