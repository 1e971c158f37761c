//! The children of notifications: what happened, in the words that both clients read.

use std::sync::Arc;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::describe;
use super::group::{Description, Group, Role, Subject};
use crate::accounts::Account;
use crate::node::empty;

/// Somebody founded the group, or the reader was put into it: the group as it is.
pub fn created(group: &Group, key: Option<&str>, reason: Option<&'static str>) -> Node {
    let mut builder = NodeBuilder::new("create");
    if let Some(key) = key {
        builder = builder.attr("type", "new").attr("key", key);
    }
    if let Some(reason) = reason {
        builder = builder.attr("reason", reason);
    }
    builder.children([describe::group(group)]).build()
}

/// People came, went, or changed their role: `add`, `remove`, `promote` or `demote`.
pub fn people(tag: &'static str, group: &Group, people: &[Arc<Account>], reason: Option<&'static str>) -> Node {
    let role = |account: &Account| group.member(account.number).map_or(Role::Member, |member| member.role);
    let participants = people
        .iter()
        .map(|account| describe::participant(group, account, role(account)));
    let builder = match reason {
        Some(reason) => NodeBuilder::new(tag).attr("reason", reason),
        None => NodeBuilder::new(tag),
    };
    builder.children(participants).build()
}

/// A new name.
pub fn subject(group: &Group, subject: &Subject) -> Node {
    NodeBuilder::new("subject")
        .attr("subject", subject.text.as_str())
        .attr("s_t", subject.at)
        .attr("s_o", group.address_of(&subject.author))
        .build()
}

/// A new description.
pub fn description(description: &Description) -> Node {
    NodeBuilder::new("description")
        .attr("id", description.id.as_str())
        .children([describe::body(&description.text)])
        .build()
}

/// The description is gone.
pub fn description_deleted(id: &str) -> Node {
    NodeBuilder::new("description")
        .attr("id", id)
        .children([empty("delete")])
        .build()
}

/// How long messages live from now on.
pub fn ephemeral(seconds: u32) -> Node {
    if seconds == 0 {
        return empty("not_ephemeral");
    }
    NodeBuilder::new("ephemeral").attr("expiration", seconds).build()
}

/// A new invite code.
pub fn invite(code: &str) -> Node {
    NodeBuilder::new("invite").attr("code", code).build()
}
