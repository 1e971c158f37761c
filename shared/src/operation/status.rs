//! Operations on status posts. Posting one is sending a message to the place of status posts.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum StatusOperation {
    /// Tell the author that the post was seen.
    View {
        /// The author.
        author: Address,
        /// WhatsApp's id of the post.
        wa_message_id: String,
    },
    /// React to somebody's post.
    React {
        /// The author.
        author: Address,
        /// WhatsApp's id of the post.
        wa_message_id: String,
        /// The emoji; empty: the reaction is taken back.
        emoji: String,
        /// WhatsApp's id of the reaction itself, fixed at admission.
        reaction_id: String,
    },
    /// Take an own post back.
    Revoke {
        /// WhatsApp's id of the post.
        wa_message_id: String,
        /// Who could see it.
        audience: Vec<Address>,
        /// WhatsApp's id of the revocation itself, fixed at admission.
        revocation_id: String,
    },
}

impl StatusOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::View { .. } => "status.view",
            Self::React { .. } => "status.react",
            Self::Revoke { .. } => "status.revoke",
        }
    }
}
