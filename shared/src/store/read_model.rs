//! The read model: chats, people, groups and messages as WhatsApp last told of them, for lists and searches.
//!
//! Only the holder of a session writes it, as [`Change`]s beside the events of the same moment, in one fenced transaction. A change may be repeated.

use sqlx::PgConnection;

use super::StoreError;
use super::records::Facts;
use crate::ids::{SessionId, TenantId};

pub mod calls;
pub mod chats;
pub mod contacts;
pub mod groups;
pub mod labels;
pub mod media;
pub mod messages;
pub mod statuses;

pub use calls::CallChange;
pub use chats::{ChatChange, ChatHistory, ChatState};
pub use contacts::ContactChange;
pub use groups::GroupChange;
pub use labels::LabelChange;
pub use media::{ArrivedMedia, MediaChange};
pub use messages::{MessageChange, MessageChanged, MessageTarget};
pub use statuses::{NewStatus, StatusChange};

/// Something that is different from now on.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A message that may be known.
    Message(MessageChange),
    /// A chat, which need not be known.
    Chat(ChatChange),
    /// Another device of the account has read these messages (WhatsApp's ids), and all before them in their chat.
    ReadElsewhere(Vec<String>),
    /// A file in a message.
    Media(MediaChange),
    /// People.
    Contact(ContactChange),
    /// A label.
    Label(LabelChange),
    /// A call.
    Call(CallChange),
    /// A group.
    Group(GroupChange),
    /// A status post.
    Status(StatusChange),
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
            Change::Chat(change) => chats::apply(connection, owner, change).await?,
            Change::ReadElsewhere(ids) => chats::read_elsewhere(connection, owner, ids).await?,
            Change::Media(change) => media::apply(connection, owner, change).await?,
            Change::Contact(change) => contacts::apply(connection, owner, change).await?,
            Change::Label(change) => labels::apply(connection, owner, change).await?,
            Change::Call(change) => calls::apply(connection, owner, change).await?,
            Change::Group(change) => groups::apply(connection, owner, change).await?,
            Change::Status(change) => statuses::apply(connection, owner, change).await?,
        }
    }
    Ok(())
}

/// Makes one chat of two for everybody in `lids` whom the facts' messages name by both ids.
pub(super) async fn unite(
    connection: &mut PgConnection,
    owner: Owner,
    lids: &[String],
    facts: &Facts,
) -> Result<(), StoreError> {
    for message in &facts.messages {
        let chat = message.chat();
        if chat.lid.as_ref().is_some_and(|lid| lids.contains(lid)) {
            chats::settle(connection, owner, &chat).await?;
        }
    }
    Ok(())
}
