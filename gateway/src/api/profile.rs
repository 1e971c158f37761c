//! `/v1/sessions/{id}/profile` and `…/presence`: what the account shows of itself, and to whom.

mod picture;
mod update;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::address::{Address, Party};
use shared::operation::{Operation, ProfileOperation};
use shared::problem::Code;
use shared::query::profile::ProfileDetails;
use shared::query::{Lookup, ProfileLookup};
use shared::session::Presence;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadSessions, WriteSessions};
use crate::database::promptly;
use crate::http::body::{Document, Submission};
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::openapi::PreferHeader;
use crate::operate::{OperationAccepted, OperationDone, operate};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(get_profile, update::update_profile))
        .routes(routes!(
            picture::get_profile_picture,
            picture::set_profile_picture,
            picture::remove_profile_picture
        ))
        .routes(routes!(set_presence))
}

/// What the account shows of itself, and to whom.
#[derive(Debug, Serialize, ToSchema)]
struct Profile {
    /// The account's ids.
    #[serde(flatten)]
    account: Party,
    /// The name that contacts see.
    name: Option<String>,
    /// The about.
    about: Option<String>,
    /// The picture's id; null: there is none.
    picture_id: Option<String>,
    /// Who may see and do what: `last_seen`, `online`, `picture`, `about`, `group_add`, `read_receipts`, `call_add`, `messages`, `defense`, each
    /// with `all`, `contacts`, `contact_blacklist`, `none`, `match_last_seen`, `known`, `off` or `on_standard`. What this version does not know
    /// carries WhatsApp's own words.
    #[schema(value_type = HashMap<String, String>)]
    privacy: HashMap<String, String>,
    /// By category: whom its value `contact_blacklist` leaves out.
    #[schema(value_type = HashMap<String, Vec<Party>>)]
    privacy_exceptions: HashMap<String, Vec<Party>>,
}

/// Whether the account shows as online.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetPresence {
    /// Online or not.
    presence: Presence,
}

/// The account that is linked to the session.
async fn account<P: Permission>(app: &App, call: &SessionCall<P>) -> Result<Party, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let session = sessions::find(&mut transaction, call.session).await?;
        crate::operate::require_usable(&session)?;
        session
            .account
            .ok_or_else(|| Problem::not_found(Code::SessionNotPaired))
    })
    .await
}

/// The account's address.
fn own_address(account: &Party) -> Result<Address, Problem> {
    account
        .jid
        .parse()
        .map_err(|error: shared::address::InvalidAddress| Problem::internal(error))
}

async fn give(
    app: &App,
    call: &SessionCall<WriteSessions>,
    prefer: Prefer,
    operation: ProfileOperation,
) -> Result<Response, Problem> {
    let submission = Submission {
        body: Operation::Profile(operation),
        idempotency: None,
    };
    operate(app, call, prefer, submission).await
}

/// Get the account's profile and privacy settings, as WhatsApp has them now.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/profile", tag = "profile", params(SessionPath),
    responses((status = 200, description = "The profile.", body = Profile)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started",
        "session_not_connected", "whatsapp_refused"]))))]
async fn get_profile(State(app): State<App>, call: SessionCall<ReadSessions>) -> Result<Json<Profile>, Problem> {
    let account = account(&app, &call).await?;
    let details: ProfileDetails = look_up(&app, &call, Lookup::Profile(ProfileLookup::Everything)).await?;
    Ok(Json(Profile {
        account,
        name: details.name,
        about: details.about,
        picture_id: details.picture_id,
        privacy: details.privacy.into_iter().collect(),
        privacy_exceptions: details.privacy_exceptions.into_iter().collect(),
    }))
}

/// Show the account as online or not, until the connection ends; the session's setting `presence` says how each connection begins. While it shows as
/// online, the owner's phone stays silent, and WhatsApp tells the presence of others.
#[utoipa::path(put, path = "/v1/sessions/{session_id}/presence", tag = "profile", params(SessionPath, PreferHeader), request_body = SetPresence,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started", "whatsapp_refused"]))))]
async fn set_presence(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    prefer: Prefer,
    Document(body): Document<SetPresence>,
) -> Result<Response, Problem> {
    let presence = body.presence;
    give(&app, &call, prefer, ProfileOperation::SetPresence { presence }).await
}
