//! People come and go: adding, removing, promoting, demoting, leaving.
//!
//! A request names several people and each gets an outcome of its own: nothing for success, 403 with an invitation for
//! somebody whose privacy settings forbid it, 404 for somebody who is not on WhatsApp or not in the group, 409 for
//! somebody who is in it already (Baileys Socket/groups.ts, `groupParticipantsUpdate`; wacore src/iq/groups.rs:1685-1790).

use std::sync::Arc;

use wacore_binary::Jid;

use super::group::{Group, Invitation, JoinRequest, RequestMethod, Role};
use super::{Actor, GroupId, Refusal, Table, change, community, notify, requests};
use crate::accounts::{Account, Number, Spelling};
use crate::clock::unix_seconds;

/// How long an invitation is valid, in seconds. The real server: three days.
const INVITATION_TIME: u64 = 3 * 24 * 60 * 60;

/// What became of one person.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The person as addressed in the group, or as asked for when there is nobody.
    pub jid: Jid,
    /// The other spelling.
    pub number: Option<Jid>,
    /// The code of a failure.
    pub error: Option<u16>,
    /// An invitation to pass on: its code, and when it expires in seconds since 1970.
    pub invitation: Option<(String, u64)>,
}

impl Outcome {
    fn of(group: &Group, account: &Account, error: Option<u16>) -> Self {
        Self {
            jid: group.address_of(account),
            number: (group.addressing == Spelling::Lid).then(|| account.jid(Spelling::Number, 0)),
            error,
            invitation: None,
        }
    }

    fn nobody(jid: &Jid) -> Self {
        Self {
            jid: jid.clone(),
            number: None,
            error: Some(404),
            invitation: None,
        }
    }
}

/// Decides for each person whether they can be put in, without doing it. A person named twice counts once.
pub(super) fn decide(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    wanted: &[Jid],
) -> (Vec<Outcome>, Vec<Arc<Account>>) {
    let mut outcomes = Vec::new();
    let mut added: Vec<Arc<Account>> = Vec::new();
    for jid in wanted {
        let Some(account) = actor.network.accounts.find(jid) else {
            outcomes.push(Outcome::nobody(jid));
            continue;
        };
        let closed = table.is_closed(account.number);
        let code = table.next_code(actor.network);
        let Some(group) = table.groups.get_mut(&id) else {
            continue;
        };
        if group.is_member(account.number) || added.iter().any(|other| other.number == account.number) {
            outcomes.push(Outcome::of(group, &account, Some(409)));
        } else if closed && account.number != actor.number() {
            let invitation = Invitation {
                invited: account.number,
                admin: actor.number(),
                expires: unix_seconds() + INVITATION_TIME,
            };
            let mut outcome = Outcome::of(group, &account, Some(403));
            outcome.invitation = Some((code.clone(), invitation.expires));
            outcomes.push(outcome);
            group.invitations.insert(code, invitation);
        } else {
            outcomes.push(Outcome::of(group, &account, None));
            added.push(account);
        }
    }
    (outcomes, added)
}

/// Adds people. In a group whose new members need approval, people whom a member without rights adds become requests.
///
/// # Errors
/// The actor may not add anybody.
pub fn add(actor: Actor<'_>, table: &mut Table, id: GroupId, wanted: &[Jid]) -> Result<Vec<Outcome>, Refusal> {
    let group = table.find(id)?;
    if group.settings.open_to_members {
        group.require_member(actor.number())?;
    } else {
        group.require_admin(actor.number())?;
    }
    let needs_approval = group.settings.approval && !group.is_admin(actor.number());
    let (outcomes, added) = decide(actor, table, id, wanted);
    if needs_approval {
        for account in &added {
            let request = JoinRequest {
                account: Arc::clone(account),
                method: RequestMethod::NonAdminAdd,
                at: unix_seconds(),
            };
            requests::ask(actor, table.find_mut(id)?, request);
        }
    } else {
        admit(actor, table, id, &added, None)?;
    }
    Ok(outcomes)
}

