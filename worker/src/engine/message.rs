//! Messages and their files as engines hand them over. Words only: what is done with them is the session's business.

use chrono::{DateTime, Utc};
use shared::content::Content;
use shared::message::Referral;

use super::Person;

/// A message that arrived, or one that another device of the account has sent.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingMessage {
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// The conversation.
    pub chat: Person,
    /// The author.
    pub from: Person,
    /// Whether the account itself wrote it, on another device.
    pub from_me: bool,
    /// What it is.
    pub content: Content,
    /// Where WhatsApp keeps the file, if the content has one.
    pub remote_media: Option<RemoteMedia>,
    /// What it answers.
    pub context: Option<Quoted>,
    /// What it carries beside its content.
    pub details: IncomingDetails,
    /// When it was written, by the author's clock.
    pub at: DateTime<Utc>,
}

impl IncomingMessage {
    /// A message that carries nothing beside its content.
    #[must_use]
    pub fn new(wa_message_id: String, chat: Person, from: Person, content: Content, at: DateTime<Utc>) -> Self {
        Self {
            wa_message_id,
            chat,
            from,
            from_me: false,
            content,
            remote_media: None,
            context: None,
            details: IncomingDetails::default(),
            at,
        }
    }
}

/// The message that another one answers, as that one quotes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quoted {
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// Who wrote it, where that is said.
    pub author: Option<Person>,
    /// What it says, where that is said.
    pub content: Option<Box<Content>>,
}

/// What a message carries beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncomingDetails {
    /// The name that the author has chosen for themselves.
    pub from_name: Option<String>,
    /// The business name that WhatsApp has certified for the author.
    pub business_name: Option<String>,
    /// The people whom it mentions.
    pub mentions: Vec<Person>,
    /// Whether it mentions everybody in the group.
    pub mention_all: bool,
    /// How often it was forwarded; 0: it is not a forwarded one.
    pub forwarding_score: u32,
    /// Seconds after which it disappears; 0: it stays.
    pub ephemeral: u32,
    /// The advertisement from which the author came.
    pub referral: Option<Referral>,
}

/// Where WhatsApp keeps an encrypted file, and how to open it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteMedia {
    /// The kind as WhatsApp's keys name it: `image`, `video`, `audio`, `document`, `sticker`.
    pub kind: &'static str,
    /// The path on the media hosts.
    pub direct_path: String,
    /// The key.
    pub media_key: Vec<u8>,
    /// SHA-256 of the encrypted file.
    pub encrypted_sha256: Vec<u8>,
    /// SHA-256 of the file.
    pub sha256: Vec<u8>,
    /// The file's size in bytes, as the sender says.
    pub size: u64,
}

/// The message that a file belongs to, as the phone must be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RemoteMessage {
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// The conversation, as WhatsApp named it.
    pub chat: String,
    /// The author in a group.
    pub participant: Option<String>,
    /// Whether the account itself wrote it, on another device.
    pub from_me: bool,
}

/// A file that is ready to be sent: encrypted and with WhatsApp's media servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UploadedMedia {
    /// Where it can be fetched.
    pub url: String,
    /// The path on the media hosts.
    pub direct_path: String,
    /// The key.
    pub media_key: Vec<u8>,
    /// SHA-256 of the encrypted file.
    pub encrypted_sha256: Vec<u8>,
    /// SHA-256 of the file.
    pub sha256: Vec<u8>,
    /// The file's size in bytes.
    pub size: u64,
    /// For sound and films: what lets a phone play before it has everything.
    pub streaming_sidecar: Option<Vec<u8>>,
}
