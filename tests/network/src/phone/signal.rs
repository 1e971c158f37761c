//! A phone's Signal sessions, on libsignal.
//!
//! The library asks for five stores with asynchronous methods. These are tables in memory whose futures are always ready,
//! so each call is finished at once and no lock is held across an await.

use std::collections::HashMap;

use async_trait::async_trait;
use futures::FutureExt;
use wacore_libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, DeviceId, Direction, GenericSignedPreKey, IdentityChange, IdentityKey,
    IdentityKeyPair, IdentityKeyStore, PreKeyBundle, PreKeyId, PreKeyRecord, PreKeySignalMessage, PreKeyStore,
    ProtocolAddress, PublicKey, SessionRecord, SessionStore, SignalMessage, SignalProtocolError, SignedPreKeyId,
    SignedPreKeyRecord, SignedPreKeyStore, Timestamp, UsePQRatchet, message_decrypt, message_encrypt,
    process_prekey_bundle,
};

use super::{PhoneKeys, SIGNED_PRE_KEY_ID};
use crate::accounts::DeviceAddress;
use crate::prekeys::Bundle;

/// What the library answers with.
pub type Outcome<T> = Result<T, SignalProtocolError>;

/// The kind of a ciphertext, as the wire names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CiphertextKind {
    /// `pkmsg`: opens a session.
    First,
    /// `msg`: continues one.
    Further,
}

impl CiphertextKind {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "pkmsg",
            Self::Further => "msg",
        }
    }

    /// From the name on the wire; group messages are not among them.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "pkmsg" => Some(Self::First),
            "msg" => Some(Self::Further),
            _ => None,
        }
    }
}

/// Sessions and identities of everybody a phone has talked to.
#[derive(Default)]
pub struct SignalState {
    sessions: SessionTable,
    identities: HashMap<String, IdentityKey>,
}

impl SignalState {
    /// Whether there is a session to encrypt with.
    pub fn has_session(&self, device: DeviceAddress) -> bool {
        self.sessions.0.contains_key(protocol_address(device).as_str())
    }

    /// Forgets the session with a device.
    pub fn forget(&mut self, device: DeviceAddress) {
        self.sessions.0.remove(protocol_address(device).as_str());
    }

    /// Opens a session from a device's published keys.
    ///
    /// # Errors
    /// The keys are no keys or their signature does not fit.
    pub fn open(&mut self, keys: &PhoneKeys, device: DeviceAddress, bundle: &Bundle) -> Outcome<()> {
        let public = |bytes: &[u8; 32]| PublicKey::from_djb_public_key_bytes(bytes);
        let one_time = match bundle.one_time {
            Some(key) => Some((PreKeyId::from(key.id), public(&key.public)?)),
            None => None,
        };
        let bundle = PreKeyBundle::new(
            bundle.registration_id,
            DeviceId::from(u32::from(device.device)),
            one_time,
            SignedPreKeyId::from(bundle.signed_pre_key.id),
            public(&bundle.signed_pre_key.public)?,
            bundle.signed_pre_key.signature.clone(),
            IdentityKey::new(public(&bundle.identity)?),
        )?;
        let address = protocol_address(device);
        let mut identities = Identities::new(keys, &mut self.identities);
        ready(process_prekey_bundle(
            &address,
            &mut self.sessions,
            &mut identities,
            &bundle,
            &mut rand::rng(),
            UsePQRatchet::No,
        ))?;
        Ok(())
    }

    /// Encrypts with an existing session.
    ///
    /// # Errors
    /// There is no session.
    pub fn encrypt(
        &mut self,
        keys: &PhoneKeys,
        device: DeviceAddress,
        plaintext: &[u8],
    ) -> Outcome<(CiphertextKind, Vec<u8>)> {
        let address = protocol_address(device);
        let mut identities = Identities::new(keys, &mut self.identities);
        let message = ready(message_encrypt(
            plaintext,
            &address,
            &mut self.sessions,
            &mut identities,
        ))?;
        let kind = match message.message_type() {
            CiphertextMessageType::PreKey => CiphertextKind::First,
            _ => CiphertextKind::Further,
        };
        Ok((kind, message.serialize().to_vec()))
    }

    /// Decrypts, opening a session if the message does so.
    ///
    /// # Errors
    /// The message is malformed, damaged, a repetition, or of no known session.
    pub fn decrypt(
        &mut self,
        keys: &PhoneKeys,
        device: DeviceAddress,
        kind: CiphertextKind,
        bytes: &[u8],
    ) -> Outcome<Vec<u8>> {
        let message = match kind {
            CiphertextKind::First => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes)?),
            CiphertextKind::Further => CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes)?),
        };
        let address = protocol_address(device);
        let mut identities = Identities::new(keys, &mut self.identities);
        let decrypted = ready(message_decrypt(
            &message,
            &address,
            &mut self.sessions,
            &mut identities,
            &mut NoOneTimeKeys,
            &OneSignedPreKey(keys),
            &mut rand::rng(),
            UsePQRatchet::No,
        ))?;
        Ok(decrypted.plaintext)
    }
}

fn protocol_address(device: DeviceAddress) -> ProtocolAddress {
    ProtocolAddress::new(&device.number.to_string(), DeviceId::from(u32::from(device.device)))
}

/// The outcome of a future that is always ready, because all stores are tables in memory.
pub(super) fn ready<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    future.now_or_never().unwrap_or_else(|| {
        Err(SignalProtocolError::InvalidState(
            "ready",
            "a table in memory waited".to_owned(),
        ))
    })
}

#[derive(Default)]
struct SessionTable(HashMap<String, SessionRecord>);

