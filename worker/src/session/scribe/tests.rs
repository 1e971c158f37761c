//! What a session's happenings become.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::engine::{IncomingDetails, IncomingMessage, Quoted, Receipt};
use serde_json::json;
use shared::command::SendMessage;
use shared::content::interactive::option_hash;
use shared::content::{Content, Edit, MessageKey, Poll, PollVote, Reaction, Revoke};
use shared::ids::MessageId;
use shared::message::Referral;
use shared::store::known_messages::KnownMessage;

pub(super) struct Desk {
    pub(super) scribe: Scribe,
    view: watch::Receiver<LiveStatus>,
    outgoing: Arc<Mutex<OutgoingMessages>>,
}

pub(super) fn desk(account: Option<Account>) -> Desk {
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

pub(super) fn account() -> Account {
    Account {
        jid: "15550009999:3@s.whatsapp.net".into(),
        phone: Some("15550009999".into()),
        lid: Some("100000000009999".into()),
        push_name: Some("Rookery".into()),
    }
}

pub(super) fn person(digits: &str) -> Person {
    Person {
        address: Address::Lid(format!("1000{digits}")),
        alternative: Some(Address::Phone(digits.into())),
    }
}

fn arrived(id: &str, content: Content) -> IncomingMessage {
    let author = person("15550001001");
    IncomingMessage::new(id.into(), author.clone(), author, content, Utc::now())
}

/// Another message as an act names it; one of somebody else is the usual contact's.
fn key(id: &str, from_me: bool) -> MessageKey {
    MessageKey {
        wa_message_id: id.into(),
        from_me,
        author: (!from_me).then(|| "15550001001@s.whatsapp.net".into()),
    }
}

fn known_message(id: MessageId, from_me: bool, text: &str) -> KnownMessage {
    let chat = party(&person("15550001001"));
    KnownMessage {
        id,
        from_me,
        from: if from_me { party_of(&account()) } else { chat.clone() },
        chat,
        kind: "text".into(),
        content: Content::text(text).to_map(),
        answers: std::collections::HashMap::new(),
    }
}

pub(super) fn types(writing: &Writing) -> Vec<&'static str> {
    writing
        .facts
        .events
        .iter()
        .map(|draft| draft.event_type.as_str())
        .collect()
}

pub(super) fn data(writing: &Writing, index: usize) -> Value {
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
        desk.scribe.engine_event(&mut writing, event, &mut KnownMessages::new());
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
        desk.scribe.engine_event(
            &mut writing,
            &EngineEvent::Connecting { failures },
            &mut KnownMessages::new(),
        );
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
            .engine_event(&mut writing, &acknowledged("3EB0A", None), &mut KnownMessages::new());
    }
    desk.scribe.engine_event(
        &mut writing,
        &acknowledged("of somebody else's", None),
        &mut KnownMessages::new(),
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
    desk.scribe.engine_event(
        &mut writing,
        &acknowledged("3EB0A", Some("463")),
        &mut KnownMessages::new(),
    );
    // This code is also about the account as a whole.
    assert_eq!(types(&writing), ["session.restricted", "message.failed"]);
    assert_eq!(data(&writing, 0)["code"], "463");
    assert_eq!(data(&writing, 1)["error"]["code"], "message_refused");
    assert!(data(&writing, 1)["error"]["detail"].as_str().unwrap().contains("463"));
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
    let mut known = KnownMessages::new();
    known.add("3EB0A".to_owned(), known_message(message.message_id, true, "Hello"));
    desk.scribe.engine_event(&mut writing, &receipt, &mut known);
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
    let incoming = arrived("3EB0B", Content::text("\u{202E}\"quotes\""));
    let mut first = Writing::default();
    desk.scribe.message(&mut first, &incoming, &mut KnownMessages::new());
    desk.scribe.message(&mut first, &incoming, &mut KnownMessages::new());
    assert_eq!(first.facts.events.len(), 1, "not twice in one statement");
    let mut again = Writing::default();
    desk.scribe.message(&mut again, &incoming, &mut KnownMessages::new());
    assert_eq!(first.facts.events[0].dedupe_key, again.facts.events[0].dedupe_key);
    assert_eq!(data(&first, 0)["text"]["body"], "\u{202E}\"quotes\"");
}

