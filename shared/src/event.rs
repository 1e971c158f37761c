//! Events: facts about a session, and the one JSON form in which webhooks, streams and the broker carry them.
//!
//! An event's number is given by the database in the statement that stores it, so a draft knows everything but its number:
//! [`Draft::head`] and [`Draft::tail`] are the JSON before and after it. Strangers read these bytes with any tool, so a released shape only
//! ever gains fields (golden files in `tests/golden`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub mod chat;

pub use chat::{ChatDeleted, ChatUpdated, HistoryKind, HistorySynced};

use crate::address::Party;
use crate::ids::{EventId, SessionId, TenantId, WorkerId};
use crate::message::Message;
use crate::session::{SessionStatus, words};
use crate::status::Status;

pub mod group;
pub mod message;
pub mod status;

pub use group::{GroupCreated, GroupJoinRequest, GroupParticipantsChanged, GroupUpdated, JoinRequestChange};
pub use message::{
    MediaFailed, MediaStored, MessageEdited, MessageFailed, MessageReaction, MessageReference, MessageRevoked,
    MessageStatusChanged, OriginalMessage, PollResult, PollVoted,
};
pub use status::StatusViewed;

pub mod people;
pub mod session;
pub mod tenant;

pub use people::{CallEnded, CallReceived, ContactUpdated, LabelUpdated};
pub use session::{SessionRestricted, SessionStalled};

words! {
    /// Every type of event, also as webhooks filter them.
    EventType {
        /// The session's status changed.
        SessionStatus = "session.status",
        /// A new QR code waits to be scanned.
        SessionQr = "session.qr",
        /// A new pairing code waits to be entered.
        SessionPairingCode = "session.pairing_code",
        /// Messages wait and none gets any further.
        SessionStalled = "session.stalled",
        /// WhatsApp restricts what the account may do.
        SessionRestricted = "session.restricted",
        /// A message arrived.
        MessageReceived = "message.received",
        /// A message of the account went out, by the API or from another of its devices.
        MessageSent = "message.sent",
        /// A sent message came further.
        MessageStatus = "message.status",
        /// A message was edited by its author.
        MessageEdited = "message.edited",
        /// A message was deleted for everyone.
        MessageRevoked = "message.revoked",
        /// Somebody reacted to a message.
        MessageReaction = "message.reaction",
        /// Somebody voted in a poll.
        PollVote = "poll.vote",
        /// A message will not be sent.
        MessageFailed = "message.failed",
        /// A received file is in our storage.
        MediaStored = "media.stored",
        /// A received file could not be had.
        MediaFailed = "media.failed",
        /// Somebody is typing, came online or went away.
        PresenceUpdated = "presence.updated",
        /// A chat was archived, pinned, muted, read, cleared, …, here or on another device of the account.
        ChatUpdated = "chat.updated",
        /// A chat was deleted, here or on another device of the account.
        ChatDeleted = "chat.deleted",
        /// A part of the phone's history was stored.
        HistorySynced = "history.synced",
        /// Something about a person is different.
        ContactUpdated = "contact.updated",
        /// A label is different, or is put on or taken off a chat.
        LabelUpdated = "label.updated",
        /// Somebody calls.
        CallReceived = "call.received",
        /// A call has ended.
        CallEnded = "call.ended",
        /// A webhook gets nothing any more.
        WebhookDisabled = "webhook.disabled",
        /// The tenant has used up a quota.
        TenantQuota = "tenant.quota",
        /// A group was made with the account in it.
        GroupCreated = "group.created",
        /// A group's settings, picture or invitation changed.
        GroupUpdated = "group.updated",
        /// Members of a group came, went, or got another role.
        GroupParticipants = "group.participants",
        /// Somebody wants to join a group, or no longer.
        GroupJoinRequest = "group.join_request",
        /// A message arrived in a newsletter.
        NewsletterMessage = "newsletter.message",
        /// Somebody posted a status.
        StatusReceived = "status.received",
        /// Somebody has seen a status of the account.
        StatusViewed = "status.viewed",
        /// A test of a webhook.
        WebhookTest = "webhook.test",
    }
}

