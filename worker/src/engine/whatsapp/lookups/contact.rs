//! Look-ups about people.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::query::ContactLookup;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn look_up(client: &Arc<Client>, lookup: &ContactLookup) -> Result<Value, OperationError> {
    match lookup {
        ContactLookup::OnWhatsapp { contacts } => {
            let jids = contacts.iter().map(jid).collect::<Result<Vec<_>, _>>()?;
            let found = client.contacts().is_on_whatsapp(&jids).await.map_err(failed)?;
            let registered = found.iter().map(|result| result.is_registered);
            Ok(json!(registered.collect::<Vec<_>>()))
        }
    }
}
