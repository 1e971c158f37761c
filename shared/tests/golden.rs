//! The contracts with others, held fast: what commands look like on the broker, what events look like to their readers.
//!
//! Every shape that was ever released has a file in `tests/golden`. A file may be added and never changed: an old gateway may still send the old
//! command, and strangers parse the old event. `UPDATE_GOLDEN=1 cargo test -p shared --test golden` writes files that are missing.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use shared::address::Party;
use shared::command::{Command, Envelope, Quote, SendMessage};
use shared::content::{Content, Location};
use shared::event::{
    Draft, Event, LinkCode, MessageEdited, MessageFailed, MessageReaction, MessageReference, MessageRevoked,
    MessageStatusChanged, PresenceUpdated, SessionRestricted, SessionStalled, SessionStatusChanged,
};
use shared::ids::{CommandId, EventId, MessageId, SessionId, TenantId, WorkerId};
use shared::message::{Message, MessageContext, MessageError, MessageStatus, text_content};
use shared::operation::{GroupOperation, Operation};
use shared::session::SessionStatus;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
const MESSAGE: MessageId = MessageId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0002));
const COMMAND: CommandId = CommandId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0003));
const EVENT: EventId = EventId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0004));
const WORKER: WorkerId = WorkerId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0005));

fn session() -> SessionId {
    SessionId::new(
        "eu1".parse().unwrap(),
        Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0006),
    )
}

fn at() -> DateTime<Utc> {
    "2026-11-20T12:00:00.123Z".parse().unwrap()
}

/// Reads a golden file, or writes it where it is missing and that is asked for.
fn golden(name: &str, actual: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{actual}\n")).unwrap();
    }
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name} is missing: UPDATE_GOLDEN=1 writes it"));
    text.trim_end().to_owned()
}

fn commands() -> Vec<(&'static str, Command)> {
    let plain = SendMessage::new(
        MESSAGE,
        "3EB0C431C26A1916E07A01".into(),
        "15550001001".parse().unwrap(),
        Content::text("Hello \u{1F426}"),
    );
    let answer = SendMessage {
        to: "100000000001001@lid".parse().unwrap(),
        quote: Some(Quote {
            wa_message_id: "3EB01".into(),
            author: "15550001002".parse().unwrap(),
            text: "Hi".into(),
            content: None,
        }),
        mentions: vec!["15550001003".parse().unwrap()],
        ..plain.clone()
    };
    let place = SendMessage {
        content: Content::Location(Location {
            latitude: 52.5,
            longitude: 13.25,
            name: Some("Rookery".into()),
            ..Location::default()
        }),
        ephemeral: 86_400,
        forwarding_score: 1,
        ..plain.clone()
    };
    let leave = Operation::Group(GroupOperation::Leave {
        group: "120363021033254949@g.us".parse().unwrap(),
    });
    vec![
        ("start", Command::Start),
        ("stop", Command::Stop),
        ("restart", Command::Restart),
        ("logout", Command::Logout),
        ("delete", Command::Delete),
        (
            "request_pairing_code",
            Command::RequestPairingCode {
                phone: "15550001001".into(),
            },
        ),
        ("send_text", Command::SendMessage(Box::new(plain))),
        ("send_answer", Command::SendMessage(Box::new(answer))),
        ("send_location", Command::SendMessage(Box::new(place))),
        ("operation", Command::Operation(leave)),
    ]
}

/// Fails to compile when a command is added, as a reminder to add its golden file above.
fn every_command_is_listed(command: &Command) {
    match command {
        Command::Start
        | Command::Stop
        | Command::Restart
        | Command::Logout
        | Command::Delete
        | Command::RequestPairingCode { .. }
        | Command::SendMessage(_)
        | Command::Operation(_) => {}
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&hex[index..index + 2], 16).unwrap())
        .collect()
}

#[test]
fn every_released_command_is_still_understood_and_still_written_like_that() {
    for (name, command) in commands() {
        every_command_is_listed(&command);
        let envelope = Envelope {
            id: COMMAND,
            tenant: TENANT,
            session: session(),
            sequence: 42,
            command: command.clone(),
        };
        let row = golden(&format!("commands/v1/{name}.command.hex"), &hex(&command.encode()));
        let carried = golden(&format!("commands/v1/{name}.envelope.hex"), &hex(&envelope.encode()));
        assert_eq!(Command::decode(&bytes(&row)).unwrap(), command, "{name}");
        assert_eq!(Envelope::decode(&bytes(&carried)).unwrap(), envelope, "{name}");
        assert_eq!(hex(&command.encode()), row, "{name}");
        assert_eq!(hex(&envelope.encode()), carried, "{name}");
    }
}

