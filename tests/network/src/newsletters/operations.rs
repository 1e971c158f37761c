//! Managing newsletters: what `w:mex` asks, and what phones do.

use std::sync::Arc;

use serde_json::{Value, json};
use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;

use super::{Follower, Newsletter, NewsletterId, Role, Table};
use crate::accounts::{Account, Number};
use crate::groups::Actor;
use crate::mex::GraphError;
use crate::node::SERVER;

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make one.
    Create,
    /// Change name or description.
    Update,
    /// Everything about one.
    Metadata,
    /// All that the person follows.
    Followed,
    /// How many follow.
    Subscribers,
    /// Follow.
    Follow,
    /// Follow no longer.
    Unfollow,
    /// No noise.
    Mute,
    /// Noise again.
    Unmute,
    /// A setting by its name: noise of all or of admins.
    Setting,
    /// How many may write.
    AdminCount,
    /// Give it to somebody else.
    ChangeOwner,
    /// Take the right to write.
    Demote,
    /// End it.
    Delete,
}

impl Operation {
    /// From the number of the stored query.
    pub fn of_query(number: &str) -> Option<Self> {
        Some(match number {
            "8823471724422422" | "25149874324715067" => Self::Create,
            "24250201037901610" => Self::Update,
            "6563316087068696" | "27456920720571478" => Self::Metadata,
            "25399611239711790" => Self::Followed,
            "9783111038412085" => Self::Subscribers,
            "24404358912487870" => Self::Follow,
            "9767147403369991" => Self::Unfollow,
            "29766401636284406" => Self::Mute,
            "9864994326891137" => Self::Unmute,
            "31938993655691868" => Self::Setting,
            "7130823597031706" => Self::AdminCount,
            "7341777602580933" => Self::ChangeOwner,
            "6551828931592903" => Self::Demote,
            "30062808666639665" => Self::Delete,
            _ => return None,
        })
    }

    /// The name of the data in the answer.
    pub fn answer_name(self) -> &'static str {
        match self {
            Self::Create => "xwa2_newsletter_create",
            Self::Update => "xwa2_newsletter_update",
            Self::Metadata => "xwa2_newsletter",
            Self::Followed => "xwa2_newsletter_subscribed",
            Self::Subscribers => "xwa2_newsletter_subscribers",
            Self::Follow => "xwa2_newsletter_join_v2",
            Self::Unfollow => "xwa2_newsletter_leave_v2",
            Self::Mute => "xwa2_newsletter_mute_v2",
            Self::Unmute => "xwa2_newsletter_unmute_v2",
            Self::Setting => "xwa2_newsletter_update_user_setting",
            Self::AdminCount => "xwa2_newsletter_admin",
            Self::ChangeOwner => "xwa2_newsletter_change_owner",
            Self::Demote => "xwa2_newsletter_demote",
            Self::Delete => "xwa2_newsletter_delete_v2",
        }
    }
}

type Answer = Result<Value, GraphError>;

/// Carries out an operation with its variables; answers with the data.
///
/// # Errors
/// There is no such newsletter, the actor may not, or a variable is missing.
pub fn run(actor: Actor<'_>, operation: Operation, variables: &Value) -> Answer {
    let mut table = actor.network.newsletters.lock();
    let table = &mut *table;
    match operation {
        Operation::Create => {
            let input = &variables["input"];
            let name = input["name"].as_str().ok_or(GraphError::MALFORMED)?;
            let id = create(actor, table, name, input["description"].as_str().unwrap_or_default())?;
            view(actor, table, id)
        }
        Operation::Metadata => {
            let key = variables["input"]["key"].as_str().ok_or(GraphError::MALFORMED)?;
            let newsletter = if variables["input"]["type"] == "INVITE" {
                table.by_code(key)
            } else {
                read_id(&variables["input"]["key"]).ok().and_then(|id| table.get(id))
            };
            Ok(describe(newsletter.ok_or(GraphError::NOT_FOUND)?, actor.number()))
        }
        Operation::Followed => {
            let followed = table.followed_by(actor.number());
            Ok(followed
                .map(|newsletter| describe(newsletter, actor.number()))
                .collect())
        }
        Operation::Setting => {
            let input = &variables["input"];
            let muted = input["value"] == "ON";
            set_muted(actor, table, read_id(&input["newsletter_id"])?, muted)
        }
        _ => run_on(
            actor,
            table,
            operation,
            read_id(&variables["newsletter_id"])?,
            variables,
        ),
    }
}

