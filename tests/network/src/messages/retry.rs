//! Retries: a device that could not decrypt asks exactly the device that encrypted to do it again.
//!
//! Sources: whatsapp-rust src/retry.rs:432, 1447 and src/message/retry.rs; Baileys Socket/messages-recv.ts:574-700,
//! `sendMessagesAgain`. The receipt carries a count and, from the second attempt on, the asker's keys.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::fanout::hand_over;
use super::shared::is_shared_chat;
use crate::accounts::{Account, Spelling};
use crate::network::Network;
use crate::node::{address, attribute, children};
use crate::stanza::Session;

/// Passes on a companion's request.
pub fn from_companion(network: &Arc<Network>, session: &Session, receipt: &Node) {
    let Some(target) = address(receipt, "participant").or_else(|| address(receipt, "to")) else {
        return;
    };
    pass_on(network, &session.account, session.device, &target, receipt);
}

/// Remembers who asks, so that a repetition of the message is let through to the asker, and hands the request to the
/// device that encrypted.
pub fn pass_on(network: &Arc<Network>, asker: &Account, device: u16, target: &Jid, receipt: &Node) {
    let Some(id) = attribute(receipt, "id") else {
        return;
    };
    let Some((author, spelling)) = network.accounts.find(target).zip(Spelling::of(target)) else {
        return;
    };
    network.stats.retry();
    author.state().accepted.ask_again(&id, asker.device_address(device));
    let asking = asker.jid(spelling, device);
    let builder = NodeBuilder::new("receipt");
    let builder = match address(receipt, "to").filter(is_shared_chat) {
        Some(chat) => builder.attr("from", chat).attr("participant", asking),
        None => builder.attr("from", asking),
    };
    let mut builder = builder
        .attr("id", id.as_ref())
        .attr("type", "retry")
        .attr("t", crate::clock::unix_seconds());
    if let Some(recipient) = address(receipt, "recipient") {
        builder = builder.attr("recipient", recipient);
    }
    let request = builder.children(children(receipt).iter().cloned()).build();
    hand_over(network, &author, target.device, request);
}
