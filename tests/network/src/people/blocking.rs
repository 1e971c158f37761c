//! Blocked people: nothing that they send arrives, and they see nothing of the one who blocked them.
//!
//! A blocked sender is not told: the message is acknowledged as ever and stays undelivered.
//! Sources: wacore src/iq/blocklist.rs; whatsapp-rust src/features/blocking.rs; Baileys Socket/chats.ts:386-430 and
//! Socket/messages-recv.ts (`account_sync`). A block names the LID and the number, an unblock only the LID; the server
//! refuses a block by number alone (wacore src/iq/blocklist.rs, `BlocklistItemRequest`).

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::sync_account;
use crate::accounts::{Account, Number, Spelling};
use crate::network::Network;
use crate::node::{address, attribute_is, child, error, result};
use crate::stanza::Session;

/// One person's blocked people, with the time of the block in seconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct BlockList(BTreeMap<Number, u64>);

impl BlockList {
    /// Whether somebody is blocked.
    pub fn contains(&self, number: Number) -> bool {
        self.0.contains_key(&number)
    }

    /// The blocked people.
    pub fn numbers(&self) -> impl Iterator<Item = Number> {
        self.0.keys().copied()
    }

    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for number in self.0.keys() {
            hash.update(number.value().to_be_bytes());
        }
        format!("1:{}", hex::encode(&hash.finalize()[..8]))
    }

    fn to_node(&self, network: &Network) -> Node {
        let items = self.0.iter().filter_map(|(number, since)| {
            let blocked = network.accounts.by_number(*number)?;
            let item = NodeBuilder::new("item").attr("jid", blocked.jid(Spelling::Lid, 0));
            Some(item.attr("t", *since).build())
        });
        NodeBuilder::new("list")
            .attr("dhash", self.hash())
            .children(items)
            .build()
    }
}

/// Whether this person does not want to hear from that one.
pub fn blocks(owner: &Account, number: Number) -> bool {
    owner.number != number && owner.state().settings.blocked.contains(number)
}

/// Answers `iq blocklist get`.
pub fn get(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let list = session.account.state().settings.blocked.clone();
    result(iq).children([list.to_node(network)]).build()
}

/// Answers `iq blocklist set` with the new list.
pub fn set(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some((item, jid)) = child(iq, "item").and_then(|item| Some((item, address(item, "jid")?))) else {
        return error(iq, 400, "bad-request");
    };
    let blocking = attribute_is(item, "action", "block");
    if !blocking && !attribute_is(item, "action", "unblock") {
        return error(iq, 400, "bad-request");
    }
    let by_lid = Spelling::of(&jid) == Some(Spelling::Lid);
    let complete = !blocking || item.attrs.get("pn_jid").is_some();
    let blocked = network.accounts.find(&jid).filter(|_| by_lid && complete);
    let Some(blocked) = blocked.filter(|blocked| blocked.number != session.account.number) else {
        return error(iq, 400, "bad-request");
    };
    change(network, &session.account, Some(session.device), &blocked, blocking);
    get(network, session, iq)
}

/// Blocks or unblocks somebody and tells the account's other companions.
pub fn change(network: &Network, account: &Account, by: Option<u16>, blocked: &Account, blocking: bool) {
    let (before, after) = {
        let mut state = account.state();
        let list = &mut state.settings.blocked;
        let before = list.hash();
        if blocking {
            list.0.entry(blocked.number).or_insert_with(crate::clock::unix_seconds);
        } else {
            list.0.remove(&blocked.number);
        }
        (before, list.hash())
    };
    if before == after {
        return;
    }
    let item = NodeBuilder::new("item")
        .attr("action", if blocking { "block" } else { "unblock" })
        .attr("jid", blocked.jid(Spelling::Lid, 0))
        .attr("pn_jid", blocked.jid(Spelling::Number, 0))
        .build();
    let change = NodeBuilder::new("blocklist")
        .attr("action", "modify")
        .attr("dhash", after)
        .attr("prev_dhash", before)
        .children([item])
        .build();
    sync_account(network, account, by, change);
    crate::presence::tell_subscribers(network, account);
}
