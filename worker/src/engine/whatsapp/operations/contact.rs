//! Operations on people.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::ContactOperation;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &ContactOperation) -> Result<Value, OperationError> {
    match operation {
        ContactOperation::SubscribePresence { contact } => {
            client.presence().subscribe(&jid(contact)?).await.map_err(failed)?;
            Ok(Value::Null)
        }
    }
}