/// A fact about a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// See [`EventType::SessionStatus`].
    SessionStatus(SessionStatusChanged),
    /// See [`EventType::SessionQr`].
    SessionQr(LinkCode),
    /// See [`EventType::SessionPairingCode`].
    SessionPairingCode(LinkCode),
    /// See [`EventType::SessionStalled`].
    SessionStalled(SessionStalled),
    /// See [`EventType::SessionRestricted`].
    SessionRestricted(SessionRestricted),
    /// See [`EventType::MessageReceived`].
    MessageReceived(Box<Message>),
    /// See [`EventType::MessageSent`].
    MessageSent(Box<Message>),
    /// See [`EventType::MessageStatus`].
    MessageStatus(MessageStatusChanged),
    /// See [`EventType::MessageEdited`].
    MessageEdited(MessageEdited),
    /// See [`EventType::MessageRevoked`].
    MessageRevoked(MessageRevoked),
    /// See [`EventType::MessageReaction`].
    MessageReaction(MessageReaction),
    /// See [`EventType::PollVote`].
    PollVote(PollVoted),
    /// See [`EventType::MessageFailed`].
    MessageFailed(MessageFailed),
    /// See [`EventType::MediaStored`].
    MediaStored(Box<MediaStored>),
    /// See [`EventType::MediaFailed`].
    MediaFailed(Box<MediaFailed>),
    /// See [`EventType::PresenceUpdated`].
    PresenceUpdated(PresenceUpdated),
    /// See [`EventType::ChatUpdated`].
    ChatUpdated(Box<ChatUpdated>),
    /// See [`EventType::ChatDeleted`].
    ChatDeleted(ChatDeleted),
    /// See [`EventType::HistorySynced`].
    HistorySynced(HistorySynced),
    /// See [`EventType::ContactUpdated`].
    ContactUpdated(ContactUpdated),
    /// See [`EventType::LabelUpdated`].
    LabelUpdated(LabelUpdated),
    /// See [`EventType::CallReceived`].
    CallReceived(CallReceived),
    /// See [`EventType::CallEnded`].
    CallEnded(CallEnded),
    /// See [`EventType::GroupCreated`].
    GroupCreated(Box<GroupCreated>),
    /// See [`EventType::GroupUpdated`].
    GroupUpdated(GroupUpdated),
    /// See [`EventType::GroupParticipants`].
    GroupParticipants(GroupParticipantsChanged),
    /// See [`EventType::GroupJoinRequest`].
    GroupJoinRequest(GroupJoinRequest),
    /// See [`EventType::NewsletterMessage`].
    NewsletterMessage(Box<Message>),
    /// See [`EventType::StatusReceived`].
    StatusReceived(Box<Status>),
    /// See [`EventType::StatusViewed`].
    StatusViewed(StatusViewed),
}

/// The data of `session.status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionStatusChanged {
    /// What the session is now.
    pub status: SessionStatus,
    /// Why, as a stable word: `logged_out_by_phone`, `replaced`, ….
    pub reason: Option<String>,
    /// The linked account.
    pub account: Option<Party>,
    /// The worker that holds the session.
    #[schema(value_type = String)]
    pub holder: WorkerId,
    /// The number of the claim under which it was written: a consumer ignores a status with a lower one than it has seen.
    pub epoch: i64,
}

/// The data of `session.qr` and `session.pairing_code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LinkCode {
    /// What to show as a QR code or to enter on the phone.
    pub code: String,
    /// When it stops working.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub expires_at: DateTime<Utc>,
}

/// The data of `presence.updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PresenceUpdated {
    /// Where.
    pub chat: Party,
    /// Who.
    pub from: Party,
    /// `available`, `unavailable`, `composing`, `recording` or `paused`.
    pub presence: String,
    /// When the person was last online, if they show it.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub last_seen: Option<DateTime<Utc>>,
}

impl Event {
    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::SessionStatus(_) => EventType::SessionStatus,
            Self::SessionQr(_) => EventType::SessionQr,
            Self::SessionPairingCode(_) => EventType::SessionPairingCode,
            Self::SessionStalled(_) => EventType::SessionStalled,
            Self::SessionRestricted(_) => EventType::SessionRestricted,
            Self::MessageReceived(_) => EventType::MessageReceived,
            Self::MessageSent(_) => EventType::MessageSent,
            Self::MessageStatus(_) => EventType::MessageStatus,
            Self::MessageEdited(_) => EventType::MessageEdited,
            Self::MessageRevoked(_) => EventType::MessageRevoked,
            Self::MessageReaction(_) => EventType::MessageReaction,
            Self::PollVote(_) => EventType::PollVote,
            Self::MessageFailed(_) => EventType::MessageFailed,
            Self::MediaStored(_) => EventType::MediaStored,
            Self::MediaFailed(_) => EventType::MediaFailed,
            Self::PresenceUpdated(_) => EventType::PresenceUpdated,
            Self::ChatUpdated(_) => EventType::ChatUpdated,
            Self::ChatDeleted(_) => EventType::ChatDeleted,
            Self::HistorySynced(_) => EventType::HistorySynced,
            Self::ContactUpdated(_) => EventType::ContactUpdated,
            Self::LabelUpdated(_) => EventType::LabelUpdated,
            Self::CallReceived(_) => EventType::CallReceived,
            Self::CallEnded(_) => EventType::CallEnded,
            Self::GroupCreated(_) => EventType::GroupCreated,
            Self::GroupUpdated(_) => EventType::GroupUpdated,
            Self::GroupParticipants(_) => EventType::GroupParticipants,
            Self::GroupJoinRequest(_) => EventType::GroupJoinRequest,
            Self::NewsletterMessage(_) => EventType::NewsletterMessage,
            Self::StatusReceived(_) => EventType::StatusReceived,
            Self::StatusViewed(_) => EventType::StatusViewed,
        }
    }
}