/// Operations that name a newsletter.
fn run_on(actor: Actor<'_>, table: &mut Table, operation: Operation, id: NewsletterId, variables: &Value) -> Answer {
    match operation {
        Operation::Follow => {
            follow(actor, table, id)?;
            view(actor, table, id)
        }
        Operation::Unfollow => {
            unfollow(actor, table, id)?;
            Ok(state_of(id, "ACTIVE"))
        }
        Operation::Mute | Operation::Unmute => set_muted(actor, table, id, operation == Operation::Mute),
        Operation::Update => {
            let text = |name: &str| variables["updates"][name].as_str();
            update(actor, table, id, text("name"), text("description"))?;
            view(actor, table, id)
        }
        Operation::Subscribers => {
            let newsletter = table.get(id).ok_or(GraphError::NOT_FOUND)?;
            Ok(json!({ "subscribers": newsletter.followers.len() }))
        }
        Operation::AdminCount => {
            let newsletter = table.get(id).ok_or(GraphError::NOT_FOUND)?;
            let writers = newsletter
                .followers
                .iter()
                .filter(|follower| follower.role > Role::Subscriber);
            Ok(json!({ "admin_count": writers.count() }))
        }
        Operation::ChangeOwner | Operation::Demote => {
            let jid: Option<Jid> = variables["user_id"].as_str().and_then(|text| text.parse().ok());
            let person = jid
                .and_then(|jid| actor.network.accounts.find(&jid))
                .ok_or(GraphError::NOT_FOUND)?;
            hand_on(actor, table, id, &person, operation == Operation::ChangeOwner)
        }
        Operation::Delete => {
            owned(actor, table, id)?;
            table.delete(id);
            Ok(state_of(id, "DELETED"))
        }
        Operation::Create | Operation::Metadata | Operation::Followed | Operation::Setting => {
            Err(GraphError::MALFORMED)
        }
    }
}

fn read_id(text: &Value) -> Result<NewsletterId, GraphError> {
    let jid: Option<Jid> = text.as_str().and_then(|text| text.parse().ok());
    jid.as_ref().and_then(NewsletterId::of).ok_or(GraphError::MALFORMED)
}

fn state_of(id: NewsletterId, state: &str) -> Value {
    json!({ "id": id.jid().to_string(), "state": { "type": state } })
}

/// A newsletter as one person sees it. Numbers are texts: whatsapp-rust reads them in no other form.
fn describe(newsletter: &Newsletter, viewer: Number) -> Value {
    let follower = newsletter.follower(viewer);
    let mute = if follower.is_some_and(|follower| follower.muted) {
        "ON"
    } else {
        "OFF"
    };
    let text = |id: &str, text: &str| json!({ "id": id, "text": text, "update_time": newsletter.created.to_string() });
    json!({
        "id": newsletter.id.jid().to_string(),
        "state": { "type": "ACTIVE" },
        "thread_metadata": {
            "name": text("1", &newsletter.name),
            "description": text("2", &newsletter.description),
            "invite": newsletter.invite_code,
            "handle": null,
            "creation_time": newsletter.created.to_string(),
            "subscribers_count": newsletter.followers.len().to_string(),
            "verification": "UNVERIFIED",
            "picture": { "id": null, "type": "IMAGE", "direct_path": null },
            "preview": { "id": null, "type": "PREVIEW", "direct_path": null },
            "settings": { "reaction_codes": { "value": "ALL" } },
        },
        "viewer_metadata": {
            "mute": mute,
            "role": follower.map_or("guest", |follower| follower.role.wire_name()),
            "settings": [
                { "type": "MUTE_ADMIN_ACTIVITY", "value": mute },
                { "type": "MUTE_FOLLOWER_ACTIVITY", "value": mute },
            ],
        },
    })
}

fn view(actor: Actor<'_>, table: &Table, id: NewsletterId) -> Answer {
    let newsletter = table.get(id).ok_or(GraphError::NOT_FOUND)?;
    Ok(describe(newsletter, actor.number()))
}

fn check_name(name: &str) -> Result<(), GraphError> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(GraphError::MALFORMED);
    }
    Ok(())
}

/// Makes a newsletter.
///
/// # Errors
/// The name is out of its limits.
pub fn create(actor: Actor<'_>, table: &mut Table, name: &str, description: &str) -> Result<NewsletterId, GraphError> {
    check_name(name)?;
    let id = table.create(actor.network, actor.account, name, description);
    tell_of(actor, table, id, "Join", "join");
    Ok(id)
}

