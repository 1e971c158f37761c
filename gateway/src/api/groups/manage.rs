//! Making groups, changing their settings, leaving them.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::group::{CreatedGroup, Group, GroupSettings};
use shared::operation::{GroupOperation, Operation};
use utoipa::ToSchema;

use super::{GroupPath, OPERATION_PROBLEMS, without_key};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::http::body::{Document, Nothing, Submission};
use crate::http::checks::Checks;
use crate::http::jid::{GroupJid, people};
use crate::http::prefer::Prefer;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

type Call = SessionCall<SendMessages>;

/// The timers that phones offer, in seconds: none, a day, a week, 90 days.
const TIMERS: [u32; 4] = [0, 86_400, 604_800, 7_776_000];

/// A group to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGroup {
    /// The name: 1 to 100 characters.
    #[schema(example = "Support")]
    subject: String,
    /// Who becomes a member besides the account: at most 1,024 people.
    #[serde(default)]
    #[schema(required = false, example = json!(["15550001001"]))]
    participants: Vec<String>,
    /// What it is about, at most 2,048 characters.
    description: Option<String>,
    /// Whether only administrators may write.
    announce: Option<bool>,
    /// Whether only administrators may change subject, description and picture.
    locked: Option<bool>,
    /// Whether administrators must approve who wants to join.
    approval: Option<bool>,
    /// Who may add members.
    add_mode: Option<shared::group::AddMode>,
    /// Seconds after which messages disappear: 0 (they stay), 86400, 604800 or 7776000.
    ephemeral: Option<u32>,
}

/// Checks settings that somebody wants.
pub(crate) fn check_settings(checks: &mut Checks, settings: &GroupSettings) {
    if let Some(subject) = &settings.subject {
        checks.text("subject", subject, 1..=100);
        checks.require(!subject.trim().is_empty(), "subject", "must not be blank");
    }
    if let Some(description) = &settings.description {
        checks.text("description", description, 0..=2_048);
    }
    if let Some(seconds) = settings.ephemeral {
        checks.require(
            TIMERS.contains(&seconds),
            "ephemeral",
            "must be 0, 86400, 604800 or 7776000",
        );
    }
}

fn check(request: NewGroup) -> Result<GroupOperation, Problem> {
    let mut checks = Checks::new();
    let settings = GroupSettings {
        subject: Some(request.subject),
        description: request.description,
        announce: request.announce,
        locked: request.locked,
        approval: request.approval,
        add_mode: request.add_mode,
        ephemeral: request.ephemeral,
    };
    check_settings(&mut checks, &settings);
    let participants = people(&mut checks, "participants", &request.participants, 0);
    checks.finish()?;
    Ok(GroupOperation::Create { settings, participants })
}

/// Make a group. The answer says of each person whether they became a member, and why not.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups", tag = "groups", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body = NewGroup,
    responses((status = 200, description = "The group.", body = CreatedGroup),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(crate) async fn create_group(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<NewGroup>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Group(check(submission.body)?),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}

/// Change a group's settings. They are changed one after the other: when WhatsApp refuses one, those before it are changed.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}/groups/{group_jid}", tag = "groups", params(SessionPath, GroupPath, PreferHeader),
    request_body = GroupSettings,
    responses((status = 200, description = "The group as it is now.", body = Group),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(crate) async fn update_group(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    Document(settings): Document<GroupSettings>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    check_settings(&mut checks, &settings);
    checks.require(!settings.is_empty(), "", "must change something");
    checks.finish()?;
    let operation = Operation::Group(GroupOperation::Update { group, settings });
    operate(&app, &call, prefer, without_key(operation)).await
}

/// Leave a group.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/groups/{group_jid}/leave", tag = "groups",
    params(SessionPath, GroupPath, IdempotencyHeader, PreferHeader), request_body(content = Nothing, description = "Nothing."),
    responses((status = 200, description = "The account is no member any more.", body = OperationDone),
              (status = 202, description = "It is accepted and has not ended yet.", body = OperationAccepted)),
    extensions(("x-problems" = json!(OPERATION_PROBLEMS))))]
pub(super) async fn leave_group(
    State(app): State<App>,
    call: Call,
    GroupJid(group): GroupJid,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Group(GroupOperation::Leave { group }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}
