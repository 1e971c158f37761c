//! Operations on calls.

use serde::{Deserialize, Serialize};

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum CallOperation {
    /// Do not take a call that rings.
    Reject {
        /// WhatsApp's id of the call.
        call: String,
        /// Who calls, as WhatsApp named the caller, device included.
        peer: String,
        /// Who began the call, likewise.
        creator: String,
    },
}

impl CallOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reject { .. } => "call.reject",
        }
    }
}
