//! Secrets at rest.
//!
//! Each region has one X25519 key pair. Its secret half belongs to workers and dispatchers; gateways know the public half only.
//!
//! - What a gateway accepts but need not read back (webhook secrets, proxy passwords, imported credentials) it seals to the public key
//!   ([`RegionPublicKey::seal`]): a stolen gateway reads none of it.
//! - Each session has a random data key, wrapped by a key derived from the region's secret. All credentials of the session are encrypted with it.
//!
//! Every ciphertext is AES-256-GCM and bound to where it belongs (tenant, session, table, column, row) by its associated data, so a cell that
//! is moved elsewhere does not decrypt. Nonces are random 96-bit values: fewer than 2^32 uses per key are safe (NIST SP 800-38D §8.3).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

const NONCE_LENGTH: usize = 12;
const KEY_LENGTH: usize = 32;

/// A secret could not be opened or a key could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The ciphertext was changed, moved to another place, or sealed with another key.
    #[error("the ciphertext does not belong here or was sealed with another key")]
    Refused,
    /// The text is not a key.
    #[error("a key is 32 bytes in base64")]
    InvalidKey,
}

/// Where a secret belongs. Part of its ciphertext's authentication, never stored with it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The tenant's UUID.
    pub tenant: uuid::Uuid,
    /// The session's UUID, or the nil UUID where the secret belongs to no session.
    pub session: uuid::Uuid,
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's key within its session.
    pub row: &'a [u8],
}

impl Place<'_> {
    /// Unambiguous bytes: the names have no NUL, the UUIDs have a fixed length, and the row comes last.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(48 + self.table.len() + self.column.len() + self.row.len());
        data.extend_from_slice(b"rookery/1\0");
        data.extend_from_slice(self.tenant.as_bytes());
        data.extend_from_slice(self.session.as_bytes());
        data.extend_from_slice(self.table.as_bytes());
        data.push(0);
        data.extend_from_slice(self.column.as_bytes());
        data.push(0);
        data.extend_from_slice(self.row);
        data
    }
}

fn encrypt(cipher: &Aes256Gcm, plaintext: &[u8], associated_data: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LENGTH] = rand::random();
    let payload = Payload {
        msg: plaintext,
        aad: associated_data,
    };
    let ciphertext = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .expect("invariant: AES-GCM only fails beyond 64 GiB of plaintext");
    [nonce.as_slice(), &ciphertext].concat()
}

fn decrypt(cipher: &Aes256Gcm, sealed: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, SealError> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::Refused)?;
    let payload = Payload {
        msg: ciphertext,
        aad: associated_data,
    };
    cipher
        .decrypt(&Nonce::from(*nonce), payload)
        .map_err(|_| SealError::Refused)
}

fn derive(input: &[u8], salt: &[u8], purpose: &str) -> Aes256Gcm {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    Hkdf::<Sha256>::new(Some(salt), input)
        .expand(purpose.as_bytes(), key.as_mut_slice())
        .expect("invariant: 32 bytes are within HKDF's limit");
    Aes256Gcm::new((&*key).into())
}

fn parse_key(text: &str) -> Result<Zeroizing<[u8; KEY_LENGTH]>, SealError> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| SealError::InvalidKey)?);
    let key: [u8; KEY_LENGTH] = bytes.as_slice().try_into().map_err(|_| SealError::InvalidKey)?;
    Ok(Zeroizing::new(key))
}

/// The public half of a region's key: seals, cannot open.
#[derive(Debug, Clone)]
pub struct RegionPublicKey(PublicKey);

impl RegionPublicKey {
    /// Reads the key from base64.
    ///
    /// # Errors
    /// [`SealError::InvalidKey`] when the text is not 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        parse_key(text).map(|key| Self(PublicKey::from(*key)))
    }

    /// Seals a secret so that only the region's workers and dispatchers can open it.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], place: Place<'_>) -> Vec<u8> {
        let ephemeral = StaticSecret::from(rand::random::<[u8; KEY_LENGTH]>());
        let ephemeral_public = PublicKey::from(&ephemeral);
        let shared = ephemeral.diffie_hellman(&self.0);
        let salt = [ephemeral_public.as_bytes().as_slice(), self.0.as_bytes()].concat();
        let cipher = derive(shared.as_bytes(), &salt, "rookery sealed box");
        [
            ephemeral_public.as_bytes().as_slice(),
            &encrypt(&cipher, plaintext, &place.associated_data()),
        ]
        .concat()
    }
}

/// The secret half of a region's key.
#[derive(Clone)]
pub struct RegionSecretKey {
    secret: StaticSecret,
    wrapping: Aes256Gcm,
}

impl std::fmt::Debug for RegionSecretKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RegionSecretKey(…)")
    }
}

