//! Look-ups: what only WhatsApp's server knows, asked through the library. One module for each area.

use std::sync::Arc;

use serde_json::Value;
use shared::query::Lookup;
use whatsapp_rust::{Client, Jid};

use super::outgoing;
use crate::engine::OperationError;

mod contact;
mod group;

/// Asks for something.
pub(super) async fn look_up(client: &Arc<Client>, lookup: &Lookup) -> Result<Value, OperationError> {
    match lookup {
        Lookup::Contact(lookup) => contact::look_up(client, lookup).await,
        Lookup::Group(lookup) => group::look_up(client, lookup).await,
    }
}

/// An address as the library wants it.
fn jid(address: &shared::address::Address) -> Result<Jid, OperationError> {
    outgoing::jid(address).map_err(OperationError::refused)
}

fn failed(error: impl std::fmt::Display) -> OperationError {
    OperationError::Failed(error.to_string())
}
