//! Requests for membership, where admins approve new members.
//!
//! Sources: wacore src/iq/groups.rs:3070-3210, src/stanza/groups.rs, `CreatedMembershipRequests`.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::group::{Group, JoinRequest};
use super::{Actor, GroupId, Refusal, Table, describe, notify, participants};
use crate::accounts::Account;

/// Writes a request down, unless there is one already, and tells the admins.
pub(super) fn ask(actor: Actor<'_>, group: &mut Group, request: JoinRequest) {
    let known = |other: &JoinRequest| other.account.number == request.account.number;
    if group.requests.iter().any(known) {
        return;
    }
    let user = describe::person("requested_user", group, &request.account).build();
    let change = NodeBuilder::new("created_membership_requests")
        .attr("request_method", request.method.wire_name())
        .children([user])
        .build();
    notify::people(actor, group, &group.admins(), change);
    group.requests.push(request);
}

/// The open requests: `<membership_approval_requests>`.
///
/// # Errors
/// The actor is not an admin.
pub fn list(actor: Actor<'_>, table: &Table, id: GroupId) -> Result<Node, Refusal> {
    let group = table.find(id)?;
    group.require_admin(actor.number())?;
    let requests = group.requests.iter().map(|request| {
        describe::person("membership_approval_request", group, &request.account)
            .attr("request_time", request.at)
            .attr("request_method", request.method.wire_name())
            .build()
    });
    Ok(NodeBuilder::new("membership_approval_requests")
        .children(requests)
        .build())
}

/// Approves or rejects requests; each person without one gets 404.
///
/// # Errors
/// The actor is not an admin.
pub fn decide(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    wanted: &[Jid],
    approve: bool,
) -> Result<Vec<(Jid, Option<u16>)>, Refusal> {
    table.find(id)?.require_admin(actor.number())?;
    let (outcomes, taken) = take(actor, table, id, wanted)?;
    if approve {
        participants::admit(actor, table, id, &taken, None)?;
    } else {
        tell_of_end(actor, table.find(id)?, &taken);
    }
    Ok(outcomes)
}

/// Takes back the actor's own request.
///
/// # Errors
/// There is no such group.
pub fn cancel(actor: Actor<'_>, table: &mut Table, id: GroupId) -> Result<Vec<(Jid, Option<u16>)>, Refusal> {
    let own = table.find(id)?.address_of(actor.account);
    let (outcomes, taken) = take(actor, table, id, &[own])?;
    tell_of_end(actor, table.find(id)?, &taken);
    Ok(outcomes)
}

type Taken = (Vec<(Jid, Option<u16>)>, Vec<Arc<Account>>);

fn take(actor: Actor<'_>, table: &mut Table, id: GroupId, wanted: &[Jid]) -> Result<Taken, Refusal> {
    let group = table.find_mut(id)?;
    let (mut outcomes, mut taken) = (Vec::new(), Vec::new());
    for jid in wanted {
        let number = participants::number_of(actor, jid);
        let place = group
            .requests
            .iter()
            .position(|request| Some(request.account.number) == number);
        match place {
            Some(place) => {
                let request = group.requests.remove(place);
                outcomes.push((group.address_of(&request.account), None));
                taken.push(request.account);
            }
            None => outcomes.push((jid.clone(), Some(404))),
        }
    }
    Ok((outcomes, taken))
}

/// Tells the admins, and those who asked.
fn tell_of_end(actor: Actor<'_>, group: &Group, people: &[Arc<Account>]) {
    if people.is_empty() {
        return;
    }
    let participants = people
        .iter()
        .map(|account| describe::person("participant", group, account).build());
    let change = NodeBuilder::new("revoked_membership_requests")
        .children(participants)
        .build();
    let mut told = group.admins();
    told.extend(people.iter().cloned());
    notify::people(actor, group, &told, change);
}
