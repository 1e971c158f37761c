//! Stories of the operator: readiness, metrics, and a start that is refused.

use std::process::Stdio;

use tokio::process::Command;

use crate::receiver::{Receiver, Reply};
use crate::stack::{Stack, all_succeeded};
use harness::scratch::Proxy;
use harness::wait::{SOON, until};

/// A GET of one of our own addresses: status and body.
async fn get(url: &str) -> Option<(u16, String)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "our own operations endpoint is no URL from outside"
    )]
    let client = reqwest::Client::new();
    let response = client.get(url).send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.text().await.ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_what_is_missing() {
    let stack = Stack::start().await;
    let proxy = Proxy::start(stack.database.address()).await;
    let settings = stack
        .settings()
        .with("ROOKERY_DATABASE_URL", stack.database.url(Some(proxy.port)));
    let dispatcher = stack.dispatcher(&settings);
    let operations = dispatcher.operations().await;
    let ready = format!("{operations}/readyz");
    until("it is ready", SOON, async || {
        let (status, body) = get(&ready).await?;
        (status == 200 && body.contains(r#""ready":true"#)).then_some(())
    })
    .await;
    proxy.cut();
    until("it is not ready", SOON, async || {
        let (status, body) = get(&ready).await?;
        (status == 503 && body.contains(r#""postgres":false"#) && body.contains(r#""nats":true"#)).then_some(())
    })
    .await;
    assert_eq!(get(&format!("{operations}/healthz")).await, Some((200, "ok\n".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened_and_name_nobody() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Status(500), Reply::Status(200)]).await;
    let webhook = stack.webhook(&receiver).await;
    let dispatcher = stack.dispatcher(&stack.settings());
    let operations = dispatcher.operations().await;
    stack.publish().await;
    stack
        .deliveries_until("the retry succeeds", webhook, all_succeeded(1))
        .await;
    let metrics = until("both attempts are counted", SOON, async || {
        let (_, metrics) = get(&format!("{operations}/metrics")).await?;
        metrics.contains(r#"outcome="succeeded""#).then_some(metrics)
    })
    .await;
    for line in [
        "rookery_dispatcher_events_total 1",
        "rookery_dispatcher_deliveries_recorded_total 1",
        r#"rookery_dispatcher_attempts_total{outcome="retried",error="status"} 1"#,
        r#"rookery_dispatcher_attempts_total{outcome="succeeded",error="none"} 1"#,
        "rookery_dispatcher_attempt_duration_seconds_count 2",
        "rookery_dispatcher_lag_seconds_count 1",
        "rookery_dispatcher_attempts_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    for secret in [webhook.to_string(), stack.tenant.to_string(), "127.0.0.1".into()] {
        assert!(!metrics.contains(&secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_regions_key_it_does_not_start_and_says_what_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_rookery-dispatcher"))
        .env_clear()
        .env("ROOKERY_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("ROOKERY_REGION_SECRET_KEY is not set"), "{said}");
}
