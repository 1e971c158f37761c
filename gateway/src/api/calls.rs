//! `/v1/sessions/{id}/calls`: who called, and not taking a call.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::address::Party;
use shared::operation::{CallOperation, Operation};
use shared::problem::Code;
use shared::store::calls::Call;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::contacts::CallId;
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadSessions, WriteSessions};
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::http::prefer::Prefer;
use crate::http::timestamp::Timestamp;
use crate::openapi::{IdempotencyHeader, PreferHeader};
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// What a call is that has not ended.
const RINGING: &str = "ringing";

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list_calls))
        .routes(routes!(reject_call))
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Call)]
struct CallObject {
    /// WhatsApp's id.
    #[schema(example = "9A7C0F6B5F1F4A6E8F3D2C1B0A998877")]
    id: String,
    /// Who called.
    from: Party,
    /// The JID of the group that was called.
    group: Option<String>,
    /// Whether with pictures.
    is_video: bool,
    /// `ringing`, `missed`, `rejected`, `accepted_elsewhere`, `rejected_elsewhere` or `ended`.
    #[schema(example = "missed")]
    status: String,
    /// Since when it rang.
    received_at: Timestamp,
    /// When it ended.
    ended_at: Option<Timestamp>,
}

impl From<Call> for CallObject {
    fn from(call: Call) -> Self {
        Self {
            id: call.call_id,
            from: call.from,
            group: call.group,
            is_video: call.is_video,
            status: call.status,
            received_at: call.received_at.into(),
            ended_at: call.ended_at.map(Timestamp),
        }
    }
}

/// Which calls are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListCalls {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
}

/// List a session's calls, newest first. They are kept for 90 days.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/calls", tag = "calls", params(SessionPath, ListCalls),
    responses((status = 200, description = "A page of calls.", body = Page<CallObject>)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
async fn list_calls(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
    Parameters(list): Parameters<ListCalls>,
) -> Result<Json<Page<CallObject>>, Problem> {
    let limit = list.limit;
    let after = list.cursor.as_ref().map(|Cursor(row)| *row);
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.calls(call.session, None, after, limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(rows, limit, |call| call.row, CallObject::from)))
}

/// Reject a call that rings.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/calls/{call_id}/reject", tag = "calls",
    params(SessionPath, ("call_id" = String, Path, description = "WhatsApp's id of the call."), IdempotencyHeader, PreferHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "call_not_found", "session_not_paired", "session_not_started",
        "whatsapp_refused"]))))]
async fn reject_call(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    Id(CallId(id)): Id<CallId>,
    prefer: Prefer,
    submission: Submission<Nothing>,
) -> Result<Response, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.calls(call.session, Some(&id), None, 1).await?)
    })
    .await?;
    let known = found
        .into_iter()
        .next()
        .ok_or_else(|| Problem::not_found(Code::CallNotFound))?;
    // A request that is repeated under its key finds the call rejected already: its first answer is given again.
    if known.status != RINGING && submission.idempotency.is_none() {
        return Err(Problem::new(
            Code::CallNotFound,
            format!("The call does not ring any more: it is {}.", known.status),
        ));
    }
    let submission = Submission {
        body: Operation::Call(CallOperation::Reject {
            call: id,
            peer: known.peer,
            creator: known.creator,
        }),
        idempotency: submission.idempotency,
    };
    operate(&app, &call, prefer, submission).await
}
