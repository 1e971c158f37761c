//! Requests to join a group.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::group::{JoinRequests, ParticipantResults};
use shared::operation::{GroupOperation, Operation};
use shared::query::{GroupLookup, Lookup};
use utoipa::ToSchema;

use super::{GroupPath, LOOK_UP_PROBLEMS, OPERATION_PROBLEMS};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::jid::{GroupJid, people};
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, operate};
use crate::problem::Problem;

/// List who wants to join a group.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/groups/{group_jid}/requests", tag = "groups", params(SessionPath, GroupPath),
    responses((status = 200, description = "The requests that wait.", body = JoinRequests)),
    extensions(("x-problems" = json!(LOOK_UP_PROBLEMS))))]
pub(super) async fn list_join_requests(
    State(app): State<App>,
    call: SessionCall<ReadMessages>,
    GroupJid(group): GroupJid,
) -> Result<Json<JoinRequests>, Problem> {
    let requests = look_up(&app, &call, Lookup::Group(GroupLookup::JoinRequests { group })).await?;
    Ok(Json(requests))
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// They become members.
    Approve,
    /// They do not.
    Reject,
}

/// Requests to answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinRequestAnswers {
    /// What becomes of them.
    action: Verdict,
    /// Whose: 1 to 1,024 people.
    #[schema(example = json!(["15550001001"]))]
    participants: Vec<String>,
}

/// Approve or reject people who want to join a group.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/{group_jid}/requests", tag = "groups",
    params(SessionPath, GroupPath, IdempotencyHeader, PreferHeader), request_body = JoinRequestAnswers,
    responses((status = 200, description = "How it ended for each person.", body = ParticipantResults),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(super) async fn answer_join_requests(
    State(app): State<App>,
    call: SessionCall<SendMessages>,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    submission: Submission<JoinRequestAnswers>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    let participants = people(&mut checks, "participants", &submission.body.participants, 1);
    checks.finish()?;
    let submission = Submission {
        body: Operation::Group(GroupOperation::AnswerRequests {
            group,
            approve: submission.body.action == Verdict::Approve,
            participants,
        }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}
