//! Operations on the account itself.

use serde::{Deserialize, Serialize};

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum ProfileOperation {
    /// Change the name that contacts see.
    SetName {
        /// The name.
        name: String,
    },
}

impl ProfileOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetName { .. } => "profile.set_name",
        }
    }
}
