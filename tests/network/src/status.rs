//! Status: messages to `status@broadcast`, which everybody gets whom the author names.
//!
//! Both clients name everybody each time: whatsapp-rust lists people without a ciphertext when they hold the sender's key
//! (wacore src/send/status.rs:7-66), and Baileys gives the key to every device each time (Socket/messages-send.ts,
//! `relayMessage`). A reaction of whatsapp-rust to a status has no ciphertext for all, only one for each device of the
//! author (src/send/mod.rs:1710, 1830).

use std::sync::Arc;

use wacore_binary::{Jid, JidExt, Node};

use crate::accounts::{Account, Spelling};
use crate::messages::accept_shared::{self, Chat};
use crate::network::Network;
use crate::node::{address, child, children_of};
use crate::stanza::Session;

/// Whether an address is that of all status messages.
pub fn is_status(jid: &Jid) -> bool {
    jid.is_status_broadcast()
}

/// Accepts a companion's status, or its reaction to one; answers with the acknowledgement.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node, id: &str, to: &Jid) -> Vec<Node> {
    let chat = Chat {
        jid: to,
        spelling: Spelling::Lid,
        names_mode: false,
        audience: audience(network, session, stanza),
    };
    accept_shared::accept(network, session, stanza, id, chat)
}

/// The people that a status names, and always the author, whose other devices see it too.
fn audience(network: &Network, session: &Session, stanza: &Node) -> Vec<Arc<Account>> {
    let mut people = vec![Arc::clone(&session.account)];
    let named = child(stanza, "participants").into_iter();
    for to in named.flat_map(|participants| children_of(participants, "to")) {
        if let Some(account) = address(to, "jid").and_then(|jid| network.accounts.find(&jid))
            && people.iter().all(|known| known.number != account.number)
        {
            people.push(account);
        }
    }
    people
}
