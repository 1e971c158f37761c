//! Reading the app state as the account's phone does: the same patches, decrypted under the phone's key.
//!
//! Tests compare what companions wrote, and the phone follows what concerns itself: the push name and the address book.
//! Source: wacore-appstate src/decode.rs.

use std::collections::BTreeMap;
use std::sync::Arc;

use buffa::Message as _;
use serde::Serialize;
use serde_json::{Map, Value};
use wacore_appstate::decode::decode_record;
use wacore_appstate::keys::expand_app_state_keys;
use waproto::whatsapp::syncd_mutation::SyncdOperation;
use waproto::whatsapp::{SyncActionValue, SyncdPatch};

use super::phone::{CRITICAL, key};
use crate::accounts::{Account, Number};
use crate::network::Network;

/// One change, decrypted.
#[derive(Clone, Debug, Serialize)]
pub struct Mutation {
    /// The collection.
    pub collection: String,
    /// The version of the collection that it is part of.
    pub version: u64,
    /// The device that wrote it; 0 is the phone.
    pub device: u16,
    /// False when the entry was removed.
    pub set: bool,
    /// What it is about, such as `["archive", "15550001001@s.whatsapp.net"]`.
    pub index: Vec<String>,
    /// The value, with those fields that are there.
    pub value: Value,
    /// The value as a protobuf message.
    #[serde(skip)]
    pub action: SyncActionValue,
}

/// All changes, by collection and in the order of the versions. What cannot be decrypted is left out with a warning: the
/// phone has one key, so it was written under none of this account's.
pub fn mutations(network: &Network, account: &Account) -> Vec<Mutation> {
    let collections: Vec<String> = {
        let state = account.state();
        let mut names: Vec<String> = state.collections.keys().cloned().collect();
        names.sort();
        names
    };
    let read = |name: &String| mutations_of(network, account, name, 0);
    collections.iter().flat_map(read).collect()
}

/// The changes of one collection after a version.
pub fn mutations_of(network: &Network, account: &Account, collection: &str, after: u64) -> Vec<Mutation> {
    let patches: Vec<(u64, u16, Vec<u8>)> = {
        let state = account.state();
        let Some(stored) = state.collections.get(collection) else {
            return Vec::new();
        };
        stored.after(after)
    };
    let key = key(&network.seed, account);
    let keys = expand_app_state_keys(&key.bytes);
    let mut mutations = Vec::new();
    for (version, device, bytes) in patches {
        let Ok(patch) = SyncdPatch::decode_from_slice(&bytes) else {
            continue;
        };
        for mutation in &patch.mutations {
            let removed = mutation.operation == Some(SyncdOperation::REMOVE.into());
            let operation = if removed {
                SyncdOperation::REMOVE
            } else {
                SyncdOperation::SET
            };
            match decode_record(operation, &mutation.record, &keys, &key.id, true) {
                Ok((read, _)) => {
                    let action = read.action_value.unwrap_or_default();
                    mutations.push(Mutation {
                        collection: collection.to_owned(),
                        version,
                        device,
                        set: !removed,
                        index: read.index,
                        value: without_nulls(serde_json::to_value(&action).unwrap_or_default()),
                        action,
                    });
                }
                Err(error) => tracing::warn!(%error, collection, version, "a phone cannot read a change"),
            }
        }
    }
    mutations
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                fields
                    .map(|(name, value)| (name, without_nulls(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// What is in force: the newest change of every index, without what was removed.
pub fn present(mutations: &[Mutation]) -> Vec<&Mutation> {
    let mut newest: BTreeMap<(&str, &[String]), &Mutation> = BTreeMap::new();
    for mutation in mutations {
        newest.insert((&mutation.collection, &mutation.index), mutation);
    }
    newest.into_values().filter(|mutation| mutation.set).collect()
}

/// The address book: the people whom the account saved, and the names it gave them.
pub fn contacts(network: &Network, account: &Account) -> BTreeMap<Number, String> {
    let mutations = mutations_of(network, account, "critical_unblock_low", 0);
    let mut contacts = BTreeMap::new();
    for mutation in present(&mutations) {
        let [kind, jid, ..] = mutation.index.as_slice() else {
            continue;
        };
        let person = jid.parse().ok().and_then(|jid| network.accounts.find(&jid));
        if let Some(person) = person.filter(|_| kind == "contact") {
            let name = mutation.action.contact_action.full_name.clone();
            contacts.insert(person.number, name.unwrap_or_default());
        }
    }
    contacts
}

/// After a companion has written: the phone takes over a new push name.
pub fn follow(network: &Network, account: &Arc<Account>, collection: &str, version: u64) {
    if collection != CRITICAL {
        return;
    }
    for mutation in mutations_of(network, account, collection, version.saturating_sub(1)) {
        let name = mutation.action.push_name_setting.name.clone();
        if let Some(name) = name.filter(|name| mutation.set && !name.is_empty()) {
            account.state().name = name;
        }
    }
}
