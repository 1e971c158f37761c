//! A phone's sender keys: one of its own for each chat with many readers, and those of everybody who writes there.
//!
//! Keys are named by chat, account and device, one for both spellings of an address.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use wacore_libsignal::protocol::{
    SenderKeyDistributionMessage, SenderKeyName, SenderKeyRecord, SenderKeyStore,
    create_sender_key_distribution_message, group_decrypt, group_encrypt, process_sender_key_distribution_message,
};

use super::signal::{Outcome, ready};
use crate::accounts::DeviceAddress;

/// All sender keys of a phone.
#[derive(Default)]
pub struct SenderKeys {
    table: SenderKeyTable,
    holders: HashMap<String, HashSet<DeviceAddress>>,
}

fn name(chat: &str, sender: DeviceAddress) -> SenderKeyName {
    SenderKeyName::from_parts(chat, &format!("{}.{}", sender.number, sender.device))
}

impl SenderKeys {
    /// The devices of a chat that do not hold the phone's own key. A device that holds it and is no longer in the chat
    /// makes the key worthless: then a new one begins, and nobody holds it.
    pub fn lacking(&mut self, chat: &str, own: DeviceAddress, devices: &[DeviceAddress]) -> Vec<DeviceAddress> {
        let holders = self.holders.entry(chat.to_owned()).or_default();
        if holders.iter().any(|holder| !devices.contains(holder)) {
            holders.clear();
            self.table.0.remove(name(chat, own).cache_key());
        }
        devices
            .iter()
            .filter(|device| !holders.contains(device))
            .copied()
            .collect()
    }

    /// Remembers that a device was given the phone's own key.
    pub fn given(&mut self, chat: &str, device: DeviceAddress) {
        self.holders.entry(chat.to_owned()).or_default().insert(device);
    }

    /// The phone's own key as others need it; made when there is none.
    ///
    /// # Errors
    /// The record in the table is damaged.
    pub fn distribution(&mut self, chat: &str, own: DeviceAddress) -> Outcome<Vec<u8>> {
        let name = name(chat, own);
        let message = ready(create_sender_key_distribution_message(
            &name,
            &mut self.table,
            &mut rand::rng(),
        ))?;
        Ok(message.serialized().to_vec())
    }

    /// Encrypts under the phone's own key, which must have been made.
    ///
    /// # Errors
    /// There is no key.
    pub fn encrypt(&mut self, chat: &str, own: DeviceAddress, plaintext: &[u8]) -> Outcome<Vec<u8>> {
        let name = name(chat, own);
        let message = ready(group_encrypt(&mut self.table, &name, plaintext, &mut rand::rng()))?;
        Ok(message.serialized().to_vec())
    }

    /// Takes over the key of somebody else.
    ///
    /// # Errors
    /// It is no key.
    pub fn learn(&mut self, chat: &str, sender: DeviceAddress, bytes: &[u8]) -> Outcome<()> {
        let message = SenderKeyDistributionMessage::try_from(bytes)?;
        ready(process_sender_key_distribution_message(
            &name(chat, sender),
            &message,
            &mut self.table,
        ))
    }

    /// Decrypts under the key of somebody else.
    ///
    /// # Errors
    /// The key is not known, or the message is malformed, damaged or a repetition.
    pub fn decrypt(&mut self, chat: &str, sender: DeviceAddress, bytes: &[u8]) -> Outcome<Vec<u8>> {
        ready(group_decrypt(bytes, &mut self.table, &name(chat, sender)))
    }
}

#[derive(Default)]
struct SenderKeyTable(HashMap<String, SenderKeyRecord>);

#[async_trait]
impl SenderKeyStore for SenderKeyTable {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> Outcome<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Outcome<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Number;

    fn device(number: u64, device: u16) -> DeviceAddress {
        DeviceAddress {
            number: Number::from_value(number),
            device,
        }
    }

    #[test]
    fn whoever_learned_the_key_reads_and_nobody_else() {
        let (mut ada, mut grace) = (SenderKeys::default(), SenderKeys::default());
        let author = device(11_111, 0);
        let key = ada.distribution("chat", author).unwrap();
        let message = ada.encrypt("chat", author, b"hello").unwrap();
        assert!(grace.decrypt("chat", author, &message).is_err());
        grace.learn("chat", author, &key).unwrap();
        assert_eq!(grace.decrypt("chat", author, &message).unwrap(), b"hello");
        assert!(grace.decrypt("other chat", author, &message).is_err());
    }

    #[test]
    fn a_key_that_somebody_outside_holds_is_replaced() {
        let mut keys = SenderKeys::default();
        let (own, stays, leaves) = (device(11_111, 0), device(22_222, 0), device(33_333, 2));
        let old = keys.distribution("chat", own).unwrap();
        for holder in [stays, leaves] {
            keys.given("chat", holder);
        }
        assert!(keys.lacking("chat", own, &[stays, leaves]).is_empty());
        assert_eq!(keys.distribution("chat", own).unwrap(), old);
        assert_eq!(keys.lacking("chat", own, &[stays]), [stays]);
        assert_ne!(keys.distribution("chat", own).unwrap(), old);
    }
}
