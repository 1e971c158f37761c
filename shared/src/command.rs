//! Commands: intents on a session, and their wire form.
//!
//! Everything that a client can ask of a session, by whatever API, becomes a [`Command`]. A gateway stores it as a row and the broker carries
//! an [`Envelope`] of it to the worker that holds the session. The wire form (`proto/command.proto`) stays inside this module: bytes that do
//! not decode into a valid command become [`InvalidCommand`], never a half-filled value.

use prost::Message as _;

use crate::address::{Address, Party};
use crate::content::Content;
use crate::ids::{CommandId, MessageId, SessionId, TenantId};
use crate::message::{MessageContext, MessageDetails};
use crate::operation::Operation;

#[expect(
    unreachable_pub,
    clippy::large_enum_variant,
    reason = "generated; documented in proto/command.proto"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/rookery.command.v1.rs"));
}

/// Bytes that are no valid command. Retrying cannot help: they belong into the dead letters.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCommand {
    /// The bytes are not the protobuf message.
    #[error("not a command")]
    Decode(#[from] prost::DecodeError),
    /// A newer gateway sent an action that this worker does not know.
    #[error("the command has no action that this version knows")]
    UnknownAction,
    /// A field is missing or has a value that no gateway writes.
    #[error("the field {field} is not valid")]
    Field {
        /// The field's name in the wire form.
        field: &'static str,
    },
}

/// An intent on a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Hold the session and connect it.
    Start,
    /// Close the connection; the account stays linked.
    Stop,
    /// Close the connection and open it again.
    Restart,
    /// Unlink the account and forget its credentials.
    Logout,
    /// Unlink the account and remove the session with all its data.
    Delete,
    /// Read the session's settings again: they were changed.
    ApplySettings,
    /// Ask WhatsApp for a code with which the phone `phone` (digits) can link the session.
    RequestPairingCode {
        /// The phone number in digits.
        phone: String,
    },
    /// Send a message.
    SendMessage(Box<SendMessage>),
    /// Do something else with the account.
    Operation(Operation),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct SendMessage {
    /// Our id of the message.
    pub message_id: MessageId,
    /// WhatsApp's id, fixed at admission: every attempt carries the same one.
    pub wa_message_id: String,
    /// Whom it is for.
    pub to: Address,
    /// What it says.
    pub content: Content,
    /// The message that it answers.
    pub quote: Option<Quote>,
    /// The people whom it mentions.
    pub mentions: Vec<Address>,
    /// Whether it mentions everybody in the group.
    pub mention_all: bool,
    /// Seconds after which it disappears; 0: it stays.
    pub ephemeral: u32,
    /// How often it has been forwarded; 0: it is not a forwarded one.
    pub forwarding_score: u32,
    /// For a status post: who may see it. Empty for everything else.
    pub audience: Vec<Address>,
}

impl SendMessage {
    /// A message that only says `content`.
    #[must_use]
    pub fn new(message_id: MessageId, wa_message_id: String, to: Address, content: Content) -> Self {
        Self {
            message_id,
            wa_message_id,
            to,
            content,
            quote: None,
            mentions: Vec::new(),
            mention_all: false,
            ephemeral: 0,
            forwarding_score: 0,
            audience: Vec::new(),
        }
    }
}

impl From<&SendMessage> for MessageDetails {
    fn from(message: &SendMessage) -> Self {
        Self {
            mentions: message.mentions.iter().map(|person| Party::new(person, None)).collect(),
            mention_all: message.mention_all,
            forwarding_score: message.forwarding_score,
            ephemeral: message.ephemeral,
            ..Self::default()
        }
    }
}

impl From<&Quote> for MessageContext {
    fn from(quote: &Quote) -> Self {
        let content = quote.content.as_deref();
        Self {
            wa_message_id: quote.wa_message_id.clone(),
            from: Some(Party::new(&quote.author, None)),
            quoted: content.map(Content::to_map),
        }
    }
}

/// The message that another one answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// WhatsApp's id of the quoted message.
    pub wa_message_id: String,
    /// Who wrote it.
    pub author: Address,
    /// Its text as far as it is known.
    pub text: String,
    /// What it says, where more than its text is known.
    pub content: Option<Box<Content>>,
}

impl Command {
    /// The command's kind as the `command` table and the API name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Start => "session.start",
            Self::Stop => "session.stop",
            Self::Restart => "session.restart",
            Self::Logout => "session.logout",
            Self::Delete => "session.delete",
            Self::ApplySettings => "session.settings",
            Self::RequestPairingCode { .. } => "session.pairing_code",
            Self::SendMessage(_) => "message.send",
            Self::Operation(operation) => operation.kind(),
        }
    }

    /// The bytes that the command row holds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Reads a command row's bytes.
    ///
    /// # Errors
    /// [`InvalidCommand`] when the bytes hold no command that this version understands.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidCommand> {
        wire::Command::decode(bytes)?.try_into()
    }

    fn to_wire(&self) -> wire::Command {
        use wire::command::Action;
        let action = match self {
            Self::Start => Action::Start(wire::Start {}),
            Self::Stop => Action::Stop(wire::Stop {}),
            Self::Restart => Action::Restart(wire::Restart {}),
            Self::Logout => Action::Logout(wire::Logout {}),
            Self::Delete => Action::Delete(wire::Delete {}),
            Self::ApplySettings => Action::ApplySettings(wire::ApplySettings {}),
            Self::RequestPairingCode { phone } => {
                Action::RequestPairingCode(wire::RequestPairingCode { phone: phone.clone() })
            }
            Self::SendMessage(message) => Action::SendMessage(message.to_wire()),
            Self::Operation(operation) => Action::Operation(wire::Operation { json: json(operation) }),
        };
        wire::Command { action: Some(action) }
    }
}

