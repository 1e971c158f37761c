//! Pairing by code: the client shows eight characters, a person types them into the phone.
//!
//! The code never crosses the network. Each side encrypts a fresh key under it (PBKDF2, AES-CTR), both derive the same
//! secrets, and the companion seals its identity under one of them. A mistyped code shows only when the phone cannot open
//! that seal.
//! Sources: wacore src/pair_code.rs:365-620; whatsapp-rust src/pair_code.rs:611-735; Baileys Socket/socket.ts:772-818 and
//! Socket/messages-recv.ts:1130-1198; whatsmeow pair-code.go:92-220.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hkdf::Hkdf;
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::sync::oneshot;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::crypto::aes_256_gcm_decrypt;
use wacore_libsignal::protocol::{KeyPair, PublicKey};

use super::{Candidate, LinkError};
use crate::accounts::{Account, Number};
use crate::keys::public_bytes;
use crate::network::Network;
use crate::node::{SERVER, address, attribute_is, bytes_node, child_array, child_content, error, result};

/// The cost of turning a code into a key; both clients use it.
const ROUNDS: u32 = 131_072;

/// Salt, initial counter block and encrypted key: 32 + 16 + 32 bytes.
const WRAPPED_BYTES: usize = 80;

/// How long the companion may take to answer the phone.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// A client that shows a code for a number and waits for somebody to type it there.
pub struct CodeRequest {
    candidate: Arc<Candidate>,
    reference: Vec<u8>,
    wrapped_key: [u8; WRAPPED_BYTES],
    requested: Instant,
    bundle: Mutex<Option<oneshot::Sender<Vec<u8>>>>,
}

impl CodeRequest {
    /// Who waits.
    pub fn candidate(&self) -> &Arc<Candidate> {
        &self.candidate
    }
}

/// Answers the two requests of a companion: `companion_hello` with the wrapped key, `companion_finish` with the bundle.
pub(super) fn answer(network: &Arc<Network>, candidate: &Arc<Candidate>, iq: &Node, request: &Node) -> Node {
    let answered = if attribute_is(request, "stage", "companion_hello") {
        hello(network, candidate, iq, request)
    } else if attribute_is(request, "stage", "companion_finish") {
        finish(network, candidate, iq, request)
    } else {
        None
    };
    answered.unwrap_or_else(|| error(iq, 400, "bad-request"))
}

/// The person need not exist yet: a code can be shown before the phone is created. A new code replaces an older one.
fn hello(network: &Network, candidate: &Arc<Candidate>, iq: &Node, request: &Node) -> Option<Node> {
    let number = Number::parse(&address(request, "jid")?.user)?;
    let wrapped_key = child_array(request, "link_code_pairing_wrapped_companion_ephemeral_pub")?;
    let noise_key: [u8; 32] = child_array(request, "companion_server_auth_key_pub")?;
    if noise_key != candidate.noise_key {
        return None;
    }
    let reference = format!("code-{}", network.next_stanza_id()).into_bytes();
    let waiting = CodeRequest {
        candidate: Arc::clone(candidate),
        reference: reference.clone(),
        wrapped_key,
        requested: Instant::now(),
        bundle: Mutex::new(None),
    };
    network
        .pairings
        .waiting
        .lock()
        .by_number
        .insert(number, Arc::new(waiting));
    let answer = NodeBuilder::new("link_code_companion_reg")
        .children([bytes_node("link_code_pairing_ref", reference)])
        .build();
    Some(result(iq).children([answer]).build())
}

fn finish(network: &Network, candidate: &Arc<Candidate>, iq: &Node, request: &Node) -> Option<Node> {
    let number = Number::parse(&address(request, "jid")?.user)?;
    let bundle = child_content(request, "link_code_pairing_wrapped_key_bundle")?;
    let reference = child_content(request, "link_code_pairing_ref")?;
    let waiting = network.pairings.code_request(number)?;
    if !Arc::ptr_eq(&waiting.candidate, candidate) || waiting.reference != reference {
        return None;
    }
    let phone = waiting.bundle.lock().take()?;
    let _ = phone.send(bundle.to_vec());
    Some(result(iq).build())
}

