//! Events about people, labels and calls.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::address::Party;
use crate::session::words;

/// The data of `contact.updated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ContactUpdated {
    /// Who.
    pub contact: Party,
    /// What is different from now on, each field as `GET …/contacts/{contact}` shows it: `name`, `first_name`, `push_name`, `verified_name`,
    /// `is_business`, `about`, `picture_id`, `is_blocked`; null where it is gone. `former` holds the ids of somebody whose number changed.
    #[schema(value_type = Object)]
    pub changes: Map<String, Value>,
}

/// The data of `label.updated`: of a label, or of a label at a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelUpdated {
    /// WhatsApp's id of the label.
    pub id: String,
    /// What it says; null where this is only about a chat, or the label is gone.
    pub name: Option<String>,
    /// The number of its colour in WhatsApp's palette, likewise.
    pub color: Option<i32>,
    /// Whether the label is gone.
    pub deleted: bool,
    /// The chat that it was put on or taken off; null where this is about the label itself.
    pub chat: Option<Party>,
    /// Whether the chat has the label from now on.
    pub attached: Option<bool>,
}

/// The data of `call.received`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallReceived {
    /// WhatsApp's id of the call.
    pub id: String,
    /// Who calls.
    pub from: Party,
    /// The group that is called.
    pub group: Option<Party>,
    /// Whether with pictures.
    pub is_video: bool,
}

words! {
    /// How a call has ended.
    CallEnd {
        /// Nobody took it.
        Missed = "missed",
        /// The session has rejected it.
        Rejected = "rejected",
        /// Another device of the account has taken it.
        AcceptedElsewhere = "accepted_elsewhere",
        /// Another device of the account has rejected it.
        RejectedElsewhere = "rejected_elsewhere",
        /// It is over.
        Ended = "ended",
    }
}

/// The data of `call.ended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallEnded {
    /// WhatsApp's id of the call.
    pub id: String,
    /// Who called.
    pub from: Party,
    /// How it ended.
    pub outcome: CallEnd,
}
