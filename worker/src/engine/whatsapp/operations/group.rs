//! Operations on groups.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::GroupOperation;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &GroupOperation) -> Result<Value, OperationError> {
    match operation {
        GroupOperation::Leave { group } => {
            client.groups().leave(&jid(group)?).await.map_err(failed)?;
            Ok(Value::Null)
        }
    }
}
