//! Communities: a parent group, its announcement group that everybody is in, and further groups that are linked to it.
//!
//! **Assumption.** Whoever comes into a group of a community comes into the community and its announcement group too, and
//! whoever leaves the community leaves all of its groups, as WhatsApp's own help pages describe it.
//! Sources: Baileys Socket/communities.ts; wacore src/iq/groups.rs:2540-2890; whatsmeow group.go.

use std::sync::Arc;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::create::{NewGroup, insert};
use super::group::{RequestMethod, Role, Settings};
use super::invites::{Joined, come_in};
use super::{Actor, Group, GroupId, Refusal, Table, change, describe, notify, participants};
use crate::accounts::{Account, Number};

/// The name of a community's general chat.
const GENERAL_CHAT: &str = "General";

/// What a group is to the reader of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkType {
    Parent,
    Sub,
}

impl LinkType {
    fn wire_name(self) -> &'static str {
        match self {
            Self::Parent => "parent_group",
            Self::Sub => "sub_group",
        }
    }
}

fn linked(tag: &'static str, attribute: &'static str, kind: LinkType, group: &Group) -> NodeBuilder {
    let group = NodeBuilder::new("group")
        .attr("jid", group.jid())
        .attr("subject", group.subject.text.as_str())
        .attr("s_t", group.subject.at);
    NodeBuilder::new(tag)
        .attr(attribute, kind.wire_name())
        .children([group.build()])
}

/// Who may add groups to a community: its admins, and its members where it is open.
pub(super) fn require_may_add_groups(table: &Table, parent: GroupId, number: Number) -> Result<(), Refusal> {
    let community = table.find(parent)?;
    let rules = community.parent.ok_or(Refusal::NotAcceptable)?;
    if rules.open_to_new_groups {
        return community.require_member(number);
    }
    community.require_admin(number)
}

/// Gives a new community its announcement group and, if wished, its general chat.
pub(super) fn furnish(actor: Actor<'_>, table: &mut Table, id: GroupId, subject: &str, general_chat: bool) {
    let names = [Some((subject, true)), general_chat.then_some((GENERAL_CHAT, false))];
    for (name, announcements) in names.into_iter().flatten() {
        let settings = Settings {
            announcement: announcements,
            ..Settings::default()
        };
        let new = NewGroup {
            subject: name.to_owned(),
            settings,
            linked_parent: Some(id),
            ..NewGroup::default()
        };
        let sub = insert(actor, table, new);
        let members = table.get(id).map(Group::accounts).unwrap_or_default();
        if let Some(group) = table.groups.get_mut(&sub) {
            group.default_sub_group = announcements;
            group.general_chat = !announcements;
            for member in &members {
                group.put_in(member, Role::Member);
            }
            notify::members(actor, group, change::created(group, None, None));
        }
    }
}

/// Those who came into a group of a community come into the community and its announcement group.
pub(super) fn follow_in(actor: Actor<'_>, table: &mut Table, parent: GroupId, people: &[Arc<Account>]) {
    let default = table
        .linked_to(parent)
        .find(|group| group.default_sub_group)
        .map(|group| group.id);
    for id in [Some(parent), default].into_iter().flatten() {
        let Some(group) = table.groups.get_mut(&id) else {
            continue;
        };
        let added: Vec<Arc<Account>> = people
            .iter()
            .filter(|account| group.put_in(account, Role::Member))
            .cloned()
            .collect();
        if !added.is_empty() {
            let came = change::people("add", group, &added, Some("linked_group_join"));
            notify::members_except(actor, group, &added, came);
            notify::people(actor, group, &added, change::created(group, None, None));
        }
    }
}

