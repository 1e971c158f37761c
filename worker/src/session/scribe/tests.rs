//! What a session's happenings become.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::engine::{IncomingMessage, Receipt};
use shared::content::Content;

struct Desk {
    scribe: Scribe,
    view: watch::Receiver<LiveStatus>,
    outgoing: Arc<Mutex<OutgoingMessages>>,
}

fn desk(account: Option<Account>) -> Desk {
    let worker = WorkerId::generate();
    let (sender, view) = watch::channel(LiveStatus {
        status: SessionStatus::Starting,
        reason: None,
        holder: worker,
        epoch: 1,
        connected_since: None,
        last_event_at: None,
    });
    let outgoing = Arc::new(Mutex::new(OutgoingMessages::default()));
    let session = SessionId::generate("eu1".parse().unwrap());
    let scribe = Scribe::new(
        TenantId::generate(),
        session,
        1,
        worker,
        IgnoreSettings::default(),
        account,
        sender,
        Arc::clone(&outgoing),
    );
    Desk { scribe, view, outgoing }
}

fn account() -> Account {
    Account {
        jid: "15550009999:3@s.whatsapp.net".into(),
        phone: Some("15550009999".into()),
        lid: Some("100000000009999".into()),
        push_name: Some("Rookery".into()),
    }
}

fn person(digits: &str) -> Person {
    Person {
        address: Address::Lid(format!("1000{digits}")),
        alternative: Some(Address::Phone(digits.into())),
    }
}

fn types(writing: &Writing) -> Vec<&'static str> {
    writing
        .facts
        .events
        .iter()
        .map(|draft| draft.event_type.as_str())
        .collect()
}

fn data(writing: &Writing, index: usize) -> Value {
    let envelope: Value = serde_json::from_str(&writing.facts.events[index].body(1)).unwrap();
    envelope["data"].clone()
}

fn send(desk: &Desk, sequence: i64, wa_id: &str) -> SendMessage {
    let message = SendMessage::new(
        MessageId::generate(),
        wa_id.into(),
        "15550001001".parse().unwrap(),
        Content::text("Hello"),
    );
    desk.outgoing
        .lock()
        .add(sequence, CommandId::generate(), message.clone(), false);
    message
}

fn acknowledged(wa_id: &str, refused: Option<&str>) -> EngineEvent {
    EngineEvent::Acknowledged {
        wa_message_id: wa_id.into(),
        refused: refused.map(str::to_owned),
    }
}

#[test]
fn a_session_is_linked_and_says_each_step_once() {
    let mut desk = desk(None);
    let mut writing = Writing::default();
    let events = [
        EngineEvent::Connecting { failures: 0 },
        EngineEvent::QrCode {
            code: "2@abc".into(),
            lifetime: Duration::from_secs(60),
        },
        EngineEvent::QrCode {
            code: "2@def".into(),
            lifetime: Duration::from_secs(20),
        },
        EngineEvent::Paired(account()),
        EngineEvent::Connecting { failures: 0 },
        EngineEvent::Connected(account()),
        EngineEvent::Connected(account()),
    ];
    for event in &events {
        desk.scribe.engine_event(&mut writing, event, &MessageIds::new());
    }
    let expected = [
        "session.status",
        "session.qr",
        "session.qr",
        "session.status",
        "session.status",
    ];
    assert_eq!(types(&writing), expected);
    assert_eq!(data(&writing, 0)["status"], "qr");
    assert_eq!(data(&writing, 3)["status"], "connecting");
    assert_eq!(data(&writing, 4)["status"], "connected");
    assert_eq!(data(&writing, 4)["account"]["phone"], "15550009999");
    assert_eq!(
        writing.facts.session.qr,
        Some(None),
        "a linked session shows no QR code"
    );
    assert_eq!(desk.view.borrow_and_update().status, SessionStatus::Connected);
}

#[test]
fn a_network_that_cannot_be_reached_is_reported_once_and_not_at_every_attempt() {
    let mut desk = desk(Some(account()));
    let mut writing = Writing::default();
    for failures in 0..6 {
        desk.scribe
            .engine_event(&mut writing, &EngineEvent::Connecting { failures }, &MessageIds::new());
    }
    assert_eq!(types(&writing), ["session.status", "session.status"]);
    assert_eq!(data(&writing, 0)["status"], "connecting");
    assert_eq!(
        (data(&writing, 1)["status"].clone(), data(&writing, 1)["reason"].clone()),
        (json!("disconnected"), json!("cannot_connect"))
    );
}

