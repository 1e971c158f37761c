//! What can be asked about groups, communities and newsletters.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// What can be asked about groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum GroupLookup {
    /// Name, description, members, settings. Answers a [`Group`](crate::group::Group); the holder also records it.
    Metadata {
        /// The group.
        group: Address,
    },
    /// Every group of the account, which the holder records. Answers their number.
    Participating,
    /// The invitation code. Answers an [`InviteCode`](crate::group::InviteCode).
    InviteCode {
        /// The group.
        group: Address,
    },
    /// What an invitation leads to. Answers a [`Group`](crate::group::Group).
    InviteInfo {
        /// The code, without the link around it.
        code: String,
    },
    /// Who wants to join. Answers [`JoinRequests`](crate::group::JoinRequests).
    JoinRequests {
        /// The group.
        group: Address,
    },
}

/// What can be asked about communities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum CommunityLookup {
    /// The groups of a community. Answers [`Subgroups`](crate::group::Subgroups).
    Subgroups {
        /// The community.
        community: Address,
    },
}

/// What can be asked about newsletters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum NewsletterLookup {
    /// Those that the account follows or has made. Answers [`Newsletters`](crate::group::Newsletters).
    Subscribed,
    /// One of them, also one that the account does not follow. Answers a [`Newsletter`](crate::group::Newsletter).
    Metadata {
        /// The newsletter.
        newsletter: Address,
    },
    /// Its messages, newest last. Answers [`NewsletterMessages`](crate::group::NewsletterMessages).
    Messages {
        /// The newsletter.
        newsletter: Address,
        /// How many at most.
        count: u32,
        /// Only messages before this one, by the newsletter's own number.
        before: Option<u64>,
    },
}
