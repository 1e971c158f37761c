//! The read model: chats, people, groups and messages as WhatsApp last told of them, for lists and searches.
//!
//! Only the holder of a session writes it, as [`Change`]s beside the events of the same moment, in one fenced transaction. A change may be repeated.

use sqlx::PgConnection;

use super::StoreError;
use crate::ids::{SessionId, TenantId};

pub mod messages;

pub use messages::MessageChange;

/// Something that is different from now on.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A message that may be known.
    Message(MessageChange),
}

/// Whose read model is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) tenant: TenantId,
    pub(super) session: SessionId,
}

/// Writes the changes, in order. The caller's transaction holds the lease.
pub(super) async fn apply(connection: &mut PgConnection, owner: Owner, changes: &[Change]) -> Result<(), StoreError> {
    for change in changes {
        match change {
            Change::Message(change) => messages::apply(connection, owner, change).await?,
        }
    }
    Ok(())
}
