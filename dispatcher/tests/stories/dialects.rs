//! Stories of webhooks in the words of an older API: what stands in their headers, what signs them, and how long their receivers have.

use std::time::Duration;

use chrono::Utc;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::dialect::Dialect;
use shared::event::{Draft, Event};
use shared::message::Message;
use shared::session::{Goal, SessionSettings};
use shared::store::sessions::{Metadata, NewSession};

use crate::database::WebhookRow;
use crate::receiver::{Receiver, Reply};
use crate::stack::{Published, Stack};

/// What the CRM's clients call the session.
const NAME: &str = "sesión_1";
/// Any text may sign for them.
const CRM_SECRET: &str = "tu_secreto";

/// The story's session, with a name in the CRM's dialect.
async fn add_session(stack: &Stack) {
    let store = stack.database.store(stack.region);
    let mut transaction = store.tenant(stack.tenant).await.unwrap();
    let session = NewSession {
        id: stack.session,
        name: "Mi Sesión".into(),
        metadata: Metadata::new(),
        settings: SessionSettings::default(),
        proxy_sealed: None,
        imported_credentials: None,
        goal: Goal::Stopped,
    };
    transaction.create_session(&session).await.unwrap();
    assert!(
        transaction
            .name_session(Dialect::Crm, NAME, stack.session)
            .await
            .unwrap()
    );
    transaction.commit().await.unwrap();
}

/// Publishes a message that has arrived at the story's session.
async fn publish_message(stack: &Stack, text: &str) -> Published {
    let from = json!({"jid": "34657032985@s.whatsapp.net", "phone": "34657032985", "lid": null});
    let message: Message = serde_json::from_value(json!({
        "id": shared::ids::MessageId::generate(), "session_id": stack.session, "wa_message_id": "3EB0DECC554F433B2DE158",
        "chat": from, "from": from, "from_me": false, "type": "text", "text": {"body": text}, "status": "received",
        "timestamp": "2023-11-07T04:25:04Z",
    }))
    .unwrap();
    let event = Event::MessageReceived(Box::new(message));
    let draft = Draft::new(stack.tenant, stack.session, &event, Utc::now(), None).unwrap();
    let published = Published {
        id: draft.id,
        body: draft.body(1),
    };
    stack.publish_again(&published, &published.id.to_string()).await;
    published
}

async fn crm_webhook(stack: &Stack, receiver: &Receiver) -> shared::ids::WebhookId {
    let row = WebhookRow {
        url: receiver.url(),
        format: Some("crm"),
        ..WebhookRow::default()
    };
    stack.webhook_signed_with(row, CRM_SECRET).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crm_verifies_with_its_own_text_and_finds_its_session_in_the_headers() {
    let stack = Stack::start().await;
    add_session(&stack).await;
    let receiver = Receiver::willing().await;
    crm_webhook(&stack, &receiver).await;
    let ours = Receiver::willing().await;
    stack.webhook(&ours).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    let event = publish_message(&stack, "Hola, este es un mensaje recibido").await;

    let request = receiver.wait_for(1).await.remove(0);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({
            "event": "message.received",
            "data": {
                "sessionId": NAME,
                "session_db_id": 1,
                "message": {
                    "whatsappMessageId": "3EB0DECC554F433B2DE158",
                    "content": "Hola, este es un mensaje recibido",
                    "chatId": "34657032985@s.whatsapp.net",
                    "from": "34657032985@s.whatsapp.net",
                    "to": NAME,
                    "timestamp": 1_699_331_104,
                    "type": "text",
                    "has_attachment": false,
                    "media": null,
                },
            },
        })
    );
    assert_eq!(request.header("x-webhook-event"), "message.received");
    assert_eq!(request.headers["x-webhook-session"].as_bytes(), NAME.as_bytes());
    assert_eq!(request.header("content-type"), "application/json");
    let mut code = Hmac::<Sha256>::new_from_slice(CRM_SECRET.as_bytes()).unwrap();
    code.update(&request.body);
    let signature = request.header("x-webhook-signature").strip_prefix("sha256=").unwrap();
    code.verify_slice(&hex::decode(signature).unwrap()).unwrap();

    // The same event for a webhook in our own words is what it always was.
    let request = ours.wait_for(1).await.remove(0);
    assert_eq!(request.body, event.body);
    assert_eq!(request.header("x-webhook-session"), stack.session.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crms_receiver_has_seven_seconds_and_others_as_long_as_usual() {
    let stack = Stack::start().await;
    add_session(&stack).await;
    let silent = Receiver::start([Reply::Never]).await;
    let webhook = crm_webhook(&stack, &silent).await;
    let slow = Receiver::start([Reply::Late(Duration::from_secs(8))]).await;
    let usual = stack.webhook(&slow).await;
    let settings = stack
        .settings()
        .with("ROOKERY_ATTEMPT_SECONDS", "15")
        .with("ROOKERY_RETRY_SCHEDULE", "600");
    let _dispatcher = stack.dispatcher(&settings);
    publish_message(&stack, "¿Hay alguien?").await;

    let patience = Duration::from_secs(30);
    let rows = stack
        .deliveries_within("the attempt to be given up", patience, webhook, |rows| {
            rows.iter().any(|row| row.attempts == 1)
        })
        .await;
    assert_eq!(rows[0].last_error.as_deref(), Some("timeout"));
    let attempt = stack.database.attempts(rows[0].id).await.remove(0);
    assert!(
        (7_000..10_000).contains(&attempt.duration_ms),
        "given up after {} ms",
        attempt.duration_ms
    );
    let rows = stack
        .deliveries_within("the slow receiver to have answered", patience, usual, |rows| {
            rows.iter().any(|row| row.attempts == 1)
        })
        .await;
    assert_eq!(rows[0].status, "succeeded");
}
