//! Every secret of the simulated network, derived from one seed.
//!
//! The same seed gives the same certificate root, the same account identities and the same companion keys, so a run can
//! be repeated and two machines can agree on credentials without talking. Nothing here is a secret worth keeping: never
//! use these keys for anything but a simulation.

use hkdf::Hkdf;
use sha2::Sha256;
use wacore_libsignal::protocol::{KeyPair, PrivateKey};

/// Where all keys of one simulated network come from.
#[derive(Clone, Debug)]
pub struct Seed {
    text: String,
}

impl Seed {
    /// A seed from any text; an empty text is a valid seed too.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// 32 bytes that depend on the seed, on what they are for, and on the given numbers.
    pub fn bytes(&self, purpose: &str, numbers: &[u64]) -> [u8; 32] {
        let mut info = purpose.as_bytes().to_vec();
        for number in numbers {
            info.push(b'/');
            info.extend_from_slice(&number.to_be_bytes());
        }
        let mut output = [0_u8; 32];
        Hkdf::<Sha256>::new(None, self.text.as_bytes())
            .expand(&info, &mut output)
            .expect("invariant: 32 bytes are within the limit of HKDF-SHA256");
        output
    }

    /// A Curve25519 key pair for this purpose.
    pub fn key_pair(&self, purpose: &str, numbers: &[u64]) -> KeyPair {
        key_pair(&self.bytes(purpose, numbers))
    }

    /// A number of 32 bits for this purpose.
    pub fn word(&self, purpose: &str, numbers: &[u64]) -> u32 {
        let bytes = self.bytes(purpose, numbers);
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// A Signal registration identifier: 14 bits, never 0.
    pub fn registration_id(&self, purpose: &str, numbers: &[u64]) -> u32 {
        (self.word(purpose, numbers) & 0x3FFF).max(1)
    }
}

/// The Curve25519 key pair with this private key.
pub fn key_pair(secret: &[u8; 32]) -> KeyPair {
    let private_key = PrivateKey::deserialize(secret).expect("invariant: any 32 bytes are a Curve25519 private key");
    KeyPair::try_from(private_key).expect("invariant: every private key has a public key")
}

/// The raw 32 bytes of a public key, as WhatsApp puts them on the wire (no type byte in front).
pub fn public_bytes(pair: &KeyPair) -> [u8; 32] {
    pair.public_key
        .public_key_bytes()
        .try_into()
        .expect("invariant: a Curve25519 public key has 32 bytes")
}

/// An XEdDSA signature; the nonce is random, so two signatures of the same bytes differ.
pub fn sign(pair: &KeyPair, message: &[u8]) -> [u8; 64] {
    pair.calculate_signature(message, &mut rand::rng())
        .expect("invariant: signing with a Curve25519 key cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_keys_and_another_purpose_gives_others() {
        let seed = Seed::new("a story");
        let again = Seed::new("a story");
        assert_eq!(
            public_bytes(&seed.key_pair("identity", &[1])),
            public_bytes(&again.key_pair("identity", &[1]))
        );
        assert_ne!(seed.bytes("identity", &[1]), seed.bytes("identity", &[2]));
        assert_ne!(seed.bytes("identity", &[1]), seed.bytes("noise", &[1]));
        assert_ne!(
            seed.bytes("identity", &[1]),
            Seed::new("another").bytes("identity", &[1])
        );
    }

    #[test]
    fn registration_ids_fit_the_range_that_clients_accept() {
        let seed = Seed::new("range");
        for number in 0..200 {
            let id = seed.registration_id("registration", &[number]);
            assert!((1..=0x3FFF).contains(&id), "{id}");
        }
    }

    #[test]
    fn a_signature_verifies_under_the_public_key() {
        let pair = Seed::new("signing").key_pair("identity", &[7]);
        let signature = sign(&pair, b"details");
        assert!(pair.public_key.verify_signature(b"details", &signature));
        assert!(!pair.public_key.verify_signature(b"other", &signature));
    }
}
