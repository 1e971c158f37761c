//! What WhatsApp Multi-Session API tells its webhooks: every message that arrives, with its file in base64; and its sockets: also codes, connections and
//! receipts.

use serde_json::{Value, json};

use super::{File, Surroundings, WebhookFormat, web};
use crate::address::Party;
use crate::event::{Envelope, EventType};
use crate::message::Message;
use crate::session::SessionStatus;

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    Some(self::message(
        &message,
        &around.session,
        around.account.as_ref(),
        around.file.as_ref(),
    ))
}

/// The types of events that a socket hears of.
#[must_use]
pub fn live_event_types() -> Vec<String> {
    let types = [EventType::SessionQr, EventType::SessionStatus, EventType::MessageStatus];
    let of_webhook = WebhookFormat::Multisession.event_types().unwrap_or_default();
    types.iter().chain(of_webhook).map(ToString::to_string).collect()
}

/// What a socket of this session hears of an event: the name of its news, and what it says.
#[must_use]
pub fn live(envelope: &Envelope, around: &Surroundings) -> Option<(&'static str, Value)> {
    let session = &around.session;
    let reason = || envelope.data["reason"].as_str().or(envelope.data["status"].as_str());
    match envelope.event_type.as_str() {
        "session.qr" => {
            let picture = around.picture.as_ref()?;
            let qr = format!("data:image/png;base64,{picture}");
            Some(("qr", json!({ "sessionId": session, "qr": qr })))
        }
        "session.status" => match envelope.data["status"].as_str()?.parse().ok()? {
            SessionStatus::Connected => {
                let message = "WhatsApp conectado exitosamente";
                Some(("connected", json!({ "sessionId": session, "message": message })))
            }
            SessionStatus::Banned | SessionStatus::Failed => {
                Some(("auth_failure", json!({ "sessionId": session, "error": reason() })))
            }
            SessionStatus::Disconnected | SessionStatus::Stopped | SessionStatus::LoggedOut => {
                Some(("disconnected", json!({ "sessionId": session, "reason": reason() })))
            }
            SessionStatus::Starting | SessionStatus::Qr | SessionStatus::Passkey | SessionStatus::Connecting => None,
        },
        "message.status" => {
            let message = around.message.as_ref()?;
            let status = envelope.data["status"].as_str()?;
            let ack = web::ack(serde_json::from_value(status.into()).ok()?);
            let id = web::message_id(message);
            Some((
                "message_ack",
                json!({ "sessionId": session, "messageId": id, "ack": ack }),
            ))
        }
        _ if WebhookFormat::Multisession.tells(envelope) => {
            let message = webhook(envelope, around)?;
            Some(("message", json!({ "sessionId": session, "message": message })))
        }
        _ => None,
    }
}

/// A message as this API writes it. `session`: how its clients call the session, whose `account` this is.
#[must_use]
pub fn message(message: &Message, session: &str, account: Option<&Party>, file: Option<&File>) -> Value {
    let number = web::number(&message.from);
    let group = web::is_group(&message.chat);
    let to = match message.from_me {
        true => Some(web::address(&message.chat)),
        false => account.map(web::address),
    };
    let mut body = json!({
        "id": web::message_id(message),
        "sessionId": session,
        "from": web::address(if message.from_me { &message.from } else { &message.chat }),
        "to": to,
        "body": web::text(message),
        "type": web::kind(message),
        "timestamp": message.timestamp.timestamp(),
        "isForwarded": message.details.forwarding_score > 0,
        "isMedia": file.is_some(),
        "contact": {
            "name": message.details.from_name.clone().unwrap_or_else(|| number.clone()),
            "number": number,
            "isGroup": group,
        },
        "media": file.map(|file| json!({
            "mimetype": file.mime_type,
            "data": file.data,
            // Most files have no name in WhatsApp; here every file has one.
            "filename": file.name.clone().unwrap_or_else(|| format!("media_{}", message.timestamp.timestamp_millis())),
        })),
    });
    // In a group `from` is the group, as in whatsapp-web.js.
    if group {
        body["author"] = web::address(&message.from).into();
    }
    body
}
