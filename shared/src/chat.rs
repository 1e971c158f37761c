//! Chats as the API shows them: one person known by phone number and by LID is one chat.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::ids::{MessageId, SessionId};
use crate::message::MessageStatus;
use crate::session::words;

/// A chat that is muted until then is muted for ever (the last second of the year 9999).
pub const FOREVER: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

words! {
    /// With whom a chat is.
    ChatKind {
        /// One person.
        Person = "person",
        /// A group.
        Group = "group",
        /// A newsletter (channel).
        Newsletter = "newsletter",
    }
}

/// A conversation of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Chat {
    /// The session.
    #[schema(value_type = String, example = "ses_local_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub session_id: SessionId,
    /// The other person, or the group.
    #[serde(flatten)]
    pub party: Party,
    /// With whom it is.
    pub kind: ChatKind,
    /// What people call it, where that is known.
    pub name: Option<String>,
    /// The newest message.
    pub last_message: Option<LastMessage>,
    /// How many messages of others wait to be read.
    pub unread_count: u32,
    /// Whether the owner wants to come back to it.
    pub marked_unread: bool,
    /// Whether it is put away.
    pub archived: bool,
    /// Whether it stands at the top.
    pub pinned: bool,
    /// Since when it stands at the top.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub pinned_at: Option<DateTime<Utc>>,
    /// Until when it is silent; the end of the year 9999: for ever.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub muted_until: Option<DateTime<Utc>>,
    /// After how many seconds its messages disappear; 0: never.
    pub ephemeral: u32,
    /// When something last happened in it.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub last_activity_at: DateTime<Utc>,
}

/// The newest message of a chat, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastMessage {
    /// Our id.
    #[schema(value_type = String, example = "msg_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub id: MessageId,
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// What a person reads of it in one line: the text, the caption, the name. At most 200 characters.
    pub summary: Option<String>,
    /// Whether the session's account wrote it.
    pub from_me: bool,
    /// How far it has come.
    pub status: MessageStatus,
    /// When it was written.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub timestamp: DateTime<Utc>,
}
