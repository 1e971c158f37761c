//! `POST /v1/sessions/{id}/start|stop|restart|logout`: what is wanted of a session. Each verb may be repeated.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use shared::command::Command;
use shared::ids::CommandId;
use shared::session::Goal;
use shared::store::TenantTransaction;

use super::{CommandReference, CommandedSession, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::prefer::Prefer;
use crate::idempotency::{Admission, Answer, Work};
use crate::intake::{self, Accepted};
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::outcome::{self, OutcomeWatch};
use crate::problem::Problem;

pub(crate) type Call = SessionCall<WriteSessions>;

/// Start a session: a worker holds it and connects it.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/start", tag = "sessions", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 202, description = "The command is accepted.", body = CommandedSession),
              (status = 200, description = "The command was carried out (with `Prefer: wait`).", body = CommandedSession)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn start_session(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, submission, Command::Start).await
}

/// Stop a session: its connection is closed, its account stays linked.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/stop", tag = "sessions", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 202, description = "The command is accepted.", body = CommandedSession),
              (status = 200, description = "The command was carried out (with `Prefer: wait`).", body = CommandedSession)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn stop_session(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, submission, Command::Stop).await
}

/// Restart a session: its connection is closed and opened again, with its settings of now. A stopped session is started.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/restart", tag = "sessions", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 202, description = "The command is accepted.", body = CommandedSession),
              (status = 200, description = "The command was carried out (with `Prefer: wait`).", body = CommandedSession)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn restart_session(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, submission, Command::Restart).await
}

/// Log a session out: its account is unlinked and its credentials are forgotten. Its messages and events stay.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/logout", tag = "sessions", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 202, description = "The command is accepted.", body = CommandedSession),
              (status = 200, description = "The command was carried out (with `Prefer: wait`).", body = CommandedSession)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(super) async fn logout_session(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, submission, Command::Logout).await
}

/// What a verb makes the session's goal.
fn goal(command: &Command) -> Goal {
    match command {
        Command::Stop => Goal::Stopping,
        Command::Logout => Goal::LoggingOut,
        Command::Delete => Goal::Deleting,
        Command::Start
        | Command::Restart
        | Command::ApplySettings
        | Command::RequestPairingCode { .. }
        | Command::SendMessage(_)
        | Command::Operation(_) => Goal::Started,
    }
}

/// Gives a session a command that changes what is wanted of it.
///
/// # Errors
/// The problem with which it was not accepted, or with which it failed while it was waited for.
pub(crate) async fn give(
    app: &App,
    call: &Call,
    prefer: Prefer,
    submission: Submission<Nothing>,
    command: Command,
) -> Result<Response, Problem> {
    let id = CommandId::generate();
    // A repeated request waits for the first one's command, so what to listen for is only known afterwards; the row is looked at anyway.
    let watch = match prefer.wait {
        Some(_) => Some(OutcomeWatch::open(app, id).await),
        None => None,
    };
    let answer = promptly(accept(app, call, submission, id, command)).await?;
    let Some((patience, watch)) = prefer.wait.zip(watch) else {
        return Ok(answer.into_response());
    };
    let accepted: CommandReference = serde_json::from_slice(&answer.body).map_err(Problem::internal)?;
    let outcome = watch
        .of(accepted.command_id)
        .wait(app, call.tenant.tenant, patience)
        .await;
    let mut response = match outcome {
        None => answer.into_response(),
        Some(record) => match outcome::failure(&record) {
            Some(problem) => return Err(problem),
            None => carried_out(app, call, accepted.command_id).await?.into_response(),
        },
    };
    prefer.applied(&mut response);
    Ok(response)
}

async fn accept(
    app: &App,
    call: &Call,
    submission: Submission<Nothing>,
    id: CommandId,
    command: Command,
) -> Result<Answer, Problem> {
    let tenant = call.tenant.tenant;
    let mut work = match Work::begin(app, tenant, submission.idempotency, call.tenant.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = store(&mut work.transaction, call, id, command).await;
    let (answer, accepted) = work.settle_with(outcome).await?;
    intake::carry(app, &accepted);
    Ok(answer)
}

async fn store(
    transaction: &mut TenantTransaction,
    call: &Call,
    id: CommandId,
    command: Command,
) -> Result<(Answer, Accepted), Problem> {
    let goal = goal(&command);
    let mut opened = intake::open(transaction, call.session).await?;
    let accepted = intake::append(transaction, &opened, id, command).await?;
    transaction.set_goal(call.session, goal).await?;
    opened.session.goal = goal;
    let answer = Answer::json(
        StatusCode::ACCEPTED,
        &CommandedSession {
            session: opened.session.into(),
            command_id: id,
        },
    )?;
    Ok((answer, accepted))
}

/// The session after its command was carried out.
async fn carried_out(app: &App, call: &Call, command_id: CommandId) -> Result<Answer, Problem> {
    let session = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        super::find(&mut transaction, call.session).await
    })
    .await?;
    Answer::json(
        StatusCode::OK,
        &CommandedSession {
            session: session.into(),
            command_id,
        },
    )
}
