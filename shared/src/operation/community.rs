//! Operations on communities.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum CommunityOperation {
    /// Make a community. Answers a [`Group`](crate::group::Group).
    Create {
        /// The name.
        name: String,
        /// What it is about.
        description: Option<String>,
        /// Whether administrators must approve who wants to join.
        approval: bool,
    },
    /// Make a group in a community. Answers a [`CreatedGroup`](crate::group::CreatedGroup).
    CreateGroup {
        /// The community.
        community: Address,
        /// The group's name.
        subject: String,
        /// Who becomes a member besides the account.
        participants: Vec<Address>,
    },
    /// Bring groups into a community. Answers [`LinkResults`](crate::group::LinkResults).
    Link {
        /// The community.
        community: Address,
        /// The groups.
        groups: Vec<Address>,
    },
    /// Take groups out of a community. Answers [`LinkResults`](crate::group::LinkResults).
    Unlink {
        /// The community.
        community: Address,
        /// The groups.
        groups: Vec<Address>,
    },
    /// Join a group of a community that the account is a member of. Answers a [`Group`](crate::group::Group).
    JoinGroup {
        /// The community.
        community: Address,
        /// The group.
        group: Address,
    },
    /// End a community; its groups go on by themselves.
    Deactivate {
        /// The community.
        community: Address,
    },
}

impl CommunityOperation {
    /// The area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "community.create",
            Self::CreateGroup { .. } => "community.create_group",
            Self::Link { .. } => "community.link",
            Self::Unlink { .. } => "community.unlink",
            Self::JoinGroup { .. } => "community.join_group",
            Self::Deactivate { .. } => "community.deactivate",
        }
    }

    /// Whether carrying it out twice does no more than carrying it out once.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. } | Self::CreateGroup { .. })
    }
}