/// Puts people in and tells everybody: members who came, newcomers what they came into.
pub(super) fn admit(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    added: &[Arc<Account>],
    reason: Option<&'static str>,
) -> Result<(), Refusal> {
    let group = table.find_mut(id)?;
    let added: Vec<Arc<Account>> = added
        .iter()
        .filter(|account| group.put_in(account, Role::Member))
        .cloned()
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let came = change::people("add", group, &added, reason);
    notify::members_except(actor, group, &added, came);
    notify::people(actor, group, &added, change::created(group, None, reason));
    let parent = group.linked_parent;
    if let Some(parent) = parent {
        community::follow_in(actor, table, parent, &added);
    } else if table.find(id)?.parent.is_some() {
        community::follow_in(actor, table, id, &added);
    }
    Ok(())
}

/// Removes people; with `linked_groups` also from all groups of the community.
///
/// # Errors
/// The actor is not an admin.
pub fn remove(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    wanted: &[Jid],
    linked_groups: bool,
) -> Result<Vec<Outcome>, Refusal> {
    let group = table.find_mut(id)?;
    group.require_admin(actor.number())?;
    let mut removed = Vec::new();
    let outcomes = each_member(actor, group, wanted, |group, account, role| {
        if role == Role::Founder {
            return Some(403);
        }
        group.take_out(account.number);
        removed.push(Arc::clone(account));
        None
    });
    if removed.is_empty() {
        return Ok(outcomes);
    }
    tell_of_removal(actor, group, &removed);
    if group.parent.is_some() && linked_groups {
        community::follow_out(actor, table, id, &removed);
    }
    Ok(outcomes)
}

/// Tells the members, and those who are out.
pub(super) fn tell_of_removal(actor: Actor<'_>, group: &Group, removed: &[Arc<Account>]) {
    let mut told = group.accounts();
    told.extend(removed.iter().cloned());
    notify::people(actor, group, &told, change::people("remove", group, removed, None));
}

/// Makes people admins (`promote`) or takes it back.
///
/// # Errors
/// The actor is not an admin.
pub fn set_role(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    wanted: &[Jid],
    promote: bool,
) -> Result<Vec<Outcome>, Refusal> {
    let group = table.find_mut(id)?;
    group.require_admin(actor.number())?;
    let (tag, role) = if promote {
        ("promote", Role::Admin)
    } else {
        ("demote", Role::Member)
    };
    let mut changed = Vec::new();
    let outcomes = each_member(actor, group, wanted, |group, account, before| {
        if before == Role::Founder {
            return (!promote).then_some(403);
        }
        if let Some(member) = group.member_mut(account.number)
            && before != role
        {
            member.role = role;
            changed.push(Arc::clone(account));
        }
        None
    });
    if !changed.is_empty() {
        notify::members(actor, group, change::people(tag, group, &changed, None));
    }
    Ok(outcomes)
}

/// Does something with each member that was named; others get 404. What it returns is the code of a failure.
fn each_member(
    actor: Actor<'_>,
    group: &mut Group,
    wanted: &[Jid],
    mut work: impl FnMut(&mut Group, &Arc<Account>, Role) -> Option<u16>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for jid in wanted {
        let Some(account) = actor.network.accounts.find(jid) else {
            outcomes.push(Outcome::nobody(jid));
            continue;
        };
        let error = match group.member(account.number).map(|member| member.role) {
            Some(role) => work(group, &account, role),
            None => Some(404),
        };
        outcomes.push(Outcome::of(group, &account, error));
    }
    outcomes
}

/// Leaves a group, and with a community all of its groups.
///
/// # Errors
/// There is no such group, or the actor is not in it.
pub fn leave(actor: Actor<'_>, table: &mut Table, id: GroupId) -> Result<(), Refusal> {
    let group = table.find_mut(id)?;
    group.require_member(actor.number())?;
    let leaver = [Arc::clone(actor.account)];
    group.take_out(actor.number());
    tell_of_removal(actor, group, &leaver);
    inherit(actor, group);
    if group.parent.is_some() {
        community::follow_out(actor, table, id, &leaver);
    }
    Ok(())
}

/// A group without an admin gets its longest member as one.
fn inherit(actor: Actor<'_>, group: &mut Group) {
    let has_admin = group.members.iter().any(|member| member.role > Role::Member);
    let Some(heir) = group.members.first_mut().filter(|_| !has_admin) else {
        return;
    };
    heir.role = Role::Admin;
    let heir = [Arc::clone(&heir.account)];
    notify::members(actor, group, change::people("promote", group, &heir, None));
}

/// A person as named by a client or by a test.
pub fn number_of(actor: Actor<'_>, jid: &Jid) -> Option<Number> {
    actor.network.accounts.find(jid).map(|account| account.number)
}