#[test]
fn the_accounts_own_message_from_its_phone_is_a_sent_one() {
    let mut desk = desk(Some(account()));
    let incoming = IncomingMessage {
        from: person("15550009999"),
        from_me: true,
        context: Some(Quoted {
            wa_message_id: "3EB0A".into(),
            author: Some(person("15550001001")),
            content: Some(Box::new(Content::text("Hello"))),
        }),
        ..arrived("3A", Content::text("from my phone"))
    };
    let mut writing = Writing::default();
    desk.scribe.message(&mut writing, &incoming, &mut KnownMessages::new());
    assert_eq!(types(&writing), ["message.sent"]);
    assert_eq!(data(&writing, 0)["chat"]["phone"], "15550001001");
    assert_eq!(data(&writing, 0)["context"]["wa_message_id"], "3EB0A");
    assert_eq!(data(&writing, 0)["context"]["quoted"]["text"]["body"], "Hello");
    assert_eq!(data(&writing, 0)["context"]["from"]["phone"], "15550001001");
}

#[test]
fn a_message_shows_what_it_carries_beside_its_content() {
    let mut desk = desk(Some(account()));
    let incoming = IncomingMessage {
        details: IncomingDetails {
            from_name: Some("Carla".into()),
            mentions: vec![person("15550009999")],
            forwarding_score: 2,
            ephemeral: 86_400,
            referral: Some(Referral {
                source_id: Some("120".into()),
                headline: Some("Birds".into()),
                ..Referral::default()
            }),
            ..IncomingDetails::default()
        },
        ..arrived("3EB0C", Content::text("Hello"))
    };
    let mut writing = Writing::default();
    desk.scribe.message(&mut writing, &incoming, &mut KnownMessages::new());
    let data = data(&writing, 0);
    assert_eq!(data["from_name"], "Carla");
    assert_eq!(data["mentions"][0]["phone"], "15550009999");
    assert_eq!(data["forwarding_score"], 2);
    assert_eq!(data["ephemeral"], 86_400);
    assert_eq!(data["referral"]["headline"], "Birds");
    assert!(data.get("reactions").is_none());
}

#[test]
fn an_edit_and_a_deletion_tell_what_the_message_said() {
    let mut desk = desk(Some(account()));
    let original = MessageId::generate();
    let mut known = KnownMessages::new();
    known.add("3EB0D".into(), known_message(original, false, "Helo"));
    let mut writing = Writing::default();
    let edit = Content::Edit(Edit {
        message: key("3EB0D", false),
        content: Box::new(Content::text("Hello")),
    });
    desk.scribe.message(&mut writing, &arrived("3EB0E", edit), &mut known);
    let revoke = Content::Revoke(Revoke {
        message: key("3EB0D", false),
    });
    desk.scribe.message(&mut writing, &arrived("3EB0F", revoke), &mut known);
    assert_eq!(types(&writing), ["message.edited", "message.revoked"]);
    let edited = data(&writing, 0);
    assert_eq!(edited["message_id"], original.to_string());
    assert_eq!(edited["text"]["body"], "Hello");
    assert_eq!(edited["original"]["text"]["body"], "Helo");
    assert_eq!(data(&writing, 1)["original"]["text"]["body"], "Hello");
    let changes: Vec<_> = writing.facts.changes.iter().map(changed).collect();
    assert!(matches!(
        changes[..],
        [MessageChanged::Edited { .. }, MessageChanged::Revoked { .. }]
    ));
}

