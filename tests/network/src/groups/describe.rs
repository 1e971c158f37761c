//! A group as clients read it: `<group>` in answers and notifications.
//!
//! Sources: Baileys Socket/groups.ts, `extractGroupMetadata`; wacore src/iq/groups.rs, `GroupInfoResponse`. The mode of adding
//! is a string and not bytes: whatsapp-rust reads no other form.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Table;
use super::group::{Group, Role};
use crate::accounts::{Account, Spelling};
use crate::node::empty;

/// `<group>` with everything in it.
pub fn group(group: &Group) -> Node {
    tagged("group", group)
}

/// `<community>`: a community's group under the tag that lists of communities use.
pub fn community(group: &Group) -> Node {
    tagged("community", group)
}

/// What anybody may know who holds an invite code, or who is in the same community: no members.
pub fn outline(group: &Group) -> Node {
    head("group", group).children(properties(group)).build()
}

fn tagged(tag: &'static str, group: &Group) -> Node {
    let members = group
        .members
        .iter()
        .map(|member| participant(group, &member.account, member.role));
    let children: Vec<Node> = members.chain(properties(group)).collect();
    head(tag, group).children(children).build()
}

fn head(tag: &'static str, group: &Group) -> NodeBuilder {
    let builder = NodeBuilder::new(tag)
        .attr("id", group.id.to_string())
        .attr("subject", group.subject.text.as_str())
        .attr("s_t", group.subject.at)
        .attr("s_o", group.address_of(&group.subject.author))
        .attr("creation", group.created)
        .attr("creator", group.address_of(&group.founder))
        .attr("size", group.members.len())
        .attr("addressing_mode", addressing_mode(group.addressing));
    match group.addressing {
        Spelling::Lid => builder
            .attr("s_o_pn", group.subject.author.jid(Spelling::Number, 0))
            .attr("creator_pn", group.founder.jid(Spelling::Number, 0)),
        Spelling::Number => builder,
    }
}

/// `lid` or `pn`.
pub fn addressing_mode(spelling: Spelling) -> &'static str {
    match spelling {
        Spelling::Lid => "lid",
        Spelling::Number => "pn",
    }
}

/// `<participant>` with both spellings.
pub fn participant(group: &Group, account: &Account, role: Role) -> Node {
    let builder = person("participant", group, account);
    match role.wire_name() {
        Some(role) => builder.attr("type", role).build(),
        None => builder.build(),
    }
}

/// A node about a person, with both spellings.
pub fn person(tag: &'static str, group: &Group, account: &Account) -> NodeBuilder {
    let builder = NodeBuilder::new(tag).attr("jid", group.address_of(account));
    match group.addressing {
        Spelling::Lid => builder.attr("phone_number", account.jid(Spelling::Number, 0)),
        Spelling::Number => builder.attr("lid", account.jid(Spelling::Lid, 0)),
    }
}

fn properties(group: &Group) -> Vec<Node> {
    let settings = &group.settings;
    let mut nodes: Vec<Node> = description(group).into_iter().collect();
    let flags = [
        ("announcement", settings.announcement),
        ("locked", settings.locked),
        ("default_sub_group", group.default_sub_group),
        ("general_chat", group.general_chat),
    ];
    nodes.extend(flags.into_iter().filter(|(_, on)| *on).map(|(tag, _)| empty(tag)));
    nodes.extend(settings.switches.iter().map(|tag| empty(tag)));
    if settings.ephemeral > 0 {
        let ephemeral = NodeBuilder::new("ephemeral").attr("expiration", settings.ephemeral);
        nodes.push(ephemeral.build());
    }
    nodes.push(add_mode(settings.open_to_members));
    // Baileys takes the mere presence of the node for "on".
    if settings.approval {
        nodes.push(approval_mode(true));
    }
    if let Some(parent) = group.parent {
        let builder = NodeBuilder::new("parent");
        nodes.push(if parent.closed {
            builder
                .attr("default_membership_approval_mode", "request_required")
                .build()
        } else {
            builder.build()
        });
        if parent.open_to_new_groups {
            nodes.push(empty("allow_non_admin_sub_group_creation"));
        }
    }
    if let Some(parent) = group.linked_parent {
        nodes.push(NodeBuilder::new("linked_parent").attr("jid", parent.jid()).build());
    }
    nodes
}

fn description(group: &Group) -> Option<Node> {
    let description = group.description.as_ref()?;
    let builder = NodeBuilder::new("description")
        .attr("id", description.id.as_str())
        .attr("t", description.at)
        .attr("participant", group.address_of(&description.author));
    let builder = match group.addressing {
        Spelling::Lid => builder.attr("participant_pn", description.author.jid(Spelling::Number, 0)),
        Spelling::Number => builder,
    };
    Some(builder.children([body(&description.text)]).build())
}

/// `<body>text</body>`.
pub fn body(text: &str) -> Node {
    NodeBuilder::new("body").string_content(text).build()
}

/// `<member_add_mode>`.
pub fn add_mode(open_to_members: bool) -> Node {
    let mode = if open_to_members { "all_member_add" } else { "admin_add" };
    NodeBuilder::new("member_add_mode").string_content(mode).build()
}

/// `<membership_approval_mode>`.
pub fn approval_mode(on: bool) -> Node {
    let state = if on { "on" } else { "off" };
    let join = NodeBuilder::new("group_join").attr("state", state).build();
    NodeBuilder::new("membership_approval_mode").children([join]).build()
}

/// All groups and communities of a person: `<groups>`, and `<communities>` beside it, which Baileys reads for the latter.
pub fn participating(table: &Table, account: &Account) -> Vec<Node> {
    let mine = || table.of_member(account.number);
    let communities: Vec<Node> = mine().filter(|group| group.parent.is_some()).map(community).collect();
    let mut lists = vec![NodeBuilder::new("groups").children(mine().map(group)).build()];
    if !communities.is_empty() {
        lists.push(NodeBuilder::new("communities").children(communities).build());
    }
    lists
}
