//! API keys: how they look, and what is stored of them.
//!
//! A key is `rk_` + 30 random base-62 characters + 6 characters of CRC-32 over what precedes, so that a mistyped key is recognised without a
//! look-up and secret scanners find leaked ones without false alarms. Only its SHA-256 is stored: with 178 random bits a slow hash adds nothing.

use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::session::words;

const PREFIX: &str = "rk_";
const RANDOM_LENGTH: usize = 30;
const CHECKSUM_LENGTH: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

words! {
    /// What a key may do.
    Scope {
        /// Read sessions and their status.
        SessionsRead = "sessions:read",
        /// Create, change, link, start and stop sessions.
        SessionsWrite = "sessions:write",
        /// Read messages and events.
        MessagesRead = "messages:read",
        /// Send messages.
        MessagesSend = "messages:send",
        /// Manage webhooks and their deliveries.
        WebhooksWrite = "webhooks:write",
        /// Download media.
        MediaRead = "media:read",
        /// Upload and delete media.
        MediaWrite = "media:write",
        /// Everything of every tenant. Only the operator's key has it.
        Admin = "admin",
    }
}

/// A fresh key.
#[must_use]
pub fn generate() -> SecretString {
    generate_with(PREFIX)
}

/// A fresh secret of the same form under another prefix.
pub(crate) fn generate_with(prefix: &str) -> SecretString {
    let mut random = rand::rng();
    let mut key = String::from(prefix);
    for _ in 0..RANDOM_LENGTH {
        key.push(char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    }
    key.push_str(&checksum(&key));
    SecretString::from(key)
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut characters = [0_u8; CHECKSUM_LENGTH];
    for character in characters.iter_mut().rev() {
        *character = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    characters.iter().map(|byte| char::from(*byte)).collect()
}

/// Whether the text can be a key of ours: saves the database a look-up for every typing mistake and every scanner.
#[must_use]
pub fn is_well_formed(key: &str) -> bool {
    is_well_formed_with(PREFIX, key)
}

/// The same for a secret under another prefix.
pub(crate) fn is_well_formed_with(prefix: &str, key: &str) -> bool {
    let length = prefix.len() + RANDOM_LENGTH + CHECKSUM_LENGTH;
    if key.len() != length || !key.is_ascii() || !key.starts_with(prefix) {
        return false;
    }
    let (body, sum) = key.split_at(length - CHECKSUM_LENGTH);
    checksum(body) == sum
}

/// What the database stores of a key.
#[must_use]
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The start of a key, for people to tell keys apart: the prefix and 4 of 30 characters.
#[must_use]
pub fn hint(key: &SecretString) -> String {
    key.expose_secret().chars().take(PREFIX.len() + 4).collect()
}

/// Compares two keys in constant time.
#[must_use]
pub fn matches(expected: &SecretString, given: &str) -> bool {
    hash(expected.expose_secret()).ct_eq(&hash(given)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_is_well_formed_and_a_mistyped_one_is_not() {
        let key = generate();
        let text = key.expose_secret().to_owned();
        assert!(is_well_formed(&text));
        assert_ne!(text, generate().expose_secret(), "keys differ");
        for index in PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
            let mistyped = String::from_utf8(bytes).unwrap();
            assert!(!is_well_formed(&mistyped), "{mistyped}");
        }
        for nonsense in ["", "rk_", "Bearer", "rk_ä234567890123456789012345678901234567"] {
            assert!(!is_well_formed(nonsense));
        }
    }

    #[test]
    fn only_the_same_key_matches() {
        let key = generate();
        assert!(matches(&key, key.expose_secret()));
        assert!(!matches(&key, "rk_other"));
        assert!(hint(&key).len() == 7 && key.expose_secret().starts_with(&hint(&key)));
    }
}
