//! What companions ask of groups: `iq` with the namespace `w:g2`, one child for each request.
//!
//! Sources: Baileys Socket/groups.ts:22-301, Socket/communities.ts; wacore src/iq/groups.rs.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::create::{NewGroup, create};
use super::group::{Parent, Settings};
use super::invites::Joined;
use super::participants::Outcome;
use super::settings::Setting;
use super::{Actor, GroupId, Refusal, Table, community, describe, invites, participants, requests, settings};
use crate::network::Network;
use crate::node::{
    address, attribute, attribute_is, child, child_content, children, children_of, content, empty, error, result,
};
use crate::stanza::Session;

type Answer = Result<Vec<Node>, Refusal>;

/// Answers one request.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let actor = Actor {
        network,
        account: &session.account,
    };
    let Some(request) = children(iq).first() else {
        return error(iq, 400, "bad-request");
    };
    let group = address(iq, "to").as_ref().and_then(GroupId::of);
    let setting = attribute_is(iq, "type", "set");
    let mut table = network.groups.lock();
    let answer = match (group, setting) {
        (Some(id), true) => change(actor, &mut table, id, request),
        (Some(id), false) => ask(actor, &table, id, request),
        (None, true) => change_any(actor, &mut table, request),
        (None, false) => ask_any(actor, &table, request),
    };
    match answer {
        Ok(children) => {
            let builder = result(iq).children(children);
            match group {
                // Baileys reads the group that was joined by an invitation from here (`groupAcceptInviteV4`).
                Some(id) => builder.attr("from", id.jid()).build(),
                None => builder.build(),
            }
        }
        Err(refusal) => error(iq, refusal.code(), refusal.text()),
    }
}

/// Questions about one group.
fn ask(actor: Actor<'_>, table: &Table, id: GroupId, request: &Node) -> Answer {
    let answer = match request.tag.as_ref() {
        "query" => {
            let group = table.find(id)?;
            group.require_member(actor.number())?;
            describe::group(group)
        }
        "invite" => invite(&invites::code(actor, table, id)?),
        "membership_approval_requests" => requests::list(actor, table, id)?,
        "query_linked" if attribute_is(request, "type", "parent_group") => community::linked_parent(actor, table, id)?,
        "query_linked" => community::linked_group(actor, table, id, group_named(request)?)?,
        "sub_groups" => community::sub_groups(actor, table, id)?,
        "linked_groups_participants" => community::everybody(actor, table, id)?,
        _ => return Err(Refusal::Unknown),
    };
    Ok(vec![answer])
}

/// Questions about any group.
fn ask_any(actor: Actor<'_>, table: &Table, request: &Node) -> Answer {
    match request.tag.as_ref() {
        "participating" => Ok(describe::participating(table, actor.account)),
        "query" => {
            let groups = children_of(request, "group").filter_map(|group| one_of_many(actor, table, group));
            Ok(vec![NodeBuilder::new("groups").children(groups).build()])
        }
        "invite" => {
            let code = attribute(request, "code").ok_or(Refusal::Malformed)?;
            Ok(vec![describe::outline(invites::by_code(table, &code)?)])
        }
        // Pictures are asked for one by one; none is known here.
        "pictures" => Ok(vec![empty("pictures")]),
        _ => Err(Refusal::Unknown),
    }
}

/// One answer of a batch: the group, or `<group id error/>` (wacore src/iq/groups.rs:3381).
fn one_of_many(actor: Actor<'_>, table: &Table, asked: &Node) -> Option<Node> {
    let id = GroupId::of(&address(asked, "jid")?)?;
    let refused = |code: u16| {
        NodeBuilder::new("group")
            .attr("id", id.to_string())
            .attr("error", code)
            .build()
    };
    Some(match table.get(id) {
        None => refused(404),
        Some(group) if !group.is_member(actor.number()) => refused(403),
        Some(group) => describe::group(group),
    })
}

