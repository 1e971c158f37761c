//! What ChatLink API tells its webhooks: every message that arrives at a session. Its documentation shows no body, so this one is ours; see the
//! dialect's page in the gateway.

use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::event::Envelope;

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    let group = web::is_group(&message.chat);
    Some(json!({
        "idSession": around.session,
        "id": message.wa_message_id,
        "from": message.chat.jid,
        "participant": group.then(|| message.from.jid.clone()),
        "number": web::number(&message.from),
        "pushName": message.details.from_name,
        "fromMe": message.from_me,
        "isGroup": group,
        "type": message.kind,
        "text": web::text(&message),
        "timestamp": message.timestamp.timestamp(),
        "media": around.file.as_ref().map(|file| json!({
            "mimetype": file.mime_type,
            "filename": file.name,
            "data": file.data,
        })),
    }))
}
