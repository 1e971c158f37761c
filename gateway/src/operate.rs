//! From a request to an operation of the session's account and back: store it as a command, carry it to the holder, wait for its outcome.
//!
//! Clients mostly want the result at once, so these routes wait for it (20 s, or as `Prefer: wait` says). Whatever happens to the waiting, the operation
//! stays accepted; `GET /v1/commands/{id}` tells its outcome.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use shared::command::Command;
use shared::ids::{CommandId, SessionId};
use shared::operation::Operation;
use shared::problem::Code;
use shared::session::Goal;
use shared::store::TenantTransaction;
use shared::store::commands::{CommandRecord, CommandStatus};
use shared::store::sessions::Session;
use utoipa::ToSchema;

use crate::api::sessions::CommandReference;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::Permission;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::prefer::Prefer;
use crate::idempotency::{Admission, Answer, Work};
use crate::intake::{self, Accepted};
use crate::outcome::{self, OutcomeWatch};
use crate::problem::Problem;

/// How long to wait for the outcome when the client does not say.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(20);

/// An operation that is accepted and has not ended yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationAccepted {
    /// The command; `GET /v1/commands/{id}` tells its outcome.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// How far it has come.
    pub status: CommandStatus,
}

/// An operation that is done and promises no result.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationDone {
    /// The command that did it.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// `done`.
    pub status: CommandStatus,
}

/// Gives an operation to a session and waits for its outcome: 200 with the operation's result ([`OperationDone`] when it has none), or 202 with
/// [`OperationAccepted`] when it has not ended in time.
///
/// # Errors
/// The problem with which the operation failed, or for which it was not accepted.
pub async fn operate<P: Permission>(
    app: &App,
    call: &SessionCall<P>,
    prefer: Prefer,
    submission: Submission<Operation>,
) -> Result<Response, Problem> {
    let id = CommandId::generate();
    let watch = OutcomeWatch::open(app, id).await;
    let answer = promptly(accept(app, call, submission, id)).await?;
    let accepted: CommandReference = serde_json::from_slice(&answer.body).map_err(Problem::internal)?;
    let patience = prefer.wait.unwrap_or(DEFAULT_PATIENCE);
    let outcome = watch
        .of(accepted.command_id)
        .wait(app, call.tenant.tenant, patience)
        .await;
    let mut response = match outcome {
        Some(record) => result_of(accepted.command_id, record)?.into_response(),
        None => answer.into_response(),
    };
    prefer.applied(&mut response);
    Ok(response)
}

fn result_of(command: CommandId, record: CommandRecord) -> Result<Answer, Problem> {
    if let Some(problem) = outcome::failure(&record) {
        return Err(problem);
    }
    match record.result {
        Some(result) if !result.is_null() => Answer::json::<Value>(StatusCode::OK, &result),
        _ => Answer::json(
            StatusCode::OK,
            &OperationDone {
                command_id: command,
                status: CommandStatus::Done,
            },
        ),
    }
}

async fn accept<P: Permission>(
    app: &App,
    call: &SessionCall<P>,
    submission: Submission<Operation>,
    id: CommandId,
) -> Result<Answer, Problem> {
    let tenant = call.tenant.tenant;
    let mut work = match Work::begin(app, tenant, submission.idempotency, call.tenant.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = store(&mut work.transaction, call.session, id, submission.body).await;
    let (answer, accepted) = work.settle_with(outcome).await?;
    intake::carry(app, &accepted);
    Ok(answer)
}

async fn store(
    transaction: &mut TenantTransaction,
    session: SessionId,
    id: CommandId,
    operation: Operation,
) -> Result<(Answer, Accepted), Problem> {
    let opened = intake::open(transaction, session).await?;
    require_usable(&opened.session)?;
    let accepted = intake::append(transaction, &opened, id, Command::Operation(operation)).await?;
    let answer = Answer::json(
        StatusCode::ACCEPTED,
        &OperationAccepted {
            command_id: id,
            status: CommandStatus::Queued,
        },
    )?;
    Ok((answer, accepted))
}

/// Whether the session can do anything at all. A connection that is lost for a while does not matter: operations wait.
///
/// # Errors
/// [`Code::SessionNotPaired`], [`Code::SessionNotStarted`].
pub fn require_usable(session: &Session) -> Result<(), Problem> {
    if session.account.is_none() {
        return Err(Problem::new(
            Code::SessionNotPaired,
            "Link an account first: GET …/qr or POST …/pairing-code.",
        ));
    }
    if session.goal != Goal::Started {
        return Err(Problem::new(
            Code::SessionNotStarted,
            format!("The session is {}: start it first.", session.goal),
        ));
    }
    Ok(())
}