/// Changes of one group.
fn change(actor: Actor<'_>, table: &mut Table, id: GroupId, request: &Node) -> Answer {
    let people = || named(request);
    let answer = match request.tag.as_ref() {
        "add" => outcomes("add", participants::add(actor, table, id, &people())?),
        "remove" => {
            let linked_groups = attribute_is(request, "linked_groups", "true");
            let removed = participants::remove(actor, table, id, &people(), linked_groups)?;
            outcomes("remove", removed)
        }
        "promote" => outcomes("promote", participants::set_role(actor, table, id, &people(), true)?),
        "demote" => outcomes("demote", participants::set_role(actor, table, id, &people(), false)?),
        "subject" => {
            let text = text_of(content(request)).ok_or(Refusal::Malformed)?;
            settings::set_subject(actor, table, id, &text)?;
            return Ok(Vec::new());
        }
        "description" => {
            describe_anew(actor, table, id, request)?;
            return Ok(Vec::new());
        }
        "ack" => return Ok(Vec::new()),
        "invite" => invite(&invites::reset(actor, table, id)?),
        "accept" => {
            let code = attribute(request, "code").ok_or(Refusal::Malformed)?;
            joined(invites::accept(actor, table, id, &code)?)
        }
        "revoke" => {
            let invited = people();
            invites::revoke(actor, table, id, &invited)?;
            codes("revoke", invited.into_iter().map(|jid| (jid, None)))
        }
        "membership_requests_action" => requests_action(actor, table, id, request)?,
        "cancel_membership_requests" => codes("cancel_membership_requests", requests::cancel(actor, table, id)?),
        "links" => {
            let groups = groups_in(child(request, "link").ok_or(Refusal::Malformed)?);
            let link = linked("link", "link_type", community::link(actor, table, id, &groups)?);
            NodeBuilder::new("links").children([link]).build()
        }
        "unlink" => {
            let cut = community::unlink(actor, table, id, &groups_in(request))?;
            linked("unlink", "unlink_type", cut)
        }
        "delete_parent" => {
            community::delete(actor, table, id)?;
            return Ok(Vec::new());
        }
        "join_linked_group" => community::join(actor, table, id, group_named(request)?)?,
        _ => {
            let setting = read_setting(request).ok_or(Refusal::Unknown)?;
            settings::set(actor, table, id, setting)?;
            return Ok(Vec::new());
        }
    };
    Ok(vec![answer])
}

/// Changes that name no group, or name it inside.
fn change_any(actor: Actor<'_>, table: &mut Table, request: &Node) -> Answer {
    let answer = match request.tag.as_ref() {
        "create" => {
            let (id, _) = create(actor, table, read_new_group(request)?)?;
            describe::group(table.find(id)?)
        }
        "leave" => {
            let left = children(request).first().ok_or(Refusal::Malformed)?;
            let id = address(left, "id").as_ref().and_then(GroupId::of);
            let id = id.or_else(|| GroupId::parse(&attribute(left, "id")?));
            participants::leave(actor, table, id.ok_or(Refusal::Malformed)?)?;
            NodeBuilder::new("leave").children([left.clone()]).build()
        }
        "invite" => {
            let code = attribute(request, "code").ok_or(Refusal::Malformed)?;
            joined(invites::join(actor, table, &code)?)
        }
        _ => return Err(Refusal::Unknown),
    };
    Ok(vec![answer])
}

fn read_setting(request: &Node) -> Option<Setting> {
    match request.tag.as_ref() {
        "ephemeral" => Some(Setting::Ephemeral(read_expiration(request)?)),
        "member_add_mode" => Some(Setting::OpenToMembers(content(request)? == b"all_member_add")),
        "membership_approval_mode" => {
            let join = child(request, "group_join")?;
            Some(Setting::Approval(attribute_is(join, "state", "on")))
        }
        tag => Setting::of_tag(tag),
    }
}

fn read_expiration(ephemeral: &Node) -> Option<u32> {
    attribute(ephemeral, "expiration")?.parse().ok()
}

fn read_new_group(request: &Node) -> Result<NewGroup, Refusal> {
    let text = |name| attribute(request, name).map(std::borrow::Cow::into_owned);
    let mut settings = Settings::default();
    for option in children(request) {
        match read_setting(option) {
            Some(Setting::Announcement(on)) => settings.announcement = on,
            Some(Setting::Locked(on)) => settings.locked = on,
            Some(Setting::Ephemeral(seconds)) => settings.ephemeral = seconds,
            Some(Setting::OpenToMembers(on)) => settings.open_to_members = on,
            Some(Setting::Approval(on)) => settings.approval = on,
            Some(Setting::Switch(..)) | None => {}
        }
    }
    let parent = child(request, "parent").map(|parent| Parent {
        closed: attribute_is(parent, "default_membership_approval_mode", "request_required"),
        open_to_new_groups: child(request, "allow_non_admin_sub_group_creation").is_some(),
    });
    let description = child(request, "description").and_then(|description| {
        let id = attribute(description, "id")?.into_owned();
        Some((id, text_of(child_content(description, "body"))?))
    });
    Ok(NewGroup {
        subject: text("subject").ok_or(Refusal::Malformed)?,
        participants: named(request),
        description,
        settings,
        by_number: attribute_is(request, "addressing_mode", "pn"),
        parent,
        general_chat: child(request, "create_general_chat").is_some(),
        linked_parent: child(request, "linked_parent")
            .and_then(|parent| address(parent, "jid"))
            .as_ref()
            .and_then(GroupId::of),
        key: text("key"),
    })
}

