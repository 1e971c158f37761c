//! Newsletters, which WhatsApp shows as channels: one writes, everybody who follows reads, and nothing is encrypted.
//!
//! Managing them goes over `w:mex` ([`operations`]), messages over `<message>` with `<plaintext>` ([`messages`]), history
//! and live updates over `iq` with the namespace `newsletter` ([`request`]). The server numbers the messages of each.
//!
//! All newsletters are behind one mutex, which is held while messages are handed over and is locked before the states and
//! phones of accounts. Sources: Baileys Socket/newsletter.ts; whatsapp-rust src/features/newsletter.rs; whatsmeow
//! newsletter.go.

pub mod messages;
pub mod operations;
pub mod request;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use wacore_binary::{Jid, JidExt, Server};

use crate::accounts::{Account, DeviceAddress, Number};
use crate::clock::unix_seconds;
use crate::network::Network;

/// Identifiers follow this one: 18 digits, like those of groups, of which they share the form.
const IDENTIFIERS_AFTER: u64 = 120_363_900_000_000_000;

/// The number of a newsletter's first message: clients take smaller ones for none (wacore src/messages.rs, `server_id`).
const FIRST_SERVER_ID: u64 = 100;

/// A newsletter's identifier, the digits before `@newsletter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NewsletterId(pub u64);

impl NewsletterId {
    /// From an address; `None` when it is not a newsletter's.
    pub fn of(jid: &Jid) -> Option<Self> {
        jid.is_newsletter().then(|| jid.user.parse().ok().map(Self))?
    }

    /// The address.
    pub fn jid(self) -> Jid {
        Jid::new(self.to_string(), Server::Newsletter)
    }
}

impl fmt::Display for NewsletterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a person is to a newsletter, as both clients read it (whatsapp-rust src/features/newsletter.rs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Subscriber,
    /// Writes too.
    Admin,
    /// Created it, or was given it.
    Owner,
}

impl Role {
    /// The name on the wire.
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// A person who follows.
#[derive(Clone)]
pub struct Follower {
    /// The person.
    pub account: Arc<Account>,
    /// What they may do.
    pub role: Role,
    /// Whether they want no noise.
    pub muted: bool,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Post {
    /// Its number.
    pub server_id: u64,
    /// Its identifier.
    pub id: String,
    /// Who wrote it; readers are not told.
    pub author: Number,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The `type` of its stanza.
    pub kind: String,
    /// The content as protobuf; empty when it was taken back.
    pub plaintext: Vec<u8>,
    /// The attributes of `<plaintext>` that name the medium.
    pub media_type: Option<String>,
    /// Who reacted with what.
    pub reactions: HashMap<Number, String>,
}

impl Post {
    /// How often each reaction was given, in the order of the reactions.
    pub fn counted_reactions(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for code in self.reactions.values() {
            *counts.entry(code.as_str()).or_default() += 1;
        }
        counts
    }
}

/// A newsletter.
pub struct Newsletter {
    /// Its identifier.
    pub id: NewsletterId,
    /// Its name.
    pub name: String,
    /// What it is about; may be empty.
    pub description: String,
    /// The code of its link.
    pub invite_code: String,
    /// When it was created, in seconds since 1970.
    pub created: u64,
    /// Everybody who follows, the owner included.
    pub followers: Vec<Follower>,
    /// The messages in order.
    pub posts: Vec<Post>,
    /// Devices that want to hear of reactions at once, and until when.
    pub live: HashMap<DeviceAddress, u64>,
}

impl Newsletter {
    /// A follower.
    pub fn follower(&self, number: Number) -> Option<&Follower> {
        self.followers.iter().find(|follower| follower.account.number == number)
    }

    /// Whether a person may write and change the newsletter.
    pub fn may_write(&self, number: Number) -> bool {
        self.follower(number)
            .is_some_and(|follower| follower.role > Role::Subscriber)
    }

    /// Everybody who follows.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.followers
            .iter()
            .map(|follower| Arc::clone(&follower.account))
            .collect()
    }

    fn next_server_id(&self) -> u64 {
        self.posts.last().map_or(FIRST_SERVER_ID, |post| post.server_id + 1)
    }

    fn post_mut(&mut self, server_id: u64) -> Option<&mut Post> {
        self.posts.iter_mut().find(|post| post.server_id == server_id)
    }
}

/// All newsletters of the network.
#[derive(Default)]
pub struct Newsletters {
    table: Mutex<Table>,
}

/// What is behind the lock.
#[derive(Default)]
pub struct Table {
    newsletters: BTreeMap<NewsletterId, Newsletter>,
    created: u64,
}

impl Newsletters {
    /// Locks all newsletters. Never call this while holding the state or the phone of an account.
    pub fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Table {
    /// A newsletter.
    pub fn get(&self, id: NewsletterId) -> Option<&Newsletter> {
        self.newsletters.get(&id)
    }

    /// A newsletter, to change it.
    pub fn get_mut(&mut self, id: NewsletterId) -> Option<&mut Newsletter> {
        self.newsletters.get_mut(&id)
    }

    /// The newsletters that a person follows, the oldest first.
    pub fn followed_by(&self, number: Number) -> impl Iterator<Item = &Newsletter> {
        let newsletters = self.newsletters.values();
        newsletters.filter(move |newsletter| newsletter.follower(number).is_some())
    }

    /// The newsletter that an invite code leads to.
    pub fn by_code(&self, code: &str) -> Option<&Newsletter> {
        self.newsletters
            .values()
            .find(|newsletter| newsletter.invite_code == code)
    }

    /// Ends a newsletter.
    pub fn delete(&mut self, id: NewsletterId) {
        self.newsletters.remove(&id);
    }

    /// A new newsletter.
    pub fn create(&mut self, network: &Network, owner: &Arc<Account>, name: &str, description: &str) -> NewsletterId {
        self.created += 1;
        let id = NewsletterId(IDENTIFIERS_AFTER + self.created);
        let code = network.seed.bytes("newsletter invite", &[self.created]);
        let newsletter = Newsletter {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            invite_code: format!("0029Va{}", hex::encode(&code[..9])),
            created: unix_seconds(),
            followers: vec![Follower {
                account: Arc::clone(owner),
                role: Role::Owner,
                muted: false,
            }],
            posts: Vec::new(),
            live: HashMap::new(),
        };
        self.newsletters.insert(id, newsletter);
        id
    }
}
