//! `/v1/sessions/{id}/labels`: what WhatsApp's business apps put on chats.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::operation::{LabelOperation, Operation};
use shared::problem::Code;
use shared::store::labels::Label;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::contacts::{ChatAddress, LabelId};
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadSessions, WriteSessions};
use crate::database::promptly;
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::page::Page;
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::http::timestamp::Timestamp;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// The colours of WhatsApp's palette: 0 to 19.
const COLORS: i32 = 20;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list_labels, create_label))
        .routes(routes!(update_label, delete_label))
        .routes(routes!(attach_label, detach_label))
}

type Call = SessionCall<WriteSessions>;

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
struct LabelObject {
    /// WhatsApp's id.
    #[schema(example = "7")]
    id: String,
    /// What it says.
    #[schema(example = "Paid")]
    name: String,
    /// The number of its colour in WhatsApp's palette.
    #[schema(example = 3)]
    color: i32,
    /// The JIDs of the chats that have it, 1,000 at most.
    chats: Vec<String>,
    /// When its name or colour was last different.
    updated_at: Timestamp,
}

impl From<Label> for LabelObject {
    fn from(label: Label) -> Self {
        Self {
            id: label.id,
            name: label.name,
            color: label.color,
            chats: label.chats,
            updated_at: label.updated_at.into(),
        }
    }
}

/// A label to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateLabel {
    /// What it says: 1 to 100 characters.
    #[schema(example = "Paid")]
    name: String,
    /// The number of its colour in WhatsApp's palette: 0 to 19.
    #[serde(default)]
    #[schema(required = false, minimum = 0, maximum = 19, default = 0)]
    color: i32,
}

/// A label that is made.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedLabel {
    /// WhatsApp's id of it.
    #[schema(example = "1745912345")]
    id: String,
}

/// What is to change about a label. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateLabel {
    /// What it says: 1 to 100 characters.
    name: Option<String>,
    /// The number of its colour in WhatsApp's palette: 0 to 19.
    #[schema(minimum = 0, maximum = 19)]
    color: Option<i32>,
}

fn check(name: Option<&str>, color: Option<i32>) -> Result<(), Problem> {
    let mut checks = Checks::new();
    if let Some(name) = name {
        checks.name("name", name);
    }
    if let Some(color) = color {
        checks.require(
            (0..COLORS).contains(&color),
            "color",
            &format!("must be 0 to {}", COLORS - 1),
        );
    }
    checks.finish()
}

async fn find<P: Permission>(app: &App, call: &SessionCall<P>, only: Option<&str>) -> Result<Vec<Label>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.labels(call.session, only).await?)
    })
    .await
}

async fn known(app: &App, call: &Call, label: &str) -> Result<Label, Problem> {
    let found = find(app, call, Some(label)).await?.into_iter().next();
    found.ok_or_else(|| Problem::not_found(Code::LabelNotFound))
}

async fn give(app: &App, call: &Call, prefer: Prefer, operation: LabelOperation) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Label(operation),
        idempotency: None,
    };
    operate(app, call, prefer, submission).await
}

/// List a session's labels. There is only one page.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/labels", tag = "labels", params(SessionPath),
    responses((status = 200, description = "The labels.", body = Page<LabelObject>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
async fn list_labels(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
) -> Result<Json<Page<LabelObject>>, Problem> {
    let labels = find(&app, &call, None).await?;
    Ok(Json(Page {
        data: labels.into_iter().map(LabelObject::from).collect(),
        next_cursor: None,
    }))
}

/// Make a label.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/labels", tag = "labels", params(SessionPath, IdempotencyHeader, PreferHeader),
    request_body = CreateLabel,
    responses((status = 200, description = "The label is made.", body = CreatedLabel),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started", "whatsapp_refused"]))))]
async fn create_label(
    State(app): State<App>,
    call: Call,
    prefer: Prefer,
    submission: Submission<CreateLabel>,
) -> Result<Response, Problem> {
    let label = submission.body;
    check(Some(&label.name), Some(label.color))?;
    // The devices of an account number their labels without asking each other; a number at random meets nobody else's.
    let id: u32 = rand::random::<u32>() >> 2;
    let submission = Submission {
        body: Operation::Label(LabelOperation::Save {
            label: (1_000 + id).to_string(),
            name: label.name,
            color: label.color,
        }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}

/// Change a label's name or colour.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}/labels/{label_id}", tag = "labels",
    params(SessionPath, ("label_id" = String, Path, description = "WhatsApp's id of the label."), PreferHeader), request_body = UpdateLabel,
    responses((status = 200, description = "It is done.", body = CreatedLabel),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "label_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused"]))))]
async fn update_label(
    State(app): State<App>,
    call: Call,
    Id(LabelId(label)): Id<LabelId>,
    prefer: Prefer,
    Document(body): Document<UpdateLabel>,
) -> Result<Response, Problem> {
    check(body.name.as_deref(), body.color)?;
    let known = known(&app, &call, &label).await?;
    let operation = LabelOperation::Save {
        label,
        name: body.name.unwrap_or(known.name),
        color: body.color.unwrap_or(known.color),
    };
    give(&app, &call, prefer, operation).await
}

/// Remove a label, from every chat too.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/labels/{label_id}", tag = "labels",
    params(SessionPath, ("label_id" = String, Path, description = "WhatsApp's id of the label."), PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "label_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused"]))))]
async fn delete_label(
    State(app): State<App>,
    call: Call,
    Id(LabelId(label)): Id<LabelId>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    known(&app, &call, &label).await?;
    give(&app, &call, prefer, LabelOperation::Delete { label }).await
}

/// Put a label on a chat.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/labels/{label_id}/chats/{chat}", tag = "labels",
    params(SessionPath, ("label_id" = String, Path, description = "WhatsApp's id of the label."),
           ("chat" = String, Path, description = "The chat: a person's or a group's address."), PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "label_not_found", "contact_not_found", "session_not_paired",
        "session_not_started", "whatsapp_refused"]))))]
async fn attach_label(
    State(app): State<App>,
    call: Call,
    Id(LabelId(label)): Id<LabelId>,
    Id(ChatAddress(chat)): Id<ChatAddress>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    known(&app, &call, &label).await?;
    give(&app, &call, prefer, LabelOperation::Attach { label, chat }).await
}

/// Take a label off a chat.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/labels/{label_id}/chats/{chat}", tag = "labels",
    params(SessionPath, ("label_id" = String, Path, description = "WhatsApp's id of the label."),
           ("chat" = String, Path, description = "The chat: a person's or a group's address."), PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "label_not_found", "contact_not_found", "session_not_paired",
        "session_not_started", "whatsapp_refused"]))))]
async fn detach_label(
    State(app): State<App>,
    call: Call,
    Id(LabelId(label)): Id<LabelId>,
    Id(ChatAddress(chat)): Id<ChatAddress>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    known(&app, &call, &label).await?;
    give(&app, &call, prefer, LabelOperation::Detach { label, chat }).await
}