/// Baileys deletes a description without naming a new version (`groupUpdateDescription`).
fn describe_anew(actor: Actor<'_>, table: &mut Table, id: GroupId, request: &Node) -> Result<(), Refusal> {
    let seen = attribute(request, "prev");
    let new = if attribute_is(request, "delete", "true") {
        None
    } else {
        let version = attribute(request, "id").ok_or(Refusal::Malformed)?;
        let text = text_of(child_content(request, "body")).ok_or(Refusal::Malformed)?;
        Some((version.into_owned(), text))
    };
    settings::set_description(actor, table, id, seen.as_deref(), new)
}

fn requests_action(actor: Actor<'_>, table: &mut Table, id: GroupId, request: &Node) -> Result<Node, Refusal> {
    let action = children(request).first().ok_or(Refusal::Malformed)?;
    let (tag, approve) = match action.tag.as_ref() {
        "approve" => ("approve", true),
        "reject" => ("reject", false),
        _ => return Err(Refusal::Malformed),
    };
    let decided = requests::decide(actor, table, id, &named(action), approve)?;
    Ok(NodeBuilder::new("membership_requests_action")
        .children([codes(tag, decided)])
        .build())
}

fn text_of(bytes: Option<&[u8]>) -> Option<String> {
    String::from_utf8(bytes?.to_vec()).ok()
}

/// The people that a request names. Those who cannot be an address are left out, as nobody could answer for them.
fn named(request: &Node) -> Vec<Jid> {
    children_of(request, "participant")
        .filter_map(|participant| address(participant, "jid"))
        .collect()
}

fn group_named(request: &Node) -> Result<GroupId, Refusal> {
    let jid = address(request, "jid").ok_or(Refusal::Malformed)?;
    GroupId::of(&jid).ok_or(Refusal::Malformed)
}

fn groups_in(request: &Node) -> Vec<GroupId> {
    children_of(request, "group")
        .filter_map(|group| group_named(group).ok())
        .collect()
}

fn invite(code: &str) -> Node {
    NodeBuilder::new("invite").attr("code", code).build()
}

fn joined(joined: Joined) -> Node {
    let tag = match joined {
        Joined::Member(_) => "group",
        Joined::Requested(_) => "membership_approval_request",
    };
    NodeBuilder::new(tag).attr("jid", joined.group().jid()).build()
}

fn outcomes(tag: &'static str, outcomes: Vec<Outcome>) -> Node {
    let participants = outcomes.into_iter().map(|outcome| {
        let mut builder = NodeBuilder::new("participant").attr("jid", outcome.jid);
        if let Some(number) = outcome.number {
            builder = builder.attr("phone_number", number);
        }
        // The real server often leaves the success out (wacore src/iq/groups.rs:1690), other mocks do not.
        builder = match outcome.error {
            Some(error) => builder.attr("error", error),
            None => builder.attr("type", 200),
        };
        match outcome.invitation {
            Some((code, expires)) => {
                let invitation = NodeBuilder::new("add_request")
                    .attr("code", code)
                    .attr("expiration", expires)
                    .build();
                builder.children([invitation]).build()
            }
            None => builder.build(),
        }
    });
    NodeBuilder::new(tag).children(participants).build()
}

fn codes(tag: &'static str, people: impl IntoIterator<Item = (Jid, Option<u16>)>) -> Node {
    let participants = people
        .into_iter()
        .map(|(jid, error)| with_error(NodeBuilder::new("participant").attr("jid", jid), error));
    NodeBuilder::new(tag).children(participants).build()
}

fn linked(tag: &'static str, attribute: &'static str, groups: Vec<(GroupId, Option<u16>)>) -> Node {
    let groups = groups
        .into_iter()
        .map(|(id, error)| with_error(NodeBuilder::new("group").attr("jid", id.jid()), error));
    NodeBuilder::new(tag)
        .attr(attribute, "sub_group")
        .children(groups)
        .build()
}

fn with_error(builder: NodeBuilder, error: Option<u16>) -> Node {
    match error {
        Some(code) => builder.attr("error", code).build(),
        None => builder.build(),
    }
}
