//! What people do with groups on their phones, and groups as the network sees them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use wacore_binary::Jid;

use super::phones::{Answer, find_phone};
use super::problem::{Problem, read, read_address};
use crate::accounts::{Account, Spelling};
use crate::groups::create::{NewGroup, create as found};
use crate::groups::group::{Parent, Settings};
use crate::groups::invites::Joined;
use crate::groups::participants::Outcome;
use crate::groups::settings::Setting;
use crate::groups::{Actor, Group, GroupId, Refusal, Table, community, invites, participants, requests, settings};
use crate::network::Network;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Malformed | Refusal::Unknown => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
            Refusal::NotAMember => (StatusCode::FORBIDDEN, "not_a_member"),
            Refusal::NotAnAdmin => (StatusCode::FORBIDDEN, "not_an_admin"),
            Refusal::NoSuchGroup => (StatusCode::NOT_FOUND, "unknown_group"),
            Refusal::Conflict => (StatusCode::CONFLICT, "conflict"),
            Refusal::NotAcceptable => (StatusCode::UNPROCESSABLE_ENTITY, "not_acceptable"),
            Refusal::Gone => (StatusCode::GONE, "gone"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

/// A group's identifier, with or without `@g.us`.
fn read_group(text: &str) -> Result<GroupId, Problem> {
    let id = if text.contains('@') {
        GroupId::of(&read_address(text)?)
    } else {
        GroupId::parse(text)
    };
    id.ok_or_else(|| Problem::unreadable(format!("{text:?} is not the identifier of a group")))
}

fn read_people(texts: &[String]) -> Result<Vec<Jid>, Problem> {
    texts.iter().map(|text| read_address(text)).collect()
}

/// Does something as a person, with all groups locked.
fn act<T>(
    network: &Arc<Network>,
    account: &Arc<Account>,
    work: impl FnOnce(Actor<'_>, &mut Table) -> Result<T, Refusal>,
) -> Result<T, Problem> {
    let actor = Actor { network, account };
    Ok(work(actor, &mut network.groups.lock())?)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    subject: String,
    #[serde(default)]
    participants: Vec<String>,
    description: Option<String>,
    #[serde(default)]
    announcement: bool,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    ephemeral: u32,
    #[serde(default)]
    open_to_members: bool,
    #[serde(default)]
    approval: bool,
    #[serde(default)]
    by_number: bool,
    #[serde(default)]
    community: bool,
    parent: Option<String>,
}

/// `POST /phones/{number}/groups`: the person founds a group or a community.
pub(super) async fn create(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let new: New = read(&body)?;
    let account = find_phone(&network, &number)?;
    let group = NewGroup {
        subject: new.subject,
        participants: read_people(&new.participants)?,
        description: new.description.map(|text| (network.next_message_id(), text)),
        settings: Settings {
            announcement: new.announcement,
            locked: new.locked,
            ephemeral: new.ephemeral,
            open_to_members: new.open_to_members,
            approval: new.approval,
            ..Settings::default()
        },
        by_number: new.by_number,
        parent: new.community.then_some(Parent {
            closed: false,
            open_to_new_groups: false,
        }),
        linked_parent: new.parent.as_deref().map(read_group).transpose()?,
        ..NewGroup::default()
    };
    let (id, outcomes) = act(&network, &account, |actor, table| found(actor, table, group))?;
    Ok(Json(
        json!({ "id": id.jid().to_string(), "participants": tell_all(&outcomes) }),
    ))
}

fn tell_all(outcomes: &[Outcome]) -> Vec<Value> {
    outcomes
        .iter()
        .map(|outcome| {
            json!({
                "jid": outcome.jid.to_string(),
                "number": outcome.number.as_ref().map(|jid| jid.user.to_string()),
                "code": outcome.error.unwrap_or(200),
                "invitation": outcome.invitation.as_ref().map(|(code, expires)| json!({ "code": code, "expires": expires })),
            })
        })
        .collect()
}

fn tell_codes(outcomes: &[(Jid, Option<u16>)]) -> Vec<Value> {
    let tell = |(jid, error): &(Jid, Option<u16>)| json!({ "jid": jid.to_string(), "code": error.unwrap_or(200) });
    outcomes.iter().map(tell).collect()
}

/// `GET /groups`: the identifiers of all groups.
pub(super) async fn list(State(network): State<Arc<Network>>) -> Json<Value> {
    let groups: Vec<String> = network
        .groups
        .lock()
        .all()
        .map(|group| group.jid().to_string())
        .collect();
    Json(json!({ "groups": groups }))
}

/// `GET /groups/{id}`: everything about a group.
pub(super) async fn describe(State(network): State<Arc<Network>>, Path(id): Path<String>) -> Answer<Value> {
    let id = read_group(&id)?;
    let table = network.groups.lock();
    let group = table.get(id).ok_or(Refusal::NoSuchGroup)?;
    let linked: Vec<String> = table.linked_to(id).map(|group| group.jid().to_string()).collect();
    let mut description = tell(group);
    description["linked_groups"] = json!(linked);
    Ok(Json(description))
}

fn tell(group: &Group) -> Value {
    let members: Vec<Value> = group
        .members
        .iter()
        .map(|member| {
            json!({
                "number": member.account.number.to_string(),
                "lid": member.account.lid.to_string(),
                "role": member.role.wire_name().unwrap_or("member"),
            })
        })
        .collect();
    let requests: Vec<String> = group
        .requests
        .iter()
        .map(|request| request.account.number.to_string())
        .collect();
    let settings = &group.settings;
    json!({
        "id": group.jid().to_string(),
        "subject": group.subject.text,
        "description": group.description.as_ref().map(|description| &description.text),
        "addressing": if group.addressing == Spelling::Lid { "lid" } else { "pn" },
        "founder": group.founder.number.to_string(),
        "members": members,
        "requests": requests,
        "announcement": settings.announcement,
        "locked": settings.locked,
        "ephemeral": settings.ephemeral,
        "open_to_members": settings.open_to_members,
        "approval": settings.approval,
        "invite_code": group.invite_code,
        "community": group.parent.is_some(),
        "parent": group.linked_parent.map(|parent| parent.jid().to_string()),
    })
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Add,
    Remove,
    Promote,
    Demote,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct People {
    action: Action,
    participants: Vec<String>,
}

/// `POST /phones/{number}/groups/{id}/participants`: adds, removes, promotes or demotes people.
pub(super) async fn change_people(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Value> {
    let wanted: People = read(&body)?;
    let account = find_phone(&network, &number)?;
    let (id, people) = (read_group(&id)?, read_people(&wanted.participants)?);
    let outcomes = act(&network, &account, |actor, table| match wanted.action {
        Action::Add => participants::add(actor, table, id, &people),
        Action::Remove => participants::remove(actor, table, id, &people, true),
        Action::Promote => participants::set_role(actor, table, id, &people, true),
        Action::Demote => participants::set_role(actor, table, id, &people, false),
    })?;
    Ok(Json(json!({ "participants": tell_all(&outcomes) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    subject: Option<String>,
    description: Option<String>,
    announcement: Option<bool>,
    locked: Option<bool>,
    ephemeral: Option<u32>,
    open_to_members: Option<bool>,
    approval: Option<bool>,
}

/// `POST /phones/{number}/groups/{id}/settings`: changes what is named; an empty description deletes it.
pub(super) async fn change(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let wanted: Changes = read(&body)?;
    let account = find_phone(&network, &number)?;
    let id = read_group(&id)?;
    let version = network.next_message_id();
    act(&network, &account, |actor, table| {
        if let Some(subject) = &wanted.subject {
            settings::set_subject(actor, table, id, subject)?;
        }
        if let Some(text) = wanted.description {
            let group = table.get(id).ok_or(Refusal::NoSuchGroup)?;
            let seen = group.description.as_ref().map(|description| description.id.clone());
            let new = (!text.is_empty()).then_some((version, text));
            settings::set_description(actor, table, id, seen.as_deref(), new)?;
        }
        let changes = [
            wanted.announcement.map(Setting::Announcement),
            wanted.locked.map(Setting::Locked),
            wanted.ephemeral.map(Setting::Ephemeral),
            wanted.open_to_members.map(Setting::OpenToMembers),
            wanted.approval.map(Setting::Approval),
        ];
        for change in changes.into_iter().flatten() {
            settings::set(actor, table, id, change)?;
        }
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /phones/{number}/groups/{id}/leave`.
pub(super) async fn leave(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let account = find_phone(&network, &number)?;
    let id = read_group(&id)?;
    act(&network, &account, |actor, table| participants::leave(actor, table, id))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    #[serde(default)]
    reset: bool,
}

/// `POST /phones/{number}/groups/{id}/invite`: the code of the invite link, or a new one.
pub(super) async fn invite(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Value> {
    let wanted: Invite = read(&body)?;
    let account = find_phone(&network, &number)?;
    let id = read_group(&id)?;
    let code = act(&network, &account, |actor, table| {
        if wanted.reset {
            invites::reset(actor, table, id)
        } else {
            invites::code(actor, table, id)
        }
    })?;
    Ok(Json(json!({ "code": code })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    code: String,
    group: Option<String>,
}

/// `POST /phones/{number}/join-group`: by a link's code, or with `group` by the code of an invitation.
pub(super) async fn join(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let wanted: Join = read(&body)?;
    let account = find_phone(&network, &number)?;
    let group = wanted.group.as_deref().map(read_group).transpose()?;
    let joined = act(&network, &account, |actor, table| match group {
        Some(group) => invites::accept(actor, table, group, &wanted.code),
        None => invites::join(actor, table, &wanted.code),
    })?;
    let is_member = matches!(joined, Joined::Member(_));
    Ok(Json(
        json!({ "id": joined.group().jid().to_string(), "member": is_member }),
    ))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    #[serde(default)]
    approve: Vec<String>,
    #[serde(default)]
    reject: Vec<String>,
}

/// `POST /phones/{number}/groups/{id}/requests`: an admin approves or rejects those who want to be members.
pub(super) async fn decide(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Value> {
    let wanted: Decide = read(&body)?;
    let account = find_phone(&network, &number)?;
    let id = read_group(&id)?;
    let (approve, reject) = (read_people(&wanted.approve)?, read_people(&wanted.reject)?);
    let outcomes = act(&network, &account, |actor, table| {
        let mut outcomes = requests::decide(actor, table, id, &approve, true)?;
        outcomes.extend(requests::decide(actor, table, id, &reject, false)?);
        Ok(outcomes)
    })?;
    Ok(Json(json!({ "participants": tell_codes(&outcomes) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Linking {
    #[serde(default)]
    link: Vec<String>,
    #[serde(default)]
    unlink: Vec<String>,
}

/// `POST /phones/{number}/groups/{id}/linked-groups`: links groups to a community, or takes them out.
pub(super) async fn link(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Value> {
    let wanted: Linking = read(&body)?;
    let account = find_phone(&network, &number)?;
    let id = read_group(&id)?;
    let ids = |texts: &[String]| texts.iter().map(|text| read_group(text)).collect::<Result<Vec<_>, _>>();
    let (linked, cut) = (ids(&wanted.link)?, ids(&wanted.unlink)?);
    let outcomes = act(&network, &account, |actor, table| {
        let mut outcomes = community::link(actor, table, id, &linked)?;
        outcomes.extend(community::unlink(actor, table, id, &cut)?);
        Ok(outcomes)
    })?;
    let outcomes: Vec<(Jid, Option<u16>)> = outcomes.into_iter().map(|(id, error)| (id.jid(), error)).collect();
    Ok(Json(json!({ "groups": tell_codes(&outcomes) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupPrivacy {
    open: bool,
}

/// `POST /phones/{number}/group-privacy`: whether others may add the person to groups, or must send an invitation.
pub(super) async fn privacy(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let wanted: GroupPrivacy = read(&body)?;
    let account = find_phone(&network, &number)?;
    network.groups.lock().set_closed(account.number, !wanted.open);
    Ok(StatusCode::NO_CONTENT)
}
