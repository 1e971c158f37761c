//! What the API of WhatsApp for CRM tells its webhooks, every message that arrives at a session, and its words for messages and people.

use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::address::Party;
use crate::content::Content;
use crate::event::Envelope;
use crate::message::{Message, MessageStatus};

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

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    let content = Content::of_map(&message.content);
    let file = content.as_ref().and_then(Content::media);
    Some(json!({
        "event": "message.received",
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
                "has_attachment": file.is_some(),
                "media": null,
            },
        },
    }))
}
