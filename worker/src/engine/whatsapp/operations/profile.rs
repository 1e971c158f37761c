//! Operations on the account itself.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::ProfileOperation;
use whatsapp_rust::Client;

use super::failed;
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &ProfileOperation) -> Result<Value, OperationError> {
    match operation {
        ProfileOperation::SetName { name } => {
            client.profile().set_push_name(name).await.map_err(failed)?;
            Ok(Value::Null)
        }
    }
}
