//! One account: what never changes about it, and behind a mutex what does.

use std::collections::{BTreeSet, HashMap};

use parking_lot::{Mutex, MutexGuard};
use wacore_binary::Jid;
use wacore_libsignal::protocol::KeyPair;

use super::device::Device;
use super::identifier::{DeviceAddress, Lid, Number, Spelling};
use crate::app_state::Collection;
use crate::devices::SignedList;
use crate::keys::Seed;
use crate::messages::accepted::AcceptedMessages;
use crate::people::Settings;
use crate::phone::Phone;

/// Baileys throws on this device number unless the account is hosted (Signal/libsignal.ts:423).
const FORBIDDEN_DEVICE: u16 = 99;

/// A person with a phone number.
pub struct Account {
    /// The phone number.
    pub number: Number,
    /// The LID.
    pub lid: Lid,
    /// The identity key of the phone, which is also the account's signature key for companions. It must be the same key:
    /// clients check companions' certificates against device 0's identity.
    pub identity: KeyPair,
    /// Identifies this incarnation of the account in signed device lists.
    pub raw_id: u32,
    state: Mutex<AccountState>,
    phone: Mutex<Phone>,
}

/// The changing part of an account.
pub struct AccountState {
    /// The push name that receivers see.
    pub name: String,
    /// Whether the account has a phone that takes part. Accounts for load tests may have none.
    pub has_phone: bool,
    /// The linked companions.
    pub devices: Vec<Device>,
    /// How often a device was linked; key indexes count from 1.
    pub links: u32,
    /// The signed list of devices, until it changes.
    pub signed_list: Option<SignedList>,
    /// Accounts that asked for this account's devices and must hear when they change.
    pub watchers: BTreeSet<Number>,
    /// Devices that subscribed to this account's presence, and how they spelled it.
    pub subscribers: Vec<(DeviceAddress, Spelling)>,
    /// Whether the phone itself is shown as available.
    pub phone_available: bool,
    /// When the account was last available, in seconds since 1970.
    pub last_seen: u64,
    /// Identifiers of messages that were already accepted from this account.
    pub accepted: AcceptedMessages,
    /// Patches by collection name.
    pub collections: HashMap<String, Collection>,
    /// What the person tells about itself, and whom it lets see it.
    pub settings: Settings,
}

impl Account {
    /// A new account whose keys derive from the seed and the number.
    pub fn new(seed: &Seed, number: Number, lid: Lid, name: String, has_phone: bool) -> Self {
        let identity = seed.key_pair("account identity", &[number.value()]);
        Self {
            number,
            lid,
            raw_id: seed.word("account raw id", &[number.value()]),
            identity,
            state: Mutex::new(AccountState::new(name, has_phone)),
            phone: Mutex::new(Phone::default()),
        }
    }

    /// Locks the state. Never call this while holding another account's state.
    pub fn state(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock()
    }

    /// Locks the phone. It may be locked before a state but never after one.
    pub fn phone(&self) -> MutexGuard<'_, Phone> {
        self.phone.lock()
    }

    /// The address of a device in the given spelling; device 0 gives the person's address.
    pub fn jid(&self, spelling: Spelling, device: u16) -> Jid {
        match spelling {
            Spelling::Number => Jid::pn_device(self.number.to_string(), device),
            Spelling::Lid => Jid::lid_device(self.lid.to_string(), device),
        }
    }

    /// The address of a device, independent of spelling.
    pub fn device_address(&self, device: u16) -> DeviceAddress {
        DeviceAddress {
            number: self.number,
            device,
        }
    }
}

impl AccountState {
    fn new(name: String, has_phone: bool) -> Self {
        Self {
            name,
            has_phone,
            devices: Vec::new(),
            links: 0,
            signed_list: None,
            watchers: BTreeSet::new(),
            subscribers: Vec::new(),
            phone_available: false,
            last_seen: 0,
            accepted: AcceptedMessages::default(),
            collections: HashMap::new(),
            settings: Settings::default(),
        }
    }

    /// A companion by its number.
    pub fn device(&self, id: u16) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// A companion by its number, to change it.
    pub fn device_mut(&mut self, id: u16) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    /// Counts a new link: the device's number and its key index. Neither is ever given again, so that nobody takes a new
    /// companion for an old one with another identity.
    pub fn next_link(&mut self) -> (u16, u32) {
        self.links += 1;
        if self.links == u32::from(FORBIDDEN_DEVICE) {
            self.links += 1;
        }
        (u16::try_from(self.links).unwrap_or(u16::MAX), self.links)
    }

    /// Whether anyone of the account is shown as available.
    pub fn is_available(&self) -> bool {
        self.phone_available
            || self
                .devices
                .iter()
                .filter_map(|device| device.live.as_ref())
                .any(|live| live.available)
    }
}
