//! Accepting messages for many, see [`super::shared`]: they are checked and written into the ledger like all messages, and
//! handed to everybody in the chat.
//!
//! Forms (Baileys Socket/messages-send.ts, `relayMessage`; wacore src/send/group.rs, src/send/dm.rs:380-540):
//!
//! * to all: `<enc type="skmsg">`, and `<participants>` with the sender's key for each device that lacks it;
//! * to some: only `<participants>`, which is how whatsapp-rust reacts to a status;
//! * again to one device: `participant` names it, and the ciphertext is for it alone.

use std::sync::Arc;

use wacore_binary::{Jid, Node};

use super::accept::{self, MALFORMED, Verdict};
use super::fanout::Part;
use super::shared::{self, Audience, SharedMessage};
use crate::accounts::{Account, Spelling};
use crate::network::Network;
use crate::node::{address, attribute_is, child, children_of};
use crate::stanza::Session;

/// Where a message goes.
pub struct Chat<'a> {
    /// The address.
    pub jid: &'a Jid,
    /// How the sender is addressed in it.
    pub spelling: Spelling,
    /// Whether its messages name the mode of addressing.
    pub names_mode: bool,
    /// Everybody who is to get the message, the sender included.
    pub audience: Vec<Arc<Account>>,
}

/// Accepts a message; answers with the acknowledgement.
pub fn accept(network: &Arc<Network>, session: &Session, stanza: &Node, id: &str, chat: Chat<'_>) -> Vec<Node> {
    let Some((parts, shared, target)) = read(stanza) else {
        return accept::refuse(network, session, id, chat.jid, MALFORMED);
    };
    let mut envelope = accept::envelope(session, stanza, id, chat.jid, parts, target.is_some());
    // The ledger shows the ciphertext for all as one for the chat.
    envelope.parts.extend(shared.iter().map(|shared| Part {
        to: chat.jid.clone(),
        encrypted: vec![shared.clone()],
    }));
    let Some((verdict, askers)) = accept::judge(network, session, &mut envelope, &chat.jid.to_string()) else {
        return Vec::new();
    };
    envelope.parts.retain(|part| part.to != *chat.jid);
    if verdict != Verdict::Repeated {
        network.stats.message_accepted();
        let target = target.and_then(|target| accept::device_address(network, &target));
        let audience = match (target, askers) {
            (Some(device), _) => Audience::Devices(vec![device]),
            (None, Some(askers)) if verdict == Verdict::Retry => Audience::Devices(askers),
            (None, _) => Audience::People(chat.audience),
        };
        let message = SharedMessage {
            envelope,
            spelling: chat.spelling,
            names_mode: chat.names_mode,
            shared,
        };
        shared::deliver(network, &message, &audience);
    }
    accept::acknowledge(network, session, id, chat.jid)
}

type Read = (Vec<Part>, Option<Node>, Option<Jid>);

fn read(stanza: &Node) -> Option<Read> {
    if let Some(target) = address(stanza, "participant") {
        let part = accept::read_targeted(stanza, &target)?;
        return Some((vec![part], None, Some(target)));
    }
    let parts = child(stanza, "participants")
        .map(accept::read_participants)
        .unwrap_or_default();
    let shared = children_of(stanza, "enc")
        .find(|enc| attribute_is(enc, "type", "skmsg"))
        .cloned();
    (shared.is_some() || !parts.is_empty()).then_some((parts, shared, None))
}
