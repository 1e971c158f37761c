//! A companion device as the server knows it: its public keys, what waits for it, and the socket it is connected with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mailbox::Mailbox;
use crate::prekeys::PreKeyStock;
use crate::socket::{Outbound, SocketId};

/// A companion linked to an account. The phone is not in this list: it lives in-process as [`crate::phone::Phone`].
pub struct Device {
    /// Its number within the account, 1 or more; 99 is never given (Baileys refuses it, Signal/libsignal.ts:423).
    pub id: u16,
    /// The running number of the link within the account, signed by the phone.
    pub key_index: u32,
    /// The static Noise key that authenticates it at login.
    pub noise_key: [u8; 32],
    /// The keys from which others build Signal sessions with it.
    pub keys: DeviceKeys,
    /// The complete `ADVSignedDeviceIdentity`, with the account's signature key and the device's signature.
    pub signed_identity: Vec<u8>,
    /// Unacknowledged stanzas.
    pub mailbox: Mailbox,
    /// The current connection, if any.
    pub live: Option<LiveSocket>,
    /// Whether the phone has sent this device its app-state key and its history.
    pub bootstrapped: bool,
    /// Whether it came from `POST /provision` and never uploads pre-keys.
    pub provisioned: bool,
    /// Stanzas that are still worth something for a moment, with the end of it.
    pub held: Vec<(Instant, wacore_binary::Node)>,
}

/// What a device publishes: identity, signed pre-key and one-time pre-keys.
pub struct DeviceKeys {
    /// The Signal registration identifier.
    pub registration_id: u32,
    /// The identity key.
    pub identity: [u8; 32],
    /// The current signed pre-key.
    pub signed_pre_key: SignedPreKey,
    /// One-time pre-keys, each handed out once.
    pub one_time: PreKeyStock,
}

/// A signed pre-key; the signature is XEdDSA by the identity key over `05 || public`.
#[derive(Clone, Debug)]
pub struct SignedPreKey {
    /// Its identifier, 24 bits.
    pub id: u32,
    /// The public key.
    pub public: [u8; 32],
    /// The signature.
    pub signature: Vec<u8>,
}

/// A logged-in connection of a device.
pub struct LiveSocket {
    /// The connection's unique number.
    pub id: SocketId,
    /// Where to put stanzas for it.
    pub outbound: Arc<Outbound>,
    /// Whether the device has asked for delivery (`passive active`); before that everything waits in the mailbox.
    pub active: bool,
    /// Whether the device has announced itself as available.
    pub available: bool,
}

impl Device {
    /// Queues a stanza that must be acknowledged and wakes the connection, if it is ready for delivery.
    pub fn deliver(&mut self, stanza: wacore_binary::Node) {
        self.mailbox.push(stanza);
        if let Some(live) = self.live.as_ref().filter(|live| live.active) {
            live.outbound.wake();
        }
    }

    /// Sends a stanza that is worth nothing later, such as typing; lost when the device is not connected.
    pub fn send_transient(&self, stanza: wacore_binary::Node) {
        if let Some(live) = self.live.as_ref().filter(|live| live.active) {
            live.outbound.push_transient(stanza);
        }
    }

    /// The same, but a device that is not connected gets it if it connects within this time. Of several such stanzas from
    /// one person the last one counts.
    pub fn send_or_hold(&mut self, stanza: wacore_binary::Node, lifetime: Duration) {
        if self.live.as_ref().is_some_and(|live| live.active) {
            self.send_transient(stanza);
        } else if !lifetime.is_zero() {
            let from = stanza.attrs.get("from").cloned();
            self.held.retain(|(_, held)| held.attrs.get("from") != from.as_ref());
            self.held.push((Instant::now() + lifetime, stanza));
        }
    }

    /// Takes out what was held and is still worth something.
    pub fn take_held(&mut self) -> Vec<wacore_binary::Node> {
        let now = Instant::now();
        let held = std::mem::take(&mut self.held).into_iter();
        held.filter(|(until, _)| now < *until)
            .map(|(_, stanza)| stanza)
            .collect()
    }

    /// Whether this socket is the device's current one.
    pub fn is_connected_by(&self, socket: SocketId) -> bool {
        self.live.as_ref().is_some_and(|live| live.id == socket)
    }
}
