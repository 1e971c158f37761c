//! Operations on chats.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::ChatOperation;
use shared::operation::chat::Typing;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &ChatOperation) -> Result<Value, OperationError> {
    match operation {
        ChatOperation::Typing { chat, typing } => {
            let jid = jid(chat)?;
            let state = client.chatstate();
            match typing {
                Typing::Composing => state.send_composing(&jid).await,
                Typing::Recording => state.send_recording(&jid).await,
                Typing::Paused => state.send_paused(&jid).await,
            }
            .map_err(failed)?;
            Ok(Value::Null)
        }
    }
}
