//! What an account has already sent: the memory behind "accepted once, delivered once".
//!
//! **Assumption.** A message identifier that the same account repeats to the same chat is acknowledged again but not
//! delivered again. Clients rely on something like it (Baileys and whatsapp-rust repeat an identifier after a lost
//! acknowledgement), but no source shows what the real server does. One repetition is delivered: that to a device which
//! asked for a retry, because Baileys answers the retry of a phone with a full repetition
//! (Socket/messages-recv.ts, `sendMessagesAgain`).

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use crate::accounts::DeviceAddress;

/// How many identifiers an account's memory holds; the oldest go first.
const REMEMBERED: usize = 10_000;

/// How many messages with outstanding retries are remembered.
const RETRIES: usize = 256;

/// One hasher for the whole process, so that a remembered identifier costs 8 bytes twice and no text.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The identifiers that an account has used, and who asked for which message again.
#[derive(Debug, Default)]
pub struct AcceptedMessages {
    known: HashSet<u64>,
    order: VecDeque<u64>,
    retries: VecDeque<(String, Vec<DeviceAddress>)>,
}

impl AcceptedMessages {
    /// Remembers an identifier; false when it was known already.
    pub fn remember(&mut self, chat: &str, id: &str) -> bool {
        let fingerprint = HASHER.hash_one((chat, id));
        if !self.known.insert(fingerprint) {
            return false;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Remembers that a device asked for a message again.
    pub fn ask_again(&mut self, id: &str, device: DeviceAddress) {
        match self.retries.iter_mut().find(|(known, _)| known == id) {
            Some((_, devices)) if devices.contains(&device) => {}
            Some((_, devices)) => devices.push(device),
            None => {
                self.retries.push_back((id.to_owned(), vec![device]));
                if self.retries.len() > RETRIES {
                    self.retries.pop_front();
                }
            }
        }
    }

    /// Takes out who asked for a message again.
    pub fn take_askers(&mut self, id: &str) -> Vec<DeviceAddress> {
        match self.retries.iter().position(|(known, _)| known == id) {
            Some(place) => self
                .retries
                .remove(place)
                .map(|(_, devices)| devices)
                .unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Takes out one device that asked for a message again; false when it did not.
    pub fn take_asker(&mut self, id: &str, device: DeviceAddress) -> bool {
        let Some((_, devices)) = self.retries.iter_mut().find(|(known, _)| known == id) else {
            return false;
        };
        let before = devices.len();
        devices.retain(|asker| *asker != device);
        devices.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Number;

    fn device(device: u16) -> DeviceAddress {
        DeviceAddress {
            number: Number::from_value(15_550_001_001),
            device,
        }
    }

    #[test]
    fn an_identifier_is_new_once_in_each_chat() {
        let mut accepted = AcceptedMessages::default();
        assert!(accepted.remember("chat", "A"));
        assert!(!accepted.remember("chat", "A"));
        assert!(accepted.remember("other chat", "A"));
        assert!(accepted.remember("chat", "B"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut accepted = AcceptedMessages::default();
        for id in 0..=REMEMBERED {
            accepted.remember("chat", &id.to_string());
        }
        assert_eq!(accepted.known.len(), REMEMBERED);
        assert!(accepted.remember("chat", "0"), "the oldest was forgotten");
        assert!(!accepted.remember("chat", &REMEMBERED.to_string()));
    }

    #[test]
    fn only_devices_that_asked_again_are_askers_and_only_once() {
        let mut accepted = AcceptedMessages::default();
        accepted.ask_again("A", device(0));
        accepted.ask_again("A", device(0));
        accepted.ask_again("A", device(2));
        assert!(accepted.take_asker("A", device(2)));
        assert!(!accepted.take_asker("A", device(2)));
        assert_eq!(accepted.take_askers("A"), [device(0)]);
        assert!(accepted.take_askers("A").is_empty());
    }
}
