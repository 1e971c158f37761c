//! `PUT/DELETE …/contacts/{contact}` and `…/block`: keeping people under a name, and keeping people out.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::operation::{ContactOperation, Operation};
use utoipa::ToSchema;

use super::{ContactAddress, ContactPath};
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::openapi::PreferHeader;
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

type Call = SessionCall<WriteSessions>;

/// Under what a person is kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SaveContact {
    /// The name: 1 to 100 characters.
    #[schema(example = "Carlos Pérez")]
    name: String,
    /// The first name, where it is shown alone: 1 to 100 characters.
    #[schema(example = "Carlos")]
    first_name: Option<String>,
    /// Whether the phone also writes the person into its own address book.
    #[serde(default)]
    #[schema(required = false)]
    on_phone: bool,
}

async fn give(app: &App, call: &Call, prefer: Prefer, operation: ContactOperation) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Contact(operation),
        idempotency: None,
    };
    operate(app, call, prefer, submission).await
}

/// Save a person under a name, on all devices of the account.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/contacts/{contact}", tag = "contacts", params(SessionPath, ContactPath, PreferHeader),
    request_body = SaveContact,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused"]))))]
pub(super) async fn save_contact(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    prefer: Prefer,
    Document(body): Document<SaveContact>,
) -> Result<Response, Problem> {
    let mut checks = Checks::new();
    checks.name("name", &body.name);
    if let Some(first_name) = &body.first_name {
        checks.name("first_name", first_name);
    }
    checks.finish()?;
    let operation = ContactOperation::Save {
        contact,
        name: body.name,
        first_name: body.first_name,
        on_phone: body.on_phone,
    };
    give(&app, &call, prefer, operation).await
}

/// Take a saved name away again. What else is known of the person stays.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/contacts/{contact}", tag = "contacts", params(SessionPath, ContactPath, PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused"]))))]
pub(super) async fn forget_contact(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, ContactOperation::Forget { contact }).await
}

/// Block a person: their messages and calls do not come through, and they see neither presence nor profile.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/contacts/{contact}/block", tag = "contacts", params(SessionPath, ContactPath, PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "not_on_whatsapp", "whatsapp_refused"]))))]
pub(super) async fn block_contact(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, ContactOperation::Block { contact }).await
}

/// Unblock a person.
#[utoipa::path(delete, path = "/v1/sessions/{session_id}/contacts/{contact}/block", tag = "contacts", params(SessionPath, ContactPath, PreferHeader),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "not_on_whatsapp", "whatsapp_refused"]))))]
pub(super) async fn unblock_contact(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, ContactOperation::Unblock { contact }).await
}
