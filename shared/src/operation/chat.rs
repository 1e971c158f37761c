//! Operations on chats.

use serde::{Deserialize, Serialize};

use crate::address::Address;
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
}

impl ChatOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Typing { .. } => "chat.typing",
        }
    }
}
