//! What an engine tells about people, labels and calls.

use chrono::{DateTime, Utc};
use shared::address::Party;
use shared::event::people::CallEnd;
use shared::store::read_model::calls::NewCall;
use shared::store::read_model::contacts::ContactFacts;

use super::Person;

/// Something about people, labels or calls.
#[derive(Debug, Clone, PartialEq)]
pub enum PeopleEvent {
    /// A person exists, and is like this.
    Contact {
        /// Who.
        person: Person,
        /// What is known besides.
        facts: ContactFacts,
        /// Whether readers are told, or only the read model: not of what every message says again.
        is_news: bool,
    },
    /// A person has another number now.
    NumberChanged {
        /// Who it was.
        old: Person,
        /// Who it is.
        new: Person,
    },
    /// These and no others are blocked.
    BlockList(Vec<Person>),
    /// The account goes by another name.
    OwnName(String),
    /// A label exists, and is like this.
    LabelSaved {
        /// WhatsApp's id.
        label: String,
        /// What it says.
        name: String,
        /// The number of its colour.
        color: i32,
        /// Whether WhatsApp tells again what was so before: then readers are not told.
        is_repeated: bool,
    },
    /// A label is gone.
    LabelDeleted {
        /// WhatsApp's id.
        label: String,
    },
    /// A label is put on a chat, or taken off.
    LabelAttached {
        /// WhatsApp's id.
        label: String,
        /// The chat.
        chat: Party,
        /// Put on.
        attached: bool,
        /// See [`PeopleEvent::LabelSaved`].
        is_repeated: bool,
    },
    /// Somebody calls, or has called while the session was away.
    CallReceived(Box<NewCall>),
    /// A call has ended.
    CallEnded {
        /// WhatsApp's id.
        call: String,
        /// Who called.
        from: Party,
        /// How.
        outcome: CallEnd,
        /// When.
        at: DateTime<Utc>,
    },
}
