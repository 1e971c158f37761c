//! The people's phones: device 0 of every account, living in this process but speaking real Signal encryption.
//!
//! A phone decrypts what reaches it, keeps it where tests can look, sends receipts, asks again for what it cannot read and
//! answers those who ask it. It acts a moment after it was told something, like a real one (see [`clock`]).
//!
//! A phone has one identity key, which is also the account's signature key, one signed pre-key and no one-time pre-keys.
//! Its sessions are keyed by account and device, one for both spellings.

pub mod bootstrap;
pub mod clock;
pub mod group;
pub mod history;
pub mod inbox;
pub mod kinds;
pub mod media;
pub mod media_retry;
pub mod newsletter;
pub mod outbox;
pub mod peer;
pub mod plaintext;
pub mod receive;
pub mod retry;
pub mod secrets;
pub mod send;
pub mod sender_keys;
pub mod signal;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use wacore_binary::Node;
use wacore_libsignal::protocol::KeyPair;

use crate::accounts::device::SignedPreKey;
use crate::accounts::{Account, DeviceAddress};
use crate::keys::{Seed, key_pair, public_bytes, sign};
use crate::network::Network;
use crate::prekeys::Bundle;

use history::History;
use inbox::Inbox;
use outbox::Outbox;
use sender_keys::SenderKeys;
use signal::SignalState;

/// The only signed pre-key of a phone.
const SIGNED_PRE_KEY_ID: u32 = 1;

/// The changing part of a phone.
#[derive(Default)]
pub struct Phone {
    /// Signal sessions.
    pub signal: SignalState,
    /// Sender keys, for chats with many readers.
    pub sender_keys: SenderKeys,
    /// Whom its status is for.
    pub status_audience: Vec<Arc<Account>>,
    /// What it has received.
    pub inbox: Inbox,
    /// What it has sent and may have to encrypt again.
    pub outbox: Outbox,
    /// What it has from before its companions were linked.
    pub history: History,
    /// How often it has asked again for a message.
    pub asked_again: HashMap<String, u32>,
    /// What it does when a companion asks for a file again.
    pub media_retry: media_retry::MediaRetryAnswer,
    offline: bool,
    held: VecDeque<Held>,
}

/// What waits until the phone is online again.
pub enum Held {
    /// Something that came for it.
    Incoming(Node),
    /// Something it is to send.
    Outgoing(send::Order),
    /// The keys and the history of a companion that was linked meanwhile.
    Bootstrap(u16),
}

impl Phone {
    /// Forgets the session with a device that was unlinked.
    pub fn forget_device(&mut self, device: DeviceAddress) {
        self.signal.forget(device);
    }
}

/// Keeps something for later if the phone is out of reach, by its own switch or by a fault. Gives it back otherwise.
pub fn hold_while_offline(network: &Network, account: &Account, held: Held) -> Option<Held> {
    let faulty = network.faults.phone_is_offline(account.number);
    let mut phone = account.phone();
    if !phone.offline && !faulty {
        return Some(held);
    }
    phone.held.push_back(held);
    None
}

/// Switches the phone off or on.
pub fn set_online(network: &Arc<Network>, account: &Arc<Account>, online: bool) {
    account.phone().offline = !online;
    if online {
        catch_up(network, account);
    }
}

/// Does everything that waited, in order, unless the phone is still out of reach.
pub fn catch_up(network: &Arc<Network>, account: &Arc<Account>) {
    if network.faults.phone_is_offline(account.number) || account.phone().offline {
        return;
    }
    let waiting = std::mem::take(&mut account.phone().held);
    for held in waiting {
        match held {
            Held::Incoming(stanza) => receive::deliver(network, account, stanza),
            Held::Outgoing(order) => send::carry_out(network, account, &order),
            Held::Bootstrap(device) => bootstrap::schedule(network, account, device),
        }
    }
}

/// The keys of a phone that never change, derived when they are needed.
pub struct PhoneKeys {
    /// The identity.
    pub identity: KeyPair,
    /// The Signal registration identifier.
    pub registration_id: u32,
    signed_pre_key_secret: [u8; 32],
}

impl PhoneKeys {
    /// The keys of this account's phone.
    pub fn of(seed: &Seed, account: &Account) -> Self {
        let number = [account.number.value()];
        Self {
            identity: account.identity.clone(),
            registration_id: seed.registration_id("phone registration", &number),
            signed_pre_key_secret: seed.bytes("phone signed pre-key", &number),
        }
    }

    /// The signed pre-key. Computed on demand: only first messages need it, and it costs a curve multiplication.
    pub fn signed_pre_key(&self) -> KeyPair {
        key_pair(&self.signed_pre_key_secret)
    }

    /// The public half of the signed pre-key, with the identity's signature.
    pub fn published_pre_key(&self) -> SignedPreKey {
        let pair = self.signed_pre_key();
        SignedPreKey {
            id: SIGNED_PRE_KEY_ID,
            public: public_bytes(&pair),
            signature: sign(&self.identity, &pair.public_key.serialize()).to_vec(),
        }
    }
}

/// What others need to open a session with this phone.
pub fn bundle(seed: &Seed, account: &Account) -> Bundle {
    let keys = PhoneKeys::of(seed, account);
    Bundle {
        registration_id: keys.registration_id,
        identity: public_bytes(&keys.identity),
        signed_pre_key: keys.published_pre_key(),
        one_time: None,
        signed_identity: None,
    }
}
