//! Operations on labels, which WhatsApp's business apps show at chats.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum LabelOperation {
    /// Make a label, or change its name and colour.
    Save {
        /// WhatsApp's id of it.
        label: String,
        /// What it says.
        name: String,
        /// The number of its colour in WhatsApp's palette.
        color: i32,
    },
    /// Remove a label from everywhere.
    Delete {
        /// WhatsApp's id of it.
        label: String,
    },
    /// Put a label on a chat.
    Attach {
        /// WhatsApp's id of the label.
        label: String,
        /// The chat.
        chat: Address,
    },
    /// Take a label off a chat.
    Detach {
        /// WhatsApp's id of the label.
        label: String,
        /// The chat.
        chat: Address,
    },
}

impl LabelOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Save { .. } => "label.save",
            Self::Delete { .. } => "label.delete",
            Self::Attach { .. } => "label.attach",
            Self::Detach { .. } => "label.detach",
        }
    }
}
