//! Telling people what happened to a group: one `w:gp2` notification to each of their devices.
//!
//! Sources: Baileys Socket/messages-recv.ts, `handleGroupNotification`; wacore src/stanza/groups.rs.

use std::sync::Arc;

use wacore_binary::Node;

use super::Actor;
use super::describe::addressing_mode;
use super::group::Group;
use crate::accounts::{Account, Spelling};
use crate::messages::fanout::hand_over;

/// Tells every member.
pub fn members(actor: Actor<'_>, group: &Group, change: Node) {
    people(actor, group, &group.accounts(), change);
}

/// Tells every member except these, who are told something else.
pub fn members_except(actor: Actor<'_>, group: &Group, others: &[Arc<Account>], change: Node) {
    let mut told = group.accounts();
    told.retain(|account| others.iter().all(|other| other.number != account.number));
    people(actor, group, &told, change);
}

/// Tells these people.
pub fn people(actor: Actor<'_>, group: &Group, people: &[Arc<Account>], change: Node) {
    let builder = actor
        .network
        .notification("w:gp2", group.jid())
        .attr("participant", group.address_of(actor.account))
        .attr("addressing_mode", addressing_mode(group.addressing))
        .attr("notify", actor.account.state().name.as_str());
    let builder = match group.addressing {
        Spelling::Lid => builder.attr("participant_pn", actor.account.jid(Spelling::Number, 0)),
        Spelling::Number => builder.attr("participant_lid", actor.account.jid(Spelling::Lid, 0)),
    };
    let notification = builder.children([change]).build();
    for person in people {
        let devices: Vec<u16> = person.state().devices.iter().map(|device| device.id).collect();
        for device in devices.into_iter().chain([0]) {
            hand_over(actor.network, person, device, notification.clone());
        }
    }
}
