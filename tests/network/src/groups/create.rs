//! Founding groups and communities.

use std::collections::HashMap;
use std::sync::Arc;

use super::group::{Description, Group, Member, Parent, Role, Settings, Subject};
use super::participants::{self, Outcome};
use super::{Actor, GroupId, Refusal, Table, change, community, notify, settings};
use crate::accounts::Spelling;
use crate::clock::unix_seconds;
use wacore_binary::Jid;

/// What a group begins with.
#[derive(Default)]
pub struct NewGroup {
    /// The name.
    pub subject: String,
    /// Who is to be in it, besides the founder.
    pub participants: Vec<Jid>,
    /// A description and its identifier.
    pub description: Option<(String, String)>,
    /// The settings.
    pub settings: Settings,
    /// Addressed by phone number, as old groups are. New ones are addressed by LID.
    pub by_number: bool,
    /// What makes it a community.
    pub parent: Option<Parent>,
    /// Whether a new community gets a general chat.
    pub general_chat: bool,
    /// The community it belongs to.
    pub linked_parent: Option<GroupId>,
    /// What the founding client will recognise its own group by.
    pub key: Option<String>,
}

/// Founds a group: its identifier, and what became of each participant.
///
/// # Errors
/// The name is too long, or the founder may not add groups to the community.
pub fn create(actor: Actor<'_>, table: &mut Table, new: NewGroup) -> Result<(GroupId, Vec<Outcome>), Refusal> {
    settings::check_subject(&new.subject)?;
    if let Some(parent) = new.linked_parent {
        community::require_may_add_groups(table, parent, actor.number())?;
    }
    let is_community = new.parent.is_some();
    let (key, general_chat, mut wanted) = (new.key.clone(), new.general_chat, new.participants.clone());
    // Some clients name the founder too.
    wanted.retain(|jid| participants::number_of(actor, jid) != Some(actor.number()));
    let (parent, subject) = (new.linked_parent, new.subject.clone());
    let id = insert(actor, table, new);
    let (outcomes, added) = participants::decide(actor, table, id, &wanted);
    let group = table.find_mut(id)?;
    for account in &added {
        group.put_in(account, Role::Member);
    }
    notify::members(actor, group, change::created(group, key.as_deref(), None));
    if is_community {
        community::furnish(actor, table, id, &subject, general_chat);
    }
    if let Some(parent) = parent {
        community::announce_link(actor, table, parent, id);
        let members = table.find(id)?.accounts();
        community::follow_in(actor, table, parent, &members);
    }
    Ok((id, outcomes))
}

/// Puts a group with only its founder into the table and tells nobody.
pub(super) fn insert(actor: Actor<'_>, table: &mut Table, new: NewGroup) -> GroupId {
    let id = table.next_id();
    let now = unix_seconds();
    let author = || Arc::clone(actor.account);
    let description = new.description.map(|(id, text)| Description {
        id,
        text,
        author: author(),
        at: now,
    });
    let group = Group {
        id,
        addressing: if new.by_number { Spelling::Number } else { Spelling::Lid },
        founder: author(),
        created: now,
        members: vec![Member {
            account: author(),
            role: Role::Founder,
        }],
        subject: Subject {
            text: new.subject,
            author: author(),
            at: now,
        },
        description,
        settings: new.settings,
        invite_code: table.next_code(actor.network),
        requests: Vec::new(),
        invitations: HashMap::new(),
        parent: new.parent,
        linked_parent: new.linked_parent,
        default_sub_group: false,
        general_chat: false,
    };
    table.groups.insert(id, group);
    id
}
