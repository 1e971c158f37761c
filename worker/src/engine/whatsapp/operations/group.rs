//! Operations on groups. After each that changes a group, the group is read again and told, so that what is recorded is what is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::group::{
    AddMode, CreatedGroup, Group, GroupSettings, JoinOutcome, JoinedGroup, ParticipantAction, ParticipantResult,
    ParticipantResults,
};
use shared::operation::GroupOperation;
use wacore::types::message::AddressingMode;
use whatsapp_rust::{
    Client, ErrorChainExt as _, GroupCreateOptions, GroupDescription, GroupError, GroupParticipantOptions,
    GroupSubject, Jid, JoinGroupResult, MemberAddMode, MembershipApprovalMode, PreviousDescription,
};

use super::super::group_queries;
use super::super::groups::{Me, both_ids, failed, group, group_failed, results};
use super::super::lookups::invite_code;
use super::jid;
use crate::engine::news::{GroupHappening, GroupNews};
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &GroupOperation,
) -> Result<Value, OperationError> {
    let groups = client.groups();
    match operation {
        GroupOperation::Create { settings, participants } => create(client, listener, settings, participants).await,
        GroupOperation::Update { group, settings } => {
            let place = jid(group)?;
            let outcome = change(client, &place, settings).await;
            // Some of it may have been done also when not all of it was.
            let now = read_again(client, listener, &place).await;
            outcome?;
            Ok(json!(now.map_err(group_failed)?))
        }
        GroupOperation::SetPicture { group, jpeg } => {
            let bytes = STANDARD
                .decode(jpeg)
                .map_err(|_| OperationError::refused("the picture is not base64"))?;
            groups
                .set_profile_picture(jid(group)?, bytes)
                .await
                .map_err(group_failed)?;
            Ok(Value::Null)
        }
        GroupOperation::RemovePicture { group } => {
            groups.remove_profile_picture(jid(group)?).await.map_err(group_failed)?;
            Ok(Value::Null)
        }
        GroupOperation::Participants {
            group,
            action,
            participants,
        } => change_participants(client, listener, group, *action, participants).await,
        GroupOperation::ResetInviteCode { group } => {
            let link = groups.get_invite_link(jid(group)?, true).await.map_err(group_failed)?;
            Ok(json!(invite_code(&link)))
        }
        GroupOperation::Join { code } => {
            let joined = match groups.join_with_invite_code(code).await {
                Err(error) if is_member_already(&error) => groups
                    .get_invite_info(code)
                    .await
                    .map(|metadata| JoinGroupResult::Joined(metadata.id)),
                other => other,
            };
            joined_group(client, listener, joined.map_err(group_failed)?).await
        }
        GroupOperation::AcceptInvitation {
            group,
            code,
            expires_at,
            inviter,
        } => {
            let place = jid(group)?;
            let joined = match groups
                .join_with_invite_v4(place.clone(), code, *expires_at, jid(inviter)?)
                .await
            {
                Err(error) if is_member_already(&error) => Ok(JoinGroupResult::Joined(place)),
                other => other,
            };
            joined_group(client, listener, joined.map_err(group_failed)?).await
        }
        GroupOperation::AnswerRequests {
            group,
            approve,
            participants,
        } => {
            let place = jid(group)?;
            // Whoever asks may be somebody of whom only the request tells both ids.
            let waiting = group_queries::join_requests(client, &place).await.map_err(failed)?;
            let mut asked = Vec::with_capacity(participants.len());
            for person in participants {
                let among = waiting.iter().find(|request| {
                    let same =
                        |theirs: &Option<String>, mine: Option<&str>| mine.is_some() && theirs.as_deref() == mine;
                    same(&request.party.phone, person.phone()) || same(&request.party.lid, person.lid())
                });
                asked.push(match among {
                    Some(request) => request.party.clone(),
                    None => both_ids(client, person).await,
                });
            }
            let people = members(client, &place, &asked).await?;
            let answers = if *approve {
                groups.approve_membership_requests(place.clone(), &people).await
            } else {
                groups.reject_membership_requests(place.clone(), &people).await
            }
            .map_err(group_failed)?;
            if *approve {
                let _unread = read_again(client, listener, &place).await;
            }
            let results = results(&asked, &answers);
            Ok(json!(ParticipantResults { results }))
        }
        GroupOperation::Leave { group } => {
            let place = jid(group)?;
            match groups.leave(place.clone()).await {
                Ok(()) => {}
                // Done the first time, or by somebody else.
                Err(error) if error.server_rejection().is_some_and(|refusal| refusal.code == 404) => {}
                Err(error) => return Err(group_failed(error)),
            }
            listener.event(EngineEvent::GroupLeft(place.to_string()));
            Ok(Value::Null)
        }
    }
}

