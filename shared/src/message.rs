//! Messages as everybody sees them: the API, events, webhooks and streams carry this one shape.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::ids::{MessageId, SessionId};
use crate::session::words;

words! {
    /// How far a message has come. It only ever moves forward.
    MessageStatus {
        /// Accepted and durable; not yet with WhatsApp.
        Queued = "queued",
        /// WhatsApp's server has it.
        Sent = "sent",
        /// It reached a device of the recipient.
        Delivered = "delivered",
        /// The recipient has read it.
        Read = "read",
        /// The recipient has played it (voice and video notes).
        Played = "played",
        /// Somebody else's message that reached us.
        Received = "received",
        /// It will not be sent; the error says why.
        Failed = "failed",
    }
}

/// A message of one session, sent or received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Message {
    /// Our id.
    #[schema(value_type = String, example = "msg_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub id: MessageId,
    /// The session that sent or received it.
    #[schema(value_type = String, example = "ses_eu1_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub session_id: SessionId,
    /// WhatsApp's id, as phones and other gateways know it.
    #[schema(example = "3EB0C431C26A1916E07A")]
    pub wa_message_id: String,
    /// The conversation: the other person, or the group.
    pub chat: Party,
    /// The author.
    pub from: Party,
    /// Whether the session's account wrote it, here or on another of its devices.
    pub from_me: bool,
    /// The kind of content; the field of the same name holds it.
    #[serde(rename = "type")]
    #[schema(example = "text")]
    pub kind: String,
    /// The content under its kind: `"text": {"body": "…"}`.
    #[serde(flatten)]
    #[schema(value_type = Object, example = json!({"text": {"body": "Hello"}}))]
    pub content: serde_json::Map<String, serde_json::Value>,
    /// What it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context: Option<MessageContext>,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<MessageError>,
    /// When it was written, by the author's clock.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub timestamp: DateTime<Utc>,
}

/// What a message answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageContext {
    /// WhatsApp's id of the answered message.
    pub wa_message_id: String,
}

/// Why a message failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageError {
    /// A stable code, as problems have it.
    #[schema(example = "not_on_whatsapp")]
    pub code: String,
    /// What happened, for people.
    pub detail: String,
}

/// The content field of a text message.
#[must_use]
pub fn text_content(body: &str) -> serde_json::Map<String, serde_json::Value> {
    let mut content = serde_json::Map::new();
    content.insert("text".to_owned(), serde_json::json!({ "body": body }));
    content
}
