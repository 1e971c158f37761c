//! How a phone itself writes into the app state, under a key that it shares with its companions.
//!
//! A patch is encrypted and carries two authentication codes over a hash of the whole collection, so that companions
//! notice if anything was left out. Sources: wacore-appstate src/encode.rs, src/hash.rs:55-200, src/keys.rs; the first
//! patch of a collection is checked like any other (src/processor.rs:184-205, 439-480).

use std::collections::HashMap;
use std::sync::Arc;

use buffa::{Message, MessageField};
use wacore_appstate::encode::encode_record;
use wacore_appstate::hash::{HashState, generate_patch_mac};
use wacore_appstate::keys::expand_app_state_keys;
use waproto::whatsapp::syncd_mutation::SyncdOperation;
use waproto::whatsapp::{KeyId, SyncdMutation, SyncdPatch};

use super::Collection;
use super::changes::Change;
use crate::accounts::Account;
use crate::keys::Seed;
use crate::network::Network;

/// The collection that holds what a companion must know before it is usable.
pub(super) const CRITICAL: &str = "critical_block";

/// The key under which a phone encrypts its app state: six bytes of name, 32 bytes of key.
pub struct AppStateKey {
    /// The key's name.
    pub id: [u8; 6],
    /// The key itself.
    pub bytes: [u8; 32],
}

/// The app-state key of an account. Real phones change theirs now and then; this one has one for life.
pub fn key(seed: &Seed, account: &Account) -> AppStateKey {
    AppStateKey {
        id: [0, 0, 0, 0, 0, 1],
        bytes: seed.bytes("app state key", &[account.number.value()]),
    }
}

/// Writes the account's present push name, once: companions that were linked later find it there.
pub fn seed_push_name(network: &Network, account: &Arc<Account>) {
    let empty = account
        .state()
        .collections
        .get(CRITICAL)
        .is_none_or(|collection| collection.version() == 0);
    if empty {
        write_push_name(network, account);
    }
}

/// Writes the account's present push name and tells the companions.
pub fn write_push_name(network: &Network, account: &Arc<Account>) {
    let name = account.state().name.clone();
    write(network, account, &Change::push_name(&name));
}

/// Writes the salt for tokens.
pub fn write_salt(network: &Network, account: &Arc<Account>, salt: &[u8]) {
    write(network, account, &Change::salt(salt));
}

/// Writes a change and tells the companions. Answers with the new version; `None` for something that cannot be removed
/// because it is not there.
pub fn write(network: &Network, account: &Arc<Account>, change: &Change) -> Option<u64> {
    let key = key(&network.seed, account);
    let version = {
        let mut state = account.state();
        let collection = state.collections.entry(change.collection.to_owned()).or_default();
        let patch = patch(collection, &key, change)?;
        collection.append(&patch, 0)
    };
    if let Some(version) = version {
        super::notify(network, account, None, change.collection, version);
    }
    version
}

fn patch(collection: &Collection, key: &AppStateKey, change: &Change) -> Option<Vec<u8>> {
    let keys = expand_app_state_keys(&key.bytes);
    let operation = if change.removes {
        SyncdOperation::REMOVE
    } else {
        SyncdOperation::SET
    };
    let index = serde_json::to_vec(&change.index).ok()?;
    let (mutation, _) = encode_record(
        operation,
        &index,
        &change.value,
        &keys,
        &key.id,
        &rand::random(),
        change.version,
    );
    let mutations = vec![mutation];

    let mut hash = CollectionHash::of(collection);
    if change.removes && !hash.contains(&mutations[0]) {
        return None;
    }
    hash.apply(&mutations);
    let version = collection.version() + 1;
    hash.state.version = version;
    let name = change.collection;
    let mut patch = SyncdPatch {
        mutations,
        snapshot_mac: Some(hash.state.generate_snapshot_mac(name, &keys.snapshot_mac)),
        key_id: MessageField::some(KeyId {
            id: Some(key.id.to_vec()),
        }),
        device_index: Some(0),
        ..Default::default()
    };
    patch.patch_mac = Some(generate_patch_mac(&patch, name, &keys.patch_mac, version));
    Some(patch.encode_to_vec())
}