/// WhatsApp's ways to say that the account is a member (wacore/src/iq/groups.rs:160).
fn is_member_already(error: &GroupError) -> bool {
    error
        .server_rejection()
        .is_some_and(|refusal| matches!(refusal.code, 304 | 409))
}

/// Reads a group and tells of it.
pub(super) async fn read_again(
    client: &Client,
    listener: &Arc<dyn Listener>,
    place: &Jid,
) -> Result<Group, GroupError> {
    let metadata = group_queries::metadata(client, place).await?;
    let now = group(&metadata, &Me::of(client));
    listener.event(EngineEvent::GroupKnown(Box::new(now.clone())));
    Ok(now)
}

async fn joined_group(
    client: &Client,
    listener: &Arc<dyn Listener>,
    joined: JoinGroupResult,
) -> Result<Value, OperationError> {
    let (place, outcome) = match joined {
        JoinGroupResult::Joined(place) => (place, JoinOutcome::Joined),
        JoinGroupResult::PendingApproval(place) => (place, JoinOutcome::Requested),
    };
    if outcome == JoinOutcome::Joined {
        let _unread = read_again(client, listener, &place).await;
    }
    Ok(json!(JoinedGroup {
        jid: place.to_string(),
        outcome,
    }))
}

async fn create(
    client: &Client,
    listener: &Arc<dyn Listener>,
    settings: &GroupSettings,
    participants: &[Address],
) -> Result<Value, OperationError> {
    let mut people = Vec::with_capacity(participants.len());
    for person in participants {
        people.push(GroupParticipantOptions::new(jid(person)?));
    }
    let options = GroupCreateOptions {
        subject: settings.subject.clone().unwrap_or_default(),
        participants: people,
        member_add_mode: Some(settings.add_mode.map_or(MemberAddMode::AllMemberAdd, add_mode)),
        membership_approval_mode: Some(approval(settings.approval.unwrap_or_default())),
        ephemeral_expiration: Some(settings.ephemeral.unwrap_or_default()),
        description: settings
            .description
            .clone()
            .filter(|text| !text.is_empty())
            .map(GroupDescription::new)
            .transpose()
            .map_err(|error| OperationError::refused(error.to_string()))?,
        ..GroupCreateOptions::default()
    };
    let made = client.groups().create_group(options).await.map_err(group_failed)?;
    finish(client, listener, made.metadata.id.clone(), settings, participants).await
}

/// What remains to be done for a group that was just made: settings that cannot be said while making it, and finding out why somebody is missing.
pub(super) async fn finish(
    client: &Client,
    listener: &Arc<dyn Listener>,
    place: Jid,
    settings: &GroupSettings,
    participants: &[Address],
) -> Result<Value, OperationError> {
    let later = GroupSettings {
        announce: settings.announce.filter(|announce| *announce),
        locked: settings.locked.filter(|locked| *locked),
        ..GroupSettings::default()
    };
    // The group exists: what cannot be set any more shows in the answer.
    if let Err(error) = change(client, &place, &later).await {
        tracing::info!(%error, "a setting of a new group was refused");
    }
    let metadata = group_queries::metadata(client, &place).await.map_err(group_failed)?;
    let me = Me::of(client);
    let mut now = group(&metadata, &me);
    let results = missing(client, &place, &now, participants).await;
    if results.iter().any(|(_, tried)| *tried)
        && let Ok(metadata) = group_queries::metadata(client, &place).await
    {
        now = group(&metadata, &me);
    }
    listener.event(EngineEvent::Group(GroupNews {
        group: now.jid.clone(),
        by: None,
        at: Utc::now(),
        id: None,
        what: GroupHappening::Created(Box::new(now.clone())),
    }));
    Ok(json!(CreatedGroup {
        group: now,
        results: results.into_iter().map(|(result, _)| result).collect(),
    }))
}

/// How it ended for each person, and whether it took another try. The library does not tell why somebody did not become a member of a new group; adding
/// them again does.
async fn missing(
    client: &Client,
    place: &Jid,
    now: &Group,
    participants: &[Address],
) -> Vec<(ParticipantResult, bool)> {
    let mut all = Vec::with_capacity(participants.len());
    for person in participants {
        let party = both_ids(client, person).await;
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        let member = now
            .participants
            .iter()
            .find(|member| same(&member.party.phone, &party.phone) || same(&member.party.lid, &party.lid));
        if let Some(member) = member {
            all.push((ParticipantResult::new(member.party.clone(), None, None), false));
            continue;
        }
        let answers = match jid(person) {
            Ok(jid) => client.groups().add_participants(place.clone(), &[jid]).await,
            Err(_) => continue,
        };
        match answers {
            Ok(answers) => {
                let result = results(std::slice::from_ref(&party), &answers);
                all.extend(result.into_iter().map(|result| (result, true)));
            }
            Err(error) => {
                let code = error.server_rejection().map(|refusal| refusal.code.to_string());
                let code = code.as_deref().unwrap_or("none");
                all.push((ParticipantResult::new(party, Some(code), None), true));
            }
        }
    }
    all
}

