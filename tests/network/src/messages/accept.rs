//! What happens when a companion sends a message: it is checked, written into the ledger, handed out, acknowledged.
//!
//! Sources for the forms a message takes: Baileys Socket/messages-send.ts:616-1097; wacore src/send/dm.rs:101-293.
//!
//! * to a person: `<participants>` with one `<to>` for each device, own devices included;
//! * to one device: `<enc>` directly, for peers (`category="peer"`) and for retries (`count`).
//!
//! Messages to groups and to the audience of a status are in [`super::accept_shared`], those to newsletters in
//! [`crate::newsletters`].

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt, Node};

use super::fanout::{self, Envelope, Part};
use crate::accounts::{DeviceAddress, Spelling};
use crate::ledger::{EncryptedPart, Entry, EntryKind};
use crate::network::Network;
use crate::node::{address, attribute, attribute_is, child, children, children_of};
use crate::people::tokens;
use crate::stanza::Session;

/// The answer to messages of kinds that this network does not carry.
const NOT_SUPPORTED: u16 = 501;
/// The answer to a message for nobody.
pub(crate) const NOBODY: u16 = 404;
/// The answer to a malformed message.
pub(crate) const MALFORMED: u16 = 400;

/// Children that travel with every copy of a message.
const ACCOMPANYING: [&str; 4] = ["meta", "reporting", "biz", "bot"];

/// Accepts a message or refuses it; answers with the acknowledgement.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node) -> Vec<Node> {
    let Some((id, to)) = attribute(stanza, "id").zip(address(stanza, "to")) else {
        return Vec::new();
    };
    if let Some(code) = network.faults.refuses_message(session.account.number) {
        return refuse(network, session, &id, &to, code);
    }
    if crate::groups::is_group(&to) {
        return crate::groups::messages::from_companion(network, session, stanza, &id, &to);
    }
    if crate::status::is_status(&to) {
        return crate::status::from_companion(network, session, stanza, &id, &to);
    }
    if to.is_newsletter() {
        return crate::newsletters::messages::from_companion(network, session, stanza, &id, &to);
    }
    if Spelling::of(&to).is_none() {
        return refuse(network, session, &id, &to, NOT_SUPPORTED);
    }
    let Some(receiver) = network.accounts.find(&to) else {
        return refuse(network, session, &id, &to, NOBODY);
    };
    let Some(mut envelope) = read(session, stanza, &id, &to) else {
        return refuse(network, session, &id, &to, MALFORMED);
    };
    if !envelope.targeted && !tokens::admits(network, &session.account, &receiver, stanza) {
        return refuse(network, session, &id, &to, tokens::NO_TOKEN);
    }
    let chat = receiver.lid.to_string();
    let Some((verdict, _)) = judge(network, session, &mut envelope, &chat) else {
        return Vec::new();
    };
    if verdict != Verdict::Repeated {
        network.stats.message_accepted();
        fanout::deliver(network, &envelope);
    }
    acknowledge(network, session, &id, &to)
}

/// Acknowledges an accepted message, unless a fault loses the acknowledgement.
pub(crate) fn acknowledge(network: &Network, session: &Session, id: &str, to: &Jid) -> Vec<Node> {
    if network.faults.loses_acknowledgement(session.account.number) {
        return Vec::new();
    }
    vec![acknowledgement(id, to).build()]
}

fn acknowledgement(id: &str, to: &Jid) -> NodeBuilder {
    NodeBuilder::new("ack")
        .attr("class", "message")
        .attr("id", id)
        .attr("from", to)
        .attr("t", crate::clock::unix_seconds())
}

/// Refuses a message: an entry in the ledger, and an acknowledgement with an error.
pub(crate) fn refuse(network: &Network, session: &Session, id: &str, to: &Jid, code: u16) -> Vec<Node> {
    let mut entry = Entry::of_device(
        EntryKind::Refused,
        session.account.number,
        session.device,
        session.socket,
    );
    entry.id = Some(id.to_owned());
    entry.to = Some(to.to_string());
    entry.detail = Some(code.to_string());
    network.ledger.record(entry);
    vec![acknowledgement(id, to).attr("error", code).build()]
}

/// What a message turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not seen before.
    New,
    /// For own eyes: a request to the phone.
    Peer,
    /// Encrypted anew for devices that could not read it.
    Retry,
    /// Seen before: acknowledged, not delivered.
    Repeated,
}

