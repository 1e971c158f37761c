//! Groups and communities: who is in them, who may do what, and who hears of it.
//!
//! A group is changed by a request of a companion ([`request`]) or by what a person does with a phone; both end in the same
//! functions, so both are held to the same rules. Every change is told to every device of every member, the acting one
//! included, in a `w:gp2` notification.
//!
//! **One lock.** All groups are behind one mutex, and it is held while notifications and messages are handed over: every
//! device then sees changes and messages in the order in which they happened, and a new member is told of a group before
//! the first message in it. States and phones of accounts are locked after it, never before it.
//!
//! **Assumptions.** Sources show what clients understand, not what the real server decides. Where they are silent: a
//! refused request gets 403 whether a member or an admin was needed; an invite code that was reset gets 410, an unknown one
//! 406; the founder can be neither removed nor demoted; when the last admin leaves, the longest member becomes one.
//! Sources: Baileys Socket/groups.ts, Socket/communities.ts; wacore src/iq/groups.rs, src/stanza/groups.rs.

pub mod change;
pub mod community;
pub mod create;
pub mod describe;
pub mod group;
pub mod invites;
pub mod messages;
pub mod notify;
pub mod participants;
pub mod request;
pub mod requests;
pub mod settings;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use wacore_binary::Jid;

use crate::accounts::{Account, Number};
use crate::network::Network;
pub use group::{Group, GroupId, Member, Role};

/// Identifiers follow this one: 18 digits, like those that the real server gives today.
const IDENTIFIERS_AFTER: u64 = 120_363_000_000_000_000;

/// All groups of the network.
#[derive(Default)]
pub struct Groups {
    table: Mutex<Table>,
}

/// What is behind the lock.
#[derive(Default)]
pub struct Table {
    groups: BTreeMap<GroupId, Group>,
    created: u64,
    codes: u64,
    revoked_codes: HashSet<String>,
    closed: HashSet<Number>,
}

impl Groups {
    /// Locks all groups. Never call this while holding the state or the phone of an account.
    pub fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Table {
    /// A group.
    pub fn get(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// All groups, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// The groups that a person is in, the oldest first.
    pub fn of_member(&self, number: Number) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(move |group| group.is_member(number))
    }

    /// The groups that are linked to a community.
    pub fn linked_to(&self, parent: GroupId) -> impl Iterator<Item = &Group> {
        self.groups
            .values()
            .filter(move |group| group.linked_parent == Some(parent))
    }

    /// Whether a person lets nobody add them: they are invited in place of it.
    pub fn is_closed(&self, number: Number) -> bool {
        self.closed.contains(&number)
    }

    /// Lets others add a person to groups, or not.
    pub fn set_closed(&mut self, number: Number, closed: bool) {
        if closed {
            self.closed.insert(number);
        } else {
            self.closed.remove(&number);
        }
    }

    fn find(&self, id: GroupId) -> Result<&Group, Refusal> {
        self.groups.get(&id).ok_or(Refusal::NoSuchGroup)
    }

    fn find_mut(&mut self, id: GroupId) -> Result<&mut Group, Refusal> {
        self.groups.get_mut(&id).ok_or(Refusal::NoSuchGroup)
    }

    fn next_id(&mut self) -> GroupId {
        self.created += 1;
        GroupId(IDENTIFIERS_AFTER + self.created)
    }

    /// A code that was never given before, 22 characters.
    fn next_code(&mut self, network: &Network) -> String {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        self.codes += 1;
        let bytes = network.seed.bytes("group invite", &[self.codes]);
        let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
        bytes.iter().take(22).map(letter).collect()
    }
}

/// Why something is refused, as codes on the wire and as sentences for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A malformed request.
    #[error("the request cannot be understood")]
    Malformed,
    /// Only members may do it.
    #[error("only members of the group may do this")]
    NotAMember,
    /// Only admins may do it.
    #[error("only admins of the group may do this")]
    NotAnAdmin,
    /// There is no such group.
    #[error("there is no such group")]
    NoSuchGroup,
    /// Something else happened first.
    #[error("this was changed, or done, before")]
    Conflict,
    /// A value out of its limits, or a code that never was one.
    #[error("the value is not acceptable")]
    NotAcceptable,
    /// The invitation is no longer valid.
    #[error("the invitation is no longer valid")]
    Gone,
    /// This network does not know the request.
    #[error("this network does not know the request")]
    Unknown,
}

impl Refusal {
    /// The code on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotAMember | Self::NotAnAdmin => 403,
            Self::NoSuchGroup => 404,
            Self::NotAcceptable => 406,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::Unknown => 501,
        }
    }

    /// The text on the wire.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "bad-request",
            Self::NotAMember | Self::NotAnAdmin => "forbidden",
            Self::NoSuchGroup => "item-not-found",
            Self::NotAcceptable => "not-acceptable",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Unknown => "feature-not-implemented",
        }
    }
}

/// Who does something to a group.
#[derive(Clone, Copy)]
pub struct Actor<'a> {
    /// The network.
    pub network: &'a Arc<Network>,
    /// The person.
    pub account: &'a Arc<Account>,
}

impl Actor<'_> {
    /// The person's number.
    pub fn number(&self) -> Number {
        self.account.number
    }
}

/// Whether an address is a group's.
pub fn is_group(jid: &Jid) -> bool {
    GroupId::of(jid).is_some()
}

#[cfg(test)]
mod tests;
