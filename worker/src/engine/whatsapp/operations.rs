//! Operations, carried out by the library. One module for each area.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::Operation;
use whatsapp_rust::{Client, IqError, Jid};

use super::outgoing;
use crate::engine::{Listener, OperationError};

mod call;
mod chat;
mod community;
mod contact;
mod group;
mod label;
mod message;
mod newsletter;
mod profile;
mod status;

pub(super) use newsletter::newsletter_failed;

/// Carries an operation out. `read_receipts`: whether senders are told that their messages were read. `listener` is told what is different afterwards:
/// WhatsApp tells a device nothing of what the device itself did.
pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &Operation,
    read_receipts: bool,
) -> Result<Value, OperationError> {
    match operation {
        Operation::Message(operation) => message::perform(client, operation, read_receipts).await,
        Operation::Chat(operation) => chat::perform(client, operation).await,
        Operation::Contact(operation) => contact::perform(client, listener, operation).await,
        Operation::Group(operation) => group::perform(client, listener, operation).await,
        Operation::Community(operation) => community::perform(client, listener, operation).await,
        Operation::Newsletter(operation) => newsletter::perform(client, operation).await,
        Operation::Status(operation) => status::perform(client, listener, operation).await,
        Operation::Profile(operation) => profile::perform(client, listener, operation).await,
        Operation::Label(operation) => label::perform(client, listener, operation).await,
        Operation::Call(operation) => call::perform(client, listener, operation).await,
    }
}

/// An address as the library wants it.
fn jid(address: &shared::address::Address) -> Result<Jid, OperationError> {
    outgoing::jid(address).map_err(OperationError::refused)
}

/// What the library says of a failure. Where it does not tell a refusal from an accident, another try decides.
fn failed(error: impl std::fmt::Display) -> OperationError {
    OperationError::Failed(error.to_string())
}

/// The same where WhatsApp's server has answered: its refusals do not change when they are asked for again.
fn refusal(error: impl std::error::Error + 'static) -> OperationError {
    let refused = std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |error| {
        error.source()
    })
    .any(|error| matches!(error.downcast_ref(), Some(IqError::ServerError { .. })));
    if refused {
        OperationError::refused(error.to_string())
    } else {
        failed(error)
    }
}
