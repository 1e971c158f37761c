//! Pre-keys: what a device uploads so that others can open an encrypted session with it while it is away.
//!
//! Each one-time key is handed out once. The stock is one block of bytes, because 812 keys of every paired device add up.
//! Sources: Baileys Utils/signal.ts, Socket/socket.ts:465-560; wacore src/iq/prekeys.rs:167-192, 348-385, 553-800.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use wacore_libsignal::crypto::CryptographicHash;

use crate::accounts::device::{DeviceKeys, SignedPreKey};
use crate::network::Network;
use crate::node::{
    address, big_endian, bytes_node, child, child_array, child_content, children_of, error, result, three_bytes,
};
use crate::stanza::Session;

/// Clients refill their stock when the server tells them that less than this is left (Baileys Defaults, `MIN_PREKEY_COUNT`).
const LOW_STOCK: usize = 5;

const IDENTIFIER_BYTES: usize = 3;
const ENTRY_BYTES: usize = IDENTIFIER_BYTES + 32;

/// One-time pre-keys in the order of upload: three bytes of identifier and 32 bytes of key each.
#[derive(Debug, Default)]
pub struct PreKeyStock {
    entries: Vec<u8>,
}

/// A one-time pre-key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTimePreKey {
    /// Its identifier, 24 bits.
    pub id: u32,
    /// The public key.
    pub public: [u8; 32],
}

impl PreKeyStock {
    /// Adds a key; a key with the same identifier is replaced.
    pub fn add(&mut self, key: OneTimePreKey) {
        let id = three_bytes(key.id);
        if let Some(existing) = self
            .entries
            .chunks_exact_mut(ENTRY_BYTES)
            .find(|entry| entry[..IDENTIFIER_BYTES] == id)
        {
            existing[IDENTIFIER_BYTES..].copy_from_slice(&key.public);
            return;
        }
        self.entries.extend_from_slice(&id);
        self.entries.extend_from_slice(&key.public);
    }

    /// Takes the oldest key out; it is never handed out again. The newest must stay: Baileys uploads anew when its own
    /// newest key was used (Socket/socket.ts, `verifyCurrentPreKeyExists`).
    pub fn take(&mut self) -> Option<OneTimePreKey> {
        let key = read_entry(&self.entries)?;
        self.entries.drain(..ENTRY_BYTES);
        Some(key)
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.entries.len() / ENTRY_BYTES
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All keys in the order of upload.
    pub fn iter(&self) -> impl Iterator<Item = OneTimePreKey> {
        self.entries.chunks_exact(ENTRY_BYTES).filter_map(read_entry)
    }
}

fn read_entry(entry: &[u8]) -> Option<OneTimePreKey> {
    Some(OneTimePreKey {
        id: big_endian(entry.get(..IDENTIFIER_BYTES)?)?,
        public: entry.get(IDENTIFIER_BYTES..ENTRY_BYTES)?.try_into().ok()?,
    })
}

/// What one needs to open a session with a device.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The Signal registration identifier.
    pub registration_id: u32,
    /// The identity key.
    pub identity: [u8; 32],
    /// The signed pre-key.
    pub signed_pre_key: SignedPreKey,
    /// A one-time key, if one was left.
    pub one_time: Option<OneTimePreKey>,
    /// For companions: the proof that the account has linked this identity.
    pub signed_identity: Option<Vec<u8>>,
}

/// A device's bundle; takes one of its one-time keys and asks the device for more when few are left. `None` when there is
/// no such device.
pub fn take_bundle(network: &Network, jid: &Jid) -> Option<Bundle> {
    let account = network.accounts.find(jid)?;
    let mut state = account.state();
    if jid.device == 0 {
        return state.has_phone.then(|| crate::phone::bundle(&network.seed, &account));
    }
    let device = state.device_mut(jid.device)?;
    let one_time = device.keys.one_time.take();
    let left = device.keys.one_time.len();
    if one_time.is_some() && left < LOW_STOCK {
        let count = NodeBuilder::new("count").attr("value", left).build();
        let low = network
            .notification("encrypt", crate::node::SERVER)
            .children([count])
            .build();
        device.deliver(low);
    }
    Some(Bundle {
        registration_id: device.keys.registration_id,
        identity: device.keys.identity,
        signed_pre_key: device.keys.signed_pre_key.clone(),
        one_time,
        signed_identity: Some(device.signed_identity.clone()),
    })
}

