//! The contracts with others, held fast: what commands look like on the broker, what events look like to their readers.
//!
//! Every shape that was ever released has a file in `tests/golden`. A file may be added and never changed: an old gateway may still send the old
//! command, and strangers parse the old event. `UPDATE_GOLDEN=1 cargo test -p shared --test golden` writes files that are missing.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use shared::address::{Address, Party};
use shared::command::{Command, Envelope, Quote, SendMessage};
use shared::content::{Content, Location, Media, MediaStatus, Text, TextStyle};
use shared::event::people::CallEnd;
use shared::event::{
    CallEnded, CallReceived, ChatDeleted, ChatUpdated, ContactUpdated, Draft, Event, GroupCreated, GroupJoinRequest,
    GroupParticipantsChanged, GroupUpdated, HistoryKind, HistorySynced, JoinRequestChange, LabelUpdated, LinkCode,
    MediaFailed, MediaStored, MessageEdited, MessageFailed, MessageReaction, MessageReference, MessageRevoked,
    MessageStatusChanged, PollResult, PollVoted, PresenceUpdated, SessionRestricted, SessionStalled,
    SessionStatusChanged, StatusViewed,
};
use shared::group::{AddMode, Group, GroupKind, GroupSettings, Participant, ParticipantAction, Role};
use shared::ids::{CommandId, EventId, MediaId, MessageId, SessionId, StatusId, TenantId, WorkerId};
use shared::message::{
    Message, MessageContext, MessageDetails, MessageError, MessageState, MessageStatus, text_content,
};
use shared::operation::{CommunityOperation, GroupOperation, NewsletterOperation, Operation, StatusOperation};
use shared::session::SessionStatus;
use shared::status::Status;
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
    let group = || "120363021033254949@g.us".parse().unwrap();
    let create_group = Operation::Group(GroupOperation::Create {
        settings: GroupSettings {
            subject: Some("Support".into()),
            announce: Some(true),
            add_mode: Some(AddMode::Admins),
            ephemeral: Some(86_400),
            ..GroupSettings::default()
        },
        participants: vec!["15550001001".parse().unwrap()],
    });
    let add_participants = Operation::Group(GroupOperation::Participants {
        group: group(),
        action: ParticipantAction::Add,
        participants: vec!["15550001001".parse().unwrap()],
    });
    let link = Operation::Community(CommunityOperation::Link {
        community: group(),
        groups: vec!["120363021033254950@g.us".parse().unwrap()],
    });
    let follow = Operation::Newsletter(NewsletterOperation::Follow {
        newsletter: "120363021033254949@newsletter".parse().unwrap(),
    });
    let view = Operation::Status(StatusOperation::View {
        author: "15550001001".parse().unwrap(),
        wa_message_id: "3EB01".into(),
    });
    let post = SendMessage {
        to: Address::Status,
        content: Content::Text(Text {
            body: "Open".into(),
            style: Some(TextStyle {
                background: Some("#102030".into()),
                color: None,
                font: Some(7),
            }),
            ..Text::default()
        }),
        audience: vec!["15550001001".parse().unwrap()],
        ..plain.clone()
    };
    vec![
        ("create_group", Command::Operation(create_group)),
        ("add_group_participants", Command::Operation(add_participants)),
        ("link_community_groups", Command::Operation(link)),
        ("follow_newsletter", Command::Operation(follow)),
        ("view_status", Command::Operation(view)),
        ("post_status", Command::SendMessage(Box::new(post))),
        ("start", Command::Start),
        ("stop", Command::Stop),
        ("restart", Command::Restart),
        ("logout", Command::Logout),
        ("delete", Command::Delete),
        ("apply_settings", Command::ApplySettings),
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
        | Command::ApplySettings
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
        details: MessageDetails::default(),
        state: MessageState::default(),
        content: text_content("Hello \u{1F426}"),
        context: Some(MessageContext {
            wa_message_id: "3EB01".into(),
            ..MessageContext::default()
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

fn media(status: MediaStatus) -> Media {
    Media {
        media_id: Some(MediaId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0007))),
        status: Some(status),
        mime_type: "image/jpeg".into(),
        size: Some(4_711),
        sha256: Some("00".repeat(32)),
        caption: Some("A bird".into()),
        width: Some(640),
        height: Some(480),
        ..Media::default()
    }
}

fn events() -> Vec<Event> {
    vec![
        Event::ChatUpdated(Box::new(ChatUpdated {
            chat: party(),
            muted: Some(true),
            muted_until: Some(at()),
            ..ChatUpdated::default()
        })),
        Event::ChatDeleted(ChatDeleted { chat: party() }),
        Event::HistorySynced(HistorySynced {
            kind: HistoryKind::OnDemand,
            chat: Some(party()),
            chats: 1,
            messages: 50,
            progress: Some(100),
        }),
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
            original: None,
        }),
        Event::MessageRevoked(MessageRevoked {
            message: reference(),
            from: party(),
            original: None,
        }),
        Event::MessageReaction(MessageReaction {
            message: reference(),
            from: party(),
            emoji: "\u{1F44D}".into(),
        }),
        Event::PollVote(PollVoted {
            message: reference(),
            from: party(),
            options: vec!["Yes".into()],
            unknown_options: Vec::new(),
            results: Some(vec![PollResult {
                option: "Yes".into(),
                votes: 1,
                voters: vec![party()],
            }]),
        }),
        Event::MessageFailed(MessageFailed {
            message: reference(),
            error: MessageError {
                code: "not_on_whatsapp".into(),
                detail: "the recipient does not use WhatsApp".into(),
            },
        }),
        Event::MediaStored(Box::new(MediaStored {
            message: reference(),
            media: media(MediaStatus::Stored),
        })),
        Event::MediaFailed(Box::new(MediaFailed {
            message: reference(),
            media: media(MediaStatus::Failed),
            error: MessageError {
                code: "not_found_on_whatsapp".into(),
                detail: "WhatsApp no longer has the file, and the phone does not upload it again".into(),
            },
        })),
        Event::PresenceUpdated(PresenceUpdated {
            chat: party(),
            from: party(),
            presence: "composing".into(),
            last_seen: None,
        }),
        Event::ContactUpdated(ContactUpdated {
            contact: party(),
            changes: serde_json::Map::from_iter([
                ("name".to_owned(), "Carlos P\u{e9}rez".into()),
                ("about".to_owned(), serde_json::Value::Null),
                ("is_blocked".to_owned(), true.into()),
            ]),
        }),
        Event::LabelUpdated(LabelUpdated {
            id: "7".into(),
            name: Some("Paid".into()),
            color: Some(3),
            deleted: false,
            chat: None,
            attached: None,
        }),
        Event::CallReceived(CallReceived {
            id: "9A7C0F6B5F1F4A6E".into(),
            from: party(),
            group: None,
            is_video: true,
        }),
        Event::CallEnded(CallEnded {
            id: "9A7C0F6B5F1F4A6E".into(),
            from: party(),
            outcome: CallEnd::Missed,
        }),
        Event::GroupCreated(Box::new(GroupCreated {
            chat: place(),
            group: Group {
                jid: place().jid,
                subject: "Support".into(),
                description: Some("For customers".into()),
                kind: GroupKind::Group,
                owner: Some(party()),
                community: None,
                announce: false,
                locked: true,
                approval: false,
                add_mode: AddMode::Everyone,
                ephemeral: 86_400,
                size: 1,
                role: Some(Role::Owner),
                created_at: Some(at()),
                participants: vec![Participant {
                    party: party(),
                    role: Role::Owner,
                }],
            },
            by: Some(party()),
        })),
        Event::GroupUpdated(GroupUpdated {
            chat: place(),
            by: Some(party()),
            changes: GroupSettings {
                subject: Some("Support 24/7".into()),
                ..GroupSettings::default()
            },
            change: None,
        }),
        Event::GroupParticipants(GroupParticipantsChanged {
            chat: place(),
            action: ParticipantAction::Add,
            participants: vec![party()],
            by: Some(party()),
            reason: Some("invite".into()),
        }),
        Event::GroupJoinRequest(GroupJoinRequest {
            chat: place(),
            change: JoinRequestChange::Created,
            participants: vec![party()],
            by: Some(party()),
            method: Some("invite_link".into()),
        }),
        Event::NewsletterMessage(Box::new(Message {
            chat: newsletter(),
            from: newsletter(),
            context: None,
            ..*message(false)
        })),
        Event::StatusReceived(Box::new(Status {
            id: StatusId(MESSAGE.0),
            session_id: session(),
            wa_message_id: "3EB0C431C26A1916E07A01".into(),
            from: party(),
            from_me: false,
            kind: "text".into(),
            content: text_content("at work"),
            status: MessageStatus::Received,
            error: None,
            timestamp: at(),
            expires_at: at() + shared::status::LIFETIME,
            revoked_at: None,
            viewed_at: None,
            reaction: None,
            views: 0,
            viewers: Vec::new(),
        })),
        Event::StatusViewed(StatusViewed {
            chat: Party::new(&Address::Status, None),
            status_id: Some(StatusId(MESSAGE.0)),
            wa_message_id: "3EB0C431C26A1916E07A01".into(),
            viewer: party(),
        }),
    ]
}

fn place() -> Party {
    Party::new(&"120363021033254949@g.us".parse().unwrap(), None)
}

fn newsletter() -> Party {
    Party::new(&"120363021033254949@newsletter".parse().unwrap(), None)
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