fn add_mode(mode: AddMode) -> MemberAddMode {
    match mode {
        AddMode::Admins => MemberAddMode::AdminAdd,
        AddMode::Everyone => MemberAddMode::AllMemberAdd,
    }
}

fn approval(approval: bool) -> MembershipApprovalMode {
    if approval {
        MembershipApprovalMode::On
    } else {
        MembershipApprovalMode::Off
    }
}

/// Changes one setting after the other; the first that is refused ends it.
async fn change(client: &Client, place: &Jid, settings: &GroupSettings) -> Result<(), OperationError> {
    let groups = client.groups();
    let invalid = |error: anyhow::Error| OperationError::refused(error.to_string());
    if let Some(subject) = &settings.subject {
        let subject = GroupSubject::new(subject.clone()).map_err(invalid)?;
        groups.set_subject(place.clone(), subject).await.map_err(group_failed)?;
    }
    if let Some(description) = &settings.description {
        let description = match description.as_str() {
            "" => None,
            text => Some(GroupDescription::new(text).map_err(invalid)?),
        };
        groups
            .set_description(place.clone(), description, PreviousDescription::Resolve)
            .await
            .map_err(group_failed)?;
    }
    if let Some(announce) = settings.announce {
        groups
            .set_announce(place.clone(), announce)
            .await
            .map_err(group_failed)?;
    }
    if let Some(locked) = settings.locked {
        groups.set_locked(place.clone(), locked).await.map_err(group_failed)?;
    }
    if let Some(on) = settings.approval {
        groups
            .set_membership_approval(place.clone(), approval(on))
            .await
            .map_err(group_failed)?;
    }
    if let Some(mode) = settings.add_mode {
        groups
            .set_member_add_mode(place.clone(), add_mode(mode))
            .await
            .map_err(group_failed)?;
    }
    if let Some(seconds) = settings.ephemeral {
        groups
            .set_ephemeral(place.clone(), seconds)
            .await
            .map_err(group_failed)?;
    }
    Ok(())
}

async fn change_participants(
    client: &Client,
    listener: &Arc<dyn Listener>,
    group: &Address,
    action: ParticipantAction,
    participants: &[Address],
) -> Result<Value, OperationError> {
    let place = jid(group)?;
    let groups = client.groups();
    let mut asked = Vec::with_capacity(participants.len());
    for person in participants {
        asked.push(both_ids(client, person).await);
    }
    let answers = match action {
        ParticipantAction::Add => {
            let people = participants.iter().map(jid).collect::<Result<Vec<_>, _>>()?;
            groups.add_participants(place.clone(), &people).await
        }
        ParticipantAction::Remove | ParticipantAction::Leave => {
            let people = members(client, &place, &asked).await?;
            groups.remove_participants(place.clone(), &people).await
        }
        ParticipantAction::Promote => {
            let people = members(client, &place, &asked).await?;
            groups.promote_participants(place.clone(), &people).await
        }
        ParticipantAction::Demote => {
            let people = members(client, &place, &asked).await?;
            groups.demote_participants(place.clone(), &people).await
        }
    }
    .map_err(group_failed)?;
    let _unread = read_again(client, listener, &place).await;
    let results = results(&asked, &answers);
    Ok(json!(ParticipantResults { results }))
}

/// People by the id under which the group knows them.
async fn members(client: &Client, place: &Jid, people: &[Party]) -> Result<Vec<Jid>, OperationError> {
    let info = client.groups().query_info(place).await.map_err(group_failed)?;
    let by_lid = info.addressing_mode == AddressingMode::Lid;
    let mut jids = Vec::with_capacity(people.len());
    for party in people {
        let address = match (by_lid, &party.lid, &party.phone) {
            (true, Some(lid), _) | (false, Some(lid), None) => Address::Lid(lid.clone()),
            (_, _, Some(phone)) => Address::Phone(phone.clone()),
            (_, None, None) => return Err(OperationError::refused("somebody has no address")),
        };
        jids.push(jid(&address)?);
    }
    Ok(jids)
}
