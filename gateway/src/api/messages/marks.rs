//! `…/messages/{id}/read`, `…/played`, `…/star`: marks that the account sets.

use axum::extract::State;
use axum::response::Response;
use shared::ids::MessageId;
use shared::operation::{MessageOperation, Operation};
use shared::problem::Code;

use super::compose::{chat_of, key_of};
use super::send::Call;
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// What is set.
enum Mark {
    Read,
    Played,
    Star(bool),
}

/// Tell the author that the message was read. With the setting `read_receipts: false` only the account's own devices are told. Own messages cannot be
/// read.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/messages/{message_id}/read", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 200, description = "Done.", body = OperationDone),
              (status = 202, description = "It will be done; `GET /v1/commands/{id}` tells its outcome.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused", "timeout"]))))]
pub(super) async fn mark_read(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    mark(&app, &call, message, prefer, submission, Mark::Read).await
}

/// Tell the author that the voice or video note was played.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/messages/{message_id}/played", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 200, description = "Done.", body = OperationDone),
              (status = 202, description = "It will be done; `GET /v1/commands/{id}` tells its outcome.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused", "timeout"]))))]
pub(super) async fn mark_played(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    mark(&app, &call, message, prefer, submission, Mark::Played).await
}

/// Star a message, on all devices of the account.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/messages/{message_id}/star", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 200, description = "Done.", body = OperationDone),
              (status = 202, description = "It will be done; `GET /v1/commands/{id}` tells its outcome.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused", "timeout"]))))]
pub(super) async fn star_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    mark(&app, &call, message, prefer, submission, Mark::Star(true)).await
}

/// Take the star from a message, on all devices of the account.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/messages/{message_id}/star", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 200, description = "Done.", body = OperationDone),
              (status = 202, description = "It will be done; `GET /v1/commands/{id}` tells its outcome.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused", "timeout"]))))]
pub(super) async fn unstar_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    mark(&app, &call, message, prefer, submission, Mark::Star(false)).await
}

async fn mark(
    app: &App,
    call: &Call,
    message: MessageId,
    prefer: Prefer,
    submission: Submission<Nothing>,
    mark: Mark,
) -> Result<Response, Problem> {
    let message = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        super::find(&mut transaction, call.session, message).await
    })
    .await?;
    let chat = chat_of(&message)?;
    if message.from_me && !matches!(mark, Mark::Star(_)) {
        return Err(Problem::new(
            Code::ValidationFailed,
            "The account's own message cannot be marked as read or played.",
        ));
    }
    let key = key_of(&message);
    let operation = match mark {
        Mark::Read => MessageOperation::Read {
            chat,
            messages: vec![key],
        },
        Mark::Played => MessageOperation::Played {
            chat,
            messages: vec![key],
        },
        Mark::Star(starred) => MessageOperation::Star {
            chat,
            message: key,
            starred,
        },
    };
    let submission = Submission {
        body: Operation::Message(operation),
        idempotency: submission.idempotency,
    };
    operate(app, call, prefer, submission).await
}
