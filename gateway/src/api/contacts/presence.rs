//! `GET/POST …/contacts/{contact}/presence`: whether somebody is online, and when they last were.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared::address::Party;
use shared::operation::{ContactOperation, Operation};
use utoipa::ToSchema;

use super::{ContactAddress, ContactPath, unknown};
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadSessions, WriteSessions};
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::http::timestamp::Timestamp;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// What was last told of somebody's presence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContactPresence {
    /// Who.
    #[serde(flatten)]
    contact: Party,
    /// `available` or `unavailable`; null before anything was told: subscribe first.
    #[schema(example = "unavailable")]
    presence: Option<String>,
    /// When the person was last online; null where they hide it.
    last_seen: Option<Timestamp>,
    /// When this was told.
    updated_at: Option<Timestamp>,
}

/// Get what was last told of a person's presence. WhatsApp tells it after a subscription, while the session shows as online.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts/{contact}/presence", tag = "contacts", params(SessionPath, ContactPath),
    responses((status = 200, description = "The presence.", body = ContactPresence)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found"]))))]
pub(super) async fn get_contact_presence(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
    Id(ContactAddress(contact)): Id<ContactAddress>,
) -> Result<Json<ContactPresence>, Problem> {
    let row = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.contact(call.session, &contact).await?)
    })
    .await?;
    let row = row.ok_or_else(unknown)?;
    Ok(Json(ContactPresence {
        contact: row.party,
        presence: row.presence,
        last_seen: row.last_seen.map(Timestamp),
        updated_at: row.presence_at.map(Timestamp),
    }))
}

/// Subscribe to a person's presence: `presence.updated` tells when they come online and go away. It lasts until the connection ends.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/contacts/{contact}/presence", tag = "contacts",
    params(SessionPath, ContactPath, IdempotencyHeader, PreferHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started"]))))]
pub(super) async fn subscribe_presence(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Contact(ContactOperation::SubscribePresence { contact }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}
