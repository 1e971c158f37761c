//! A group's texts and settings.

use std::sync::Arc;

use super::group::{Description, Subject};
use super::{Actor, GroupId, Refusal, Table, change, describe, notify};
use crate::clock::unix_seconds;
use crate::node::empty;

/// The longest name, in characters (wacore src/iq/groups.rs, `GROUP_SUBJECT_MAX_LENGTH`).
const LONGEST_SUBJECT: usize = 100;
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 2_048;

/// One setting with its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Only admins send.
    Announcement(bool),
    /// Only admins change subject, description and lifetime of messages.
    Locked(bool),
    /// The lifetime of messages in seconds; 0 for ever.
    Ephemeral(u32),
    /// Whether every member may add others.
    OpenToMembers(bool),
    /// Whether admins approve new members.
    Approval(bool),
    /// A further switch: its name when it is on, and its name when it is off.
    Switch(&'static str, &'static str, bool),
}

/// Further switches: the tag that turns each on, and the one that turns it off (wacore src/iq/groups.rs:2470-2540).
const SWITCHES: [(&str, &str); 4] = [
    ("no_frequently_forwarded", "frequently_forwarded_ok"),
    ("allow_admin_reports", "not_allow_admin_reports"),
    ("group_history", "no_group_history"),
    (
        "allow_non_admin_sub_group_creation",
        "not_allow_non_admin_sub_group_creation",
    ),
];

impl Setting {
    /// From a tag that is its own value; `None` when it is no such tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let setting = match tag {
            "announcement" => Self::Announcement(true),
            "not_announcement" => Self::Announcement(false),
            "locked" => Self::Locked(true),
            "unlocked" => Self::Locked(false),
            "not_ephemeral" => Self::Ephemeral(0),
            _ => {
                let (on, off) = SWITCHES.into_iter().find(|(on, off)| *on == tag || *off == tag)?;
                Self::Switch(on, off, tag == on)
            }
        };
        Some(setting)
    }

    /// What members are told.
    fn change(self) -> wacore_binary::Node {
        let flag = |on: bool, tags: [&'static str; 2]| empty(if on { tags[0] } else { tags[1] });
        match self {
            Self::Announcement(on) => flag(on, ["announcement", "not_announcement"]),
            Self::Locked(on) => flag(on, ["locked", "unlocked"]),
            Self::Ephemeral(seconds) => change::ephemeral(seconds),
            Self::OpenToMembers(on) => describe::add_mode(on),
            Self::Approval(on) => describe::approval_mode(on),
            Self::Switch(on, off, state) => flag(state, [on, off]),
        }
    }
}

/// Names have limits.
///
/// # Errors
/// The name is empty or too long.
pub fn check_subject(text: &str) -> Result<(), Refusal> {
    if text.is_empty() || text.chars().count() > LONGEST_SUBJECT {
        return Err(Refusal::NotAcceptable);
    }
    Ok(())
}

/// Gives a group another name.
///
/// # Errors
/// The actor may not, or the name is out of its limits.
pub fn set_subject(actor: Actor<'_>, table: &mut Table, id: GroupId, text: &str) -> Result<(), Refusal> {
    let group = table.find_mut(id)?;
    group.require_editor(actor.number())?;
    check_subject(text)?;
    group.subject = Subject {
        text: text.to_owned(),
        author: Arc::clone(actor.account),
        at: unix_seconds(),
    };
    notify::members(actor, group, change::subject(group, &group.subject));
    Ok(())
}

/// Gives a group another description, or none. Whoever changes it names the version they saw; another one is a conflict.
///
/// # Errors
/// The actor may not, somebody else was faster, or the text is too long.
pub fn set_description(
    actor: Actor<'_>,
    table: &mut Table,
    id: GroupId,
    seen: Option<&str>,
    new: Option<(String, String)>,
) -> Result<(), Refusal> {
    let group = table.find_mut(id)?;
    group.require_editor(actor.number())?;
    let current = group.description.as_ref().map(|description| description.id.as_str());
    if current != seen {
        return Err(Refusal::Conflict);
    }
    let Some((version, text)) = new else {
        let gone = seen.unwrap_or_default().to_owned();
        group.description = None;
        notify::members(actor, group, change::description_deleted(&gone));
        return Ok(());
    };
    if text.chars().count() > LONGEST_DESCRIPTION {
        return Err(Refusal::NotAcceptable);
    }
    let description = Description {
        id: version,
        text,
        author: Arc::clone(actor.account),
        at: unix_seconds(),
    };
    notify::members(actor, group, change::description(&description));
    group.description = Some(description);
    Ok(())
}

/// Changes a setting. All but the lifetime of messages are for admins only.
///
/// # Errors
/// The actor may not.
pub fn set(actor: Actor<'_>, table: &mut Table, id: GroupId, setting: Setting) -> Result<(), Refusal> {
    let group = table.find_mut(id)?;
    match setting {
        Setting::Ephemeral(_) => group.require_editor(actor.number())?,
        _ => group.require_admin(actor.number())?,
    }
    let settings = &mut group.settings;
    match setting {
        Setting::Announcement(on) => settings.announcement = on,
        Setting::Locked(on) => settings.locked = on,
        Setting::Ephemeral(seconds) => settings.ephemeral = seconds,
        Setting::OpenToMembers(on) => settings.open_to_members = on,
        Setting::Approval(on) => settings.approval = on,
        Setting::Switch("allow_non_admin_sub_group_creation", _, on) => {
            if let Some(parent) = &mut group.parent {
                parent.open_to_new_groups = on;
            }
        }
        Setting::Switch(name, _, true) => {
            settings.switches.insert(name);
        }
        Setting::Switch(name, _, false) => {
            settings.switches.remove(name);
        }
    }
    notify::members(actor, group, setting.change());
    Ok(())
}
