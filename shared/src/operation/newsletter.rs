//! Operations on newsletters (channels). Posting in one is sending a message to it.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum NewsletterOperation {
    /// Make a newsletter. Answers a [`Newsletter`](crate::group::Newsletter).
    Create {
        /// The name.
        name: String,
        /// What it is about.
        description: Option<String>,
    },
    /// Change name or description. Answers a [`Newsletter`](crate::group::Newsletter).
    Update {
        /// The newsletter.
        newsletter: Address,
        /// The new name.
        name: Option<String>,
        /// What it is about from now on.
        description: Option<String>,
    },
    /// Follow. Answers a [`Newsletter`](crate::group::Newsletter).
    Follow {
        /// The newsletter.
        newsletter: Address,
    },
    /// Follow no longer.
    Unfollow {
        /// The newsletter.
        newsletter: Address,
    },
    /// Silence it, or no longer.
    Mute {
        /// The newsletter.
        newsletter: Address,
        /// Whether it is silent from now on.
        muted: bool,
    },
    /// React to a message of it.
    React {
        /// The newsletter.
        newsletter: Address,
        /// The newsletter's own number of the message.
        server_id: u64,
        /// The emoji; empty: the reaction is taken back.
        emoji: String,
    },
}

impl NewsletterOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "newsletter.create",
            Self::Update { .. } => "newsletter.update",
            Self::Follow { .. } => "newsletter.follow",
            Self::Unfollow { .. } => "newsletter.unfollow",
            Self::Mute { .. } => "newsletter.mute",
            Self::React { .. } => "newsletter.react",
        }
    }

    /// Whether carrying it out twice does no more than carrying it out once.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. })
    }
}