#[test]
fn an_acknowledgement_ends_the_command_once_even_if_it_comes_twice() {
    let mut desk = desk(Some(account()));
    let message = send(&desk, 7, "3EB0A");
    let mut writing = Writing::default();
    for _ in 0..2 {
        desk.scribe
            .engine_event(&mut writing, &acknowledged("3EB0A", None), &MessageIds::new());
    }
    desk.scribe.engine_event(
        &mut writing,
        &acknowledged("of somebody else's", None),
        &MessageIds::new(),
    );
    assert_eq!(types(&writing), ["message.sent"]);
    assert_eq!(data(&writing, 0)["id"], json!(message.message_id));
    assert_eq!(data(&writing, 0)["from"]["phone"], "15550009999");
    assert_eq!(writing.settled, [7]);
    assert_eq!(writing.facts.outcomes.len(), 1);
    assert_eq!(writing.facts.progress[0].status, MessageStatus::Sent);
}

#[test]
fn a_refusal_fails_the_message_with_whatsapps_code() {
    let mut desk = desk(Some(account()));
    send(&desk, 7, "3EB0A");
    let mut writing = Writing::default();
    desk.scribe
        .engine_event(&mut writing, &acknowledged("3EB0A", Some("463")), &MessageIds::new());
    assert_eq!(types(&writing), ["message.failed"]);
    assert_eq!(data(&writing, 0)["error"]["code"], "message_refused");
    assert!(data(&writing, 0)["error"]["detail"].as_str().unwrap().contains("463"));
    assert_eq!(writing.facts.progress[0].status, MessageStatus::Failed);
}

#[test]
fn a_receipt_for_a_message_whose_acknowledgement_was_lost_settles_it() {
    let mut desk = desk(Some(account()));
    let message = send(&desk, 7, "3EB0A");
    let mut writing = Writing::default();
    let receipt = EngineEvent::Receipt(Receipt {
        chat: person("15550001001"),
        from: person("15550001001"),
        wa_message_ids: vec!["3EB0A".into()],
        status: MessageStatus::Delivered,
        at: Utc::now(),
    });
    desk.scribe.engine_event(
        &mut writing,
        &receipt,
        &MessageIds::from([("3EB0A".to_owned(), message.message_id)]),
    );
    assert_eq!(types(&writing), ["message.sent", "message.status"]);
    assert_eq!(writing.settled, [7]);
    assert_eq!(
        writing.facts.progress.len(),
        1,
        "one entry a message, with the furthest status"
    );
    assert_eq!(writing.facts.progress[0].status, MessageStatus::Delivered);
    assert_eq!(data(&writing, 1)["participant"]["phone"], "15550001001");
}

#[test]
fn a_redelivered_message_has_the_same_key() {
    let mut desk = desk(Some(account()));
    let incoming = IncomingMessage {
        wa_message_id: "3EB0B".into(),
        chat: person("15550001001"),
        from: person("15550001001"),
        from_me: false,
        content: Content::text("\u{202E}\"quotes\""),
        remote_media: None,
        context: None,
        at: Utc::now(),
    };
    let mut first = Writing::default();
    desk.scribe.message(&mut first, &incoming, &MessageIds::new());
    desk.scribe.message(&mut first, &incoming, &MessageIds::new());
    assert_eq!(first.facts.events.len(), 1, "not twice in one statement");
    let mut again = Writing::default();
    desk.scribe.message(&mut again, &incoming, &MessageIds::new());
    assert_eq!(first.facts.events[0].dedupe_key, again.facts.events[0].dedupe_key);
    assert_eq!(data(&first, 0)["text"]["body"], "\u{202E}\"quotes\"");
}

#[test]
fn the_accounts_own_message_from_its_phone_is_a_sent_one() {
    let mut desk = desk(Some(account()));
    let incoming = IncomingMessage {
        wa_message_id: "3A".into(),
        chat: person("15550001001"),
        from: person("15550009999"),
        from_me: true,
        content: Content::text("from my phone"),
        remote_media: None,
        context: Some("3EB0A".into()),
        at: Utc::now(),
    };
    let mut writing = Writing::default();
    desk.scribe.message(&mut writing, &incoming, &MessageIds::new());
    assert_eq!(types(&writing), ["message.sent"]);
    assert_eq!(data(&writing, 0)["chat"]["phone"], "15550001001");
    assert_eq!(data(&writing, 0)["context"]["wa_message_id"], "3EB0A");
}

#[test]
fn being_logged_out_forgets_the_account() {
    let mut desk = desk(Some(account()));
    let mut writing = Writing::default();
    let ended = EngineEvent::Ended(EndReason::LoggedOut {
        reason: "logged_out_by_phone".into(),
    });
    desk.scribe.engine_event(&mut writing, &ended, &MessageIds::new());
    assert_eq!(writing.facts.session.account, Some(None));
    assert_eq!(data(&writing, 0)["reason"], "logged_out_by_phone");
    assert_eq!(data(&writing, 0)["account"], Value::Null);
}
