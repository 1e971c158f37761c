//! Sessions of the Multi-Session API: started by the name that the client chooses.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use shared::command::Command;
use shared::dialect::web;
use shared::problem::Code;
use shared::session::SessionStatus;

use super::{Client, Multisession, ok};
use crate::app::App;
use crate::auth::permission::{ReadSessions, WriteSessions, WriteWebhooks};
use crate::dialect::fields::Fields;
use crate::dialect::sessions::{self, NamedSession};
use crate::dialect::{Speech as _, client, words};
use crate::problem::Problem;

/// How long `GET /api/qr` waits for a code that is about to come.
const QR_PATIENCE: Duration = Duration::from_secs(10);
/// How long a logout waits for the phone to be told.
const LOGOUT_PATIENCE: Duration = Duration::from_secs(10);

/// What a session is, in the words of this API.
fn status_word(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Starting => "initializing",
        SessionStatus::Qr | SessionStatus::Passkey => "qr",
        SessionStatus::Connecting => "authenticated",
        SessionStatus::Connected => "ready",
        SessionStatus::Stopped
        | SessionStatus::Disconnected
        | SessionStatus::LoggedOut
        | SessionStatus::Banned
        | SessionStatus::Failed => "disconnected",
    }
}

fn shown(named: &NamedSession) -> Value {
    let account = named.session.account.as_ref();
    json!({
        "sessionId": named.name,
        "status": status_word(named.session.status),
        "connected": named.is_connected(),
        "info": account.map(|account| json!({
            "wid": web::address(account),
            "number": web::number(account),
            "pushname": named.session.push_name,
        })),
    })
}

/// `POST /api/start-session`: creates the session, or starts it again.
pub(super) async fn start(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let call = client.tenant::<WriteSessions>(&app).await?;
    let fields = Fields::read(&app, request).await?;
    let name = fields
        .text("sessionId")
        .ok_or_else(|| words::invalid("sessionId es requerido"))?;
    let mut known = client::find::<Multisession, _>(&app, &call, &name).await?;
    if known.is_none() {
        match sessions::create(&app, call.clone(), Multisession::DIALECT, Some(&name), true, None).await {
            Ok(_) => {
                return Ok(ok(json!({
                    "message": "Sesión iniciada, escanee el código QR",
                    "sessionId": name,
                    "status": "initializing",
                })));
            }
            // Two requests for one name: the other one was first.
            Err(problem) if sessions::is_taken(&problem) => {
                known = client::find::<Multisession, _>(&app, &call, &name).await?;
            }
            Err(problem) => return Err(problem),
        }
    }
    let session = known.ok_or_else(|| Problem::not_found(Code::SessionNotFound))?;
    let call = call.on(session, &app)?;
    let named = sessions::read(&app, &call, Multisession::DIALECT).await?;
    let message = if named.is_started() {
        "La sesión ya está iniciada"
    } else {
        sessions::give(&app, &call, Command::Start, None).await?;
        "Sesión iniciada"
    };
    let status = match named.is_started() {
        true => status_word(named.session.status),
        false => "initializing",
    };
    Ok(ok(json!({ "message": message, "sessionId": name, "status": status })))
}

/// `GET /api/qr/{sessionId}`.
pub(super) async fn qr(State(app): State<App>, client: Client, Path(name): Path<String>) -> Result<Response, Problem> {
    let call = client.session::<WriteSessions>(&app, &name).await?;
    match sessions::link_picture(&app, &call, QR_PATIENCE).await {
        Ok(link) => Ok(ok(json!({
            "sessionId": name,
            "status": "qr",
            "qr": link.picture,
            "qrCode": link.code,
        }))),
        Err(problem) if problem.code() == Code::SessionAlreadyPaired => {
            let named = sessions::read(&app, &call, Multisession::DIALECT).await?;
            Ok(ok(json!({
                "sessionId": name,
                "status": status_word(named.session.status),
                "qr": null,
                "qrCode": null,
                "message": "La sesión ya está vinculada",
            })))
        }
        Err(problem) => Err(problem),
    }
}

/// `GET /api/status/{sessionId}`.
pub(super) async fn status(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let call = client.session::<ReadSessions>(&app, &name).await?;
    let named = sessions::read(&app, &call, Multisession::DIALECT).await?;
    Ok(ok(shown(&named)))
}

/// `GET /api/sessions`.
pub(super) async fn list(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    let call = client.tenant::<ReadSessions>(&app).await?;
    let found = sessions::list(&app, &call, Multisession::DIALECT).await?;
    let shown: Vec<Value> = found.iter().map(shown).collect();
    Ok(ok(json!({ "sessions": shown, "total": found.len() })))
}

/// `POST /api/logout/{sessionId}`: unlinks the account. Its name and its messages stay.
pub(super) async fn logout(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let call = client.session::<WriteSessions>(&app, &name).await?;
    sessions::give(&app, &call, Command::Logout, Some(LOGOUT_PATIENCE)).await?;
    Ok(ok(json!({ "message": "Sesión cerrada", "sessionId": name })))
}

/// `POST /webhook/config`: where messages of all sessions go; without a URL nowhere any more.
pub(super) async fn set_webhook(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let call = client.tenant::<WriteWebhooks>(&app).await?;
    let fields = Fields::read(&app, request).await?;
    if !fields.has("webhookUrl") {
        return Err(words::invalid("webhookUrl es requerido"));
    }
    let url = fields.text("webhookUrl");
    sessions::set_webhook(&app, &call, Multisession::DIALECT, None, url.as_deref()).await?;
    let message = match url {
        Some(_) => "Webhook configurado",
        None => "Webhook eliminado",
    };
    Ok(ok(json!({ "message": message, "webhookUrl": url })))
}