impl super::Pairings {
    fn code_request(&self, number: Number) -> Option<Arc<CodeRequest>> {
        self.waiting.lock().by_number.get(&number).cloned()
    }

    fn forget_code(&self, number: Number) {
        self.waiting.lock().by_number.remove(&number);
    }
}

/// A person types a code into the phone. Answers with the new device's number once the companion has accepted.
///
/// # Errors
/// Nobody waits for a code, the code is wrong, or the companion does not accept.
pub async fn enter(network: &Arc<Network>, account: &Arc<Account>, code: &str) -> Result<u16, LinkError> {
    let request = network
        .pairings
        .code_request(account.number)
        .ok_or(LinkError::CodeExpired)?;
    if request.requested.elapsed() > network.config.code_lifetime {
        network.pairings.forget_code(account.number);
        return Err(LinkError::CodeExpired);
    }
    let code = code.replace('-', "").trim().to_ascii_uppercase();
    let (own_key, companion_key, wrapped_key) = exchange_keys(code, request.wrapped_key).await?;

    let (sender, bundle) = oneshot::channel();
    *request.bundle.lock() = Some(sender);
    request
        .candidate
        .send(primary_hello(network, account, &request, wrapped_key));
    let Ok(Ok(bundle)) = tokio::time::timeout(ANSWER_TIME, bundle).await else {
        return Err(LinkError::NotAccepted("it did not answer in time".to_owned()));
    };
    let shared = agree(&own_key, &companion_key)?;
    let adv_secret = open_bundle(&bundle, &shared, account, &request.candidate)?;
    network.pairings.forget_code(account.number);
    super::link(network, account, &request.candidate, &adv_secret).await
}

/// Unwraps the companion's key and wraps one of our own. A wrong code gives a wrong key, not an error. The two key
/// derivations take a noticeable moment and run where they delay nobody.
async fn exchange_keys(
    code: String,
    companion_wrapped: [u8; WRAPPED_BYTES],
) -> Result<(KeyPair, [u8; 32], [u8; WRAPPED_BYTES]), LinkError> {
    let own_key = KeyPair::generate(&mut rand::rng());
    let own_public = public_bytes(&own_key);
    let work = tokio::task::spawn_blocking(move || {
        let companion_key = unwrap_key(&code, &companion_wrapped);
        let wrapped = wrap_key(&code, own_public, rand::random(), rand::random());
        (companion_key, wrapped)
    });
    let (companion_key, wrapped) = work
        .await
        .map_err(|_| LinkError::NotAccepted("the key derivation was interrupted".to_owned()))?;
    Ok((own_key, companion_key, wrapped))
}

