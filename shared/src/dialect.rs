//! The dialects: older APIs whose clients Rookery serves unchanged, as far as more than one crate needs to know them.
//!
//! Here are their names, the words that several of them share (those of WhatsApp's older web clients), and the bodies of their webhooks: each a pure
//! function from an event and what is known around it. Their routes live in the gateway; sending and signing is the dispatcher's business.

pub mod around;
pub mod chatlink;
pub mod crm;
pub mod form;
pub mod management;
pub mod multisession;
pub mod premium;
pub mod web;

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use crate::address::Party;
use crate::content::MediaStatus;
use crate::event::{Envelope, EventType, MediaFailed, MediaStored};
use crate::ids::MessageId;
use crate::message::Message;
use crate::session::words;

words! {
    /// An older API whose clients Rookery serves.
    Dialect {
        /// ChatLink API.
        Chatlink = "chatlink",
        /// Api Premium.
        Premium = "premium",
        /// WhatsApp Management System API.
        Management = "management",
        /// The API of WhatsApp for CRM.
        Crm = "crm",
        /// WhatsApp Multi-Session API.
        Multisession = "multisession",
    }
}

words! {
    /// In whose words a webhook's deliveries are written.
    WebhookFormat {
        /// Rookery's own: the event as it is.
        Rookery = "rookery",
        /// As ChatLink API sends messages.
        Chatlink = "chatlink",
        /// As Api Premium sends its six kinds of news.
        Premium = "premium",
        /// As WhatsApp Management System sends messages.
        Management = "management",
        /// As the API of WhatsApp for CRM sends messages.
        Crm = "crm",
        /// As WhatsApp Multi-Session API sends messages.
        Multisession = "multisession",
    }
}

impl Dialect {
    /// Whether its clients call sessions by numbers too.
    #[must_use]
    pub fn has_numbers(self) -> bool {
        WebhookFormat::from(self).tells_numbers()
    }
}

impl From<Dialect> for WebhookFormat {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Chatlink => Self::Chatlink,
            Dialect::Premium => Self::Premium,
            Dialect::Management => Self::Management,
            Dialect::Crm => Self::Crm,
            Dialect::Multisession => Self::Multisession,
        }
    }
}

impl WebhookFormat {
    /// The dialect whose words these are; `None` for Rookery's own.
    #[must_use]
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Rookery => None,
            Self::Chatlink => Some(Dialect::Chatlink),
            Self::Premium => Some(Dialect::Premium),
            Self::Management => Some(Dialect::Management),
            Self::Crm => Some(Dialect::Crm),
            Self::Multisession => Some(Dialect::Multisession),
        }
    }

    /// The types of events that a webhook of this format speaks of; `None`: all.
    #[must_use]
    pub fn event_types(self) -> Option<&'static [EventType]> {
        match self {
            Self::Rookery => None,
            Self::Chatlink | Self::Multisession | Self::Crm | Self::Management => Some(&[
                EventType::MessageReceived,
                EventType::MediaStored,
                EventType::MediaFailed,
            ]),
            Self::Premium => Some(&[
                EventType::MessageReceived,
                EventType::MessageSent,
                EventType::MessageStatus,
                EventType::SessionStatus,
                EventType::SessionQr,
            ]),
        }
    }

    /// How a message's file is told with it; `None`: not at all.
    #[must_use]
    pub fn file_telling(self) -> Option<FileTelling> {
        match self {
            Self::Chatlink | Self::Multisession => Some(FileTelling::Bytes),
            Self::Crm | Self::Management => Some(FileTelling::Link),
            Self::Rookery | Self::Premium => None,
        }
    }

    /// Whether a message is told together with its file, so that one whose file is still on its way is told when the file has come or has failed.
    #[must_use]
    pub fn carries_files(self) -> bool {
        self.file_telling().is_some()
    }

    /// How long receivers of this format may take to answer, where its clients know of less than is usual.
    #[must_use]
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::Crm => Some(crm::PATIENCE),
            Self::Rookery | Self::Chatlink | Self::Premium | Self::Management | Self::Multisession => None,
        }
    }

    /// The one type that the headers of this format's deliveries name; `None`: the event's own. Its deliveries name the session as the dialect's
    /// clients do.
    #[must_use]
    pub fn told_event(self) -> Option<&'static str> {
        match self {
            Self::Crm => Some(crm::EVENT),
            Self::Rookery | Self::Chatlink | Self::Premium | Self::Management | Self::Multisession => None,
        }
    }

    /// Whether its bodies are sent as forms (see [`form`]) instead of JSON.
    #[must_use]
    pub fn is_form(self) -> bool {
        self == Self::Premium
    }

    /// Whether it tells the session's number.
    #[must_use]
    pub fn tells_numbers(self) -> bool {
        matches!(self, Self::Management | Self::Crm)
    }

    /// Whether deliveries carry the secret that the receiver's side chose, as the header `X-Webhook-Secret`: receivers of this format compare it.
    #[must_use]
    pub fn tells_secret(self) -> bool {
        self == Self::Management
    }

    /// Whether a webhook of this format says anything about an event.
    #[must_use]
    pub fn tells(self, envelope: &Envelope) -> bool {
        let Some(types) = self.event_types() else { return true };
        if !types
            .iter()
            .any(|event_type| event_type.as_str() == envelope.event_type)
        {
            return false;
        }
        if self == Self::Premium {
            return premium::tells(envelope);
        }
        if envelope.event_type == EventType::MessageReceived.as_str() {
            return !(self.carries_files() && waits_for_its_file(&envelope.data));
        }
        true
    }
}

