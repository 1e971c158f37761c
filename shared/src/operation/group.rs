//! Operations on groups.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum GroupOperation {
    /// Leave a group.
    Leave {
        /// The group.
        group: Address,
    },
}

impl GroupOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Leave { .. } => "group.leave",
        }
    }

    /// Whether carrying it out twice does no more than carrying it out once. Creating a group is not.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Leave { .. } => true,
        }
    }
}
