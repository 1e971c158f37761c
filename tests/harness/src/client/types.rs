//! What gateways answer, as far as stories look at it.

use serde::Deserialize;
use serde_json::Value;
use shared::address::Party;

/// A webhook that was just created.
#[derive(Debug, Clone, Deserialize)]
pub struct CreatedWebhook {
    /// Its id.
    pub id: String,
    /// The secret it signs with, shown this once.
    pub secret: String,
}

/// A session.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// What it is.
    pub status: String,
    /// Why, where there is a reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// The linked account.
    #[serde(default)]
    pub account: Option<Party>,
    /// The webhook that was created with it.
    #[serde(default)]
    pub webhook: Option<CreatedWebhook>,
}

/// A session as its holder sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct SessionState {
    /// What it is.
    pub status: String,
    /// Why, where there is a reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// The worker that holds it.
    #[serde(default)]
    pub holder: Option<String>,
    /// The number of the claim.
    #[serde(default)]
    pub epoch: Option<i64>,
    /// Whether the holder has answered; otherwise this is what the database has.
    #[serde(default)]
    pub live: bool,
}

/// A message that was accepted or sent.
#[derive(Debug, Clone, Deserialize)]
pub struct SentMessage {
    /// Our id.
    pub id: String,
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// How far it has come.
    pub status: String,
    /// The command that sends it, where it has just been accepted.
    #[serde(default)]
    pub command_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}