#[async_trait]
impl SessionStore for SessionTable {
    async fn load_session(&self, address: &ProtocolAddress) -> Outcome<Option<SessionRecord>> {
        Ok(self.0.get(address.as_str()).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Outcome<bool> {
        Ok(self.0.contains_key(address.as_str()))
    }

    async fn store_session(&mut self, address: &ProtocolAddress, record: SessionRecord) -> Outcome<()> {
        self.0.insert(address.as_str().to_owned(), record);
        Ok(())
    }
}

/// Everybody is trusted: whoever comes with a new identity has a new phone.
struct Identities<'a> {
    own: IdentityKeyPair,
    registration_id: u32,
    known: &'a mut HashMap<String, IdentityKey>,
}

impl<'a> Identities<'a> {
    fn new(keys: &PhoneKeys, known: &'a mut HashMap<String, IdentityKey>) -> Self {
        let own = IdentityKeyPair::new(
            IdentityKey::new(keys.identity.public_key),
            keys.identity.private_key.clone(),
        );
        Self {
            own,
            registration_id: keys.registration_id,
            known,
        }
    }
}

#[async_trait]
impl IdentityKeyStore for Identities<'_> {
    async fn get_identity_key_pair(&self) -> Outcome<IdentityKeyPair> {
        Ok(self.own.clone())
    }

    async fn get_local_registration_id(&self) -> Outcome<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(&mut self, address: &ProtocolAddress, identity: &IdentityKey) -> Outcome<IdentityChange> {
        let before = self.known.insert(address.as_str().to_owned(), *identity);
        Ok(IdentityChange::from_changed(
            before.is_some_and(|before| before != *identity),
        ))
    }

    async fn is_trusted_identity(&self, _: &ProtocolAddress, _: &IdentityKey, _: Direction) -> Outcome<bool> {
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Outcome<Option<IdentityKey>> {
        Ok(self.known.get(address.as_str()).copied())
    }
}

struct NoOneTimeKeys;

#[async_trait]
impl PreKeyStore for NoOneTimeKeys {
    async fn get_pre_key(&self, _: PreKeyId) -> Outcome<PreKeyRecord> {
        Err(SignalProtocolError::InvalidPreKeyId)
    }

    async fn save_pre_key(&mut self, _: PreKeyId, _: &PreKeyRecord) -> Outcome<()> {
        Ok(())
    }

    async fn remove_pre_key(&mut self, _: PreKeyId) -> Outcome<()> {
        Ok(())
    }
}

struct OneSignedPreKey<'a>(&'a PhoneKeys);

#[async_trait]
impl SignedPreKeyStore for OneSignedPreKey<'_> {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Outcome<SignedPreKeyRecord> {
        if id != SignedPreKeyId::from(SIGNED_PRE_KEY_ID) {
            return Err(SignalProtocolError::InvalidSignedPreKeyId);
        }
        // Time and signature are of no use to the owner of the key.
        Ok(SignedPreKeyRecord::new(
            id,
            Timestamp::from_epoch_millis(0),
            &self.0.signed_pre_key(),
            &[],
        ))
    }

    async fn save_signed_pre_key(&mut self, _: SignedPreKeyId, _: &SignedPreKeyRecord) -> Outcome<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Account;
    use crate::accounts::directory::{Directory, NewAccount};
    use crate::keys::Seed;
    use std::sync::Arc;

    struct Person {
        account: Arc<Account>,
        keys: PhoneKeys,
        signal: SignalState,
    }

    fn people() -> (Person, Person, Seed) {
        let seed = Seed::new("signal");
        let directory = Directory::default();
        let person = || {
            let account = directory.get_or_create(&seed, NewAccount::default());
            let keys = PhoneKeys::of(&seed, &account);
            Person {
                account,
                keys,
                signal: SignalState::default(),
            }
        };
        (person(), person(), seed)
    }

    #[test]
    fn two_phones_talk_both_ways() {
        let (mut ada, mut grace, seed) = people();
        let (to_grace, to_ada) = (grace.account.device_address(0), ada.account.device_address(0));
        ada.signal
            .open(&ada.keys, to_grace, &super::super::bundle(&seed, &grace.account))
            .unwrap();
        let (kind, first) = ada.signal.encrypt(&ada.keys, to_grace, b"hello").unwrap();
        assert_eq!(kind, CiphertextKind::First);
        assert_eq!(
            grace.signal.decrypt(&grace.keys, to_ada, kind, &first).unwrap(),
            b"hello"
        );

        let (kind, answer) = grace.signal.encrypt(&grace.keys, to_ada, b"and you").unwrap();
        assert_eq!(kind, CiphertextKind::Further);
        assert_eq!(
            ada.signal.decrypt(&ada.keys, to_grace, kind, &answer).unwrap(),
            b"and you"
        );
    }

    #[test]
    fn a_damaged_message_is_refused_and_the_session_goes_on() {
        let (mut ada, mut grace, seed) = people();
        let (to_grace, to_ada) = (grace.account.device_address(0), ada.account.device_address(0));
        ada.signal
            .open(&ada.keys, to_grace, &super::super::bundle(&seed, &grace.account))
            .unwrap();
        let (kind, mut damaged) = ada.signal.encrypt(&ada.keys, to_grace, b"one").unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(grace.signal.decrypt(&grace.keys, to_ada, kind, &damaged).is_err());
        let (kind, whole) = ada.signal.encrypt(&ada.keys, to_grace, b"two").unwrap();
        assert_eq!(grace.signal.decrypt(&grace.keys, to_ada, kind, &whole).unwrap(), b"two");
    }

    #[test]
    fn without_a_session_nothing_can_be_encrypted() {
        let (mut ada, grace, _) = people();
        let to_grace = grace.account.device_address(0);
        assert!(!ada.signal.has_session(to_grace));
        assert!(ada.signal.encrypt(&ada.keys, to_grace, b"hello").is_err());
    }
}
