//! Operations on calls.

use std::sync::Arc;

use chrono::Utc;
use serde_json::Value;
use shared::address::{Address, Party};
use shared::event::people::CallEnd;
use shared::operation::CallOperation;
use whatsapp_rust::{Client, Jid};

use super::failed;
use crate::engine::people::PeopleEvent;
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &CallOperation,
) -> Result<Value, OperationError> {
    match operation {
        CallOperation::Reject { call, peer, creator } => {
            let unreadable = |_| OperationError::refused("the call's addresses cannot be read");
            let peer: Jid = peer.parse().map_err(unreadable)?;
            let creator: Jid = creator.parse().map_err(unreadable)?;
            client.voip().reject_call(call, &peer, &creator).await.map_err(failed)?;
            let from = super::super::incoming::known_person(client, &creator).await;
            listener.event(EngineEvent::People(PeopleEvent::CallEnded {
                call: call.clone(),
                from: from.map_or_else(
                    || Party::new(&Address::Phone(creator.user.to_string()), None),
                    |person| Party::new(&person.address, person.alternative.as_ref()),
                ),
                outcome: CallEnd::Rejected,
                at: Utc::now(),
            }));
            Ok(Value::Null)
        }
    }
}
