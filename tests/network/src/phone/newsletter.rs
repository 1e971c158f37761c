//! A phone reads and writes newsletters, which are not encrypted.

use std::sync::Arc;

use buffa::Message as _;
use wacore_binary::{Jid, Node};
use waproto::whatsapp::Message;

use super::receive::{self, Sender};
use super::send::Order;
use crate::accounts::Account;
use crate::network::Network;
use crate::newsletters::NewsletterId;
use crate::newsletters::messages::{self, Written};
use crate::node::child_content;

/// Whether a phone may write in a newsletter.
pub fn may_write(network: &Network, account: &Account, newsletter: &Jid) -> bool {
    messages::may_write(&network.newsletters.lock(), newsletter, account.number)
}

/// Writes what was ordered.
pub fn carry_out(network: &Arc<Network>, account: &Arc<Account>, newsletter: NewsletterId, order: &Order) {
    let plaintext = order.content.to_message(&order.to).encode_to_vec();
    let written = messages::read_edit(&plaintext).unwrap_or_else(|| Written::New {
        kind: order.content.stanza_type().to_owned(),
        plaintext,
        media_type: None,
    });
    if messages::from_phone(network, account, newsletter, &order.id, written).is_none() {
        tracing::debug!("a phone may not write in a newsletter");
    }
}

/// Reads a message. The wire does not say who wrote it: the newsletter stands in the sender's place, the reader's own
/// number in that of the sender.
pub fn received(account: &Arc<Account>, stanza: &Node, newsletter: &Jid) {
    let sender = Sender {
        account: Arc::clone(account),
        jid: newsletter.clone(),
    };
    let message = child_content(stanza, "plaintext").and_then(|bytes| Message::decode_from_slice(bytes).ok());
    receive::keep(
        account,
        &sender,
        stanza,
        newsletter,
        false,
        &message.unwrap_or_default(),
    );
}
