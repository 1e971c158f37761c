//! Events about groups.

use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::group::{Group, GroupSettings, ParticipantAction};
use crate::session::words;

/// The data of `group.created`: a group that the account made, or to whose making it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupCreated {
    /// The group's place, as messages in it have it.
    pub chat: Party,
    /// The group with its members.
    pub group: Group,
    /// Who made it.
    pub by: Option<Party>,
}

/// The data of `group.updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupUpdated {
    /// The group.
    pub chat: Party,
    /// Who did it.
    pub by: Option<Party>,
    /// The settings that changed, as they are now.
    pub changes: GroupSettings,
    /// What else changed: `picture`, `picture_removed`, `invite_code`, `linked`, `unlinked`, `deleted`, `suspended`, `unsuspended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// The data of `group.participants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupParticipantsChanged {
    /// The group.
    pub chat: Party,
    /// What was done.
    pub action: ParticipantAction,
    /// To whom.
    pub participants: Vec<Party>,
    /// Who did it.
    pub by: Option<Party>,
    /// How it came about, where WhatsApp says so: `invite` for somebody who joined by a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

words! {
    /// What became of a request to join.
    JoinRequestChange {
        /// Somebody wants to join.
        Created = "created",
        /// Somebody wants to join no longer, or was rejected.
        Revoked = "revoked",
    }
}

/// The data of `group.join_request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupJoinRequest {
    /// The group.
    pub chat: Party,
    /// What became of it.
    pub change: JoinRequestChange,
    /// Who wants to join, or wanted to.
    pub participants: Vec<Party>,
    /// Who did it: the person, or an administrator.
    pub by: Option<Party>,
    /// How they ask: `invite_link`, `linked_group_join`, `non_admin_add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}
