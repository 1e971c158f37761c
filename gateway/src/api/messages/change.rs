//! `PATCH`, `DELETE …/messages/{id}`, `…/reaction`, `…/pin`: what changes a message for everyone.
//!
//! Each is a message of its own (its type is `edit`, `revoke`, `reaction` or `pin`): accepted, sent and answered like one.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::ids::MessageId;
use shared::message::Message;
use utoipa::ToSchema;

use super::request::{ActDraft, Draft, emoji, new_text};
use super::send::{AcceptedMessage, Call, submit};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::http::body::{Nothing, Submission};
use crate::http::checks::Checks;
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::problem::Problem;

/// A day, a week, 30 days: how long WhatsApp pins a message.
const PINNED_FOR: [u32; 3] = [86_400, 604_800, 2_592_000];

/// The new content of a message: exactly one field.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditRequest {
    /// Of a text message: the new text.
    text: Option<EditedText>,
    /// Of a picture, a film or a document: the new caption, 1 to 65,536 characters.
    caption: Option<String>,
}

/// The new text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditedText {
    /// What it says from now on: 1 to 65,536 characters.
    #[schema(example = "Hello again")]
    body: String,
}

/// An emoji.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactRequest {
    /// The emoji.
    #[schema(example = "👍")]
    emoji: String,
}

/// How long a message is pinned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PinRequest {
    /// 86400 (a day), 604800 (a week, the default) or 2592000 (30 days).
    seconds: Option<u32>,
}

/// Edit an own text message, or the caption of an own file. WhatsApp shows edits of messages that are at most 20 minutes old.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}/messages/{message_id}", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    request_body = EditRequest,
    responses((status = 202, description = "The edit is durable and will be sent: a message of the type `edit`.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has the edit (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "not_on_whatsapp", "message_refused", "quota_exceeded"]))))]
pub(super) async fn edit_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<EditRequest>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    let EditRequest { text, caption } = submission.body;
    checks.require(
        text.is_some() != caption.is_some(),
        "",
        "must have exactly one of text and caption",
    );
    let (field, text) = match text {
        Some(text) => ("text.body", text.body),
        None => ("caption", caption.unwrap_or_default()),
    };
    new_text(&mut checks, field, &text);
    checks.finish()?;
    let body = Draft::act(message, ActDraft::Edit(text));
    let idempotency = submission.idempotency;
    submit(&app, &call, prefer, Submission { body, idempotency }).await
}

/// Delete a message for everyone: an own one, or in a group that the account administers anybody's.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/messages/{message_id}", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 202, description = "The deletion is durable and will be sent: a message of the type `revoke`.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has the deletion (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "not_on_whatsapp", "message_refused", "quota_exceeded"]))))]
pub(super) async fn revoke_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    act(&app, &call, prefer, submission, message, ActDraft::Revoke).await
}

/// React to a message. A person has one reaction to a message: a new one replaces it.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/messages/{message_id}/reaction", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    request_body = ReactRequest,
    responses((status = 202, description = "The reaction is durable and will be sent: a message of the type `reaction`.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has the reaction (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "not_on_whatsapp", "message_refused", "quota_exceeded"]))))]
pub(super) async fn react_to_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<ReactRequest>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    let given = submission.body.emoji;
    emoji(&mut checks, "emoji", &given);
    checks.require(
        !given.is_empty(),
        "emoji",
        "must not be empty: DELETE takes a reaction back",
    );
    checks.finish()?;
    let body = Draft::act(message, ActDraft::React(given));
    let idempotency = submission.idempotency;
    submit(&app, &call, prefer, Submission { body, idempotency }).await
}

/// Take the account's reaction to a message back.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/messages/{message_id}/reaction", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 202, description = "This is durable and will be sent: a message of the type `reaction`.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has it (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "not_on_whatsapp", "message_refused", "quota_exceeded"]))))]
pub(super) async fn take_reaction_back(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let taken_back = ActDraft::React(String::new());
    act(&app, &call, prefer, submission, message, taken_back).await
}

/// Pin a message in its chat, for everyone.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/messages/{message_id}/pin", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    request_body = PinRequest,
    responses((status = 202, description = "The pin is durable and will be sent: a message of the type `pin`.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has the pin (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "not_on_whatsapp", "message_refused", "quota_exceeded"]))))]
pub(super) async fn pin_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<PinRequest>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    let seconds = submission.body.seconds.unwrap_or(PINNED_FOR[1]);
    checks.require(
        PINNED_FOR.contains(&seconds),
        "seconds",
        "must be 86400, 604800 or 2592000",
    );
    checks.finish()?;
    let body = Draft::act(message, ActDraft::Pin(Some(seconds)));
    let idempotency = submission.idempotency;
    submit(&app, &call, prefer, Submission { body, idempotency }).await
}

/// Unpin a message in its chat, for everyone.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/messages/{message_id}/pin", tag = "messages",
    params(SessionPath, ("message_id" = String, Path, description = "The message's id."), IdempotencyHeader, PreferHeader),
    responses((status = 202, description = "This is durable and will be sent: a message of the type `pin`.", body = AcceptedMessage),
              (status = 200, description = "WhatsApp has it (with `Prefer: wait`).", body = Message)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "message_not_found", "session_not_paired",
        "session_not_started", "session_not_connected", "not_on_whatsapp", "message_refused", "quota_exceeded"]))))]
pub(super) async fn unpin_message(
    State(app): State<App>,
    call: Call,
    Id(message): Id<MessageId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    act(&app, &call, prefer, submission, message, ActDraft::Pin(None)).await
}

async fn act(
    app: &App,
    call: &Call,
    prefer: Prefer,
    submission: Submission<Nothing>,
    message: MessageId,
    act: ActDraft,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Draft::act(message, act),
        idempotency: submission.idempotency,
    };
    submit(app, call, prefer, submission).await
}
