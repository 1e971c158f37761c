//! Operations on groups.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::group::{GroupSettings, ParticipantAction};

/// See the variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum GroupOperation {
    /// Make a group. Answers a [`CreatedGroup`](crate::group::CreatedGroup).
    Create {
        /// What it is like; the subject is always there.
        settings: GroupSettings,
        /// Who becomes a member besides the account.
        participants: Vec<Address>,
    },
    /// Change settings. Answers the [`Group`](crate::group::Group).
    Update {
        /// The group.
        group: Address,
        /// What changes.
        settings: GroupSettings,
    },
    /// Change the picture.
    SetPicture {
        /// The group.
        group: Address,
        /// A JPEG in base64.
        jpeg: String,
    },
    /// Remove the picture.
    RemovePicture {
        /// The group.
        group: Address,
    },
    /// Add, remove, promote or demote people. Answers [`ParticipantResults`](crate::group::ParticipantResults).
    Participants {
        /// The group.
        group: Address,
        /// What is done.
        action: ParticipantAction,
        /// To whom.
        participants: Vec<Address>,
    },
    /// Make a new invitation code; the old one stops working. Answers an [`InviteCode`](crate::group::InviteCode).
    ResetInviteCode {
        /// The group.
        group: Address,
    },
    /// Join by code. Answers a [`JoinedGroup`](crate::group::JoinedGroup).
    Join {
        /// The code, without the link around it.
        code: String,
    },
    /// Join by an invitation that came as a message. Answers a [`JoinedGroup`](crate::group::JoinedGroup).
    AcceptInvitation {
        /// The group.
        group: Address,
        /// The invitation's code.
        code: String,
        /// Unix time in seconds until which it works.
        expires_at: i64,
        /// Who sent it.
        inviter: Address,
    },
    /// Approve or reject people who want to join. Answers [`ParticipantResults`](crate::group::ParticipantResults).
    AnswerRequests {
        /// The group.
        group: Address,
        /// Whether they may join.
        approve: bool,
        /// Who.
        participants: Vec<Address>,
    },
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
            Self::Create { .. } => "group.create",
            Self::Update { .. } => "group.update",
            Self::SetPicture { .. } => "group.set_picture",
            Self::RemovePicture { .. } => "group.remove_picture",
            Self::Participants { .. } => "group.participants",
            Self::ResetInviteCode { .. } => "group.reset_invite_code",
            Self::Join { .. } => "group.join",
            Self::AcceptInvitation { .. } => "group.accept_invitation",
            Self::AnswerRequests { .. } => "group.answer_requests",
            Self::Leave { .. } => "group.leave",
        }
    }

    /// Whether carrying it out twice does no more than carrying it out once. Creating a group is not, nor is a new code: the first one would stop working
    /// unseen, which does no harm, so only creating counts.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. })
    }
}
