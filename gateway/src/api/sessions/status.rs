//! `GET /v1/sessions/{id}/status`: the truth from the worker that holds the session, or what was last written.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::ids::{SessionId, WorkerId};
use shared::query::{Answer, LiveStatus, Query};
use shared::session::SessionStatus;
use shared::store::sessions::Session;
use utoipa::ToSchema;

use super::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::http::timestamp::Timestamp;
use crate::look_up;
use crate::problem::Problem;

/// How a session is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionStatusReport)]
pub(crate) struct StatusObject {
    /// The session.
    #[schema(value_type = String)]
    id: SessionId,
    /// What it is.
    pub(crate) status: SessionStatus,
    /// Why, as a stable word.
    reason: Option<String>,
    /// The worker that holds it.
    #[schema(value_type = Option<String>, example = "wrk_06egk3n2g8v6f9d8h2q7c1t0b4")]
    holder: Option<WorkerId>,
    /// The number of the holder's claim: it grows with every take-over.
    epoch: Option<i64>,
    /// Since when it is connected.
    connected_since: Option<Timestamp>,
    /// When its last event was recorded.
    pub(crate) last_event_at: Option<Timestamp>,
    /// Whether the holder itself has just said so; otherwise this is what was last written.
    live: bool,
}

impl StatusObject {
    fn stored(session: &Session) -> Self {
        let holder = session.holder.filter(|holder| holder.alive);
        Self {
            id: session.id,
            status: session.status,
            reason: session.reason.clone(),
            holder: holder.map(|holder| holder.worker),
            epoch: holder.map(|holder| holder.epoch),
            connected_since: session.connected_at.map(Timestamp),
            last_event_at: session.last_event_at.map(Timestamp),
            live: false,
        }
    }

    fn live(id: SessionId, status: LiveStatus) -> Self {
        Self {
            id,
            status: status.status,
            reason: status.reason,
            holder: Some(status.holder),
            epoch: Some(status.epoch),
            connected_since: status.connected_since.map(Timestamp),
            last_event_at: status.last_event_at.map(Timestamp),
            live: true,
        }
    }
}

/// Get a session's live status from the worker that holds it.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/status", tag = "sessions", params(SessionPath),
    responses((status = 200, description = "The status.", body = StatusObject)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
pub(crate) async fn get_session_status(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
) -> Result<Json<StatusObject>, Problem> {
    let session = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        super::find(&mut transaction, call.session).await
    })
    .await?;
    let live = match session.live_holder() {
        Some(holder) => ask(&app, holder, session.id).await,
        None => None,
    };
    Ok(Json(match live {
        Some(status) => StatusObject::live(session.id, status),
        None => StatusObject::stored(&session),
    }))
}

/// Asks the holder; `None` when it does not answer in time or does not hold the session any more.
async fn ask(app: &App, holder: WorkerId, session: SessionId) -> Option<LiveStatus> {
    match look_up::ask(app, holder, session, Query::Status, look_up::AT_ONCE).await? {
        Answer::Status(status) => Some(status),
        Answer::NotHeld | Answer::Found { .. } | Answer::Refused { .. } => None,
    }
}