/// Those who are out of a community are out of all of its groups.
pub(super) fn follow_out(actor: Actor<'_>, table: &mut Table, parent: GroupId, people: &[Arc<Account>]) {
    for group in table.groups.values_mut() {
        if group.linked_parent != Some(parent) {
            continue;
        }
        let removed: Vec<Arc<Account>> = people
            .iter()
            .filter(|account| group.take_out(account.number))
            .cloned()
            .collect();
        if !removed.is_empty() {
            participants::tell_of_removal(actor, group, &removed);
        }
    }
}

/// Tells the community that a group belongs to it, and the group that it belongs to a community.
pub(super) fn announce_link(actor: Actor<'_>, table: &Table, parent: GroupId, sub: GroupId) {
    if let Some((community, group)) = table.get(parent).zip(table.get(sub)) {
        let of_sub = linked("link", "link_type", LinkType::Sub, group).build();
        notify::members(actor, community, of_sub);
        let of_parent = linked("link", "link_type", LinkType::Parent, community).build();
        notify::members(actor, group, of_parent);
    }
}

/// Links groups to a community; each gets an outcome of its own: nothing, 403, 404 or 409.
///
/// # Errors
/// The actor may not add groups to the community.
pub fn link(
    actor: Actor<'_>,
    table: &mut Table,
    parent: GroupId,
    groups: &[GroupId],
) -> Result<Vec<(GroupId, Option<u16>)>, Refusal> {
    require_may_add_groups(table, parent, actor.number())?;
    let mut outcomes = Vec::new();
    for id in groups {
        let outcome = link_one(actor, table, parent, *id);
        outcomes.push((*id, outcome.err().map(Refusal::code)));
    }
    Ok(outcomes)
}

fn link_one(actor: Actor<'_>, table: &mut Table, parent: GroupId, id: GroupId) -> Result<(), Refusal> {
    let group = table.find_mut(id)?;
    group.require_admin(actor.number())?;
    if group.linked_parent.is_some() || group.parent.is_some() {
        return Err(Refusal::Conflict);
    }
    group.linked_parent = Some(parent);
    let members = group.accounts();
    announce_link(actor, table, parent, id);
    follow_in(actor, table, parent, &members);
    Ok(())
}

/// Takes groups out of a community; each gets an outcome of its own.
///
/// # Errors
/// The actor is not an admin of the community.
pub fn unlink(
    actor: Actor<'_>,
    table: &mut Table,
    parent: GroupId,
    groups: &[GroupId],
) -> Result<Vec<(GroupId, Option<u16>)>, Refusal> {
    table.find(parent)?.require_admin(actor.number())?;
    let mut outcomes = Vec::new();
    for id in groups {
        let linked = table.get(*id).filter(|group| group.linked_parent == Some(parent));
        let error = match linked {
            None => Some(Refusal::NoSuchGroup.code()),
            Some(group) if group.default_sub_group => Some(Refusal::NotAcceptable.code()),
            Some(_) => {
                cut(actor, table, parent, *id, "unlink_group");
                None
            }
        };
        outcomes.push((*id, error));
    }
    Ok(outcomes)
}

fn cut(actor: Actor<'_>, table: &mut Table, parent: GroupId, sub: GroupId, reason: &'static str) {
    if let Some((community, group)) = table.get(parent).zip(table.get(sub)) {
        let of = |kind, other| linked("unlink", "unlink_type", kind, other).attr("unlink_reason", reason);
        notify::members(actor, community, of(LinkType::Sub, group).build());
        notify::members(actor, group, of(LinkType::Parent, community).build());
    }
    if let Some(group) = table.groups.get_mut(&sub) {
        group.linked_parent = None;
        group.general_chat = false;
    }
}

/// Ends a community: its groups live on without it, except for the announcement group.
///
/// # Errors
/// It is no community, or the actor is not an admin of it.
pub fn delete(actor: Actor<'_>, table: &mut Table, parent: GroupId) -> Result<(), Refusal> {
    let community = table.find(parent)?;
    community.require_admin(actor.number())?;
    if community.parent.is_none() {
        return Err(Refusal::NotAcceptable);
    }
    let subs: Vec<(GroupId, bool)> = table
        .linked_to(parent)
        .map(|group| (group.id, group.default_sub_group))
        .collect();
    for (sub, default) in subs {
        cut(actor, table, parent, sub, "delete_parent");
        if default {
            end(actor, table, sub);
        }
    }
    end(actor, table, parent);
    Ok(())
}