/// The hash over everything a collection contains, rebuilt from its patches. Values are not decrypted for it: the last 32
/// bytes of each are its authentication code, and that is what the hash is made of.
#[derive(Default)]
struct CollectionHash {
    state: HashState,
    codes: HashMap<Vec<u8>, Vec<u8>>,
}

impl CollectionHash {
    fn of(collection: &Collection) -> Self {
        let mut hash = Self::default();
        for (_, _, patch) in collection.after(0) {
            if let Ok(patch) = SyncdPatch::decode_from_slice(&patch) {
                hash.apply(&patch.mutations);
            }
        }
        hash
    }

    fn contains(&self, mutation: &SyncdMutation) -> bool {
        let index = mutation.record.index.blob.as_ref();
        index.is_some_and(|index| self.codes.contains_key(index))
    }

    fn apply(&mut self, mutations: &[SyncdMutation]) {
        let codes = &self.codes;
        let (_, outcome) = self
            .state
            .update_hash(mutations, |index, _| Ok(codes.get(index).cloned()));
        if let Err(error) = outcome {
            tracing::warn!(%error, "an app-state patch could not be hashed");
        }
        for mutation in mutations {
            let record = &mutation.record;
            let (Some(index), Some(blob)) = (&record.index.blob, &record.value.blob) else {
                continue;
            };
            let removes = mutation.operation == Some(SyncdOperation::REMOVE.into());
            match blob.len().checked_sub(32) {
                Some(start) if !removes => {
                    self.codes.insert(index.clone(), blob[start..].to_vec());
                }
                _ => {
                    self.codes.remove(index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_appstate::decode::decode_record;

    fn test_key() -> AppStateKey {
        AppStateKey {
            id: [0, 0, 0, 0, 0, 1],
            bytes: [7; 32],
        }
    }

    fn decode(collection: &Collection, place: usize) -> SyncdPatch {
        SyncdPatch::decode_from_slice(&collection.after(0)[place].2).unwrap()
    }

    #[test]
    fn a_companion_with_the_key_reads_the_push_name() {
        let mut collection = Collection::default();
        collection
            .append(&patch(&collection, &test_key(), &Change::push_name("Ada")).unwrap(), 0)
            .unwrap();
        let patch = decode(&collection, 0);
        let keys = expand_app_state_keys(&test_key().bytes);
        let (record, _) = decode_record(
            SyncdOperation::SET,
            &patch.mutations[0].record,
            &keys,
            &test_key().id,
            true,
        )
        .unwrap();
        let value = record.action_value.unwrap();
        assert_eq!(value.push_name_setting.name.as_deref(), Some("Ada"));
        assert_eq!(record.index, ["setting_pushName"]);
    }

    #[test]
    fn a_second_name_replaces_the_first_in_the_hash() {
        let mut collection = Collection::default();
        collection
            .append(&patch(&collection, &test_key(), &Change::push_name("Ada")).unwrap(), 0)
            .unwrap();
        collection
            .append(
                &patch(&collection, &test_key(), &Change::push_name("Grace")).unwrap(),
                0,
            )
            .unwrap();
        let keys = expand_app_state_keys(&test_key().bytes);

        // What is left is only the second record, so a collection with that alone has the same hash.
        let second = decode(&collection, 1);
        let mut alone = CollectionHash::default();
        alone.apply(&second.mutations);
        alone.state.version = 2;
        let expected = alone.state.generate_snapshot_mac(CRITICAL, &keys.snapshot_mac);
        assert_eq!(second.snapshot_mac.clone().unwrap(), expected);
        let expected = generate_patch_mac(&second, CRITICAL, &keys.patch_mac, 2);
        assert_eq!(second.patch_mac.unwrap(), expected);
    }
}
