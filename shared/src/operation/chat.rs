//! Operations on chats.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::content::MessageKey;
use crate::session::words;

words! {
    /// What the other side sees of us while we write.
    Typing {
        /// Writing.
        Composing = "composing",
        /// Recording a voice note.
        Recording = "recording",
        /// No longer.
        Paused = "paused",
    }
}

/// A message of a chat: WhatsApp tells by the newest one which messages an action on the chat was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPoint {
    /// The message.
    pub key: MessageKey,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// Marks of a chat; absent ones stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMarks {
    /// Whether it is put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Whether it stands at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Whether it is silent, and until when ([`crate::chat::FOREVER`]: for ever).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Mute>,
    /// Whether the owner wants to come back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked_unread: Option<bool>,
    /// After how many seconds its messages disappear; 0: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<u32>,
}

/// Whether a chat is silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Until when; `None`: it is not.
    pub until: Option<DateTime<Utc>>,
}

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum ChatOperation {
    /// Show the other side that we write.
    Typing {
        /// The chat.
        chat: Address,
        /// What is shown.
        typing: Typing,
    },
    /// Change the chat's marks, on all devices of the account.
    Update {
        /// The chat.
        chat: Address,
        /// The marks.
        marks: ChatMarks,
        /// The newest message.
        last: Option<ChatPoint>,
    },
    /// Everything in the chat is read.
    Read {
        /// The chat.
        chat: Address,
        /// Whose authors are told; empty where the session tells nobody.
        messages: Vec<MessageKey>,
        /// The newest message.
        last: Option<ChatPoint>,
    },
    /// Delete the chat's messages on all devices of the account.
    Clear {
        /// The chat.
        chat: Address,
        /// The newest message.
        last: Option<ChatPoint>,
    },
    /// Delete the chat on all devices of the account.
    Delete {
        /// The chat.
        chat: Address,
        /// The newest message.
        last: Option<ChatPoint>,
    },
    /// Ask the phone for messages that are older than these.
    FetchHistory {
        /// The chat.
        chat: Address,
        /// The oldest message that we have.
        oldest: ChatPoint,
        /// How many messages: 1 to 500.
        count: u32,
    },
}

impl ChatOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Typing { .. } => "chat.typing",
            Self::Update { .. } => "chat.update",
            Self::Read { .. } => "chat.read",
            Self::Clear { .. } => "chat.clear",
            Self::Delete { .. } => "chat.delete",
            Self::FetchHistory { .. } => "chat.fetch_history",
        }
    }
}