/// Whether the file of a message that has just arrived is still on its way.
fn waits_for_its_file(message: &Value) -> bool {
    let kind = message["type"].as_str().unwrap_or_default();
    message[kind]["status"] == MediaStatus::Pending.as_str()
}

/// The message that an event is about and does not carry itself: it has to be read for those formats that show it.
#[must_use]
pub fn message_of(envelope: &Envelope) -> Option<MessageId> {
    let carried = [EventType::MessageStatus, EventType::MediaStored, EventType::MediaFailed];
    if !carried
        .iter()
        .any(|event_type| event_type.as_str() == envelope.event_type)
    {
        return None;
    }
    envelope.data["message_id"].as_str()?.parse().ok()
}

/// How a message's file is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTelling {
    /// Its bytes, in base64.
    Bytes,
    /// A link under which it can be had for a while.
    Link,
}

/// A message's file, for the formats that tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// What it is, as a MIME type.
    pub mime_type: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// Its bytes in base64; `None` when they could not be had, are too many, or are not told.
    pub data: Option<String>,
    /// Where it can be had for a while; `None` when it could not be had, or is not told this way.
    pub url: Option<String>,
}

/// What is known around an event when it is told.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// How the dialect's clients call the session; its id where they have no name for it.
    pub session: String,
    /// The session's name, for people.
    pub session_name: String,
    /// The session's number, for the formats that tell it (see [`WebhookFormat::tells_numbers`]).
    pub number: Option<i64>,
    /// The session's account.
    pub account: Option<Party>,
    /// The account's name.
    pub account_name: Option<String>,
    /// The message that the event is about, see [`message_of`].
    pub message: Option<Message>,
    /// The message's file.
    pub file: Option<File>,
    /// The picture of a QR code, as a PNG in base64, for events that carry its text.
    pub picture: Option<String>,
}

impl Surroundings {
    /// The message that is told: the one that has just arrived, or the one whose file has.
    fn arrived(&self, envelope: &Envelope) -> Option<Message> {
        match envelope.event_type.as_str() {
            "message.received" => serde_json::from_value(envelope.data.clone()).ok(),
            // Only what others wrote: an account's own files are stored too.
            _ => self.message.clone().filter(|message| !message.from_me),
        }
    }
}

/// The file that an event speaks of: where the message's own record may be older.
#[must_use]
pub fn media_of(envelope: &Envelope) -> Option<crate::content::Media> {
    match envelope.event_type.as_str() {
        "media.stored" => Some(MediaStored::deserialize(&envelope.data).ok()?.media),
        "media.failed" => Some(MediaFailed::deserialize(&envelope.data).ok()?.media),
        "message.received" => {
            let message: Message = serde_json::from_value(envelope.data.clone()).ok()?;
            crate::content::Content::of_map(&message.content)?.media().cloned()
        }
        _ => None,
    }
}

/// The bodies of a delivery in another format than Rookery's own, in the order in which they are sent; none when that format says nothing about the
/// event. Only Api Premium says several things of one event.
#[must_use]
pub fn bodies(format: WebhookFormat, envelope: &Envelope, around: &Surroundings) -> Vec<Value> {
    if !format.tells(envelope) {
        return Vec::new();
    }
    let one = match format {
        WebhookFormat::Premium => return premium::webhook(envelope, around),
        WebhookFormat::Rookery => serde_json::to_value(envelope).ok(),
        WebhookFormat::Chatlink => chatlink::webhook(envelope, around),
        WebhookFormat::Management => management::webhook(envelope, around),
        WebhookFormat::Crm => crm::webhook(envelope, around),
        WebhookFormat::Multisession => multisession::webhook(envelope, around),
    };
    one.into_iter().collect()
}

#[cfg(test)]
mod tests;
