//! Questions to the worker that holds a session: asked and answered over the broker at once, or not at all.
//!
//! There is no row and no retry: when nobody holds the session, or the holder does not answer in time, the asker says so.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::ids::{SessionId, WorkerId};
use crate::session::SessionStatus;

/// A question, as JSON, to [`crate::subject::queries_of`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The session it is about.
    pub session_id: SessionId,
    /// What is asked.
    #[serde(flatten)]
    pub query: Query,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "snake_case")]
pub enum Query {
    /// How the session is right now.
    Status,
    /// Something that only WhatsApp knows: the holder asks its server.
    LookUp {
        /// What.
        what: Lookup,
    },
}

/// What a holder can ask WhatsApp's server, one enum for each area. Nothing is changed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "area", content = "lookup", rename_all = "snake_case")]
pub enum Lookup {
    /// About people.
    Contact(ContactLookup),
    /// About groups.
    Group(GroupLookup),
}

/// What can be asked about people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ContactLookup {
    /// Which of these use WhatsApp.
    OnWhatsapp {
        /// The people.
        contacts: Vec<Address>,
    },
}

/// What can be asked about groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum GroupLookup {
    /// Name, description, members, settings.
    Metadata {
        /// The group.
        group: Address,
    },
}

/// The holder's answer, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The worker does not hold the session (any more).
    NotHeld,
    /// To [`Query::Status`].
    Status(LiveStatus),
    /// To [`Query::LookUp`]: what was found, in the shape that belongs to the question.
    Found {
        /// The finding.
        value: serde_json::Value,
    },
    /// To [`Query::LookUp`]: there is no answer.
    Refused {
        /// A problem's code.
        code: String,
        /// The same for people.
        detail: String,
    },
}

/// How a session is right now, as its holder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LiveStatus {
    /// What it is.
    pub status: SessionStatus,
    /// Why, as a stable word.
    pub reason: Option<String>,
    /// The worker that holds it.
    #[schema(value_type = String)]
    pub holder: WorkerId,
    /// The number of the holder's claim.
    pub epoch: i64,
    /// Since when it is connected.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub connected_since: Option<DateTime<Utc>>,
    /// When its last event was recorded.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub last_event_at: Option<DateTime<Utc>>,
}