/// Decides what a message is and writes it into the ledger, both while the account's state is locked: the ledger then has
/// the order in which messages were accepted, and a connection that was just replaced gets nothing in. `None` for such a
/// connection. With a repeated message come the devices that asked for it again.
pub(crate) fn judge(
    network: &Network,
    session: &Session,
    envelope: &mut Envelope,
    chat: &str,
) -> Option<(Verdict, Option<Vec<DeviceAddress>>)> {
    let mut state = session.account.state();
    state
        .device(session.device)
        .filter(|device| device.is_connected_by(session.socket))?;
    let (verdict, askers) = if envelope.category.as_deref() == Some("peer") {
        (Verdict::Peer, None)
    } else if envelope.targeted {
        if let Some(asker) = envelope
            .parts
            .first()
            .and_then(|part| device_address(network, &part.to))
        {
            state.accepted.take_asker(&envelope.id, asker);
        }
        (Verdict::Retry, None)
    } else if state.accepted.remember(chat, &envelope.id) {
        (Verdict::New, None)
    } else {
        let askers = state.accepted.take_askers(&envelope.id);
        let verdict = if askers.is_empty() {
            Verdict::Repeated
        } else {
            Verdict::Retry
        };
        (verdict, Some(askers))
    };
    envelope.author_name.clone_from(&state.name);
    network.ledger.record(entry(session, envelope, verdict));
    if let Some(askers) = &askers {
        envelope
            .parts
            .retain(|part| device_address(network, &part.to).is_some_and(|device| askers.contains(&device)));
    }
    Some((verdict, askers))
}

/// Accounts other than the locked one are only looked up here, never locked.
pub(super) fn device_address(network: &Network, jid: &Jid) -> Option<DeviceAddress> {
    Some(network.accounts.find(jid)?.device_address(jid.device))
}

fn entry(session: &Session, envelope: &Envelope, verdict: Verdict) -> Entry {
    let kind = match verdict {
        Verdict::New | Verdict::Repeated => EntryKind::Message,
        Verdict::Peer => EntryKind::Peer,
        Verdict::Retry => EntryKind::Retry,
    };
    let mut entry = Entry::of_device(kind, session.account.number, session.device, session.socket);
    entry.id = Some(envelope.id.clone());
    entry.to = Some(envelope.chat.to_string());
    entry.message_type = Some(envelope.kind.clone());
    entry.duplicate = verdict == Verdict::Repeated;
    entry.encrypted = envelope.parts.iter().flat_map(EncryptedPart::of).collect();
    entry.name_main_chain(&envelope.chat);
    entry
}

fn read(session: &Session, stanza: &Node, id: &str, to: &Jid) -> Option<Envelope> {
    let (parts, targeted) = match child(stanza, "participants") {
        Some(participants) => (read_participants(participants), false),
        None => (vec![read_targeted(stanza, to)?], true),
    };
    let chat = address(stanza, "recipient").unwrap_or_else(|| to.clone()).to_non_ad();
    Some(envelope(session, stanza, id, &chat, parts, targeted))
}

/// A message with its ciphertexts and everything that travels beside them.
pub(crate) fn envelope(
    session: &Session,
    stanza: &Node,
    id: &str,
    chat: &Jid,
    parts: Vec<Part>,
    targeted: bool,
) -> Envelope {
    let text = |name| attribute(stanza, name).map(std::borrow::Cow::into_owned);
    Envelope {
        author: Arc::clone(&session.account),
        author_device: session.device,
        author_name: String::new(),
        id: id.to_owned(),
        chat: chat.clone(),
        kind: text("type").unwrap_or_else(|| "text".to_owned()),
        edit: text("edit"),
        category: text("category"),
        parts,
        targeted,
        signed_identity: child(stanza, "device-identity").cloned(),
        accompanying: children(stanza)
            .iter()
            .filter(|child| ACCOMPANYING.contains(&child.tag.as_ref()))
            .cloned()
            .collect(),
    }
}

/// The ciphertexts for single devices; devices without one are left out.
pub(super) fn read_participants(participants: &Node) -> Vec<Part> {
    children_of(participants, "to")
        .filter_map(|to| {
            let encrypted: Vec<Node> = children_of(to, "enc").cloned().collect();
            (!encrypted.is_empty()).then_some(Part {
                to: address(to, "jid")?,
                encrypted,
            })
        })
        .collect()
}

/// A message for exactly one device must carry a ciphertext for it.
pub(super) fn read_targeted(stanza: &Node, to: &Jid) -> Option<Part> {
    let encrypted: Vec<Node> = children_of(stanza, "enc")
        .filter(|enc| !attribute_is(enc, "type", "skmsg"))
        .cloned()
        .collect();
    (!encrypted.is_empty()).then(|| Part {
        to: to.clone(),
        encrypted,
    })
}
