//! What the API of WhatsApp for CRM tells its webhooks: every message that arrives at a session.

use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::event::Envelope;

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let message = around.arrived(envelope)?;
    Some(json!({ "sessionId": around.number, "content": web::text(&message) }))
}
