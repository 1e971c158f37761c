//! Members of a group: adding, removing, promoting and demoting them, each with a result for each person.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::address::Address;
use shared::group::{ParticipantAction, ParticipantResults};
use shared::operation::{GroupOperation, Operation};
use utoipa::ToSchema;

use super::{GroupPath, OPERATION_PROBLEMS, without_key};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::jid::{GroupJid, people};
use crate::http::prefer::Prefer;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, operate};
use crate::problem::Problem;

type Call = SessionCall<SendMessages>;

/// People.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct People {
    /// 1 to 1,024 people, nobody twice.
    #[schema(example = json!(["15550001001"]))]
    pub(crate) participants: Vec<String>,
}

fn operation(group: Address, action: ParticipantAction, request: &People) -> Result<Operation, Problem> {
    let mut checks = Checks::new();
    let participants = people(&mut checks, "participants", &request.participants, 1);
    checks.finish()?;
    Ok(Operation::Group(GroupOperation::Participants {
        group,
        action,
        participants,
    }))
}

async fn submit(
    app: &App,
    call: &Call,
    prefer: Prefer,
    group: Address,
    action: ParticipantAction,
    submission: Submission<People>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: operation(group, action, &submission.body)?,
        idempotency: submission.idempotency,
    };
    operate(app, call, prefer, submission).await
}

/// Add people to a group. Somebody whose privacy settings forbid it is answered with an invitation that may be sent to them.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/{group_jid}/participants", tag = "groups",
    params(SessionPath, GroupPath, IdempotencyHeader, PreferHeader), request_body = People,
    responses((status = 200, description = "How it ended for each person.", body = ParticipantResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(crate) async fn add_group_participants(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    submission: Submission<People>,
) -> Result<Response, Problem> {
    submit(&app, &call, prefer, group, ParticipantAction::Add, submission).await
}

/// Remove people from a group.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/groups/{group_jid}/participants", tag = "groups",
    params(SessionPath, GroupPath, PreferHeader), request_body = People,
    responses((status = 200, description = "How it ended for each person.", body = ParticipantResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(crate) async fn remove_group_participants(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    Document(request): Document<People>,
) -> Result<Response, Problem> {
    let operation = operation(group, ParticipantAction::Remove, &request)?;
    operate(&app, &call, prefer, without_key(operation)).await
}

/// Make members administrators.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/{group_jid}/promote", tag = "groups",
    params(SessionPath, GroupPath, IdempotencyHeader, PreferHeader), request_body = People,
    responses((status = 200, description = "How it ended for each person.", body = ParticipantResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(crate) async fn promote_group_participants(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    submission: Submission<People>,
) -> Result<Response, Problem> {
    submit(&app, &call, prefer, group, ParticipantAction::Promote, submission).await
}

/// Make administrators ordinary members.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/{group_jid}/demote", tag = "groups",
    params(SessionPath, GroupPath, IdempotencyHeader, PreferHeader), request_body = People,
    responses((status = 200, description = "How it ended for each person.", body = ParticipantResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(super) async fn demote_group_participants(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    submission: Submission<People>,
) -> Result<Response, Problem> {
    submit(&app, &call, prefer, group, ParticipantAction::Demote, submission).await
}
