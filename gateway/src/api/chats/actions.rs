//! What is done in a chat: read all, clear, delete, typing, asking the phone for older messages.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::operation::chat::Typing;
use shared::operation::{ChatOperation, Operation};
use shared::problem::Code;
use utoipa::ToSchema;

use super::{ChatAddress, ChatPath, address, find, key, point};
use crate::api::sessions;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::SendMessages;
use crate::database::promptly;
use crate::http::body::{Document, Nothing, Submission};
use crate::http::checks::Checks;
use crate::http::prefer::Prefer;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// The most messages whose authors are told at once that they were read.
const MOST_RECEIPTS: i64 = 1_000;
/// The most messages that the phone is asked for at once.
const MOST_HISTORY: u32 = 500;

type Call = SessionCall<SendMessages>;

/// Mark a whole chat as read: the account's devices show it so, and, if the session's settings say so, the authors are told (of the newest 1,000 messages).
#[utoipa::path(post, path = "/v1/sessions/{session_id}/chats/{chat}/read", tag = "chats", params(ChatPath, IdempotencyHeader, PreferHeader),
    request_body = Option<Nothing>,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It is accepted and will be done.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused", "timeout"]))))]
pub(crate) async fn read_chat(
    State(app): State<App>,
    call: Call,
    ChatAddress(chat): ChatAddress,
    prefer: Prefer,
    submission: Submission<Option<Nothing>>,
) -> Result<Response, Problem> {
    let operation = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let session = sessions::find(&mut transaction, call.session).await?;
        let chat = find(&mut transaction, call.session, &chat).await?;
        let jid = &chat.party.jid;
        let unread = if session.settings.read_receipts {
            transaction.unread_of_chat(call.session, jid, MOST_RECEIPTS).await?
        } else {
            Vec::new()
        };
        let ends = transaction.ends_of_chat(call.session, jid).await?;
        Ok(ChatOperation::Read {
            chat: address(&chat)?,
            messages: unread.iter().map(key).collect(),
            last: ends.map(|(newest, _)| point(&newest)),
        })
    })
    .await?;
    give(&app, &call, prefer, submission, operation).await
}

/// Delete a chat's messages on all of the account's devices, and here. The chat stays.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/chats/{chat}/clear", tag = "chats", params(ChatPath, IdempotencyHeader, PreferHeader),
    request_body = Option<Nothing>,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It is accepted and will be done.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused", "timeout"]))))]
pub(super) async fn clear_chat(
    State(app): State<App>,
    call: Call,
    ChatAddress(chat): ChatAddress,
    prefer: Prefer,
    submission: Submission<Option<Nothing>>,
) -> Result<Response, Problem> {
    let operation = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let chat = find(&mut transaction, call.session, &chat).await?;
        let ends = transaction.ends_of_chat(call.session, &chat.party.jid).await?;
        Ok(ChatOperation::Clear {
            chat: address(&chat)?,
            last: ends.map(|(newest, _)| point(&newest)),
        })
    })
    .await?;
    give(&app, &call, prefer, submission, operation).await
}

/// Delete a chat with its messages on all of the account's devices, and here. It comes back when somebody writes again.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/chats/{chat}", tag = "chats", params(ChatPath, PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It is accepted and will be done.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused", "timeout"]))))]
pub(super) async fn delete_chat(
    State(app): State<App>,
    call: Call,
    ChatAddress(chat): ChatAddress,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let operation = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let chat = find(&mut transaction, call.session, &chat).await?;
        let ends = transaction.ends_of_chat(call.session, &chat.party.jid).await?;
        Ok(ChatOperation::Delete {
            chat: address(&chat)?,
            last: ends.map(|(newest, _)| point(&newest)),
        })
    })
    .await?;
    let submission = Submission {
        body: None,
        idempotency: None,
    };
    give(&app, &call, prefer, submission, operation).await
}

/// What the other side is to see.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowTyping {
    /// `composing`, `recording` or `paused`.
    state: Typing,
}

/// Show the other side that the account writes, records, or no longer does. There need not be a chat yet.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/chats/{chat}/typing", tag = "chats", params(ChatPath, PreferHeader), request_body = ShowTyping,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It is accepted and will be done.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused", "timeout"]))))]
pub(super) async fn show_typing(
    State(app): State<App>,
    call: Call,
    ChatAddress(chat): ChatAddress,
    prefer: Prefer,
    Document(body): Document<ShowTyping>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: None,
        idempotency: None,
    };
    let typing = body.state;
    give(&app, &call, prefer, submission, ChatOperation::Typing { chat, typing }).await
}

/// How much history is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchHistory {
    /// How many messages: 1 to 500, 50 if not said.
    count: Option<u32>,
}

/// The phone was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryRequested {
    /// WhatsApp's id of the request.
    request_id: String,
}

/// Ask the phone for messages of a chat that are older than the oldest one stored. They come when the phone answers, which it does only while it is online:
/// the event `history.synced` tells. Messages of the past make no events of their own.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/chats/{chat}/history", tag = "chats", params(ChatPath, IdempotencyHeader, PreferHeader),
    request_body = Option<FetchHistory>,
    responses((status = 200, description = "The phone was asked.", body = HistoryRequested),
              (status = 202, description = "It is accepted and will be done.", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "chat_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused", "timeout"]))))]
pub(crate) async fn fetch_history(
    State(app): State<App>,
    call: Call,
    ChatAddress(chat): ChatAddress,
    prefer: Prefer,
    submission: Submission<Option<FetchHistory>>,
) -> Result<Response, Problem> {
    let count = submission.body.and_then(|body| body.count).unwrap_or(50);
    let mut checks = Checks::new();
    checks.require(
        (1..=MOST_HISTORY).contains(&count),
        "count",
        &format!("must be 1 to {MOST_HISTORY}"),
    );
    checks.finish()?;
    let operation = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        let chat = find(&mut transaction, call.session, &chat).await?;
        let ends = transaction.ends_of_chat(call.session, &chat.party.jid).await?;
        // WhatsApp counts back from a message; a chat without any has nothing to count from.
        let (_, oldest) = ends.ok_or_else(|| Problem::not_found(Code::MessageNotFound))?;
        Ok(ChatOperation::FetchHistory {
            chat: address(&chat)?,
            oldest: point(&oldest),
            count,
        })
    })
    .await?;
    let submission = Submission {
        body: None,
        idempotency: submission.idempotency,
    };
    give(&app, &call, prefer, submission, operation).await
}

async fn give(
    app: &App,
    call: &Call,
    prefer: Prefer,
    submission: Submission<Option<Nothing>>,
    operation: ChatOperation,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Chat(operation),
        idempotency: submission.idempotency,
    };
    operate(app, call, prefer, submission).await
}
