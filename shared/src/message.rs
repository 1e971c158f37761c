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

/// What a message carries beside its content; fixed when it is written. Absent fields say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageDetails {
    /// The name that the author has chosen for themselves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_name: Option<String>,
    /// The people whom it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schema(required = false)]
    pub mentions: Vec<Party>,
    /// Whether it mentions everybody in the group.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    #[schema(required = false)]
    pub mention_all: bool,
    /// How often it was forwarded; absent: it is not a forwarded one. WhatsApp writes 127 for "many times".
    #[serde(skip_serializing_if = "is_zero", default)]
    #[schema(required = false)]
    pub forwarding_score: u32,
    /// Seconds after which it disappears; absent: it stays.
    #[serde(skip_serializing_if = "is_zero", default)]
    #[schema(required = false)]
    pub ephemeral: u32,
    /// The advertisement from which the author came (click-to-WhatsApp).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub referral: Option<Referral>,
    /// The business name that WhatsApp has certified for the author.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub business_name: Option<String>,
}

/// serde's `skip_serializing_if` wants a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An advertisement that led somebody to write. Field names as in the Cloud API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Referral {
    /// Where the advertisement stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_url: Option<String>,
    /// The advertisement's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_id: Option<String>,
    /// What it is: `ad` or `post`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_type: Option<String>,
    /// Its headline.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub headline: Option<String>,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// `image` or `video`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// Where its picture or film is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_url: Option<String>,
    /// Where its small picture is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thumbnail_url: Option<String>,
    /// The small picture itself: a JPEG in base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thumbnail: Option<String>,
    /// The id of the click (`ctwa_clid`), for reporting conversions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ctwa_clid: Option<String>,
    /// A reference that the advertiser has set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub r#ref: Option<String>,
}

/// What has become of a message since it was written. Events carry it as it was when the message was new: absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageState {
    /// When its author last edited it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        serialize_with = "crate::timestamp::serialize_option"
    )]
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted for everyone; its content is gone.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        serialize_with = "crate::timestamp::serialize_option"
    )]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Everybody's reaction.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schema(required = false)]
    pub reactions: Vec<GivenReaction>,
    /// Everybody's answer to a poll or to an invitation.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schema(required = false)]
    pub answers: Vec<GivenAnswer>,
    /// Whether the account has starred it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    #[schema(required = false)]
    pub starred: bool,
    /// Until when it is pinned in its chat.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        serialize_with = "crate::timestamp::serialize_option"
    )]
    pub pinned_until: Option<DateTime<Utc>>,
}

/// One person's reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GivenReaction {
    /// Who.
    pub from: Party,
    /// The emoji.
    pub emoji: String,
    /// When.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub at: DateTime<Utc>,
}

/// One person's latest answer to a poll or to an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GivenAnswer {
    /// Who.
    pub from: Party,
    /// Of a poll: the chosen options.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub options: Option<Vec<String>>,
    /// Of an invitation: `going`, `not_going` or `maybe`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response: Option<String>,
    /// When.
    #[serde(serialize_with = "crate::timestamp::serialize")]
    pub at: DateTime<Utc>,
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
    /// What it carries beside its content.
    #[serde(flatten)]
    pub details: MessageDetails,
    /// What has become of it.
    #[serde(flatten)]
    pub state: MessageState,
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageContext {
    /// WhatsApp's id of the answered message.
    pub wa_message_id: String,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<Party>,
    /// What it says, as the answer quotes it: `{"text": {"body": "…"}}`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub quoted: Option<serde_json::Map<String, serde_json::Value>>,
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
