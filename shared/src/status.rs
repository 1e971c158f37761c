//! Status posts (stories) as everybody sees them: the API, events and the read model carry this one shape.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::address::Party;
use crate::ids::{SessionId, StatusId};
use crate::message::{MessageError, MessageStatus};

/// How long a post can be seen (the phones' own rule: 24 hours after it was posted).
pub const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// A status post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Our id.
    #[schema(value_type = String, example = "sts_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub id: StatusId,
    /// The session that posted or received it.
    #[schema(value_type = String)]
    pub session_id: SessionId,
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// The author.
    pub from: Party,
    /// Whether the session's account posted it.
    pub from_me: bool,
    /// The kind of content; the field of the same name holds it.
    #[serde(rename = "type")]
    #[schema(example = "text")]
    pub kind: String,
    /// The content under its kind.
    #[serde(flatten)]
    #[schema(value_type = Object, example = json!({"text": {"body": "Open until ten tonight"}}))]
    pub content: serde_json::Map<String, serde_json::Value>,
    /// How far it has come: `queued`, `sent`, `failed`, or `received`.
    pub status: MessageStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<MessageError>,
    /// When it was posted.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub timestamp: DateTime<Utc>,
    /// When it stops being seen.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub expires_at: DateTime<Utc>,
    /// When its author took it back.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// When the account has seen it; null for own posts.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub viewed_at: Option<DateTime<Utc>>,
    /// The account's reaction to it.
    pub reaction: Option<String>,
    /// Own posts: how many people have seen it.
    pub views: u32,
    /// Own posts, one at a time: who has seen it or reacted to it. Absent in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewers: Vec<StatusViewer>,
}

/// Somebody who has seen a post of the account, or reacted to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusViewer {
    /// Who.
    #[serde(flatten)]
    pub party: Party,
    /// When.
    #[serde(serialize_with = "crate::timestamp::serialize_option")]
    pub viewed_at: Option<DateTime<Utc>>,
    /// The emoji with which this person reacted.
    pub reaction: Option<String>,
}
