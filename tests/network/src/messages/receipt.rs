//! Receipts: a device says what it has done with messages, and their author hears of it.
//!
//! Types on the wire: none or `inactive` (delivered), `read`, `played`, `read-self` and `played-self` (for own eyes),
//! `sender`, `peer_msg` and `hist_sync` (for the server), `retry` (see [`super::retry`]).
//!
//! **Assumption.** Every receipt takes the message out of the device's mailbox, a request to encrypt it again too: from then
//! on its author is responsible for it. Both clients also send an ack or a nack beside such a request.
//! Sources: Baileys Socket/messages-recv.ts, `handleReceipt` and `sendReceipt`; whatsapp-rust src/receipt.rs.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::fanout::hand_over;
use super::retry;
use super::shared::is_shared_chat;
use crate::accounts::mailbox::Acknowledgement;
use crate::accounts::{Account, Spelling};
use crate::network::Network;
use crate::node::{address, attribute, child, children_of};
use crate::stanza::Session;

/// Handles a receipt of a companion; answers with the acknowledgement.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node) -> Vec<Node> {
    let Some((id, to)) = attribute(stanza, "id").zip(address(stanza, "to")) else {
        return Vec::new();
    };
    let kind = attribute(stanza, "type");
    let ids = identifiers(stanza);
    session.with_device(|device| {
        for id in &ids {
            device.mailbox.acknowledge(&Acknowledgement {
                class: "message",
                id,
                from: Some(&to),
                kind: None,
            });
        }
    });
    network.stats.receipt();
    let author = address(stanza, "participant");
    match kind.as_deref() {
        None | Some("inactive") => {
            forward_in_chat(
                network,
                &session.account,
                session.device,
                &to,
                author.as_ref(),
                &ids,
                None,
            );
        }
        Some(kind @ ("read" | "played")) => {
            let (receiver, device) = (&session.account, session.device);
            forward_in_chat(network, receiver, device, &to, author.as_ref(), &ids, Some(kind));
        }
        Some(kind @ ("read-self" | "played-self")) => {
            tell_own_devices(session, &to, author.as_ref(), &ids, kind);
        }
        Some("retry") => retry::from_companion(network, session, stanza),
        Some(_) => {}
    }
    let mut acknowledgement = NodeBuilder::new("ack")
        .attr("class", "receipt")
        .attr("id", id.as_ref())
        .attr("from", &to)
        .attr("t", crate::clock::unix_seconds());
    if let Some(kind) = &kind {
        acknowledgement = acknowledgement.attr("type", kind.as_ref());
    }
    if let Some(participant) = address(stanza, "participant") {
        acknowledgement = acknowledgement.attr("participant", participant);
    }
    vec![acknowledgement.build()]
}

/// The first identifier is an attribute, further ones are `<list><item id/></list>`.
pub fn identifiers(receipt: &Node) -> Vec<String> {
    let first = attribute(receipt, "id").map(std::borrow::Cow::into_owned);
    let items = child(receipt, "list")
        .into_iter()
        .flat_map(|list| children_of(list, "item"));
    let more = items.filter_map(|item| attribute(item, "id").map(std::borrow::Cow::into_owned));
    first.into_iter().chain(more).collect()
}

/// Tells the author of messages in a chat: in a group or under a status that is somebody else than the chat, and the author
/// is told both.
pub fn forward_in_chat(
    network: &Arc<Network>,
    receiver: &Account,
    device: u16,
    chat: &Jid,
    author: Option<&Jid>,
    ids: &[String],
    kind: Option<&str>,
) {
    match author.filter(|_| is_shared_chat(chat)) {
        Some(author) => tell(network, receiver, device, Some(chat), author, ids, kind),
        None => forward(network, receiver, device, chat, ids, kind),
    }
}

/// Tells all devices of the author what one device has done with these messages. `to` is the author as the receiver
/// spelled it.
pub fn forward(network: &Arc<Network>, receiver: &Account, device: u16, to: &Jid, ids: &[String], kind: Option<&str>) {
    tell(network, receiver, device, None, to, ids, kind);
}

fn tell(
    network: &Arc<Network>,
    receiver: &Account,
    device: u16,
    chat: Option<&Jid>,
    to: &Jid,
    ids: &[String],
    kind: Option<&str>,
) {
    let Some((author, spelling)) = network.accounts.find(to).zip(Spelling::of(to)) else {
        return;
    };
    if author.number == receiver.number {
        return;
    }
    let reader = receiver.jid(spelling, device);
    let Some(mut receipt) = build(chat.unwrap_or(&reader).clone(), ids, kind) else {
        return;
    };
    if chat.is_some() {
        receipt.attrs.insert("participant", reader);
    }
    let companions: Vec<u16> = author.state().devices.iter().map(|device| device.id).collect();
    for companion in companions {
        hand_over(network, &author, companion, receipt.clone());
    }
    hand_over(network, &author, 0, receipt);
}

/// Tells the account's other companions that it has read messages, which their author is not to know.
fn tell_own_devices(session: &Session, chat: &Jid, author: Option<&Jid>, ids: &[String], kind: &str) {
    let Some(spelling) = Spelling::of(chat).or_else(|| Spelling::of(author?)) else {
        return;
    };
    let Some(mut receipt) = build(session.account.jid(spelling, session.device), ids, Some(kind)) else {
        return;
    };
    receipt.attrs.insert("recipient", chat.to_non_ad());
    if let Some(author) = author {
        receipt.attrs.insert("participant", author.clone());
    }
    for device in &mut session.account.state().devices {
        if device.id != session.device {
            device.deliver(receipt.clone());
        }
    }
}

fn build(from: Jid, ids: &[String], kind: Option<&str>) -> Option<Node> {
    let (first, more) = ids.split_first()?;
    let mut builder = NodeBuilder::new("receipt")
        .attr("from", from)
        .attr("id", first.as_str())
        .attr("t", crate::clock::unix_seconds());
    if let Some(kind) = kind {
        builder = builder.attr("type", kind);
    }
    if !more.is_empty() {
        let items = more
            .iter()
            .map(|id| NodeBuilder::new("item").attr("id", id.as_str()).build());
        builder = builder.children([NodeBuilder::new("list").children(items).build()]);
    }
    Some(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_for_several_messages_is_read_as_it_is_built() {
        let ids = ["A", "B", "C"].map(str::to_owned);
        let receipt = build(Jid::pn_device("15550001001", 2), &ids, Some("read")).unwrap();
        assert_eq!(identifiers(&receipt), ids);
        assert!(build(Jid::pn("15550001001"), &[], None).is_none());
    }
}
