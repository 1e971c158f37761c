//! The signatures that bind a companion to an account ("ADV").
//!
//! The account's identity key signs the companion's, an HMAC under a secret from the QR code (or from the code exchange)
//! proves that the right phone did it, and the companion signs back.
//! Sources: Baileys Utils/validate-connection.ts:155-240; wacore src/pair.rs:164-311; whatsmeow pair.go:31-35, 279-290.

use buffa::Message;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wacore_libsignal::protocol::{KeyPair, PublicKey};
use waproto::whatsapp::{ADVDeviceIdentity, ADVSignedDeviceIdentity, ADVSignedDeviceIdentityHMAC};

use crate::keys::{public_bytes, sign};

/// In front of what the account signs.
const ACCOUNT_PREFIX: [u8; 2] = [6, 0];
/// In front of what the companion signs.
const DEVICE_PREFIX: [u8; 2] = [6, 1];

/// The account's signature over a companion's identity: the signed details, and the structure that carries them.
pub fn sign_device(
    account: &KeyPair,
    raw_id: u32,
    key_index: u32,
    companion_identity: &[u8; 32],
) -> (Vec<u8>, ADVSignedDeviceIdentity) {
    let details = ADVDeviceIdentity {
        raw_id: Some(raw_id),
        timestamp: Some(crate::clock::unix_seconds()),
        key_index: Some(key_index),
        ..Default::default()
    }
    .encode_to_vec();
    let message = [&ACCOUNT_PREFIX[..], &details, companion_identity].concat();
    let signed = ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(public_bytes(account).to_vec()),
        account_signature: Some(sign(account, &message).to_vec()),
        device_signature: None,
    };
    (details, signed)
}

/// What the companion signs in return.
pub fn device_message(details: &[u8], companion_identity: &[u8; 32], account: &KeyPair) -> Vec<u8> {
    [&DEVICE_PREFIX[..], details, companion_identity, &public_bytes(account)].concat()
}

/// The signed identity with an HMAC under the secret that only the two parties know.
pub fn seal(signed: &ADVSignedDeviceIdentity, secret: &[u8]) -> Vec<u8> {
    let details = signed.encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("invariant: HMAC takes keys of any length");
    mac.update(&details);
    let hmac = mac.finalize().into_bytes().to_vec();
    ADVSignedDeviceIdentityHMAC {
        details: Some(details),
        hmac: Some(hmac),
        ..Default::default()
    }
    .encode_to_vec()
}

/// Checks the companion's answer and builds the complete structure that others receive as `device-identity`. Baileys
/// leaves the account's key out of its answer (validate-connection.ts:211), so it is put back here. `None` when the
/// signature does not fit.
pub fn complete(
    signed: &ADVSignedDeviceIdentity,
    details: &[u8],
    companion_identity: &[u8; 32],
    account: &KeyPair,
    answer: &[u8],
) -> Option<Vec<u8>> {
    let answer = ADVSignedDeviceIdentity::decode_from_slice(answer).ok()?;
    if answer.details.as_deref() != Some(details) {
        return None;
    }
    let signature = answer.device_signature?;
    let companion = PublicKey::from_djb_public_key_bytes(companion_identity).ok()?;
    if !companion.verify_signature(&device_message(details, companion_identity, account), &signature) {
        return None;
    }
    let complete = ADVSignedDeviceIdentity {
        device_signature: Some(signature),
        ..signed.clone()
    };
    Some(complete.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Seed;

    fn parties() -> (KeyPair, KeyPair) {
        let seed = Seed::new("adv");
        (seed.key_pair("account", &[]), seed.key_pair("companion", &[]))
    }

    fn answer(companion: &KeyPair, account: &KeyPair, signed: &ADVSignedDeviceIdentity) -> Vec<u8> {
        let details = signed.details.clone().unwrap();
        let message = device_message(&details, &public_bytes(companion), account);
        // As Baileys does it: without the account's key.
        ADVSignedDeviceIdentity {
            device_signature: Some(sign(companion, &message).to_vec()),
            account_signature_key: None,
            ..signed.clone()
        }
        .encode_to_vec()
    }

    #[test]
    fn the_account_signs_details_and_identity_together() {
        let (account, companion) = parties();
        let (details, signed) = sign_device(&account, 7, 3, &public_bytes(&companion));
        let message = [&[6, 0][..], &details, &public_bytes(&companion)].concat();
        assert!(
            account
                .public_key
                .verify_signature(&message, &signed.account_signature.unwrap())
        );
        let read = ADVDeviceIdentity::decode_from_slice(&details).unwrap();
        assert_eq!((read.raw_id, read.key_index), (Some(7), Some(3)));
    }

    #[test]
    fn the_seal_is_an_hmac_over_the_encoded_identity() {
        let (account, companion) = parties();
        let (_, signed) = sign_device(&account, 7, 3, &public_bytes(&companion));
        let sealed = ADVSignedDeviceIdentityHMAC::decode_from_slice(&seal(&signed, &[9; 32])).unwrap();
        let expected = wacore_libsignal::crypto::hmac_sha256(&[9; 32], sealed.details.as_ref().unwrap());
        assert_eq!(sealed.hmac.unwrap(), expected);
    }

    #[test]
    fn the_complete_identity_carries_both_signatures_and_the_account_key() {
        let (account, companion) = parties();
        let (details, signed) = sign_device(&account, 7, 1, &public_bytes(&companion));
        let answer = answer(&companion, &account, &signed);
        let complete = complete(&signed, &details, &public_bytes(&companion), &account, &answer).unwrap();
        let complete = ADVSignedDeviceIdentity::decode_from_slice(&complete).unwrap();
        assert_eq!(complete.account_signature_key.unwrap(), public_bytes(&account));
        assert!(complete.device_signature.is_some() && complete.account_signature.is_some());
    }

    #[test]
    fn another_companion_cannot_answer() {
        let (account, companion) = parties();
        let (details, signed) = sign_device(&account, 7, 1, &public_bytes(&companion));
        let stranger = Seed::new("adv").key_pair("stranger", &[]);
        let answer = answer(&stranger, &account, &signed);
        assert!(complete(&signed, &details, &public_bytes(&companion), &account, &answer).is_none());
    }
}
