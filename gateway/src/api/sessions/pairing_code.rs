//! `POST /v1/sessions/{id}/pairing-code`: linking an account by entering a code on the phone.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::address::Address;
use shared::command::Command;
use shared::ids::{CommandId, SessionId};
use shared::problem::Code;
use shared::session::Goal;
use shared::store::TenantTransaction;
use shared::store::commands::{CommandRecord, CommandStatus};
use shared::store::sessions::Session;
use utoipa::ToSchema;

use super::{CommandReference, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::prefer::Prefer;
use crate::http::timestamp::Timestamp;
use crate::idempotency::{Admission, Answer, Work};
use crate::intake::{self, Accepted};
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::outcome::{self, OutcomeWatch};
use crate::problem::Problem;

/// How long to wait for the code when the client does not say.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(20);

/// For whom a code is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestPairingCode {
    /// The phone number to link, with its country code.
    #[schema(example = "+1 555 000 1001")]
    phone: String,
}

/// A code to enter on the phone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PairingCode {
    /// The code, eight characters.
    #[schema(example = "ABCD1234")]
    code: String,
    /// When it stops working.
    expires_at: Timestamp,
}

/// What the worker writes as the command's result.
#[derive(Debug, Deserialize)]
struct PairingCodeResult {
    code: String,
    expires_at: DateTime<Utc>,
}

/// A code was asked for and has not come yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PairingCodeRequested {
    /// The command; `GET /v1/commands/{id}` tells its outcome.
    #[schema(value_type = String)]
    command_id: CommandId,
    /// How far it has come.
    status: CommandStatus,
}

/// Ask WhatsApp for a code that links the account of a phone number: on the phone, Linked devices → Link with phone number instead.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/pairing-code", tag = "sessions",
    params(SessionPath, IdempotencyHeader, PreferHeader), request_body = RequestPairingCode,
    responses((status = 200, description = "The code.", body = PairingCode),
              (status = 202, description = "The code has not come in time (20 s, or as `Prefer: wait` says).", body = PairingCodeRequested)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_already_paired", "session_not_started", "session_not_connected", "pairing_failed"]))))]
pub(super) async fn request_pairing_code(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    prefer: Prefer,
    submission: Submission<RequestPairingCode>,
) -> Result<Response, Problem> {
    let Ok(Address::Phone(phone)) = submission.body.phone.parse() else {
        return Err(Problem::field("phone", "must be a phone number with its country code"));
    };
    let id = CommandId::generate();
    let watch = OutcomeWatch::open(&app, id).await;
    let answer = promptly(accept(&app, &call, submission, id, phone)).await?;
    let accepted: CommandReference = serde_json::from_slice(&answer.body).map_err(Problem::internal)?;
    let patience = prefer.wait.unwrap_or(DEFAULT_PATIENCE);
    let outcome = watch
        .of(accepted.command_id)
        .wait(&app, call.tenant.tenant, patience)
        .await;
    let mut response = match outcome {
        Some(record) => code_of(record)?.into_response(),
        None => answer.into_response(),
    };
    prefer.applied(&mut response);
    Ok(response)
}

async fn accept(
    app: &App,
    call: &SessionCall<WriteSessions>,
    submission: Submission<RequestPairingCode>,
    id: CommandId,
    phone: String,
) -> Result<Answer, Problem> {
    let tenant = call.tenant.tenant;
    let mut work = match Work::begin(app, tenant, submission.idempotency, call.tenant.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = store(&mut work.transaction, call.session, id, phone).await;
    let (answer, accepted) = work.settle_with(outcome).await?;
    intake::carry(app, &accepted);
    Ok(answer)
}

async fn store(
    transaction: &mut TenantTransaction,
    session: SessionId,
    id: CommandId,
    phone: String,
) -> Result<(Answer, Accepted), Problem> {
    let opened = intake::open(transaction, session).await?;
    require_linkable(&opened.session)?;
    let command = Command::RequestPairingCode { phone };
    let accepted = intake::append(transaction, &opened, id, command).await?;
    let answer = Answer::json(
        StatusCode::ACCEPTED,
        &PairingCodeRequested {
            command_id: id,
            status: CommandStatus::Queued,
        },
    )?;
    Ok((answer, accepted))
}

fn require_linkable(session: &Session) -> Result<(), Problem> {
    if session.account.is_some() {
        return Err(Problem::new(
            Code::SessionAlreadyPaired,
            "An account is linked to the session. Log the session out to link another one.",
        ));
    }
    if session.goal != Goal::Started {
        return Err(Problem::new(
            Code::SessionNotStarted,
            "A pairing code is made while the session is started.",
        ));
    }
    Ok(())
}

fn code_of(record: CommandRecord) -> Result<Answer, Problem> {
    if let Some(problem) = outcome::failure(&record) {
        return Err(problem);
    }
    let result = record.result.unwrap_or_default();
    let PairingCodeResult { code, expires_at } = serde_json::from_value(result).map_err(Problem::internal)?;
    Answer::json(
        StatusCode::OK,
        &PairingCode {
            code,
            expires_at: expires_at.into(),
        },
    )
}
