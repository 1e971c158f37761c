//! Nothing secret is logged.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::gateway::{OPERATOR_KEY, World, text_message};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn logs_hold_ids_and_codes_and_no_secret_whatever_happens() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // While there is only one subscriber, a line of the log that another test's thread reaches first is switched off for all of them.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());

    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let (_, key) = world.key(&tenant.id.to_string(), json!({})).await;
    let client = tenant.client.with_key(&key);
    let path = format!("/v1/sessions/{session}/messages");
    let text = "the canary sings at noon";
    client.post(&path, text_message(text)).await.expect(202);
    client
        .post(
            &path,
            json!({"to": "canary-nobody", "type": "text", "text": {"body": text}}),
        )
        .await
        .expect(422);
    client.get(&format!("{path}?chat=15550007777")).await.expect(200);
    let proxy = json!({"name": "a", "settings": {"proxy": {"url": "http://user:canary-password@proxy.example:1"}}});
    client.post("/v1/sessions", proxy).await.expect(201);
    let (webhook, secret) = tenant.webhook().await;
    let rotated = client
        .post(&format!("/v1/webhooks/{webhook}/rotate-secret"), json!({}))
        .await
        .expect(200);
    client.with_key("rk_canary").get("/v1/sessions").await.expect(401);
    // A fault of ours: a stored value that this version does not understand.
    world
        .database
        .change(
            "UPDATE message SET content = '\"canary\"' WHERE session_id = $1",
            session.uuid,
        )
        .await;
    client.get(&path).await.expect(500).expect_problem("internal");

    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    let secrets = [
        OPERATOR_KEY,
        &key,
        text,
        "canary-nobody",
        "15550007777",
        "canary-password",
        &secret,
        &rotated.text("/secret"),
        "rk_canary",
    ];
    for secret in secrets {
        assert!(!logged.contains(secret), "{secret} was logged");
    }
    assert!(logged.contains(&tenant.id.to_string()) && logged.contains(&session.to_string()));
    assert!(logged.contains("validation_failed"));
    assert_eq!(
        logged.matches("message.content holds a value").count(),
        1,
        "the cause is logged once"
    );
}
