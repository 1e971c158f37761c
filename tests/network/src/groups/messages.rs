//! Messages in groups: only members send, in announcement groups only admins, and every device of every member gets them.
//!
//! The participant hash that clients send is not checked: the lists of devices that it covers are those of this network.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::GroupId;
use crate::accounts::{Account, Spelling};
use crate::messages::accept::{self, NOBODY};
use crate::messages::accept_shared::{self, Chat};
use crate::messages::shared::{self, Audience, SharedMessage};
use crate::network::Network;
use crate::stanza::Session;

/// Accepts a companion's message to a group or refuses it; answers with the acknowledgement.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node, id: &str, to: &Jid) -> Vec<Node> {
    // Held until everybody has it: changes of the group come before or after it, for all members alike.
    let table = network.groups.lock();
    let Some(group) = GroupId::of(to).and_then(|id| table.get(id)) else {
        return accept::refuse(network, session, id, to, NOBODY);
    };
    if let Err(refusal) = group.require_sender(session.account.number) {
        return accept::refuse(network, session, id, to, refusal.code());
    }
    let chat = Chat {
        jid: to,
        spelling: group.addressing,
        names_mode: true,
        audience: group.accounts(),
    };
    accept_shared::accept(network, session, stanza, id, chat)
}

/// Hands out what a phone sends to a group; false when it may not.
pub fn from_phone(network: &Arc<Network>, message: &SharedMessage, only: Option<Audience>) -> bool {
    let table = network.groups.lock();
    let group = GroupId::of(&message.envelope.chat).and_then(|id| table.get(id));
    let author = message.envelope.author.number;
    let Some(group) = group.filter(|group| group.require_sender(author).is_ok()) else {
        return false;
    };
    let audience = only.unwrap_or_else(|| Audience::People(group.accounts()));
    shared::deliver(network, message, &audience);
    true
}

/// How members of a group are addressed, and who they are.
pub fn members_of(network: &Network, group: &Jid) -> Option<(Spelling, Vec<Arc<Account>>)> {
    let table = network.groups.lock();
    let group = table.get(GroupId::of(group)?)?;
    Some((group.addressing, group.accounts()))
}

/// Whether a person may send to a group.
pub fn may_send(network: &Network, group: &Jid, account: &Account) -> bool {
    let table = network.groups.lock();
    let group = GroupId::of(group).and_then(|id| table.get(id));
    group.is_some_and(|group| group.require_sender(account.number).is_ok())
}

/// Tells the other members that somebody is typing.
pub fn pass_on_typing(network: &Arc<Network>, author: &Account, group: &Jid, state: &Node) {
    let Some((spelling, members)) = members_of(network, group) else {
        return;
    };
    if members.iter().all(|member| member.number != author.number) {
        return;
    }
    let typing = NodeBuilder::new("chatstate")
        .attr("from", group)
        .attr("participant", author.jid(spelling, 0))
        .children([state.clone()])
        .build();
    for member in members.iter().filter(|member| member.number != author.number) {
        for device in &member.state().devices {
            device.send_transient(typing.clone());
        }
        crate::phone::receive::deliver(network, member, typing.clone());
    }
}
