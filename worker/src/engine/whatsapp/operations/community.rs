//! Operations on communities.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::address::Address;
use shared::group::{GroupSettings, LinkResult, LinkResults};
use shared::operation::CommunityOperation;
use whatsapp_rust::{
    Client, CommunityError, CreateCommunityOptions, ErrorChainExt as _, GroupCreateOptions, GroupParticipantOptions,
    Jid,
};

use super::super::groups::{failed, group_failed};
use super::group::{finish, read_again};
use super::jid;
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &CommunityOperation,
) -> Result<Value, OperationError> {
    let communities = client.community();
    match operation {
        CommunityOperation::Create {
            name,
            description,
            approval,
        } => {
            let made = communities
                .create(CreateCommunityOptions {
                    description: description.clone(),
                    closed: *approval,
                    ..CreateCommunityOptions::new(name)
                })
                .await
                .map_err(community_failed)?;
            let now = read_again(client, listener, &made.metadata.id)
                .await
                .map_err(group_failed)?;
            Ok(json!(now))
        }
        CommunityOperation::CreateGroup {
            community,
            subject,
            participants,
        } => {
            let mut people = Vec::with_capacity(participants.len());
            for person in participants {
                people.push(GroupParticipantOptions::new(jid(person)?));
            }
            let options = GroupCreateOptions {
                subject: subject.clone(),
                participants: people,
                linked_parent: Some(jid(community)?),
                ..GroupCreateOptions::default()
            };
            let made = client.groups().create_group(options).await.map_err(group_failed)?;
            let place = made.metadata.id.clone();
            finish(client, listener, place, &GroupSettings::default(), participants).await
        }
        CommunityOperation::Link { community, groups } => {
            let places = all(groups)?;
            let linked = communities
                .link_subgroups(jid(community)?, &places)
                .await
                .map_err(community_failed)?;
            let results = link_results(&places, &linked.failed_groups);
            read_each(client, listener, &places).await;
            Ok(json!(results))
        }
        CommunityOperation::Unlink { community, groups } => {
            let places = all(groups)?;
            let unlinked = communities
                .unlink_subgroups(jid(community)?, &places, false)
                .await
                .map_err(community_failed)?;
            let results = link_results(&places, &unlinked.failed_groups);
            read_each(client, listener, &places).await;
            Ok(json!(results))
        }
        CommunityOperation::JoinGroup { community, group } => {
            let place = jid(group)?;
            match communities.join_subgroup(jid(community)?, place.clone()).await {
                Ok(_) => {}
                Err(error)
                    if error
                        .server_rejection()
                        .is_some_and(|refusal| matches!(refusal.code, 304 | 409)) => {}
                Err(error) => return Err(community_failed(error)),
            }
            let now = read_again(client, listener, &place).await.map_err(group_failed)?;
            Ok(json!(now))
        }
        CommunityOperation::Deactivate { community } => {
            let place = jid(community)?;
            communities.deactivate(place.clone()).await.map_err(community_failed)?;
            listener.event(EngineEvent::GroupLeft(place.to_string()));
            Ok(Value::Null)
        }
    }
}

fn all(groups: &[Address]) -> Result<Vec<Jid>, OperationError> {
    groups.iter().map(jid).collect()
}

async fn read_each(client: &Client, listener: &Arc<dyn Listener>, places: &[Jid]) {
    for place in places {
        let _unread = read_again(client, listener, place).await;
    }
}

fn link_results(places: &[Jid], failed: &[(Jid, u32)]) -> LinkResults {
    let results = places.iter().map(|place| {
        let code = failed.iter().find(|(jid, _)| jid == place).map(|(_, code)| *code);
        LinkResult {
            jid: place.to_string(),
            done: code.is_none(),
            code,
        }
    });
    LinkResults {
        results: results.collect(),
    }
}

fn community_failed(error: CommunityError) -> OperationError {
    match error {
        CommunityError::InvalidRequest(reason) => OperationError::refused(reason),
        CommunityError::Group(error) => group_failed(error),
        other => failed(other),
    }
}
