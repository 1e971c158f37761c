//! The server's Noise key and the two certificates that vouch for it: root signs intermediate, intermediate signs leaf.
//!
//! Real clients know WhatsApp's root. Ours is derived from the seed and served at `GET /root-key`; Baileys accepts it
//! through `WA_CERT_DETAILS.PUBLIC_KEY` (Baileys Defaults/index.ts:38-41), whatsapp-rust only when compiled with
//! `danger-skip-cert-chain-verify` (wacore-noise src/handshake.rs:21-43). Serials and issuers are what both of them check
//! (wacore-noise src/handshake.rs:169-250; Baileys Utils/noise-handler.ts:185-225). Baileys 7.0.0-rc14 ignores the outcome
//! of its signature checks (Utils/crypto.ts, `Curve.verify`), so it is no witness for ours: the tests check them here.

use buffa::{Message, MessageField};
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp::{CertChain, cert_chain::NoiseCertificate, cert_chain::noise_certificate::Details};

use crate::keys::{Seed, public_bytes, sign};

/// Serial numbers: the root is 0, the intermediate is 1, the leaf is 2.
const ROOT_SERIAL: u32 = 0;
const INTERMEDIATE_SERIAL: u32 = 1;
const LEAF_SERIAL: u32 = 2;

/// Validity from 2020 to 2100, in seconds: outside its window whatsapp-rust never uses the short handshake.
const NOT_BEFORE: u64 = 1_577_836_800;
const NOT_AFTER: u64 = 4_102_444_800;

/// The key that the server proves to own, with its certificate chain.
pub struct ServerIdentity {
    /// The static Noise key pair.
    pub static_key: KeyPair,
    /// The encoded `CertChain` that is sent, encrypted, in every server hello.
    pub certificate_chain: Vec<u8>,
    /// The public key that signed the intermediate certificate.
    pub root_public_key: [u8; 32],
}

impl ServerIdentity {
    /// The identity after `rotations` changes of the static key; the root stays the same.
    pub fn derive(seed: &Seed, rotations: u64) -> Self {
        let root = seed.key_pair("certificate root", &[]);
        let intermediate = seed.key_pair("certificate intermediate", &[]);
        let static_key = seed.key_pair("server static", &[rotations]);
        let chain = CertChain {
            intermediate: MessageField::some(issue(&root, &intermediate, INTERMEDIATE_SERIAL, ROOT_SERIAL)),
            leaf: MessageField::some(issue(&intermediate, &static_key, LEAF_SERIAL, INTERMEDIATE_SERIAL)),
        };
        Self {
            certificate_chain: chain.encode_to_vec(),
            root_public_key: public_bytes(&root),
            static_key,
        }
    }
}

fn issue(issuer: &KeyPair, subject: &KeyPair, serial: u32, issuer_serial: u32) -> NoiseCertificate {
    let details = Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(public_bytes(subject).to_vec()),
        not_before: Some(NOT_BEFORE),
        not_after: Some(NOT_AFTER),
    }
    .encode_to_vec();
    let signature = sign(issuer, &details).to_vec();
    NoiseCertificate {
        details: Some(details),
        signature: Some(signature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_libsignal::protocol::PublicKey;

    #[test]
    fn each_certificate_is_signed_by_the_one_above_and_names_it() {
        let identity = ServerIdentity::derive(&Seed::new("certificates"), 0);
        let chain = CertChain::decode_from_slice(&identity.certificate_chain).unwrap();
        let intermediate = chain.intermediate.into_option().unwrap();
        let leaf = chain.leaf.into_option().unwrap();
        let intermediate_details = Details::decode_from_slice(intermediate.details.as_ref().unwrap()).unwrap();
        let leaf_details = Details::decode_from_slice(leaf.details.as_ref().unwrap()).unwrap();

        let root = PublicKey::from_djb_public_key_bytes(&identity.root_public_key).unwrap();
        assert!(root.verify_signature(
            intermediate.details.as_ref().unwrap(),
            intermediate.signature.as_ref().unwrap()
        ));
        let middle = PublicKey::from_djb_public_key_bytes(intermediate_details.key.as_ref().unwrap()).unwrap();
        assert!(middle.verify_signature(leaf.details.as_ref().unwrap(), leaf.signature.as_ref().unwrap()));

        assert_eq!(intermediate_details.issuer_serial, Some(0));
        assert_eq!(leaf_details.issuer_serial, intermediate_details.serial);
        assert_eq!(leaf_details.key.unwrap(), public_bytes(&identity.static_key));
    }

    #[test]
    fn rotation_changes_the_static_key_and_keeps_the_root() {
        let seed = Seed::new("rotation");
        let before = ServerIdentity::derive(&seed, 0);
        let after = ServerIdentity::derive(&seed, 1);
        assert_ne!(public_bytes(&before.static_key), public_bytes(&after.static_key));
        assert_eq!(before.root_public_key, after.root_public_key);
    }
}
