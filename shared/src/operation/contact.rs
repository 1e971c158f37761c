//! Operations on people.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum ContactOperation {
    /// Be told when the person comes online and goes away.
    SubscribePresence {
        /// Whom.
        contact: Address,
    },
    /// Keep the person under a name, on all devices of the account.
    Save {
        /// Whom.
        contact: Address,
        /// The name.
        name: String,
        /// The first name, where it is shown alone.
        first_name: Option<String>,
        /// Whether the phone also writes the person into its own address book.
        on_phone: bool,
    },
    /// Take the name away again.
    Forget {
        /// Whom.
        contact: Address,
    },
    /// Let nothing of the person through.
    Block {
        /// Whom.
        contact: Address,
    },
    /// Let the person through again.
    Unblock {
        /// Whom.
        contact: Address,
    },
}

impl ContactOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SubscribePresence { .. } => "contact.subscribe_presence",
            Self::Save { .. } => "contact.save",
            Self::Forget { .. } => "contact.forget",
            Self::Block { .. } => "contact.block",
            Self::Unblock { .. } => "contact.unblock",
        }
    }
}
