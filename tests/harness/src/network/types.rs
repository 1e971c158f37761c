//! What the simulated network answers. Fields that no story needs are left out; unknown ones are ignored.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::credentials::Credentials;

/// A companion that has just been linked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Linked {
    /// Its address by phone number, with the device.
    pub jid: String,
    /// Its address by LID, with the device.
    pub lid: String,
    /// The device's number within the account.
    pub device: u16,
}

/// What a phone has received.
#[derive(Debug, Clone, Deserialize)]
pub struct PhonePage {
    /// Messages it has decrypted.
    pub messages: Vec<PhoneMessage>,
    /// Receipts for its own messages.
    pub receipts: Vec<PhoneReceipt>,
    /// What it saw of others typing.
    #[serde(default)]
    pub typing: Vec<PhoneTyping>,
    /// The cursor for the next look.
    pub next: u64,
}

/// Somebody is typing to a phone, or has stopped.
#[derive(Debug, Clone, Deserialize)]
pub struct PhoneTyping {
    /// Who.
    pub from: String,
    /// `composing`, `recording` or `paused`.
    pub state: String,
}

/// A message that a phone has decrypted.
#[derive(Debug, Clone, Deserialize)]
pub struct PhoneMessage {
    /// WhatsApp's id.
    pub id: String,
    /// The sender as the stanza named it.
    pub from: String,
    /// The sender's phone number, where known.
    pub from_phone: Option<String>,
    /// The sender's LID, where known.
    pub from_lid: Option<String>,
    /// The chat: the other person, the group, or the place of status posts.
    #[serde(default)]
    pub chat: String,
    /// Whether a companion of the phone's own account sent it.
    #[serde(default)]
    pub from_me: bool,
    /// The kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The message that a reaction, edit or revocation is about.
    #[serde(default)]
    pub target: Option<String>,
    /// The `type` of the stanza, such as `text` or `media`.
    #[serde(default)]
    pub stanza_type: String,
    /// The whole message as protobuf in base64; see [`PhoneMessage::message`].
    #[serde(default)]
    pub protobuf: String,
    /// The text, where it is one.
    #[serde(default)]
    pub text: Option<String>,
    /// How often the phone had to ask again before it could decrypt it.
    #[serde(default)]
    pub retries: u32,
}

/// A receipt for a phone's own message.
#[derive(Debug, Clone, Deserialize)]
pub struct PhoneReceipt {
    /// The message.
    pub id: String,
    /// Who sent the receipt.
    pub from: String,
    /// `delivered`, `read` or `played`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An account that is linked already.
#[derive(Debug, Clone, Deserialize)]
pub struct ProvisionedAccount {
    /// The phone number, in digits.
    pub number: String,
    /// The LID, in digits.
    pub lid: String,
    /// What a worker needs to log in as it.
    pub credentials: Credentials,
}

/// One thing that the network accepted or that happened to a connection. Fields that make no sense for a kind are absent.
#[derive(Debug, Clone, Deserialize)]
pub struct LedgerEntry {
    /// Its place in the order of acceptance.
    pub cursor: u64,
    /// What it is: `linked`, `unlinked`, `login`, `replaced`, `disconnect`, `message`, `retry`, `peer` or `refused`.
    pub kind: String,
    /// The account.
    pub number: String,
    /// The companion.
    pub device: u16,
    /// The connection: every new one has another number.
    #[serde(default)]
    pub socket: Option<u64>,
    /// The recipient of a message.
    #[serde(default)]
    pub to: Option<String>,
    /// The id of a message.
    #[serde(default)]
    pub id: Option<String>,
    /// The ciphertexts of a message.
    #[serde(default)]
    pub encrypted: Vec<LedgerCiphertext>,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the same message had been accepted before.
    #[serde(default)]
    pub duplicate: bool,
    /// More about it: the handshake of a login, the code of a refusal.
    #[serde(default)]
    pub detail: Option<String>,
}

/// One ciphertext of a message: a chain and counter that appear twice mean that two processes shared one ratchet.
#[derive(Debug, Clone, Deserialize)]
pub struct LedgerCiphertext {
    /// The device it is for.
    pub to: String,
    /// The sender's chain.
    #[serde(default)]
    pub chain: Option<String>,
    /// The counter in that chain.
    #[serde(default)]
    pub counter: Option<u32>,
}
