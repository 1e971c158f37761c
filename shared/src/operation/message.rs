//! Operations on messages that exist.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::content::MessageKey;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum MessageOperation {
    /// Tell the authors that their messages were read; with receipts switched off, only the account's own devices.
    Read {
        /// The chat.
        chat: Address,
        /// The messages.
        messages: Vec<MessageKey>,
    },
    /// Tell the authors that their voice or video notes were played.
    Played {
        /// The chat.
        chat: Address,
        /// The messages.
        messages: Vec<MessageKey>,
    },
    /// Star a message, or no longer, on all devices of the account.
    Star {
        /// The chat.
        chat: Address,
        /// The message.
        message: MessageKey,
        /// Whether it is starred from now on.
        starred: bool,
    },
}

impl MessageOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Read { .. } => "message.read",
            Self::Played { .. } => "message.played",
            Self::Star { .. } => "message.star",
        }
    }
}
