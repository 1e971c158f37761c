//! Events about status posts.

use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::ids::StatusId;

/// The data of `status.viewed`: somebody has seen a post of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusViewed {
    /// The place of all posts, as messages have theirs.
    pub chat: Party,
    /// Our id of the post, where we know it.
    #[schema(value_type = Option<String>)]
    pub status_id: Option<StatusId>,
    /// WhatsApp's id of the post.
    pub wa_message_id: String,
    /// Who has seen it.
    pub viewer: Party,
}
