//! Invite links, and invitations to one person.
//!
//! Sources: Baileys Socket/groups.ts, `groupAcceptInvite`, `groupAcceptInviteV4`; wacore src/iq/groups.rs:2890-3060.

use std::sync::Arc;

use wacore_binary::Jid;

use super::group::{JoinRequest, RequestMethod};
use super::{Actor, Group, GroupId, Refusal, Table, change, notify, participants, requests};
use crate::clock::unix_seconds;

/// What became of somebody who wanted to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// They are a member.
    Member(GroupId),
    /// An admin must approve.
    Requested(GroupId),
}

impl Joined {
    /// The group.
    pub fn group(self) -> GroupId {
        match self {
            Self::Member(id) | Self::Requested(id) => id,
        }
    }
}

/// The code of a group's link.
///
/// # Errors
/// The actor is not an admin.
pub fn code(actor: Actor<'_>, table: &Table, id: GroupId) -> Result<String, Refusal> {
    let group = table.find(id)?;
    group.require_admin(actor.number())?;
    Ok(group.invite_code.clone())
}

/// A new code; the old one leads nowhere from now on.
///
/// # Errors
/// The actor is not an admin.
pub fn reset(actor: Actor<'_>, table: &mut Table, id: GroupId) -> Result<String, Refusal> {
    table.find(id)?.require_admin(actor.number())?;
    let code = table.next_code(actor.network);
    let group = table.find_mut(id)?;
    let old = std::mem::replace(&mut group.invite_code, code.clone());
    notify::people(actor, group, &group.admins(), change::invite(&code));
    table.revoked_codes.insert(old);
    Ok(code)
}

/// The group that a code leads to.
///
/// # Errors
/// The code was reset, or never was one.
pub fn by_code<'a>(table: &'a Table, code: &str) -> Result<&'a Group, Refusal> {
    match table.all().find(|group| group.invite_code == code) {
        Some(group) => Ok(group),
        None if table.revoked_codes.contains(code) => Err(Refusal::Gone),
        None => Err(Refusal::NotAcceptable),
    }
}

/// Joins by a link.
///
/// # Errors
/// The code leads nowhere, or the actor is in the group already.
pub fn join(actor: Actor<'_>, table: &mut Table, code: &str) -> Result<Joined, Refusal> {
    let id = by_code(table, code)?.id;
    come_in(actor, table, id, RequestMethod::InviteLink)
}

/// Joins, or asks for it where admins approve new members.
pub(super) fn come_in(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    method: RequestMethod,
) -> Result<Joined, Refusal> {
    let group = table.find_mut(id)?;
    if group.is_member(actor.number()) {
        return Err(Refusal::Conflict);
    }
    if group.settings.approval {
        let request = JoinRequest {
            account: Arc::clone(actor.account),
            method,
            at: unix_seconds(),
        };
        requests::ask(actor, group, request);
        return Ok(Joined::Requested(id));
    }
    let reason = match method {
        RequestMethod::InviteLink => "invite",
        RequestMethod::LinkedGroupJoin | RequestMethod::NonAdminAdd => "linked_group_join",
    };
    participants::admit(actor, table, id, &[Arc::clone(actor.account)], Some(reason))?;
    Ok(Joined::Member(id))
}

/// Accepts an invitation that an admin sent as a message.
///
/// # Errors
/// There is no such invitation for this person, or it has expired.
pub fn accept(actor: Actor<'_>, table: &mut Table, id: GroupId, code: &str) -> Result<Joined, Refusal> {
    let group = table.find(id)?;
    if group.is_member(actor.number()) {
        return Err(Refusal::Conflict);
    }
    let invitation = group.invitations.get(code).ok_or(Refusal::Gone)?;
    if invitation.invited != actor.number() || invitation.expires < unix_seconds() {
        return Err(Refusal::Gone);
    }
    participants::admit(actor, table, id, &[Arc::clone(actor.account)], Some("invite"))?;
    Ok(Joined::Member(id))
}

/// Takes invitations back.
///
/// # Errors
/// The actor is not an admin.
pub fn revoke(actor: Actor<'_>, table: &mut Table, id: GroupId, invited: &[Jid]) -> Result<(), Refusal> {
    let numbers: Vec<_> = invited
        .iter()
        .filter_map(|jid| participants::number_of(actor, jid))
        .collect();
    let group = table.find_mut(id)?;
    group.require_admin(actor.number())?;
    group
        .invitations
        .retain(|_, invitation| !numbers.contains(&invitation.invited));
    Ok(())
}
