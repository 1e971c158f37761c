//! The engine: what the worker needs of a WhatsApp client, and nothing of how one works.
//!
//! Types of the protocol library never leave [`whatsapp`], the one module that imports it. An engine tells what happens through its [`Listener`];
//! it must not keep anything from the listener that it acknowledges to WhatsApp.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use shared::address::Address;
use shared::command::SendMessage;
use shared::content::Content;
use shared::credentials::Credentials;
use shared::ids::{SessionId, TenantId};
use shared::message::MessageStatus;
use shared::operation::Operation;
use shared::problem::Code;
use shared::query::Lookup;
use shared::seal::DataKey;
use shared::session::SessionSettings;
use shared::store::records::Account;

use crate::gate::Gate;

pub mod whatsapp;

/// Opens engines. One per worker.
#[async_trait]
pub trait EngineFactory: Send + Sync {
    /// Prepares a session's engine from what is stored of it and lets it connect. It goes on connecting by itself until it ends.
    ///
    /// # Errors
    /// [`OpenError`] when the stored state cannot be used.
    async fn open(&self, session: EngineSession, listener: Arc<dyn Listener>) -> Result<Arc<dyn Engine>, OpenError>;
}

/// What an engine must know of its session.
#[derive(Debug, Clone)]
pub struct EngineSession {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub tenant: TenantId,
    /// The claim that fences every write.
    pub epoch: i64,
    /// The key to the session's credentials.
    pub key: DataKey,
    /// How it behaves; the proxy's URL is complete.
    pub settings: SessionSettings,
    /// Credentials to take over before connecting.
    pub import: Option<Credentials>,
    /// Guards the socket.
    pub gate: Gate,
}

/// An engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The claim is over.
    #[error("the claim is over")]
    Fenced,
    /// The stored or imported state cannot be used; trying again does not help.
    #[error("the session's stored state cannot be used: {0}")]
    State(String),
    /// Anything else; worth another try later.
    #[error("the engine could not be opened")]
    Other(#[source] anyhow::Error),
}

/// A message was not put on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection right now: try again when there is.
    #[error("not connected")]
    NotConnected,
    /// The recipient does not use WhatsApp.
    #[error("the recipient does not use WhatsApp")]
    NotOnWhatsapp,
    /// The message cannot be sent; trying again does not help.
    #[error("the message cannot be sent: {0}")]
    Refused(String),
    /// Something else; worth a few tries.
    #[error("the message could not be sent: {0}")]
    Failed(String),
}

/// A code for linking was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// An account is linked already.
    #[error("an account is already linked")]
    AlreadyPaired,
    /// There is no connection right now.
    #[error("not connected")]
    NotConnected,
    /// WhatsApp refused.
    #[error("{0}")]
    Refused(String),
}

/// An operation was not carried out, or a look-up not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// There is no connection right now: try again when there is.
    #[error("not connected")]
    NotConnected,
    /// WhatsApp refused, or it cannot be done; trying again does not help.
    #[error("{detail}")]
    Refused {
        /// What a client is told.
        code: Code,
        /// The same for people.
        detail: String,
    },
    /// Something else; worth a few tries.
    #[error("{0}")]
    Failed(String),
}

impl OperationError {
    /// WhatsApp refused.
    #[must_use]
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::Refused {
            code: Code::WhatsappRefused,
            detail: detail.into(),
        }
    }
}

/// A running engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Encrypts a message and puts it on the wire. WhatsApp's answer comes as [`EngineEvent::Acknowledged`].
    ///
    /// # Errors
    /// [`SendError`] when nothing was put on the wire, as far as can be known.
    async fn send(&self, message: &SendMessage) -> Result<(), SendError>;

    /// Does something with the account besides sending. Answers what the operation promises, `null` where it promises nothing.
    ///
    /// # Errors
    /// [`OperationError`] when it was not done, as far as can be known.
    async fn perform(&self, operation: &Operation) -> Result<serde_json::Value, OperationError>;

    /// Asks WhatsApp's server for something. Changes nothing.
    ///
    /// # Errors
    /// [`OperationError`] when there is no answer.
    async fn look_up(&self, lookup: &Lookup) -> Result<serde_json::Value, OperationError>;

    /// Asks WhatsApp for a code with which the phone of `number` (digits) can link the session. Answers the code and how long it works.
    ///
    /// # Errors
    /// [`PairingError`] when there is none.
    async fn request_pairing_code(&self, number: &str) -> Result<(String, Duration), PairingError>;

    /// Tells WhatsApp that this device is no longer linked, as far as it can be reached, and closes the connection.
    async fn logout(&self);

    /// Closes the connection in order: what is known is stored, what is owed is acknowledged. Bounded; afterwards the engine is dead.
    async fn close(&self);

    /// Ends everything at once: the socket is closed, every task is gone when this returns. Nothing is stored any more.
    async fn kill(&self);
}

