//! Kinds that change another message instead of standing beside it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Content;

/// Which message is meant, as WhatsApp names it. The chat is that of the message that carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageKey {
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// Whether the session's account wrote it.
    pub from_me: bool,
    /// Its author's JID, where it is known: in groups it belongs to the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// An emoji on another message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// The other message.
    pub message: MessageKey,
    /// The emoji; empty: the reaction is taken back.
    pub emoji: String,
}

/// A new content for an earlier message: a text, or media of which only the caption counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Edit {
    /// The earlier message.
    pub message: MessageKey,
    /// What it says from now on.
    #[schema(no_recursion)]
    pub content: Box<Content>,
}

/// The deletion of an earlier message for everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revoke {
    /// The earlier message: an own one, or in a group that the account administers anybody's.
    pub message: MessageKey,
}

/// Another message is pinned in its chat for everyone, or no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pin {
    /// The other message.
    pub message: MessageKey,
    /// Whether it is pinned from now on.
    pub pinned: bool,
    /// How long, in seconds: a day, a week or 30 days. Not for unpinning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// Somebody's choice in a poll; it replaces the person's earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PollVote {
    /// The poll.
    pub message: MessageKey,
    /// The chosen options, as the poll spells them; none: the vote is taken back.
    pub options: Vec<String>,
}

/// Somebody's answer to an invitation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventResponse {
    /// The invitation.
    pub message: MessageKey,
    /// `going`, `not_going` or `maybe`.
    pub response: String,
    /// How many more people come along.
    #[serde(default)]
    pub extra_guests: u32,
}
