//! Operations on labels.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::operation::LabelOperation;
use whatsapp_rust::Client;

use super::{failed, jid};
use crate::engine::people::PeopleEvent;
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &LabelOperation,
) -> Result<Value, OperationError> {
    let labels = client.labels();
    let mut result = Value::Null;
    let event = match operation {
        LabelOperation::Save { label, name, color } => {
            labels.create_label(label, name, *color).await.map_err(failed)?;
            result = json!({ "id": label });
            PeopleEvent::LabelSaved {
                label: label.clone(),
                name: name.clone(),
                color: *color,
                is_repeated: false,
            }
        }
        LabelOperation::Delete { label } => {
            labels.delete_label(label).await.map_err(failed)?;
            PeopleEvent::LabelDeleted { label: label.clone() }
        }
        LabelOperation::Attach { label, chat } => {
            labels.add_chat_label(label, &jid(chat)?).await.map_err(failed)?;
            attached(client, label, chat, true).await?
        }
        LabelOperation::Detach { label, chat } => {
            labels.remove_chat_label(label, &jid(chat)?).await.map_err(failed)?;
            attached(client, label, chat, false).await?
        }
    };
    listener.event(EngineEvent::People(event));
    Ok(result)
}

async fn attached(
    client: &Arc<Client>,
    label: &str,
    chat: &Address,
    attached: bool,
) -> Result<PeopleEvent, OperationError> {
    let known = super::super::incoming::known_person(client, &jid(chat)?).await;
    let alternative = known.and_then(|person| person.alternative);
    Ok(PeopleEvent::LabelAttached {
        label: label.to_owned(),
        chat: Party::new(chat, alternative.as_ref()),
        attached,
        is_repeated: false,
    })
}
