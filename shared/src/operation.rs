//! Operations: what can be asked of an account besides sending messages. One enum for each area.
//!
//! An operation is a command: it is durable, waits while the session is not connected, and is carried out in the order of its number among the
//! session's operations. After a crash it may be carried out again; those that must not be say so ([`Operation::is_repeatable`]) and then end
//! as "outcome unknown" instead. The wire form is JSON inside the command's protobuf; a released shape only ever gains fields.

use serde::{Deserialize, Serialize};

pub mod chat;
pub mod contact;
pub mod group;
pub mod message;
pub mod profile;

pub use chat::ChatOperation;
pub use contact::ContactOperation;
pub use group::GroupOperation;
pub use message::MessageOperation;
pub use profile::ProfileOperation;

/// Something that is asked of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "area", content = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// About messages that exist: read, played, starred.
    Message(MessageOperation),
    /// About chats: archived, pinned, muted, typing.
    Chat(ChatOperation),
    /// About people: blocked, followed, saved.
    Contact(ContactOperation),
    /// About groups.
    Group(GroupOperation),
    /// About the account itself: name, about, picture, privacy.
    Profile(ProfileOperation),
}

impl Operation {
    /// The command's kind as the `command` table and the API name it: the area and the verb.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message(operation) => operation.kind(),
            Self::Chat(operation) => operation.kind(),
            Self::Contact(operation) => operation.kind(),
            Self::Group(operation) => operation.kind(),
            Self::Profile(operation) => operation.kind(),
        }
    }

    /// Whether carrying it out twice does no more than carrying it out once.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Group(operation) => operation.is_repeatable(),
            Self::Message(_) | Self::Chat(_) | Self::Contact(_) | Self::Profile(_) => true,
        }
    }
}