#[test]
fn bytes_that_are_no_command_are_refused_and_never_half_understood() {
    let whole = Envelope {
        id: COMMAND,
        tenant: TENANT,
        session: session(),
        sequence: 1,
        command: commands().pop().unwrap().1,
    }
    .encode();
    assert!(Envelope::decode(b"").is_err());
    assert!(Envelope::decode(b"not protobuf").is_err());
    for length in 0..whole.len() {
        assert!(Envelope::decode(&whole[..length]).is_err(), "cut after {length} bytes");
    }
    // A newer gateway's action: field 99 of the oneof.
    assert!(Command::decode(&[0x9a, 0x06, 0x00]).is_err());
}

fn party() -> Party {
    Party {
        jid: "15550001001@s.whatsapp.net".into(),
        phone: Some("15550001001".into()),
        lid: Some("100000000001001".into()),
    }
}

fn message(from_me: bool) -> Box<Message> {
    Box::new(Message {
        id: MESSAGE,
        session_id: session(),
        wa_message_id: "3EB0C431C26A1916E07A01".into(),
        chat: party(),
        from: party(),
        from_me,
        kind: "text".into(),
        content: text_content("Hello \u{1F426}"),
        context: Some(MessageContext {
            wa_message_id: "3EB01".into(),
        }),
        status: if from_me {
            MessageStatus::Sent
        } else {
            MessageStatus::Received
        },
        error: None,
        timestamp: at(),
    })
}

fn reference() -> MessageReference {
    MessageReference {
        message_id: Some(MESSAGE),
        wa_message_id: "3EB0C431C26A1916E07A01".into(),
        chat: party(),
    }
}

fn events() -> Vec<Event> {
    vec![
        Event::SessionStatus(SessionStatusChanged {
            status: SessionStatus::Connected,
            reason: None,
            account: Some(party()),
            holder: WORKER,
            epoch: 3,
        }),
        Event::SessionQr(LinkCode {
            code: "2@abc,def".into(),
            expires_at: at(),
        }),
        Event::SessionPairingCode(LinkCode {
            code: "ABCD1234".into(),
            expires_at: at(),
        }),
        Event::SessionStalled(SessionStalled {
            status: SessionStatus::Disconnected,
            waiting: 3,
            since: at(),
        }),
        Event::SessionRestricted(SessionRestricted {
            code: "463".into(),
            detail: "the account may not begin conversations right now".into(),
        }),
        Event::MessageReceived(message(false)),
        Event::MessageSent(message(true)),
        Event::MessageStatus(MessageStatusChanged {
            message: reference(),
            status: MessageStatus::Read,
            participant: Some(party()),
        }),
        Event::MessageEdited(MessageEdited {
            message: reference(),
            from: party(),
            kind: "text".into(),
            content: text_content("Hello again"),
        }),
        Event::MessageRevoked(MessageRevoked {
            message: reference(),
            from: party(),
        }),
        Event::MessageReaction(MessageReaction {
            message: reference(),
            from: party(),
            emoji: "\u{1F44D}".into(),
        }),
        Event::MessageFailed(MessageFailed {
            message: reference(),
            error: MessageError {
                code: "not_on_whatsapp".into(),
                detail: "the recipient does not use WhatsApp".into(),
            },
        }),
        Event::PresenceUpdated(PresenceUpdated {
            chat: party(),
            from: party(),
            presence: "composing".into(),
            last_seen: None,
        }),
    ]
}

#[test]
fn every_event_looks_to_its_readers_as_it_always_did() {
    let mut kinds = std::collections::BTreeSet::new();
    for event in events() {
        let mut draft = Draft::new(TENANT, session(), &event, at(), None).unwrap();
        // The id is random; the golden file has a fixed one.
        draft.head = draft.head.replace(&draft.id.to_string(), &EVENT.to_string());
        let body = draft.body(42);
        let name = draft.event_type.as_str();
        assert!(kinds.insert(name), "{name} is listed twice");
        assert_eq!(body, golden(&format!("events/v1/{name}.json"), &body), "{name}");
    }
    let all: std::collections::BTreeSet<_> = shared::event::EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    // Those about a tenant have no draft: they are complete when they are made.
    let without_draft = std::collections::BTreeSet::from(["tenant.quota", "webhook.disabled", "webhook.test"]);
    assert_eq!(&all - &kinds, without_draft, "every type of event has a golden file");
}
