//! `PATCH /v1/sessions/{id}`: a merge patch of name, metadata and settings.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::command::Command;
use shared::ids::CommandId;
use shared::problem::Code;
use shared::session::SessionSettings;
use shared::store::sessions::{Session, SessionUpdate};
use utoipa::ToSchema;

use super::{SessionObject, SessionPath, settings};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::database::promptly;
use crate::http::body::Document;
use crate::http::checks::Checks;
use crate::intake::{self, Accepted};
use crate::outcome::OutcomeWatch;
use crate::problem::Problem;

/// How long the holder may take to follow changed settings before the answer goes out all the same.
const HOLDER_PATIENCE: Duration = Duration::from_secs(2);

/// What is to change about a session. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateSession {
    /// A new name: 1 to 100 characters.
    name: Option<String>,
    /// Entries to set; null removes one. Entries that are not named stay.
    #[schema(value_type = Option<std::collections::HashMap<String, Option<String>>>)]
    metadata: Option<BTreeMap<String, Option<String>>>,
    /// Settings to change; null takes one back to its default. `ignore`, `media`, `read_receipts` and `reject_calls` take effect at once, `presence`,
    /// `proxy` and `history` when the session connects the next time: restart it to have them now.
    #[schema(value_type = Option<SessionSettings>)]
    settings: Option<serde_json::Value>,
}

/// Change a session's name, metadata or settings.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}", tag = "sessions", params(SessionPath), request_body = UpdateSession,
    responses((status = 200, description = "The changed session.", body = SessionObject)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "url_forbidden"]))))]
pub(crate) async fn update_session(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    Document(body): Document<UpdateSession>,
) -> Result<Json<SessionObject>, Problem> {
    let id = CommandId::generate();
    let watch = match body.settings {
        Some(_) => Some(OutcomeWatch::open(&app, id).await),
        None => None,
    };
    let (session, accepted) = promptly(update(&app, &call, body, id)).await?;
    if let Some(accepted) = accepted {
        intake::carry(&app, &accepted);
        if let (Some(watch), Some(_)) = (watch, accepted.holder) {
            // What it answers is no news: the settings are stored, and the holder will follow them.
            watch.wait(&app, call.tenant.tenant, HOLDER_PATIENCE).await;
        }
    }
    Ok(Json(session.into()))
}

async fn update(
    app: &App,
    call: &SessionCall<WriteSessions>,
    body: UpdateSession,
    id: CommandId,
) -> Result<(Session, Option<Accepted>), Problem> {
    let mut transaction = app.store().tenant(call.tenant.tenant).await?;
    // The command's number first, as everywhere: see `intake`.
    let opened = match body.settings {
        Some(_) => Some(intake::open(&mut transaction, call.session).await?),
        None => None,
    };
    let current = transaction
        .lock_session(call.session)
        .await?
        .ok_or_else(|| Problem::not_found(Code::SessionNotFound))?;
    let update = plan(app, &current, body)?;
    transaction.update_session(call.session, &update).await?;
    let changed = super::find(&mut transaction, call.session).await?;
    // Also where nobody holds the session: somebody may take it up right now and read the settings before this commit.
    let accepted = match opened {
        Some(opened) => Some(intake::append(&mut transaction, &opened, id, Command::ApplySettings).await?),
        None => None,
    };
    transaction.commit().await?;
    Ok((changed, accepted))
}

fn plan(app: &App, current: &Session, body: UpdateSession) -> Result<SessionUpdate, Problem> {
    let mut update = SessionUpdate::default();
    let mut checks = Checks::new();
    if let Some(name) = body.name {
        checks.name("name", &name);
        update.name = Some(name);
    }
    if let Some(changes) = body.metadata {
        let mut metadata = current.metadata.clone();
        for (key, value) in changes {
            match value {
                Some(value) => metadata.insert(key, value),
                None => metadata.remove(&key),
            };
        }
        checks.metadata(&metadata);
        update.metadata = Some(metadata);
    }
    checks.finish()?;
    if let Some(patch) = body.settings {
        let mut merged = settings::merged(&current.settings, &patch)?;
        let whole = settings::accept(&mut merged, app.egress())?;
        update.proxy_sealed = match whole {
            None => Some(None),
            // The proxy as it was shown, or not named at all: what is sealed stays, with its password.
            Some(whole) if current.settings.proxy.as_ref().is_some_and(|proxy| proxy.url == whole) => None,
            Some(whole) => Some(Some(settings::seal_proxy(
                &whole,
                app.region_key(),
                current.tenant,
                current.id,
            ))),
        };
        update.settings = Some(merged);
    }
    Ok(update)
}