impl TryFrom<wire::Command> for Command {
    type Error = InvalidCommand;

    fn try_from(command: wire::Command) -> Result<Self, InvalidCommand> {
        use wire::command::Action;
        Ok(match command.action.ok_or(InvalidCommand::UnknownAction)? {
            Action::Start(_) => Self::Start,
            Action::Stop(_) => Self::Stop,
            Action::Restart(_) => Self::Restart,
            Action::Logout(_) => Self::Logout,
            Action::Delete(_) => Self::Delete,
            Action::ApplySettings(_) => Self::ApplySettings,
            Action::RequestPairingCode(request) => match request.phone.parse() {
                Ok(Address::Phone(phone)) => Self::RequestPairingCode { phone },
                _ => return Err(InvalidCommand::Field { field: "phone" }),
            },
            Action::SendMessage(message) => Self::SendMessage(Box::new(message.try_into()?)),
            // A verb that this version does not know is one that a newer gateway sent.
            Action::Operation(operation) => {
                Self::Operation(serde_json::from_slice(&operation.json).map_err(|_| InvalidCommand::UnknownAction)?)
            }
        })
    }
}

impl SendMessage {
    fn to_wire(&self) -> wire::SendMessage {
        let content = match &self.content {
            Content::Text(text) if text.preview.is_none() && text.style.is_none() => {
                wire::send_message::Content::Text(wire::Text {
                    body: text.body.clone(),
                })
            }
            content => wire::send_message::Content::Json(json(content)),
        };
        wire::SendMessage {
            message_id: self.message_id.to_string(),
            wa_message_id: self.wa_message_id.clone(),
            to: self.to.to_string(),
            quote: self.quote.as_ref().map(|quote| wire::Quote {
                wa_message_id: quote.wa_message_id.clone(),
                author: quote.author.to_string(),
                text: quote.text.clone(),
                content: quote.content.as_deref().map(json).unwrap_or_default(),
            }),
            mentions: self.mentions.iter().map(Address::to_string).collect(),
            mention_all: self.mention_all,
            ephemeral: self.ephemeral,
            forwarding_score: self.forwarding_score,
            audience: self.audience.iter().map(Address::to_string).collect(),
            content: Some(content),
        }
    }
}

impl TryFrom<wire::SendMessage> for SendMessage {
    type Error = InvalidCommand;

    fn try_from(message: wire::SendMessage) -> Result<Self, InvalidCommand> {
        let content = match message.content.ok_or(InvalidCommand::UnknownAction)? {
            wire::send_message::Content::Text(text) => Content::text(text.body),
            wire::send_message::Content::Json(json) => {
                serde_json::from_slice(&json).map_err(|_| InvalidCommand::UnknownAction)?
            }
        };
        let quote = match message.quote {
            Some(quote) => Some(Quote {
                wa_message_id: quote.wa_message_id,
                author: address(&quote.author, "quote.author")?,
                text: quote.text,
                // Only decoration: the text alone will do for a kind of another version.
                content: serde_json::from_slice(&quote.content).ok(),
            }),
            None => None,
        };
        if message.wa_message_id.is_empty() {
            return Err(InvalidCommand::Field { field: "wa_message_id" });
        }
        Ok(Self {
            message_id: message
                .message_id
                .parse()
                .map_err(|_| InvalidCommand::Field { field: "message_id" })?,
            wa_message_id: message.wa_message_id,
            to: address(&message.to, "to")?,
            content,
            quote,
            mentions: addresses(&message.mentions, "mentions")?,
            mention_all: message.mention_all,
            ephemeral: message.ephemeral,
            forwarding_score: message.forwarding_score,
            audience: addresses(&message.audience, "audience")?,
        })
    }
}

/// The JSON of a value whose every shape JSON can hold.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn addresses(texts: &[String], field: &'static str) -> Result<Vec<Address>, InvalidCommand> {
    texts.iter().map(|text| address(text, field)).collect()
}

fn address(text: &str, field: &'static str) -> Result<Address, InvalidCommand> {
    text.parse().map_err(|_| InvalidCommand::Field { field })
}

/// A command with its place: what the broker carries to the holder.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The command's id, also the broker's deduplication id.
    pub id: CommandId,
    /// Whose session it is.
    pub tenant: TenantId,
    /// The session it is for.
    pub session: SessionId,
    /// The command's number within its session, from 1, without gaps.
    pub sequence: i64,
    /// The intent.
    pub command: Command,
}

impl Envelope {
    /// The bytes that the broker carries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Envelope {
            id: self.id.to_string(),
            tenant_id: self.tenant.to_string(),
            session_id: self.session.to_string(),
            sequence: u64::try_from(self.sequence).unwrap_or_default(),
            command: Some(self.command.to_wire()),
        }
        .encode_to_vec()
    }

    /// Reads what the broker carried.
    ///
    /// # Errors
    /// [`InvalidCommand`] when the bytes hold no command that this version understands.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidCommand> {
        let envelope = wire::Envelope::decode(bytes)?;
        let invalid = |field| move |_| InvalidCommand::Field { field };
        Ok(Self {
            id: envelope.id.parse().map_err(invalid("id"))?,
            tenant: envelope.tenant_id.parse().map_err(invalid("tenant_id"))?,
            session: envelope.session_id.parse().map_err(invalid("session_id"))?,
            sequence: i64::try_from(envelope.sequence).map_err(|_| InvalidCommand::Field { field: "sequence" })?,
            command: envelope.command.ok_or(InvalidCommand::UnknownAction)?.try_into()?,
        })
    }
}
