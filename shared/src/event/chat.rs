//! What events tell of chats and of the phone's history.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::session::words;

words! {
    /// Why a part of the history came.
    HistoryKind {
        /// The phone sent it after the account was linked.
        Pairing = "pairing",
        /// It was asked for.
        OnDemand = "on_demand",
    }
}

/// The data of `chat.updated`: the chat, and the fields that are different now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChatUpdated {
    /// The chat.
    pub chat: Party,
    /// Whether it is put away.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub archived: Option<bool>,
    /// Whether it stands at the top.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pinned: Option<bool>,
    /// Whether it is silent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub muted: Option<bool>,
    /// Until when it is silent, if it is; the end of the year 9999: for ever.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::timestamp::serialize_option",
        default
    )]
    pub muted_until: Option<DateTime<Utc>>,
    /// Whether the owner wants to come back to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub marked_unread: Option<bool>,
    /// After how many seconds its messages disappear; 0: never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ephemeral: Option<u32>,
    /// It was read: all of it, or up to `read_until`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read: Option<bool>,
    /// WhatsApp's ids of the messages up to which it was read; absent: all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read_until: Option<Vec<String>>,
    /// Its messages were deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cleared: Option<bool>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// The data of `chat.deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChatDeleted {
    /// The chat.
    pub chat: Party,
}

/// The data of `history.synced`. The messages themselves make no events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistorySynced {
    /// Why it came.
    pub kind: HistoryKind,
    /// The chat that was asked about, when one was.
    pub chat: Option<Party>,
    /// In how many chats something was told.
    pub chats: u32,
    /// How many messages were told; those that were known already count too.
    pub messages: u32,
    /// How much of the whole transfer has come, in percent, where the phone says so.
    pub progress: Option<u32>,
}
