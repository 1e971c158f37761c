//! Stopping a gateway that serves over TCP.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::gateway::World;
use harness::wait::{SOON, until};

/// A plain request over a connection of its own.
fn request(key: &str, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n{more}\r\n")
}

#[tokio::test]
async fn a_stopping_gateway_answers_what_it_has_begun_and_takes_nothing_new() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let (_, key) = world.key(&tenant.id.to_string(), serde_json::json!({})).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = gateway::server::serve(world.gateway.app.clone(), listener, world.gateway.router.clone());
    let serving = tokio::spawn(serving);

    let mut waiting = TcpStream::connect(address).await.unwrap();
    let path = format!("/v1/sessions/{session}/qr");
    waiting
        .write_all(request(&key, &path, "prefer: wait=30\r\n").as_bytes())
        .await
        .unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(request(&key, "/healthz", "").as_bytes()).await.unwrap();
    let mut answer = [0; 4_096];
    let length = idle.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    until("the long poll is running", SOON, async || {
        (world.gateway.app.request_permits().available_permits() < world.gateway.app.limits().max_requests)
            .then_some(())
    })
    .await;

    let stopped = Instant::now();
    world.gateway.shutdown.soft().cancel();
    let ready = world.gateway.stranger().get("/readyz").await.expect(503);
    assert_eq!(ready.json["checks"]["running"], false);
    let mut answered = Vec::new();
    timeout(SOON, waiting.read_to_end(&mut answered))
        .await
        .unwrap()
        .unwrap();
    let answered = String::from_utf8_lossy(&answered);
    assert!(
        answered.starts_with("HTTP/1.1 404") && answered.contains("qr_not_available"),
        "{answered}"
    );
    timeout(SOON, serving).await.unwrap().unwrap().unwrap();
    assert!(
        stopped.elapsed() < Duration::from_secs(5),
        "it does not wait for the long poll's own end"
    );
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    assert!(world.gateway.app.drained().is_cancelled());
}
