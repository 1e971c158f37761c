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
}

impl ContactOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SubscribePresence { .. } => "contact.subscribe_presence",
        }
    }
}
