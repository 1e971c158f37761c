//! The backlog: what a device missed is delivered when it asks for delivery, and forgotten when it has acknowledged it.
//!
//! Both clients ask with `<iq xmlns="passive"><active/></iq>` after their login (Baileys Socket/socket.ts, `sendPassiveIq`;
//! whatsapp-rust src/client/sessions.rs). The answer comes first, then an announcement, the stanzas, and an end mark.

use std::sync::Arc;

use wacore_binary::Node;

use crate::accounts::mailbox::Acknowledgement;
use crate::network::Network;
use crate::node::{address, attribute, result};
use crate::stanza::Session;

/// Answers `passive active`: from here on stanzas are delivered as they come. The first time, the phone sends its keys and
/// its history.
pub fn activate(network: &Arc<Network>, session: &Session, iq: &Node) -> Vec<Node> {
    let activated = session.with_live_device(|device| {
        if let Some(live) = device.live.as_mut() {
            live.active = true;
        }
        let first = !device.bootstrapped && !device.provisioned;
        device.bootstrapped = true;
        (device.mailbox.take_backlog(), device.take_held(), first)
    });
    let Some((backlog, held, first)) = activated else {
        return Vec::new();
    };
    if first {
        crate::phone::bootstrap::schedule(network, &session.account, session.device);
    }
    let mut answers = vec![result(iq).build()];
    for mut stanza in backlog.into_stanzas() {
        network.faults.corrupt(session.account.number, &mut stanza);
        network.stats.delivered(&stanza.tag);
        answers.push(stanza);
    }
    answers.extend(held);
    answers
}

/// A device acknowledges a stanza, with `error` if it could not make use of it: either way it has arrived.
pub fn acknowledged(session: &Session, ack: &Node) {
    let Some((class, id)) = attribute(ack, "class").zip(attribute(ack, "id")) else {
        return;
    };
    let from = address(ack, "to");
    let kind = attribute(ack, "type");
    let acknowledgement = Acknowledgement {
        class: &class,
        id: &id,
        from: from.as_ref(),
        kind: kind.as_deref(),
    };
    session.with_device(|device| device.mailbox.acknowledge(&acknowledgement));
}
