//! `/v1/sessions`: WhatsApp accounts linked to us as companion devices.

pub(crate) mod create;
mod list;
mod pairing_code;
pub(crate) mod qr;
pub(crate) mod remove;
mod settings;
pub(crate) mod status;
pub(crate) mod update;
pub(crate) mod verbs;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::ids::{CommandId, SessionId};
use shared::problem::Code;
use shared::session::{Goal, SessionSettings, SessionStatus};
use shared::store::TenantTransaction;
use shared::store::sessions::{Metadata, Session};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create::create_session, list::list_sessions))
        .routes(routes!(get_session, update::update_session, remove::delete_session))
        .routes(routes!(verbs::start_session))
        .routes(routes!(verbs::stop_session))
        .routes(routes!(verbs::restart_session))
        .routes(routes!(verbs::logout_session))
        .routes(routes!(status::get_session_status))
        .routes(routes!(qr::get_session_qr))
        .routes(routes!(pairing_code::request_pairing_code))
}

/// The path of everything about one session.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SessionPath {
    /// The session's id.
    #[param(example = "ses_local_06egk3n2g8v6f9d8h2q7c1t0b4")]
    #[expect(dead_code, reason = "documentation; the value is taken by the call's extractor")]
    session_id: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionObject {
    /// Its id; names the region that serves it.
    #[schema(value_type = String, example = "ses_local_06egk3n2g8v6f9d8h2q7c1t0b4")]
    pub(crate) id: SessionId,
    /// Its name, for people.
    name: String,
    /// What it is.
    status: SessionStatus,
    /// Why, as a stable word.
    reason: Option<String>,
    /// What is wanted of it; `status` follows.
    goal: Goal,
    /// The linked account; null until one is linked.
    account: Option<Account>,
    /// What you remember with it.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    metadata: Metadata,
    /// How it behaves. A proxy's URL is shown without its password.
    settings: SessionSettings,
    /// When it was created.
    created_at: Timestamp,
    /// When its name, metadata or settings were last changed.
    updated_at: Timestamp,
    /// Since when it is connected.
    connected_at: Option<Timestamp>,
    /// When its last event was recorded, to half a minute.
    last_event_at: Option<Timestamp>,
}

/// A linked account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    /// The JID: the phone number's where it is known, else the LID's.
    #[schema(example = "15550001001@s.whatsapp.net")]
    jid: String,
    /// The phone number in digits.
    #[schema(example = "15550001001")]
    phone: Option<String>,
    /// The LID in digits.
    #[schema(example = "100000000001001")]
    lid: Option<String>,
    /// The name that contacts see.
    push_name: Option<String>,
}

impl From<Session> for SessionObject {
    fn from(session: Session) -> Self {
        let push_name = session.push_name;
        Self {
            id: session.id,
            name: session.name,
            status: session.status,
            reason: session.reason,
            goal: session.goal,
            account: session.account.map(|party| Account {
                jid: party.jid,
                phone: party.phone,
                lid: party.lid,
                push_name,
            }),
            metadata: session.metadata,
            settings: session.settings,
            created_at: session.created_at.into(),
            updated_at: session.updated_at.into(),
            connected_at: session.connected_at.map(Timestamp),
            last_event_at: session.last_event_at.map(Timestamp),
        }
    }
}

/// A session, and the command that was given to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandedSession {
    #[serde(flatten)]
    session: SessionObject,
    /// The command; `GET /v1/commands/{id}` tells its outcome.
    #[schema(value_type = String, example = "cmd_06egk3n2g8v6f9d8h2q7c1t0b4")]
    command_id: CommandId,
}

/// What an accepted answer names its command by, as a replayed answer is read again.
#[derive(Debug, Deserialize)]
pub(crate) struct CommandReference {
    pub(crate) command_id: CommandId,
}

/// Reads one session.
pub(crate) async fn find(transaction: &mut TenantTransaction, session: SessionId) -> Result<Session, Problem> {
    transaction
        .session(session)
        .await?
        .ok_or_else(|| Problem::not_found(Code::SessionNotFound))
}

/// Requires that all of these are sessions of the tenant.
pub(crate) async fn require_known(
    transaction: &mut TenantTransaction,
    field: &str,
    sessions: &[SessionId],
) -> Result<(), Problem> {
    let unknown = transaction.unknown_sessions(sessions).await?;
    let mut checks = Checks::new();
    for (index, session) in sessions.iter().enumerate() {
        checks.require(
            !unknown.contains(session),
            &format!("{field}[{index}]"),
            "is no session of this tenant",
        );
    }
    checks.finish()
}

/// Get a session.
#[utoipa::path(get, path = "/v1/sessions/{session_id}", tag = "sessions", params(SessionPath),
    responses((status = 200, description = "The session.", body = SessionObject)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable"]))))]
async fn get_session(State(app): State<App>, call: SessionCall<ReadSessions>) -> Result<Json<SessionObject>, Problem> {
    let session = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        find(&mut transaction, call.session).await
    })
    .await?;
    Ok(Json(session.into()))
}
