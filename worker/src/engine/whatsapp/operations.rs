//! Operations, carried out by the library. One module for each area.

use std::sync::Arc;

use serde_json::Value;
use shared::operation::Operation;
use whatsapp_rust::{Client, Jid};

use super::outgoing;
use crate::engine::OperationError;

mod chat;
mod contact;
mod group;
mod message;
mod profile;

/// Carries an operation out.
pub(super) async fn perform(client: &Arc<Client>, operation: &Operation) -> Result<Value, OperationError> {
    match operation {
        Operation::Message(operation) => message::perform(client, operation).await,
        Operation::Chat(operation) => chat::perform(client, operation).await,
        Operation::Contact(operation) => contact::perform(client, operation).await,
        Operation::Group(operation) => group::perform(client, operation).await,
        Operation::Profile(operation) => profile::perform(client, operation).await,
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
