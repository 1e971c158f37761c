//! Data of events about a session as a whole.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::session::SessionStatus;

/// The data of `session.stalled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionStalled {
    /// What the session is meanwhile.
    pub status: SessionStatus,
    /// How many messages wait.
    pub waiting: u64,
    /// Since when none of them has got any further.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub since: DateTime<Utc>,
}

/// The data of `session.restricted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionRestricted {
    /// WhatsApp's code: `463`: the account may not begin conversations with people who have not written to it.
    pub code: String,
    /// What it means, for people.
    pub detail: String,
}
