//! Operations on messages that exist.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::content::MessageKey;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum MessageOperation {
    /// Tell the authors that their messages were read.
    Read {
        /// The chat.
        chat: Address,
        /// The messages.
        messages: Vec<MessageKey>,
    },
}

impl MessageOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Read { .. } => "message.read",
        }
    }
}