fn end(actor: Actor<'_>, table: &mut Table, id: GroupId) {
    if let Some(group) = table.groups.remove(&id) {
        let change = NodeBuilder::new("delete").attr("reason", "delete_parent").build();
        notify::members(actor, &group, change);
    }
}

/// A group of the community, for its members: `<linked_group><group/></linked_group>`.
///
/// # Errors
/// The actor is not in the community, or the group does not belong to it.
pub fn linked_group(actor: Actor<'_>, table: &Table, parent: GroupId, sub: GroupId) -> Result<Node, Refusal> {
    table.find(parent)?.require_member(actor.number())?;
    let group = table.find(sub)?;
    if group.linked_parent != Some(parent) {
        return Err(Refusal::NoSuchGroup);
    }
    Ok(in_linked_group(group))
}

/// The community of a group, for its members.
///
/// # Errors
/// The actor is not in the group, or it belongs to no community.
pub fn linked_parent(actor: Actor<'_>, table: &Table, sub: GroupId) -> Result<Node, Refusal> {
    let group = table.find(sub)?;
    group.require_member(actor.number())?;
    let parent = group.linked_parent.ok_or(Refusal::NoSuchGroup)?;
    Ok(in_linked_group(table.find(parent)?))
}

fn in_linked_group(group: &Group) -> Node {
    NodeBuilder::new("linked_group")
        .attr("jid", group.jid())
        .children([describe::group(group)])
        .build()
}

/// A member of the community joins one of its groups.
///
/// # Errors
/// The actor is not in the community, the group does not belong to it, or the actor is in it already.
pub fn join(actor: Actor<'_>, table: &mut Table, parent: GroupId, sub: GroupId) -> Result<Node, Refusal> {
    table.find(parent)?.require_member(actor.number())?;
    if table.find(sub)?.linked_parent != Some(parent) {
        return Err(Refusal::NoSuchGroup);
    }
    match come_in(actor, table, sub, RequestMethod::LinkedGroupJoin)? {
        Joined::Member(id) => Ok(in_linked_group(table.find(id)?)),
        Joined::Requested(id) => Ok(NodeBuilder::new("membership_approval_request")
            .attr("jid", id.jid())
            .build()),
    }
}

/// The groups of a community: `<sub_groups>`.
///
/// # Errors
/// The actor is not in the community.
pub fn sub_groups(actor: Actor<'_>, table: &Table, parent: GroupId) -> Result<Node, Refusal> {
    table.find(parent)?.require_member(actor.number())?;
    let groups = table.linked_to(parent).map(describe::outline);
    Ok(NodeBuilder::new("sub_groups").children(groups).build())
}

/// Everybody in any group of the community, once: `<linked_groups_participants>`.
///
/// # Errors
/// The actor is not in the community.
pub fn everybody(actor: Actor<'_>, table: &Table, parent: GroupId) -> Result<Node, Refusal> {
    let community = table.find(parent)?;
    community.require_member(actor.number())?;
    let mut people = community.accounts();
    for member in table.linked_to(parent).flat_map(|group| &group.members) {
        if people.iter().all(|known| known.number != member.account.number) {
            people.push(Arc::clone(&member.account));
        }
    }
    let role = |account: &Account| {
        community
            .member(account.number)
            .map_or(Role::Member, |member| member.role)
    };
    let participants = people
        .iter()
        .map(|account| describe::participant(community, account, role(account)));
    Ok(NodeBuilder::new("linked_groups_participants")
        .children(participants)
        .build())
}
