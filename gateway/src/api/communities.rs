//! `/v1/sessions/{id}/communities`: communities and the groups in them. A community itself is a group of the kind `community`: `…/groups` lists and
//! reads it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::address::Address;
use shared::group::{CreatedGroup, Group, LinkResults, Subgroups};
use shared::operation::{CommunityOperation, Operation};
use shared::query::{CommunityLookup, Lookup};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::groups::{LOOK_UP_PROBLEMS, OPERATION_PROBLEMS, without_key};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::jid::{CommunityJid, groups, people};
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

type Call = SessionCall<SendMessages>;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create_community))
        .routes(routes!(deactivate_community))
        .routes(routes!(list_community_groups, create_community_group))
        .routes(routes!(link_community_groups))
        .routes(routes!(unlink_community_groups))
        .routes(routes!(join_community_group))
}

/// The path of everything about one community.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
struct CommunityPath {
    /// The community's JID.
    #[param(example = "120363021033254949@g.us")]
    #[expect(dead_code, reason = "documentation; the value is taken by its extractor")]
    community_jid: String,
}

/// A community to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCommunity {
    /// The name: 1 to 100 characters.
    #[schema(example = "Neighbours")]
    name: String,
    /// What it is about, at most 2,048 characters.
    description: Option<String>,
    /// Whether administrators must approve who wants to join.
    #[serde(default)]
    #[schema(required = false)]
    approval: bool,
}

fn with(operation: CommunityOperation, idempotency: Option<crate::idempotency::Idempotency>) -> Submission<Operation> {
    Submission {
        body: Operation::Community(operation),
        idempotency,
    }
}

/// Make a community. WhatsApp makes its group for announcements with it.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/communities", tag = "communities",
    params(SessionPath, IdempotencyHeader, PreferHeader), request_body = NewCommunity,
    responses((status = 200, description = "The community.", body = Group),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn create_community(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<NewCommunity>,
) -> Result<Response, Problem> {
    let request = submission.body;
    let mut checks = Checks::new();
    checks.name("name", &request.name);
    if let Some(description) = &request.description {
        checks.text("description", description, 1..=2_048);
    }
    checks.finish()?;
    let operation = CommunityOperation::Create {
        name: request.name,
        description: request.description,
        approval: request.approval,
    };
    operate(&app, &call, prefer, with(operation, submission.idempotency)).await
}

/// End a community. Its groups go on by themselves.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/communities/{community_jid}", tag = "communities",
    params(SessionPath, CommunityPath, PreferHeader),
    responses((status = 200, description = "It is ended.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn deactivate_community(
    State(app): State<App>,
    call: Call,
    CommunityJid(community): CommunityJid,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = Operation::Community(CommunityOperation::Deactivate { community });
    operate(&app, &call, prefer, without_key(operation)).await
}

/// List the groups of a community, as WhatsApp has them.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/communities/{community_jid}/groups", tag = "communities",
    params(SessionPath, CommunityPath), responses((status = 200, description = "The groups.", body = Subgroups)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
async fn list_community_groups(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    CommunityJid(community): CommunityJid,
) -> Result<Json<Subgroups>, Problem> {
    let lookup = Lookup::Community(CommunityLookup::Subgroups { community });
    Ok(Json(look_up(&app, &call, lookup).await?))
}

/// A group to be made in a community.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCommunityGroup {
    /// The name: 1 to 100 characters.
    #[schema(example = "Second floor")]
    subject: String,
    /// Who becomes a member besides the account.
    #[serde(default)]
    #[schema(required = false, example = json!(["15550001001"]))]
    participants: Vec<String>,
}

/// Make a group in a community.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/communities/{community_jid}/groups", tag = "communities",
    params(SessionPath, CommunityPath, IdempotencyHeader, PreferHeader), request_body = NewCommunityGroup,
    responses((status = 200, description = "The group.", body = CreatedGroup),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn create_community_group(
    State(app): State<App>,
    call: Call,
    CommunityJid(community): CommunityJid,
    prefer: Prefer,
    submission: Submission<NewCommunityGroup>,
) -> Result<Response, Problem> {
    let request = submission.body;
    let mut checks = Checks::new();
    checks.name("subject", &request.subject);
    let participants = people(&mut checks, "participants", &request.participants, 0);
    checks.finish()?;
    let operation = CommunityOperation::CreateGroup {
        community,
        subject: request.subject,
        participants,
    };
    operate(&app, &call, prefer, with(operation, submission.idempotency)).await
}

/// Groups.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupList {
    /// The groups' JIDs: 1 to 100.
    #[schema(example = json!(["120363021033254949@g.us"]))]
    groups: Vec<String>,
}

fn checked(request: &GroupList) -> Result<Vec<Address>, Problem> {
    let mut checks = Checks::new();
    let groups = groups(&mut checks, "groups", &request.groups);
    checks.finish()?;
    Ok(groups)
}

/// Bring groups into a community. The account must administer them.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/communities/{community_jid}/groups/link", tag = "communities",
    params(SessionPath, CommunityPath, IdempotencyHeader, PreferHeader), request_body = GroupList,
    responses((status = 200, description = "How it ended for each group.", body = LinkResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn link_community_groups(
    State(app): State<App>,
    call: Call,
    CommunityJid(community): CommunityJid,
    prefer: Prefer,
    submission: Submission<GroupList>,
) -> Result<Response, Problem> {
    let groups = checked(&submission.body)?;
    let operation = CommunityOperation::Link { community, groups };
    operate(&app, &call, prefer, with(operation, submission.idempotency)).await
}

/// Take groups out of a community.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/communities/{community_jid}/groups/unlink", tag = "communities",
    params(SessionPath, CommunityPath, IdempotencyHeader, PreferHeader), request_body = GroupList,
    responses((status = 200, description = "How it ended for each group.", body = LinkResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn unlink_community_groups(
    State(app): State<App>,
    call: Call,
    CommunityJid(community): CommunityJid,
    prefer: Prefer,
    submission: Submission<GroupList>,
) -> Result<Response, Problem> {
    let groups = checked(&submission.body)?;
    let operation = CommunityOperation::Unlink { community, groups };
    operate(&app, &call, prefer, with(operation, submission.idempotency)).await
}

/// A group to join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CommunityGroup {
    /// The group's JID.
    #[schema(example = "120363021033254949@g.us")]
    group: String,
}

/// Join a group of a community that the account is a member of.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/communities/{community_jid}/groups/join", tag = "communities",
    params(SessionPath, CommunityPath, IdempotencyHeader, PreferHeader), request_body = CommunityGroup,
    responses((status = 200, description = "The group.", body = Group),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
async fn join_community_group(
    State(app): State<App>,
    call: Call,
    CommunityJid(community): CommunityJid,
    prefer: Prefer,
    submission: Submission<CommunityGroup>,
) -> Result<Response, Problem> {
    let Ok(group @ Address::Group(_)) = submission.body.group.parse::<Address>() else {
        return Err(Problem::field("group", "must be a group's JID"));
    };
    let operation = CommunityOperation::JoinGroup { community, group };
    operate(&app, &call, prefer, with(operation, submission.idempotency)).await
}