fn primary_hello(network: &Network, account: &Account, request: &CodeRequest, wrapped: [u8; WRAPPED_BYTES]) -> Node {
    let hello = NodeBuilder::new("link_code_companion_reg")
        .attr("stage", "primary_hello")
        .children([
            bytes_node("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
            bytes_node("primary_identity_pub", public_bytes(&account.identity)),
            bytes_node("link_code_pairing_ref", request.reference.clone()),
        ])
        .build();
    network
        .notification("link_code_companion_reg", SERVER)
        .children([hello])
        .build()
}

/// Opens what the companion sealed, checks that it names both identities, and derives the secret for its certificate.
fn open_bundle(
    bundle: &[u8],
    shared: &[u8; 32],
    account: &Account,
    candidate: &Candidate,
) -> Result<[u8; 32], LinkError> {
    let (salt, rest) = bundle.split_at_checked(32).ok_or(LinkError::CodeWrong)?;
    let (nonce, sealed) = rest.split_first_chunk::<12>().ok_or(LinkError::CodeWrong)?;
    let key = expand(shared, Some(salt), b"link_code_pairing_key_bundle_encryption_key");
    let mut opened = Vec::new();
    aes_256_gcm_decrypt(&key, nonce, b"", sealed, &mut opened).map_err(|_| LinkError::CodeWrong)?;

    let expected = [&candidate.registration.identity[..], &public_bytes(&account.identity)].concat();
    let random = opened
        .strip_prefix(&expected[..])
        .filter(|random| random.len() == 32)
        .ok_or(LinkError::KeysDiffer)?;
    let identities = agree(&account.identity, &candidate.registration.identity)?;
    let secret = [&shared[..], &identities, random].concat();
    Ok(expand(&secret, None, b"adv_secret"))
}

fn agree(own: &KeyPair, theirs: &[u8; 32]) -> Result<[u8; 32], LinkError> {
    let theirs = PublicKey::from_djb_public_key_bytes(theirs).map_err(|_| LinkError::KeysDiffer)?;
    own.calculate_agreement(&theirs).map_err(|_| LinkError::KeysDiffer)
}

fn expand(secret: &[u8], salt: Option<&[u8]>, purpose: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    Hkdf::<Sha256>::new(salt, secret)
        .expand(purpose, &mut output)
        .expect("invariant: 32 bytes are within the limit of HKDF-SHA256");
    output
}

fn wrap_key(code: &str, key: [u8; 32], salt: [u8; 32], counter_block: [u8; 16]) -> [u8; WRAPPED_BYTES] {
    let mut wrapped = [0; WRAPPED_BYTES];
    wrapped[..32].copy_from_slice(&salt);
    wrapped[32..48].copy_from_slice(&counter_block);
    wrapped[48..].copy_from_slice(&key);
    apply_key_stream(code, &mut wrapped);
    wrapped
}

fn unwrap_key(code: &str, wrapped: &[u8; WRAPPED_BYTES]) -> [u8; 32] {
    let mut opened = *wrapped;
    apply_key_stream(code, &mut opened);
    let mut key = [0; 32];
    key.copy_from_slice(&opened[48..]);
    key
}

/// Encryption and decryption are the same in counter mode.
fn apply_key_stream(code: &str, wrapped: &mut [u8; WRAPPED_BYTES]) {
    let (salt, rest) = wrapped.split_at_mut(32);
    let (counter_block, key) = rest.split_at_mut(16);
    let mut stretched = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(code.as_bytes(), salt, ROUNDS, &mut stretched);
    Ctr128BE::<Aes256>::new_from_slices(&stretched, counter_block)
        .expect("invariant: the key has 32 bytes and the counter block 16")
        .apply_keystream(key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_with_the_same_code_only() {
        let key = [7; 32];
        let wrapped = wrap_key("ABCD1234", key, [1; 32], [2; 16]);
        assert_eq!(unwrap_key("ABCD1234", &wrapped), key);
        assert_ne!(unwrap_key("ABCD1235", &wrapped), key);
    }

    #[test]
    fn the_counter_carries_into_its_highest_byte() {
        let mut block = [0xFF; 16];
        block[0] = 0;
        let wrapped = wrap_key("ABCD1234", [7; 32], [1; 32], block);
        assert_eq!(unwrap_key("ABCD1234", &wrapped), [7; 32]);
    }

    /// Computed with Python's standard library and the `cryptography` package: PBKDF2-HMAC-SHA256 of `1234ABCD` with
    /// salt `01…01` over 131,072 rounds, AES-256-CTR with counter block `02…02` over `03…03`.
    #[test]
    fn the_wrapping_agrees_with_another_implementation() {
        let wrapped = wrap_key("1234ABCD", [3; 32], [1; 32], [2; 16]);
        assert_eq!(
            hex::encode(&wrapped[48..]),
            "62e7cf823cdfa5e1805a513997ae828cc04c678ce067f274d36b904f1cb48648"
        );
    }
}
