//! Look-ups about groups and communities. What is learnt of the account's own groups is told, so that it is recorded.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::group::{InviteCode, JoinRequests, Subgroups};
use shared::query::{CommunityLookup, GroupLookup};
use whatsapp_rust::Client;

use super::super::foreign::foreign;
use super::super::group_queries;
use super::super::groups::{Me, failed, group, group_failed};
use super::jid;
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn look_up(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    lookup: &GroupLookup,
) -> Result<Value, OperationError> {
    let groups = client.groups();
    match lookup {
        GroupLookup::Metadata { group: wanted } => {
            let metadata = group_queries::metadata(client, &jid(wanted)?)
                .await
                .map_err(group_failed)?;
            let found = group(&metadata, &Me::of(client));
            listener.event(EngineEvent::GroupKnown(Box::new(found.clone())));
            Ok(json!(found))
        }
        GroupLookup::Participating => {
            let me = Me::of(client);
            let all = group_queries::participating(client).await.map_err(failed)?;
            let all: Vec<_> = all.iter().map(|metadata| group(metadata, &me)).collect();
            let count = all.len();
            listener.event(EngineEvent::GroupsKnown(all));
            Ok(json!({ "groups": count }))
        }
        GroupLookup::InviteCode { group } => {
            let link = groups.get_invite_link(jid(group)?, false).await.map_err(group_failed)?;
            Ok(json!(invite_code(&link)))
        }
        GroupLookup::InviteInfo { code } => {
            let metadata = groups.get_invite_info(code).await.map_err(group_failed)?;
            Ok(json!(group(&metadata, &Me::of(client))))
        }
        GroupLookup::JoinRequests { group } => {
            let data = group_queries::join_requests(client, &jid(group)?)
                .await
                .map_err(failed)?;
            Ok(json!(JoinRequests { data }))
        }
    }
}

/// The library answers the whole link.
pub(in super::super) fn invite_code(link: &str) -> InviteCode {
    let code = foreign(link.rsplit('/').next().unwrap_or(link));
    InviteCode {
        link: format!("https://chat.whatsapp.com/{code}"),
        code,
    }
}

pub(super) async fn look_up_community(client: &Arc<Client>, lookup: &CommunityLookup) -> Result<Value, OperationError> {
    match lookup {
        CommunityLookup::Subgroups { community } => {
            let data = group_queries::subgroups(client, &jid(community)?)
                .await
                .map_err(failed)?;
            Ok(json!(Subgroups { data }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_out_of_its_link() {
        for link in ["https://chat.whatsapp.com/AbC123", "AbC123"] {
            let code = invite_code(link);
            assert_eq!(code.code, "AbC123");
            assert_eq!(code.link, "https://chat.whatsapp.com/AbC123");
        }
    }
}
