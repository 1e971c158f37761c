//! Operations on messages that exist.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::MessageOperation;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &MessageOperation) -> Result<Value, OperationError> {
    match operation {
        MessageOperation::Read { chat, messages } => {
            let jid = jid(chat)?;
            let ids: Vec<&str> = messages.iter().map(|key| key.wa_message_id.as_str()).collect();
            client.mark_as_read(&jid, None, &ids).await.map_err(failed)?;
            Ok(Value::Null)
        }
    }
}
