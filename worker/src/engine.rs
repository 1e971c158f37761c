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
use shared::content::MessageKey;
use shared::credentials::Credentials;
use shared::event::HistoryKind;
use shared::group::Group;
use shared::ids::{SessionId, TenantId};
use shared::message::MessageStatus;
use shared::operation::Operation;
use shared::problem::Code;
use shared::query::Lookup;
use shared::seal::DataKey;
use shared::session::SessionSettings;
use shared::store::read_model::{ChatHistory, ChatState};
use shared::store::records::Account;

use crate::gate::Gate;

pub mod message;
pub mod news;
pub mod people;
pub mod whatsapp;

pub use message::{IncomingDetails, IncomingMessage, Quoted, RemoteMedia, RemoteMessage, UploadedMedia};
use news::{GroupNews, StatusNews};

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
    /// Something of ours that the message needs is away, its file for example: try again, however long it takes.
    #[error("waiting: {0}")]
    Waiting(String),
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

/// A file could not be had from WhatsApp, or not be put where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// There is no connection right now: try again when there is.
    #[error("not connected")]
    NotConnected,
    /// WhatsApp no longer has it at this place.
    #[error("WhatsApp no longer has the file")]
    Gone,
    /// What came is not what was sent.
    #[error("{0}")]
    Damaged(String),
    /// It has more bytes than files may have.
    #[error("the file is too large")]
    TooLarge,
    /// Our storage is away: try again, however long it takes.
    #[error("the bucket cannot be used: {0}")]
    Storage(String),
    /// Something else; worth a few tries.
    #[error("{0}")]
    Failed(String),
}

/// Takes the pieces of a file, in order.
#[async_trait]
pub trait MediaSink: Send {
    /// Takes one piece.
    ///
    /// # Errors
    /// [`MediaError`]: the file is of no more use here.
    async fn write(&mut self, piece: &[u8]) -> Result<(), MediaError>;
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

    /// Fetches a file, decrypted. Answers the SHA-256 of its bytes; until then none of what `sink` was given is to be trusted.
    ///
    /// # Errors
    /// [`MediaError`] when it is not had; `sink` must then not be used again.
    async fn download_media(&self, remote: &RemoteMedia, sink: &mut dyn MediaSink) -> Result<Vec<u8>, MediaError>;

    /// Asks the phone to upload a file again that WhatsApp no longer has. Answers its new path.
    ///
    /// # Errors
    /// [`MediaError`] when it does not.
    async fn request_media(&self, remote: &RemoteMedia, message: &RemoteMessage) -> Result<String, MediaError>;

    /// Follows changed settings from now on, as far as that needs no new connection: read receipts, calls, who sees our posts. Never waits.
    fn apply(&self, settings: &SessionSettings);

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

    async fn download_media(&self, _remote: &RemoteMedia, _sink: &mut dyn MediaSink) -> Result<Vec<u8>, MediaError> {
        Err(MediaError::NotConnected)
    }

    async fn request_media(&self, _remote: &RemoteMedia, _message: &RemoteMessage) -> Result<String, MediaError> {
        Err(MediaError::NotConnected)
    }

    fn apply(&self, _settings: &SessionSettings) {}

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

    /// A part of the phone's history came. Answers when it is durable: whoever reads the history waits with the next part.
    ///
    /// # Errors
    /// [`NotRecorded`] when it is not durable.
    async fn history(&self, part: HistoryPart) -> Result<(), NotRecorded>;
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
    /// A device of the account has starred a message, or no longer.
    Starred {
        /// The chat.
        chat: Person,
        /// The message.
        message: MessageKey,
        /// Whether it is starred now.
        starred: bool,
    },
    /// Another device of the account did something with a chat.
    Chat(ChatEvent),
    /// Another device of the account has read messages of others.
    ReadElsewhere {
        /// Where, if WhatsApp says so.
        chat: Option<Person>,
        /// WhatsApp's ids of the messages.
        wa_message_ids: Vec<String>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Something about people, labels or calls.
    People(people::PeopleEvent),
    /// A group was read as a whole.
    GroupKnown(Box<Group>),
    /// Every group of the account was read as a whole.
    GroupsKnown(Vec<Group>),
    /// The account has left this group, by its JID.
    GroupLeft(String),
    /// Something happened in a group.
    Group(GroupNews),
    /// The account has done something with a status post.
    Status(StatusNews),
}

/// Something about a chat is different.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatEvent {
    /// The chat.
    pub chat: Person,
    /// What.
    pub state: ChatState,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it is news to nobody: part of a complete state that was loaded.
    pub silent: bool,
}

/// A part of the phone's history, of bounded size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryPart {
    /// Messages of the past.
    pub messages: Vec<HistoryMessage>,
    /// Chats of which all messages have been told.
    pub chats: Vec<(Person, ChatHistory)>,
    /// Set on the last part of a transfer.
    pub finished: Option<HistorySummary>,
}

/// A message of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryMessage {
    /// The message.
    pub message: IncomingMessage,
    /// How far it has come.
    pub status: MessageStatus,
}

/// What a transfer of history held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySummary {
    /// Why it came.
    pub kind: HistoryKind,
    /// The chat that was asked about.
    pub chat: Option<Person>,
    /// How many chats.
    pub chats: u32,
    /// How many messages.
    pub messages: u32,
    /// How much of the whole has come, in percent.
    pub progress: Option<u32>,
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