/// Answers `iq encrypt get`: how many keys are left, a digest of what we hold, or the bundles of others.
pub fn get(network: &Network, session: &Session, iq: &Node) -> Node {
    if child(iq, "count").is_some() {
        return count(session, iq);
    }
    if child(iq, "digest").is_some() {
        return digest(session, iq);
    }
    match child(iq, "key") {
        Some(wanted) => bundles(network, iq, wanted),
        None => error(iq, 400, "bad-request"),
    }
}

fn count(session: &Session, iq: &Node) -> Node {
    let left = session.with_device(|device| device.keys.one_time.len()).unwrap_or(0);
    let count = NodeBuilder::new("count").attr("value", left).build();
    result(iq).children([count]).build()
}

/// The digest lets a client check that we hold what it uploaded. A 404 would make it upload 812 keys again; a provisioned
/// device has uploaded none and gets 503, which clients ignore (whatsapp-rust src/prekeys.rs:851-901).
fn digest(session: &Session, iq: &Node) -> Node {
    let answer = session.with_device(|device| {
        if device.provisioned && device.keys.one_time.is_empty() {
            return error(iq, 503, "service-unavailable");
        }
        match digest_node(&device.keys) {
            Some(digest) => result(iq).children([digest]).build(),
            None => error(iq, 500, "internal-server-error"),
        }
    });
    answer.unwrap_or_else(|| error(iq, 401, "not-authorized"))
}

fn digest_node(keys: &DeviceKeys) -> Option<Node> {
    let mut hash = CryptographicHash::new("SHA-1").ok()?;
    hash.update(&keys.identity);
    hash.update(&keys.signed_pre_key.public);
    hash.update(&keys.signed_pre_key.signature);
    for key in keys.one_time.iter() {
        hash.update(&key.public);
    }
    let identifiers = keys.one_time.iter().map(|key| bytes_node("id", three_bytes(key.id)));
    let children = [
        bytes_node("registration", keys.registration_id.to_be_bytes()),
        bytes_node("type", [5]),
        bytes_node("identity", keys.identity),
        signed_pre_key_node(&keys.signed_pre_key),
        NodeBuilder::new("list").children(identifiers).build(),
        bytes_node("hash", hash.finalize()),
    ];
    Some(NodeBuilder::new("digest").children(children).build())
}

fn signed_pre_key_node(key: &SignedPreKey) -> Node {
    NodeBuilder::new("skey")
        .children([
            bytes_node("id", three_bytes(key.id)),
            bytes_node("value", key.public),
            bytes_node("signature", key.signature.clone()),
        ])
        .build()
}

/// A user that cannot be served gets an error of its own. Baileys throws away a whole batch for one (Utils/signal.ts:147),
/// so nothing that usync lists may ever end there.
fn bundles(network: &Network, iq: &Node, wanted: &Node) -> Node {
    let users = children_of(wanted, "user")
        .filter_map(|user| address(user, "jid"))
        .map(|jid| match take_bundle(network, &jid) {
            Some(bundle) => bundle_node(&jid, bundle),
            None => {
                let error = NodeBuilder::new("error")
                    .attr("code", 406)
                    .attr("text", "not-acceptable")
                    .build();
                NodeBuilder::new("user").attr("jid", jid).children([error]).build()
            }
        });
    let list = NodeBuilder::new("list").children(users).build();
    result(iq).children([list]).build()
}

fn bundle_node(jid: &Jid, bundle: Bundle) -> Node {
    let mut children = vec![
        bytes_node("registration", bundle.registration_id.to_be_bytes()),
        bytes_node("type", [5]),
        bytes_node("identity", bundle.identity),
        signed_pre_key_node(&bundle.signed_pre_key),
    ];
    if let Some(key) = bundle.one_time {
        let parts = [bytes_node("id", three_bytes(key.id)), bytes_node("value", key.public)];
        children.push(NodeBuilder::new("key").children(parts).build());
    }
    if let Some(signed_identity) = bundle.signed_identity {
        children.push(bytes_node("device-identity", signed_identity));
    }
    NodeBuilder::new("user")
        .attr("jid", jid)
        .attr("t", crate::clock::unix_seconds())
        .children(children)
        .build()
}