impl RegionSecretKey {
    /// A fresh key.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(&Zeroizing::new(rand::random()))
    }

    /// Reads the key from base64.
    ///
    /// # Errors
    /// [`SealError::InvalidKey`] when the text is not 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        parse_key(text).map(|key| Self::from_bytes(&key))
    }

    fn from_bytes(bytes: &Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        Self {
            secret: StaticSecret::from(**bytes),
            wrapping: derive(bytes.as_slice(), b"", "rookery data key wrapping"),
        }
    }

    /// The secret in base64, as the configuration holds it.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.secret.to_bytes()))
    }

    /// The public half in base64, for gateways.
    #[must_use]
    pub fn public_base64(&self) -> String {
        STANDARD.encode(PublicKey::from(&self.secret).as_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> RegionPublicKey {
        RegionPublicKey(PublicKey::from(&self.secret))
    }

    /// Opens what a gateway sealed.
    ///
    /// # Errors
    /// [`SealError::Refused`] when it was sealed to another key or for another place.
    pub fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<SecretSlice<u8>, SealError> {
        let (ephemeral, rest) = sealed.split_first_chunk::<KEY_LENGTH>().ok_or(SealError::Refused)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(*ephemeral));
        let salt = [ephemeral.as_slice(), PublicKey::from(&self.secret).as_bytes()].concat();
        let cipher = derive(shared.as_bytes(), &salt, "rookery sealed box");
        decrypt(&cipher, rest, &place.associated_data()).map(SecretSlice::from)
    }

    /// Makes a data key for a session and its wrapped form for the database.
    #[must_use]
    pub fn create_data_key(&self, place: Place<'_>) -> (DataKey, Vec<u8>) {
        let key: Zeroizing<[u8; KEY_LENGTH]> = Zeroizing::new(rand::random());
        let wrapped = encrypt(&self.wrapping, key.as_slice(), &place.associated_data());
        (DataKey::new(&key), wrapped)
    }

    /// Unwraps a session's data key.
    ///
    /// # Errors
    /// [`SealError::Refused`] when it was wrapped by another region's key or for another session.
    pub fn unwrap_data_key(&self, wrapped: &[u8], place: Place<'_>) -> Result<DataKey, SealError> {
        let bytes = Zeroizing::new(decrypt(&self.wrapping, wrapped, &place.associated_data())?);
        let key: [u8; KEY_LENGTH] = bytes.as_slice().try_into().map_err(|_| SealError::Refused)?;
        Ok(DataKey::new(&Zeroizing::new(key)))
    }
}

/// One session's key for its credentials.
#[derive(Clone)]
pub struct DataKey(Aes256Gcm);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DataKey(…)")
    }
}

impl DataKey {
    fn new(key: &Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        Self(Aes256Gcm::new((&**key).into()))
    }

    /// Encrypts one cell.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], place: Place<'_>) -> Vec<u8> {
        encrypt(&self.0, plaintext, &place.associated_data())
    }

    /// Decrypts one cell.
    ///
    /// # Errors
    /// [`SealError::Refused`] when the cell was changed or comes from elsewhere.
    pub fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        decrypt(&self.0, sealed, &place.associated_data()).map(Zeroizing::new)
    }
}

/// Shows a secret's bytes where they are needed; named so that a reader notices.
#[must_use]
pub fn expose(secret: &SecretSlice<u8>) -> &[u8] {
    secret.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn place(row: &[u8]) -> Place<'_> {
        Place {
            tenant: Uuid::from_u128(1),
            session: Uuid::from_u128(2),
            table: "protocol_ratchet",
            column: "sealed",
            row,
        }
    }

    #[test]
    fn a_gateway_seals_and_only_the_region_opens() {
        let region = RegionSecretKey::generate();
        let gateway = RegionPublicKey::parse(&region.public_base64()).unwrap();
        let sealed = gateway.seal(b"whsec_secret", place(b"whk"));
        assert_eq!(expose(&region.open(&sealed, place(b"whk")).unwrap()), b"whsec_secret");
        assert_eq!(
            RegionSecretKey::generate().open(&sealed, place(b"whk")).unwrap_err(),
            SealError::Refused
        );
        assert_eq!(region.open(&sealed, place(b"other")).unwrap_err(), SealError::Refused);
        assert_eq!(region.open(&[], place(b"whk")).unwrap_err(), SealError::Refused);
    }

    #[test]
    fn a_cell_moved_to_another_place_does_not_decrypt() {
        let region = RegionSecretKey::generate();
        let (key, wrapped) = region.create_data_key(place(b""));
        let sealed = key.seal(b"ratchet", place(b"15550001001.0"));
        let unwrapped = RegionSecretKey::parse(&region.to_base64())
            .unwrap()
            .unwrap_data_key(&wrapped, place(b""))
            .unwrap();
        assert_eq!(
            unwrapped.open(&sealed, place(b"15550001001.0")).unwrap().as_slice(),
            b"ratchet"
        );

        let elsewhere = [
            Place {
                tenant: Uuid::from_u128(9),
                ..place(b"15550001001.0")
            },
            Place {
                session: Uuid::from_u128(9),
                ..place(b"15550001001.0")
            },
            Place {
                table: "protocol_prekey",
                ..place(b"15550001001.0")
            },
            Place {
                column: "other",
                ..place(b"15550001001.0")
            },
            place(b"15550001001.1"),
        ];
        for place in elsewhere {
            assert_eq!(unwrapped.open(&sealed, place), Err(SealError::Refused), "{place:?}");
        }
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(
            unwrapped.open(&changed, place(b"15550001001.0")),
            Err(SealError::Refused)
        );
    }

    #[test]
    fn keys_never_show_in_debug_output() {
        let region = RegionSecretKey::generate();
        assert_eq!(format!("{region:?}"), "RegionSecretKey(…)");
        assert_eq!(format!("{:?}", region.create_data_key(place(b"")).0), "DataKey(…)");
        assert_eq!(RegionSecretKey::parse("short").unwrap_err(), SealError::InvalidKey);
    }
}
