//! Stories of events that arrive: signed, filtered, once.

use shared::ids::SessionId;
use shared::subject;

use crate::database::WebhookRow;
use crate::receiver::{Receiver, Reply};
use crate::stack::{SECRET, Stack, all_succeeded};
use harness::wait::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_one_signed_delivery_that_the_official_library_verifies() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let webhook = stack
        .webhook_with(WebhookRow {
            url: receiver.url(),
            headers: Some(serde_json::json!({"Authorization": "Bearer theirs", "Webhook-Id": "forged"})),
            ..WebhookRow::default()
        })
        .await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    let event = stack.publish().await;

    let request = receiver.wait_for(1).await.remove(0);
    assert!(request.verifies_with(SECRET));
    assert!(!request.verifies_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert_eq!(request.body, event.body, "byte for byte");
    assert_eq!(request.header("webhook-id"), event.id.to_string());
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-webhook-event"), "session.qr");
    assert_eq!(request.header("x-webhook-session"), stack.session.to_string());
    assert!(request.header("x-webhook-signature").starts_with("sha256="));
    assert_eq!(request.header("authorization"), "Bearer theirs");
    assert!(request.header("user-agent").starts_with("Rookery/"));

    let rows = stack
        .deliveries_until("the delivery has succeeded", webhook, all_succeeded(1))
        .await;
    assert_eq!((rows[0].attempts, rows[0].leased_by), (1, None));
    assert_eq!(
        (rows[0].last_status_code, rows[0].last_error.as_deref()),
        (Some(200), None)
    );
    let attempts = stack.database.attempts(rows[0].id).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].number, attempts[0].status_code), (1, Some(200)));
    assert_eq!(attempts[0].error, None);
    assert_eq!(attempts[0].response.as_deref(), Some("status 200"));
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_only_the_types_and_sessions_it_asked_for() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let other = SessionId::generate(stack.region);
    let row = |events: Option<Vec<&'static str>>, session: Option<SessionId>| WebhookRow {
        url: receiver.url(),
        events,
        sessions: session.map(|session| vec![session.uuid]),
        ..WebhookRow::default()
    };
    let everything = stack.webhook_with(row(None, None)).await;
    let sessions = stack.webhook_with(row(Some(vec!["session.*"]), None)).await;
    let messages = stack.webhook_with(row(Some(vec!["message.*"]), None)).await;
    let other_session = stack.webhook_with(row(None, Some(other))).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    let elsewhere = stack.draft(other);
    stack.publish_again(&elsewhere, "elsewhere").await;

    stack
        .deliveries_until("both events", everything, all_succeeded(2))
        .await;
    stack
        .deliveries_until("both events of the family", sessions, all_succeeded(2))
        .await;
    let rows = stack
        .deliveries_until("one session's event", other_session, all_succeeded(1))
        .await;
    assert_eq!(rows[0].event_id, elsewhere.id.0);
    assert!(stack.database.deliveries(messages).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_event_makes_one_delivery() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let webhook = stack.webhook(&receiver).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    let event = stack.draft(stack.session);
    // Under three names, so that the broker carries all three: two before it is delivered, one after.
    stack.publish_again(&event, "first").await;
    stack.publish_again(&event, "second").await;
    stack
        .deliveries_until("the event is delivered", webhook, all_succeeded(1))
        .await;
    stack.publish_again(&event, "third").await;
    let last = stack.publish().await;
    let rows = stack
        .deliveries_until("the last event is delivered", webhook, all_succeeded(2))
        .await;
    let events: Vec<_> = rows.iter().map(|row| row.event_id).collect();
    assert_eq!(events, [event.id.0, last.id.0]);
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_rotation_the_old_and_the_new_secret_both_verify_and_an_expired_one_does_not() {
    const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const EXPIRED: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let row = WebhookRow {
        url: receiver.url(),
        ..WebhookRow::default()
    };
    let webhook = stack.database.add_webhook(stack.tenant, row).await;
    let key = stack.key.public();
    for (secret, expires_in) in [(EXPIRED, Some(-1.0)), (OLD, Some(3_600.0)), (SECRET, None)] {
        stack
            .database
            .add_secret(&key, stack.tenant, webhook, secret, expires_in)
            .await;
    }
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;

    let request = receiver.wait_for(1).await.remove(0);
    assert!(request.verifies_with(OLD));
    assert!(request.verifies_with(SECRET));
    assert!(!request.verifies_with(EXPIRED));
    let signatures: Vec<&str> = request.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 2);

    // The old one is withdrawn while the dispatcher runs.
    sqlx::query("UPDATE webhook_secret SET expires_at = now() WHERE webhook_id = $1 AND expires_at > now()")
        .bind(webhook.0)
        .execute(&stack.database.pool)
        .await
        .unwrap();
    stack.announce().await;
    until("only the new secret signs", SOON, async || {
        stack.publish().await;
        let newest = receiver.received().pop()?;
        (newest.verifies_with(SECRET) && !newest.verifies_with(OLD)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_webhook_gets_the_next_event_although_its_tenant_was_known_to_have_none() {
    let stack = Stack::start().await;
    let first = Receiver::willing().await;
    let known = stack.webhook(&first).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack.publish().await;
    stack
        .deliveries_until("the tenant is known", known, all_succeeded(1))
        .await;

    let second = Receiver::willing().await;
    let fresh = stack.webhook(&second).await;
    let event = stack.publish().await;
    let rows = stack
        .deliveries_until("the new webhook's event", fresh, all_succeeded(1))
        .await;
    assert_eq!(rows[0].event_id, event.id.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_put_aside_and_does_not_stop_what_follows() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let webhook = stack.webhook(&receiver).await;
    let mut dead = stack
        .broker
        .client()
        .subscribe(subject::dead_events(stack.region))
        .await
        .unwrap();
    let _dispatcher = stack.dispatcher(&stack.settings());
    let subject = subject::event(stack.tenant, stack.session, "session.qr");
    stack
        .broker
        .publish(subject, "poison", "not json".into())
        .await
        .unwrap();
    stack.publish().await;

    stack
        .deliveries_until("the event behind it", webhook, all_succeeded(1))
        .await;
    let letter = tokio::time::timeout(SOON, futures::StreamExt::next(&mut dead))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(letter.payload, "not json");
    let mut consumer = stack.broker.event_consumer().await.unwrap();
    until("nothing waits to come again", SOON, async || {
        let info = consumer.info().await.ok()?;
        (info.num_ack_pending == 0 && info.num_pending == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_large_events_is_delivered() {
    let stack = Stack::start().await;
    let receiver = Receiver::willing().await;
    let webhook = stack.webhook(&receiver).await;
    // More than one request to the broker may bring, and waiting before the dispatcher comes.
    for _ in 0..20 {
        let mut event = stack.draft(stack.session);
        event.body = event.body.replace("2@story", &"2@story".repeat(100_000));
        stack.publish_again(&event, &event.id.to_string()).await;
    }
    let _dispatcher = stack.dispatcher(&stack.settings());
    stack
        .deliveries_until("everything is delivered", webhook, all_succeeded(20))
        .await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 20);
    assert!(
        requests
            .iter()
            .all(|request| request.body.len() > 700_000 && request.verifies_with(SECRET))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_written_by_hand_is_sent_when_the_hint_comes() {
    let stack = Stack::start().await;
    let receiver = Receiver::start([Reply::Status(204)]).await;
    let webhook = stack.webhook(&receiver).await;
    let _dispatcher = stack.dispatcher(&stack.settings());
    let (_, event) = stack
        .database
        .add_delivery(stack.tenant, webhook, r#"{"type":"webhook.test"}"#)
        .await;
    stack.announce().await;
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(request.header("webhook-id"), event.to_string());
    assert_eq!(request.header("x-webhook-event"), "webhook.test");
    assert_eq!(request.body, r#"{"type":"webhook.test"}"#);
    assert!(request.verifies_with(SECRET));
    stack
        .deliveries_until("it has succeeded", webhook, all_succeeded(1))
        .await;
}
