//! Operations on status posts: seeing one, reacting to one, taking an own one back.

use std::sync::Arc;

use serde_json::Value;
use shared::address::Address;
use shared::operation::StatusOperation;
use whatsapp_rust::{Client, Jid, SendOptions, StatusSendOptions};

use super::{failed, jid};
use crate::engine::news::StatusNews;
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &StatusOperation,
) -> Result<Value, OperationError> {
    let place = jid(&Address::Status)?;
    let news = match operation {
        StatusOperation::View { author, wa_message_id } => {
            let author = jid(author)?;
            client
                .mark_as_read(&place, Some(&author), &[wa_message_id.as_str()])
                .await
                .map_err(failed)?;
            StatusNews::Seen {
                wa_message_id: wa_message_id.clone(),
            }
        }
        StatusOperation::React {
            author,
            wa_message_id,
            emoji,
            reaction_id,
        } => {
            // The library takes the author from the key and encrypts for that person alone (whatsapp-rust/src/send/mod.rs:1710).
            let key = waproto::whatsapp::MessageKey {
                remote_jid: Some(place.to_string()),
                from_me: Some(false),
                id: Some(wa_message_id.clone()),
                participant: Some(jid(author)?.to_string()),
            };
            let now = chrono::Utc::now().timestamp_millis();
            let reaction = wacore::proto_helpers::build_reaction_message(key, emoji, now);
            let options = SendOptions::default().with_message_id(reaction_id.clone());
            client
                .send_message_with_options(place, reaction, options)
                .await
                .map_err(failed)?;
            StatusNews::Reacted {
                wa_message_id: wa_message_id.clone(),
                emoji: emoji.clone(),
            }
        }
        StatusOperation::Revoke {
            wa_message_id,
            audience,
            revocation_id,
        } => {
            let recipients = audience.iter().map(jid).collect::<Result<Vec<Jid>, _>>()?;
            let options = StatusSendOptions {
                message_id: Some(revocation_id.clone()),
                ..StatusSendOptions::default()
            };
            client
                .status()
                .revoke(wa_message_id.clone(), &recipients, options)
                .await
                .map_err(failed)?;
            StatusNews::Revoked {
                wa_message_id: wa_message_id.clone(),
            }
        }
    };
    listener.event(EngineEvent::Status(news));
    Ok(Value::Null)
}