#[test]
fn nobody_edits_or_deletes_the_message_of_somebody_else() {
    let mut desk = desk(Some(account()));
    for act in [
        Content::Edit(Edit {
            message: key("3EB0D", false),
            content: Box::new(Content::text("I owe Mallory 100 euros")),
        }),
        Content::Revoke(Revoke {
            message: key("3EB0D", false),
        }),
    ] {
        let mut known = KnownMessages::new();
        let mut theirs = known_message(MessageId::generate(), false, "Hello");
        theirs.from = party(&person("15550001002"));
        known.add("3EB0D".into(), theirs);
        let mut writing = Writing::default();
        desk.scribe.message(&mut writing, &arrived("3EB0E", act), &mut known);
        assert_eq!(types(&writing), Vec::<&str>::new());
        assert!(writing.facts.changes.is_empty());
    }
}

#[test]
fn votes_are_counted_and_a_later_one_replaces_the_earlier() {
    let mut desk = desk(Some(account()));
    let poll = Poll {
        question: "Lunch?".into(),
        options: vec!["Yes".into(), "No".into()],
        max_choices: 1,
    };
    let mut known = KnownMessages::new();
    let mut asked = known_message(MessageId::generate(), true, "");
    asked.content = Content::Poll(poll).to_map();
    known.add("3EB0P".into(), asked);
    let mut writing = Writing::default();
    for (id, option) in [("V1", "Yes"), ("V2", "No"), ("V3", "Maybe")] {
        let vote = Content::PollVote(PollVote {
            message: key("3EB0P", true),
            options: Vec::new(),
            unknown_options: vec![option_hash(option)],
        });
        desk.scribe.message(&mut writing, &arrived(id, vote), &mut known);
    }
    assert_eq!(types(&writing), ["poll.vote"; 3]);
    assert_eq!(data(&writing, 0)["options"], json!(["Yes"]));
    assert_eq!(data(&writing, 0)["results"][0]["votes"], 1);
    assert_eq!(data(&writing, 1)["results"][0]["votes"], 0);
    assert_eq!(data(&writing, 1)["results"][1]["voters"][0]["phone"], "15550001001");
    assert_eq!(data(&writing, 2)["unknown_options"], json!([option_hash("Maybe")]));
}

#[test]
fn an_own_reaction_is_told_when_whatsapp_has_it() {
    let mut desk = desk(Some(account()));
    let reaction = SendMessage::new(
        MessageId::generate(),
        "3EB0R".into(),
        "15550001001".parse().unwrap(),
        Content::Reaction(Reaction {
            message: key("3EB0D", false),
            emoji: "\u{1F44D}".into(),
        }),
    );
    desk.outgoing.lock().add(1, CommandId::generate(), reaction, false);
    assert_eq!(desk.scribe.targets(&acknowledged("3EB0R", None)), ["3EB0D"]);
    let mut known = KnownMessages::new();
    let original = MessageId::generate();
    let mut theirs = known_message(original, false, "Hello");
    theirs.chat = Party::new(&"15550001001".parse().unwrap(), None);
    known.add("3EB0D".into(), theirs);
    let mut writing = Writing::default();
    desk.scribe
        .engine_event(&mut writing, &acknowledged("3EB0R", None), &mut known);
    assert_eq!(types(&writing), ["message.sent", "message.reaction"]);
    assert_eq!(data(&writing, 1)["message_id"], original.to_string());
    assert_eq!(data(&writing, 1)["from"]["phone"], "15550009999");
    let [Change::Message(change)] = writing.facts.changes.as_slice() else {
        panic!("{:?}", writing.facts.changes);
    };
    assert!(!change.target.from_me);
    assert!(matches!(&change.what, MessageChanged::Reacted(given) if given.emoji == "\u{1F44D}"));
}

fn changed(change: &Change) -> MessageChanged {
    match change {
        Change::Message(change) => change.what.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn being_logged_out_forgets_the_account() {
    let mut desk = desk(Some(account()));
    let mut writing = Writing::default();
    let ended = EngineEvent::Ended(EndReason::LoggedOut {
        reason: "logged_out_by_phone".into(),
    });
    desk.scribe
        .engine_event(&mut writing, &ended, &mut KnownMessages::new());
    assert_eq!(writing.facts.session.account, Some(None));
    assert_eq!(data(&writing, 0)["reason"], "logged_out_by_phone");
    assert_eq!(data(&writing, 0)["account"], Value::Null);
}