/// Answers `iq encrypt set`: an upload of keys, or the replacement of the signed pre-key.
pub fn set(session: &Session, iq: &Node) -> Node {
    let stored = match child(iq, "rotate") {
        Some(rotation) => rotate(session, rotation),
        None => store_upload(session, iq),
    };
    match stored {
        Some(()) => result(iq).build(),
        None => error(iq, 400, "bad-request"),
    }
}

fn rotate(session: &Session, rotation: &Node) -> Option<()> {
    let key = read_signed_pre_key(child(rotation, "skey")?)?;
    session.with_device(|device| device.keys.signed_pre_key = key)
}

fn store_upload(session: &Session, iq: &Node) -> Option<()> {
    let registration_id = big_endian(child_content(iq, "registration")?)?;
    let identity = child_array(iq, "identity")?;
    let signed_pre_key = read_signed_pre_key(child(iq, "skey")?)?;
    let keys: Vec<OneTimePreKey> = children_of(child(iq, "list")?, "key")
        .map(read_one_time)
        .collect::<Option<_>>()?;
    session.with_device(|device| {
        device.keys.registration_id = registration_id;
        device.keys.identity = identity;
        device.keys.signed_pre_key = signed_pre_key;
        for key in keys {
            device.keys.one_time.add(key);
        }
    })
}

/// Reads `<skey><id/><value/><signature/></skey>`.
pub fn read_signed_pre_key(node: &Node) -> Option<SignedPreKey> {
    Some(SignedPreKey {
        id: big_endian(child_content(node, "id")?)?,
        public: child_array(node, "value")?,
        signature: child_content(node, "signature")?.to_vec(),
    })
}

/// Reads `<key><id/><value/></key>`.
pub fn read_one_time(node: &Node) -> Option<OneTimePreKey> {
    Some(OneTimePreKey {
        id: big_endian(child_content(node, "id")?)?,
        public: child_array(node, "value")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::empty;

    fn key(id: u32) -> OneTimePreKey {
        OneTimePreKey {
            id,
            public: [u8::try_from(id % 251).unwrap(); 32],
        }
    }

    #[test]
    fn each_key_is_handed_out_once_oldest_first() {
        let mut stock = PreKeyStock::default();
        for id in [70_000, 2, 3] {
            stock.add(key(id));
        }
        assert_eq!(stock.len(), 3);
        assert_eq!(stock.take(), Some(key(70_000)));
        assert_eq!(stock.take(), Some(key(2)));
        assert_eq!(stock.take(), Some(key(3)));
        assert_eq!(stock.take(), None);
    }

    #[test]
    fn uploading_a_key_again_replaces_it() {
        let mut stock = PreKeyStock::default();
        stock.add(key(1));
        stock.add(OneTimePreKey { id: 1, public: [9; 32] });
        assert_eq!(stock.len(), 1);
        assert_eq!(stock.take().unwrap().public, [9; 32]);
    }

    #[test]
    fn the_digest_covers_identity_signed_key_and_every_one_time_key() {
        let mut one_time = PreKeyStock::default();
        one_time.add(key(1));
        one_time.add(key(2));
        let keys = DeviceKeys {
            registration_id: 77,
            identity: [1; 32],
            signed_pre_key: SignedPreKey {
                id: 1,
                public: [2; 32],
                signature: vec![3; 64],
            },
            one_time,
        };
        let digest = digest_node(&keys).unwrap();
        let mut covered = vec![1_u8; 32];
        covered.extend([2; 32]);
        covered.extend([3; 64]);
        covered.extend(key(1).public);
        covered.extend(key(2).public);
        let mut expected = CryptographicHash::new("SHA-1").unwrap();
        expected.update(&covered);
        assert_eq!(child_content(&digest, "hash").unwrap(), expected.finalize());
        assert_eq!(child_content(&digest, "registration").unwrap(), [0, 0, 0, 77]);
        let listed: Vec<_> = children_of(child(&digest, "list").unwrap(), "id").collect();
        assert_eq!(listed.len(), 2);
    }

    #[test]
    fn an_upload_is_read_as_it_is_written() {
        let written = SignedPreKey {
            id: 300,
            public: [4; 32],
            signature: vec![5; 64],
        };
        let read = read_signed_pre_key(&signed_pre_key_node(&written)).unwrap();
        assert_eq!((read.id, read.public, read.signature), (300, [4; 32], vec![5; 64]));
        assert!(read_signed_pre_key(&empty("skey")).is_none());
    }
}