/// The engine of a session that has none open.
#[derive(Debug)]
pub struct NoEngine;

#[async_trait]
impl Engine for NoEngine {
    async fn send(&self, _message: &SendMessage) -> Result<(), SendError> {
        Err(SendError::NotConnected)
    }

    async fn perform(&self, _operation: &Operation) -> Result<serde_json::Value, OperationError> {
        Err(OperationError::NotConnected)
    }

    async fn look_up(&self, _lookup: &Lookup) -> Result<serde_json::Value, OperationError> {
        Err(OperationError::NotConnected)
    }

    async fn request_pairing_code(&self, _number: &str) -> Result<(String, Duration), PairingError> {
        Err(PairingError::NotConnected)
    }

    async fn logout(&self) {}

    async fn close(&self) {}

    async fn kill(&self) {}
}

/// Who is told what happens.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Something happened. Must return at once; the order is kept.
    fn event(&self, event: EngineEvent);

    /// Messages arrived, in order. When this answers, they are durable, and only then may WhatsApp be told.
    ///
    /// # Errors
    /// [`NotRecorded`] when they are not durable: WhatsApp must deliver them again.
    async fn messages(&self, messages: Vec<IncomingMessage>) -> Result<(), NotRecorded>;
}

/// Messages could not be made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the messages were not recorded")]
pub struct NotRecorded;

/// What happens to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineEvent {
    /// A code to show as QR, and how long it works.
    QrCode {
        /// The text of the QR code.
        code: String,
        /// How long WhatsApp takes it.
        lifetime: Duration,
    },
    /// WhatsApp gives no more QR codes on this connection.
    QrCodesExhausted,
    /// The pairing code that was given does not work any more.
    PairingCodeExpired,
    /// An account was linked.
    Paired(Account),
    /// A connection is being made; `failures` counts those that failed in a row before it.
    Connecting {
        /// How many attempts failed in a row.
        failures: u32,
    },
    /// Logged in: the account is live. The account's ids as the engine knows them now.
    Connected(Account),
    /// What had waited for us at WhatsApp has been delivered.
    CaughtUp,
    /// The connection is lost; the engine makes a new one.
    Disconnected {
        /// Why, as a stable word.
        reason: String,
    },
    /// The engine has ended and will not connect again.
    Ended(EndReason),
    /// WhatsApp's server has taken or refused a message.
    Acknowledged {
        /// WhatsApp's id of the message.
        wa_message_id: String,
        /// The code of the refusal.
        refused: Option<String>,
    },
    /// A device of somebody else reports on our messages.
    Receipt(Receipt),
    /// Somebody is typing, came online or went away.
    Presence(PresenceChange),
}

/// Why an engine has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The account has unlinked this device, or WhatsApp has. `reason` is a stable word.
    LoggedOut {
        /// Why.
        reason: String,
    },
    /// Another connection of the same device took over.
    Replaced,
    /// WhatsApp has blocked the account for a while.
    Banned {
        /// WhatsApp's code.
        code: String,
        /// How long.
        lasts: Duration,
    },
    /// WhatsApp no longer talks to this version of the client.
    Outdated,
    /// WhatsApp refused the connection.
    Refused {
        /// WhatsApp's code.
        code: String,
    },
    /// A part of the engine failed.
    Broken {
        /// What, for the log.
        cause: String,
    },
    /// It was closed.
    Closed,
}

/// A person by every id that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id that WhatsApp used.
    pub address: Address,
    /// The other one, where it is known.
    pub alternative: Option<Address>,
}

/// A report on messages of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The conversation.
    pub chat: Person,
    /// Whose device reports.
    pub from: Person,
    /// WhatsApp's ids of the messages.
    pub wa_message_ids: Vec<String>,
    /// How far they have come.
    pub status: MessageStatus,
    /// When.
    pub at: DateTime<Utc>,
}

/// Somebody is typing, came online or went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// Where.
    pub chat: Person,
    /// Who.
    pub from: Person,
    /// `available`, `unavailable`, `composing`, `recording` or `paused`.
    pub presence: &'static str,
    /// When the person was last online, if they show it.
    pub last_seen: Option<DateTime<Utc>>,
}

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
    /// What it answers: WhatsApp's id.
    pub context: Option<String>,
    /// When it was written, by the author's clock.
    pub at: DateTime<Utc>,
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
