//! What WhatsApp Multi-Session API tells its webhooks: every message that arrives, with its file in base64.

use serde_json::{Value, json};

use super::{File, Surroundings, web};
use crate::event::Envelope;
use crate::message::Message;

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    Some(self::message(&message, &around.session, around.file.as_ref()))
}

/// A message as this API writes it. `session`: how its clients call the session.
#[must_use]
pub fn message(message: &Message, session: &str, file: Option<&File>) -> Value {
    let number = web::number(&message.from);
    let mut body = json!({
        "id": web::message_id(message),
        "sessionId": session,
        "from": web::address(if message.from_me { &message.from } else { &message.chat }),
        "body": web::text(message),
        "type": web::kind(message),
        "timestamp": message.timestamp.timestamp(),
        "contact": {
            "name": message.details.from_name.clone().unwrap_or_else(|| number.clone()),
            "number": number,
        },
        "media": file.map(|file| json!({
            "mimetype": file.mime_type,
            "data": file.data,
            "filename": file.name,
        })),
    });
    // In a group `from` is the group, as in whatsapp-web.js.
    if web::is_group(&message.chat) {
        body["author"] = web::address(&message.from).into();
    }
    body
}
