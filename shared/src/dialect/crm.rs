//! What the API of WhatsApp for CRM tells its webhooks, every message that arrives at a session, and its words for messages and people.

use std::time::Duration;

use serde_json::{Value, json};

use super::{File, Surroundings, web};
use crate::address::Party;
use crate::content::Content;
use crate::event::Envelope;
use crate::message::{Message, MessageStatus};

/// The one event that it tells.
pub const EVENT: &str = "message.received";
/// How long its receivers have to answer.
pub const PATIENCE: Duration = Duration::from_secs(7);

/// How this API writes an address: WhatsApp's JID, with the number where it is known.
#[must_use]
pub fn address(party: &Party) -> String {
    match &party.phone {
        Some(phone) => format!("{phone}@s.whatsapp.net"),
        None => party.jid.clone(),
    }
}

/// The part of an address before the `@`: the number in digits where it is known.
#[must_use]
pub fn user(party: &Party) -> String {
    web::number(party)
}

/// The name of a message's kind.
#[must_use]
pub fn kind(message: &Message) -> &str {
    shown_kind(&message.kind)
}

/// This API's word for a kind of ours.
#[must_use]
pub fn shown_kind(kind: &str) -> &str {
    match kind {
        "contacts" => "contact",
        "live_location" => "location",
        kind => kind,
    }
}

/// The kind of ours that a client means with a word of this API.
#[must_use]
pub fn own_kind(word: &str) -> &str {
    match word {
        "contact" => "contacts",
        word => word,
    }
}

/// What a message says as one text.
#[must_use]
pub fn text(message: &Message) -> String {
    web::text(message)
}

/// How far a message has come.
#[must_use]
pub fn status(status: MessageStatus) -> &'static str {
    match status {
        // Accepted, and on its way to WhatsApp.
        MessageStatus::Queued => "pending",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Read => "read",
        MessageStatus::Played => "played",
        MessageStatus::Received => "received",
        MessageStatus::Failed => "failed",
    }
}

/// The body of a delivery. An act on another message (a pin, an answer to an invitation) is no message to this API.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    let content = Content::of_map(&message.content);
    if content.as_ref().is_some_and(|content| content.target().is_some()) {
        return None;
    }
    let has_file = content.is_some_and(|content| content.media().is_some());
    let file = around.file.as_ref().filter(|_| has_file);
    Some(json!({
        "event": EVENT,
        "data": {
            "sessionId": around.session,
            "session_db_id": around.number,
            "message": {
                "whatsappMessageId": message.wa_message_id,
                "content": text(&message),
                "chatId": address(&message.chat),
                "from": address(&message.from),
                "to": around.session,
                "timestamp": message.timestamp.timestamp(),
                "type": kind(&message),
                "has_attachment": has_file,
                "media": file.map(|file| json!({
                    "filename": file.name.clone().unwrap_or_else(|| made_name(&message, file)),
                    "filesize": file.size,
                    "mimetype": file.mime_type,
                    "url": file.url,
                })),
            },
        },
    }))
}

/// A name for a file that has none: the message's id, and what it is.
fn made_name(message: &Message, file: &File) -> String {
    let essence = file.mime_type.split(';').next().unwrap_or_default().trim();
    let ending = match essence {
        "image/jpeg" => "jpg",
        "video/3gpp" => "3gp",
        "audio/mpeg" => "mp3",
        "audio/mp4" => "m4a",
        "text/plain" => "txt",
        other => match other.split_once('/') {
            Some((_, kind))
                if (1..=5).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                kind
            }
            _ => "bin",
        },
    };
    format!("{}.{ending}", message.wa_message_id)
}