/// An event that only lacks its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The event's id, also the broker's deduplication id and the root of every `webhook-id`.
    pub id: EventId,
    /// The type.
    pub event_type: EventType,
    /// What the event is about: the second of two drafts with the same key in one session is dropped.
    pub dedupe_key: Option<String>,
    /// The envelope's JSON up to its number.
    pub head: String,
    /// The envelope's JSON after its number.
    pub tail: String,
}

/// The envelope up to its number. Serialised by serde so that every string is escaped by one authority.
#[derive(Serialize)]
struct Head<'a> {
    id: EventId,
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: String,
    tenant_id: TenantId,
    session_id: SessionId,
}

impl Draft {
    /// A draft of `event`, at `timestamp`.
    ///
    /// # Errors
    /// When the event's data cannot be written as JSON, which no event of ours can cause.
    pub fn new(
        tenant: TenantId,
        session: SessionId,
        event: &Event,
        timestamp: DateTime<Utc>,
        dedupe_key: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        let id = EventId::generate();
        let event_type = event.event_type();
        let head = serde_json::to_string(&Head {
            id,
            event_type: event_type.as_str(),
            timestamp: crate::timestamp::text(timestamp),
            tenant_id: tenant,
            session_id: session,
        })?;
        let head = head.strip_suffix('}').unwrap_or(&head);
        let data = serde_json::to_string(event)?;
        Ok(Self {
            id,
            event_type,
            dedupe_key,
            head: format!("{head},\"seq\":"),
            tail: format!(",\"data\":{data}}}"),
        })
    }

    /// The envelope with its number.
    #[must_use]
    pub fn body(&self, sequence: i64) -> String {
        format!("{}{sequence}{}", self.head, self.tail)
    }
}

/// An envelope as its readers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Envelope {
    /// The event's id; a webhook's `webhook-id` is the same for every attempt.
    #[schema(value_type = String, example = "evt_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub id: EventId,
    /// The type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub timestamp: DateTime<Utc>,
    /// Whose session it is.
    #[schema(value_type = String)]
    pub tenant_id: TenantId,
    /// The session it is about.
    #[schema(value_type = String)]
    pub session_id: SessionId,
    /// The event's number within its session, from 1, without gaps.
    pub seq: i64,
    /// The fact, by type.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// Whether a webhook's filter lets an event type through: the type itself, a family (`message.*`) or everything (`*`).
#[must_use]
pub fn filter_matches(filter: &str, event_type: &str) -> bool {
    match filter.strip_suffix(".*") {
        Some(family) => event_type.split_once('.').is_some_and(|(first, _)| first == family),
        None => filter == "*" || filter == event_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MessageId;
    use crate::message::MessageStatus;
    use crate::message::text_content;

    #[test]
    fn a_draft_becomes_the_envelope_that_its_readers_parse() {
        let tenant = TenantId::generate();
        let session = SessionId::generate("eu1".parse().unwrap());
        let chat = Party {
            jid: "15550001001@s.whatsapp.net".into(),
            phone: Some("15550001001".into()),
            lid: None,
        };
        let message = Message {
            id: MessageId::generate(),
            session_id: session,
            wa_message_id: "3EB0\"tricky\\".into(),
            chat: chat.clone(),
            from: chat,
            from_me: false,
            kind: "text".into(),
            details: crate::message::MessageDetails::default(),
            state: crate::message::MessageState::default(),
            content: text_content("line\nbreak \u{1F426}"),
            context: None,
            status: MessageStatus::Received,
            error: None,
            timestamp: Utc::now(),
        };
        let event = Event::MessageReceived(Box::new(message.clone()));
        let draft = Draft::new(tenant, session, &event, Utc::now(), None).unwrap();
        let envelope: Envelope = serde_json::from_str(&draft.body(17)).unwrap();
        assert_eq!(envelope.seq, 17);
        assert_eq!(envelope.id, draft.id);
        assert_eq!(envelope.event_type, "message.received");
        let read_back: Message = serde_json::from_value(envelope.data).unwrap();
        assert_eq!(read_back.content, message.content);
        assert_eq!(read_back.wa_message_id, message.wa_message_id);
    }

    #[test]
    fn a_filter_names_a_type_a_family_or_everything() {
        assert!(filter_matches("message.received", "message.received"));
        assert!(filter_matches("message.*", "message.status"));
        assert!(filter_matches("*", "session.qr"));
        assert!(!filter_matches("message.*", "session.status"));
        assert!(!filter_matches("message", "message.received"));
    }
}