/// Follows a newsletter; following twice changes nothing.
///
/// # Errors
/// There is no such newsletter.
pub fn follow(actor: Actor<'_>, table: &mut Table, id: NewsletterId) -> Result<(), GraphError> {
    let newsletter = table.get_mut(id).ok_or(GraphError::NOT_FOUND)?;
    if newsletter.follower(actor.number()).is_none() {
        newsletter.followers.push(Follower {
            account: Arc::clone(actor.account),
            role: Role::Subscriber,
            muted: false,
        });
        tell_of(actor, table, id, "Join", "join");
    }
    Ok(())
}

/// Follows no longer. The owner cannot leave.
///
/// # Errors
/// There is no such newsletter, or the actor owns it.
pub fn unfollow(actor: Actor<'_>, table: &mut Table, id: NewsletterId) -> Result<(), GraphError> {
    let newsletter = table.get_mut(id).ok_or(GraphError::NOT_FOUND)?;
    let role = newsletter.follower(actor.number()).map(|follower| follower.role);
    if role == Some(Role::Owner) {
        return Err(GraphError::FORBIDDEN);
    }
    let number = actor.number();
    newsletter
        .followers
        .retain(|follower| follower.account.number != number);
    tell_of(actor, table, id, "Leave", "leave");
    Ok(())
}

fn set_muted(actor: Actor<'_>, table: &mut Table, id: NewsletterId, muted: bool) -> Answer {
    let newsletter = table.get_mut(id).ok_or(GraphError::NOT_FOUND)?;
    let number = actor.number();
    let mut followers = newsletter.followers.iter_mut();
    let follower = followers.find(|follower| follower.account.number == number);
    follower.ok_or(GraphError::FORBIDDEN)?.muted = muted;
    Ok(state_of(id, "ACTIVE"))
}

/// Changes what is named.
///
/// # Errors
/// There is no such newsletter, the actor may not, or the name is out of its limits.
pub fn update(
    actor: Actor<'_>,
    table: &mut Table,
    id: NewsletterId,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<(), GraphError> {
    let newsletter = table.get_mut(id).ok_or(GraphError::NOT_FOUND)?;
    if !newsletter.may_write(actor.number()) {
        return Err(GraphError::FORBIDDEN);
    }
    if let Some(name) = name {
        check_name(name)?;
        name.clone_into(&mut newsletter.name);
    }
    if let Some(description) = description {
        description.clone_into(&mut newsletter.description);
    }
    Ok(())
}

fn owned<'a>(actor: Actor<'_>, table: &'a mut Table, id: NewsletterId) -> Result<&'a mut Newsletter, GraphError> {
    let newsletter = table.get_mut(id).ok_or(GraphError::NOT_FOUND)?;
    let role = newsletter.follower(actor.number()).map(|follower| follower.role);
    if role != Some(Role::Owner) {
        return Err(GraphError::FORBIDDEN);
    }
    Ok(newsletter)
}

/// Makes somebody the owner, or a mere reader.
fn hand_on(actor: Actor<'_>, table: &mut Table, id: NewsletterId, person: &Account, owner: bool) -> Answer {
    let newsletter = owned(actor, table, id)?;
    if newsletter.follower(person.number).is_none() {
        return Err(GraphError::NOT_FOUND);
    }
    for follower in &mut newsletter.followers {
        if follower.account.number == person.number {
            follower.role = if owner { Role::Owner } else { Role::Subscriber };
        } else if owner && follower.role == Role::Owner {
            follower.role = Role::Admin;
        }
    }
    Ok(state_of(id, "ACTIVE"))
}

/// Tells the person's devices that they follow, or no longer (whatsmeow types/events, `NewsletterJoin`).
fn tell_of(actor: Actor<'_>, table: &Table, id: NewsletterId, name: &str, verb: &str) {
    let Ok(data) = view(actor, table, id) else {
        return;
    };
    let key = format!("xwa2_notify_newsletter_on_{verb}");
    let body = json!({ "data": { key: data } }).to_string();
    let update = NodeBuilder::new("update")
        .attr("op_name", format!("NotificationNewsletter{name}"))
        .bytes(body)
        .build();
    let notification = actor.network.notification("mex", SERVER).children([update]).build();
    for device in &mut actor.account.state().devices {
        device.deliver(notification.clone());
    }
}
