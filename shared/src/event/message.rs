//! Data of events about messages and their files.

use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::content::Media;
use crate::ids::MessageId;
use crate::message::{MessageError, MessageStatus};

/// Which message an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageReference {
    /// Our id, where we know the message.
    #[schema(value_type = Option<String>)]
    pub message_id: Option<MessageId>,
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// The conversation.
    pub chat: Party,
}

/// The data of `message.status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageStatusChanged {
    /// The message.
    #[serde(flatten)]
    pub message: MessageReference,
    /// How far it has come.
    pub status: MessageStatus,
    /// Whose device reported it; in a group there is one event per person.
    pub participant: Option<Party>,
}

/// The data of `message.edited`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageEdited {
    /// The message.
    #[serde(flatten)]
    pub message: MessageReference,
    /// Who edited it.
    pub from: Party,
    /// The kind of the new content.
    #[serde(rename = "type")]
    pub kind: String,
    /// The new content under its kind.
    #[serde(flatten)]
    pub content: serde_json::Map<String, serde_json::Value>,
    /// What it said before, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original: Option<OriginalMessage>,
}

/// A message as it was before it was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OriginalMessage {
    /// Its author.
    pub from: Party,
    /// Whether the session's account wrote it.
    pub from_me: bool,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its content under its kind.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub content: serde_json::Map<String, serde_json::Value>,
}

/// The data of `message.revoked`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageRevoked {
    /// The message.
    #[serde(flatten)]
    pub message: MessageReference,
    /// Who deleted it: its author, or an administrator of the group.
    pub from: Party,
    /// What it said, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original: Option<OriginalMessage>,
}

/// The data of `message.reaction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageReaction {
    /// The message.
    #[serde(flatten)]
    pub message: MessageReference,
    /// Who reacted.
    pub from: Party,
    /// The emoji; empty when the reaction was taken back.
    pub emoji: String,
}

/// The data of `poll.vote`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PollVoted {
    /// The poll.
    #[serde(flatten)]
    pub message: MessageReference,
    /// Who voted.
    pub from: Party,
    /// The chosen options; none: the vote was taken back.
    pub options: Vec<String>,
    /// Choices that are no option of the poll as it is known here, as SHA-256 in hexadecimal digits.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schema(required = false)]
    pub unknown_options: Vec<String>,
    /// How the poll stands with this vote; absent when the poll is unknown here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub results: Option<Vec<PollResult>>,
}

/// How one option of a poll stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PollResult {
    /// The option.
    pub option: String,
    /// How many people have chosen it.
    pub votes: u64,
    /// Who.
    pub voters: Vec<Party>,
}

/// The data of `message.failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MessageFailed {
    /// The message.
    #[serde(flatten)]
    pub message: MessageReference,
    /// Why.
    pub error: MessageError,
}

/// The data of `media.stored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MediaStored {
    /// The message that the file belongs to.
    #[serde(flatten)]
    pub message: MessageReference,
    /// The file.
    pub media: Media,
}

/// The data of `media.failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MediaFailed {
    /// The message that the file belongs to.
    #[serde(flatten)]
    pub message: MessageReference,
    /// The file.
    pub media: Media,
    /// Why.
    pub error: MessageError,
}
