//! Kinds that ask for an answer, and the answers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::Location;

/// A poll.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// What is asked.
    pub question: String,
    /// The options, 2 to 12, no two alike.
    pub options: Vec<String>,
    /// How many options one person may choose; 0: any number.
    #[serde(default = "one")]
    pub max_choices: u32,
}

fn one() -> u32 {
    1
}

impl Poll {
    /// The option that a vote names by `hash`: votes carry the SHA-256 of the option's text (wacore/src/poll.rs), here in hexadecimal digits.
    #[must_use]
    pub fn option_by_hash(&self, hash: &str) -> Option<&String> {
        self.options.iter().find(|option| option_hash(option) == hash)
    }
}

/// The SHA-256 of an option's text, in hexadecimal digits.
#[must_use]
pub fn option_hash(option: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(option.as_bytes()))
}

/// An invitation to an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarEvent {
    /// What it is called.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// A link with which one joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_link: Option<String>,
    /// Whether it is called off.
    #[serde(default)]
    pub canceled: bool,
    /// Whether guests may bring others.
    #[serde(default)]
    pub extra_guests_allowed: bool,
}

/// A list to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The text.
    pub body: String,
    /// The small print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// What stands on the button that opens the list.
    pub button: String,
    /// Its parts.
    pub sections: Vec<ListSection>,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSection {
    /// Its headline.
    #[serde(default)]
    pub title: String,
    /// What can be chosen.
    pub rows: Vec<ListRow>,
}

/// A row of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRow {
    /// What the answer names.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// A second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Buttons to press.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Buttons {
    /// The headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The text.
    pub body: String,
    /// The small print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// One to three buttons.
    pub buttons: Vec<Button>,
}

/// A button.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What the answer names.
    pub id: String,
    /// What stands on it.
    pub title: String,
    /// Pressing it opens this link instead of answering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Pressing it calls this number instead of answering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Pressing it copies this text instead of answering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_text: Option<String>,
}

/// What somebody has chosen from a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListReply {
    /// The row's id.
    pub id: String,
    /// What the row says.
    pub title: String,
    /// The row's second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which button somebody has pressed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ButtonsReply {
    /// The button's id.
    pub id: String,
    /// What stands on it.
    pub title: String,
    /// More that the answer says, as the JSON text that WhatsApp carries (forms, flows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
}
