//! Stored answers that show a secret: AES-256-GCM under a key derived from the API key that asked, bound to tenant and idempotency key.
//!
//! The database knows only the API key's hash, so whoever reads the database reads no secret.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use shared::ids::TenantId;

/// Marks a sealed answer. A plain one is JSON and never begins so.
const MARK: u8 = 1;
const NONCE_LENGTH: usize = 12;

fn cipher(caller: &SecretString) -> Aes256Gcm {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, caller.expose_secret().as_bytes())
        .expand(b"rookery stored answer", &mut key)
        .expect("invariant: 32 bytes are within HKDF's limit");
    Aes256Gcm::new(&key.into())
}

fn associated_data(tenant: TenantId, key: &str) -> Vec<u8> {
    format!("{tenant} {key}").into_bytes()
}

/// Seals an answer so that only `caller` can have it again.
pub(super) fn seal(body: &[u8], tenant: TenantId, key: &str, caller: &SecretString) -> Vec<u8> {
    let nonce: [u8; NONCE_LENGTH] = rand::random();
    let payload = Payload {
        msg: body,
        aad: &associated_data(tenant, key),
    };
    let ciphertext = cipher(caller)
        .encrypt(&Nonce::from(nonce), payload)
        .expect("invariant: AES-GCM only fails beyond 64 GiB of plaintext");
    [[MARK].as_slice(), &nonce, &ciphertext].concat()
}

/// The answer in what was stored; `None` when it was sealed for another caller.
pub(super) fn open(stored: Vec<u8>, tenant: TenantId, key: &str, caller: &SecretString) -> Option<Vec<u8>> {
    let Some(sealed) = stored.strip_prefix(&[MARK]) else {
        return Some(stored);
    };
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
    let payload = Payload {
        msg: ciphertext,
        aad: &associated_data(tenant, key),
    };
    cipher(caller).decrypt(&Nonce::from(*nonce), payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_caller_has_its_secret_again() {
        let tenant = TenantId::generate();
        let caller = SecretString::from("rk_caller".to_owned());
        let other = SecretString::from("rk_other".to_owned());
        let sealed = seal(b"{\"key\":\"rk_new\"}", tenant, "k1", &caller);
        assert!(
            !sealed.windows(6).any(|bytes| bytes == b"rk_new"),
            "not readable at rest"
        );
        assert_eq!(
            open(sealed.clone(), tenant, "k1", &caller).unwrap(),
            b"{\"key\":\"rk_new\"}"
        );
        assert_eq!(open(sealed.clone(), tenant, "k1", &other), None);
        assert_eq!(open(sealed.clone(), tenant, "k2", &caller), None);
        assert_eq!(open(sealed, TenantId::generate(), "k1", &caller), None);
    }

    #[test]
    fn a_plain_answer_is_anybodys() {
        let caller = SecretString::from("rk_caller".to_owned());
        assert_eq!(open(b"{}".to_vec(), TenantId::generate(), "k", &caller).unwrap(), b"{}");
    }
}
