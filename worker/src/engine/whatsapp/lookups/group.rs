//! Look-ups about groups.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::query::GroupLookup;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn look_up(client: &Arc<Client>, lookup: &GroupLookup) -> Result<Value, OperationError> {
    match lookup {
        GroupLookup::Metadata { group } => {
            let metadata = client.groups().get_metadata(&jid(group)?).await.map_err(failed)?;
            Ok(json!({ "subject": metadata.subject }))
        }
    }
}
