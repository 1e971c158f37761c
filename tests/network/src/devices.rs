//! The devices of an account: their signed list, linking and unlinking, and telling everybody about it.
//!
//! Clients cache the lists of others, Baileys for five minutes. Without a `devices` notification the second device of an
//! account gets no copies (observed with both clients). It goes to those who asked for the list before, not to everybody:
//! that would grow with the square of the number of accounts.
//! Sources: Baileys Socket/messages-recv.ts:940-1035; wacore src/stanza/devices.rs:9-246; wacore src/adv.rs:117-146.

use std::sync::Arc;

use buffa::Message;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::{ADVKeyIndexList, ADVSignedKeyIndexList};

use crate::accounts::{Account, AccountState, Device, Spelling};
use crate::keys::sign;
use crate::ledger::{Entry, EntryKind};
use crate::network::Network;
use crate::node::{address, child, error, result};
use crate::socket::{Ending, conflict};
use crate::stanza::Session;

/// In front of what an account signs as its list of key indexes. Remembered, not found in any client: none checks it.
const KEY_INDEX_LIST_PREFIX: [u8; 2] = [6, 2];

/// `<devices>` of a usync answer.
pub fn list(account: &Account) -> Node {
    let mut state = account.state();
    let phone = state
        .has_phone
        .then(|| NodeBuilder::new("device").attr("id", 0).build());
    let companions = state.devices.iter().map(|device| {
        NodeBuilder::new("device")
            .attr("id", device.id)
            .attr("key-index", device.key_index)
            .build()
    });
    let list = NodeBuilder::new("device-list")
        .attr("hash", list_hash(&state))
        .children(phone.into_iter().chain(companions))
        .build();
    let mut children = vec![list];
    if !state.devices.is_empty() {
        children.push(key_index_list(account, &mut state));
    }
    NodeBuilder::new("devices").children(children).build()
}

/// The account's signed word on which links are valid, kept until the list changes.
#[derive(Clone, Debug)]
pub struct SignedList {
    timestamp: u64,
    bytes: Vec<u8>,
}

impl SignedList {
    fn sign(account: &Account, state: &AccountState) -> Self {
        let timestamp = crate::clock::unix_seconds();
        let mut valid_indexes = vec![0];
        valid_indexes.extend(state.devices.iter().map(|device| device.key_index));
        let details = ADVKeyIndexList {
            raw_id: Some(account.raw_id),
            timestamp: Some(timestamp),
            current_index: Some(state.links),
            valid_indexes,
            ..Default::default()
        }
        .encode_to_vec();
        let signed = [&KEY_INDEX_LIST_PREFIX[..], &details].concat();
        let list = ADVSignedKeyIndexList {
            account_signature: Some(sign(&account.identity, &signed).to_vec()),
            details: Some(details),
            ..Default::default()
        };
        Self {
            timestamp,
            bytes: list.encode_to_vec(),
        }
    }
}

fn key_index_list(account: &Account, state: &mut AccountState) -> Node {
    let list = match state.signed_list.clone() {
        Some(list) => list,
        None => SignedList::sign(account, state),
    };
    let node = NodeBuilder::new("key-index-list")
        .attr("ts", list.timestamp)
        .bytes(list.bytes.clone())
        .build();
    state.signed_list = Some(list);
    node
}

/// Changes whenever the list does; clients only compare it.
fn list_hash(state: &AccountState) -> String {
    let devices = state.devices.iter().map(|device| u64::from(device.key_index));
    let sum = devices.fold(u64::from(state.links), |sum, index| {
        sum.wrapping_mul(31).wrapping_add(index)
    });
    format!("2:{sum:08x}")
}

/// Adds a companion and tells everybody.
pub fn link(network: &Arc<Network>, account: &Arc<Account>, device: Device) {
    let (id, key_index) = (device.id, device.key_index);
    {
        let mut state = account.state();
        state.devices.push(device);
        state.signed_list = None;
    }
    announce(network, account, Change::Add, id, key_index);
}

/// Removes a companion as the phone's "log out" does: its connection ends with 401, its credentials are worthless, and
/// everybody hears. False when there is no such device.
pub fn unlink(network: &Arc<Network>, account: &Arc<Account>, id: u16) -> bool {
    let removed = {
        let mut state = account.state();
        let place = state.devices.iter().position(|device| device.id == id);
        state.signed_list = None;
        place.map(|place| state.devices.remove(place))
    };
    let Some(device) = removed else {
        return false;
    };
    network
        .ledger
        .record(Entry::of_account(EntryKind::Unlinked, account.number, id));
    if let Some(live) = &device.live {
        live.outbound
            .end(Ending::Farewell(conflict("device_removed", Some(401))));
    }
    account.phone().forget_device(account.device_address(id));
    announce(network, account, Change::Remove, id, device.key_index);
    true
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

/// One notification with each spelling to every device of everybody who watches, and to the account's other devices.
fn announce(network: &Arc<Network>, account: &Arc<Account>, change: Change, id: u16, key_index: u32) {
    let (watchers, notifications) = {
        let mut state = account.state();
        let watchers: Vec<_> = state.watchers.iter().copied().collect();
        let spellings = [Spelling::Number, Spelling::Lid];
        let notifications =
            spellings.map(|spelling| notification(network, account, &mut state, change, spelling, id, key_index));
        (watchers, notifications)
    };
    let others = watchers.iter().filter_map(|number| network.accounts.by_number(*number));
    for receiver in others.chain([Arc::clone(account)]) {
        let mut state = receiver.state();
        for device in &mut state.devices {
            if receiver.number == account.number && device.id == id {
                continue;
            }
            for notification in &notifications {
                device.deliver(notification.clone());
            }
        }
    }
}

fn notification(
    network: &Network,
    account: &Account,
    state: &mut AccountState,
    change: Change,
    spelling: Spelling,
    id: u16,
    key_index: u32,
) -> Node {
    let device = NodeBuilder::new("device")
        .attr("jid", account.jid(spelling, id))
        .attr("key-index", key_index)
        .build();
    let list = match change {
        Change::Add => key_index_list(account, state),
        Change::Remove => NodeBuilder::new("key-index-list")
            .attr("ts", crate::clock::unix_seconds())
            .build(),
    };
    let tag = if change == Change::Add { "add" } else { "remove" };
    let child = NodeBuilder::new(tag)
        .attr("device_hash", list_hash(state))
        .children([device, list])
        .build();
    network
        .notification("devices", account.jid(spelling, 0))
        .children([child])
        .build()
}

/// Answers `iq md set`: a companion logs itself or another companion out.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Vec<Node> {
    let Some(wanted) = child(iq, "remove-companion-device").and_then(|request| address(request, "jid")) else {
        return vec![error(iq, 501, "feature-not-implemented")];
    };
    let own = network
        .accounts
        .find(&wanted)
        .is_some_and(|account| account.number == session.account.number);
    if !own || wanted.device == 0 {
        return vec![error(iq, 403, "forbidden")];
    }
    if !unlink(network, &session.account, wanted.device) {
        return vec![error(iq, 404, "item-not-found")];
    }
    vec![result(iq).build()]
}
