//! Sessions of the Multi-Session API: started by the name that the client chooses.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use shared::command::Command;
use shared::dialect::web;
use shared::problem::Code;
use shared::session::SessionStatus;
use shared::timestamp;

use super::{Client, Multisession, of_session, ok};
use crate::app::App;
use crate::auth::permission::{ReadSessions, WriteSessions, WriteWebhooks};
use crate::dialect::fields::Fields;
use crate::dialect::sessions::{self, NamedSession};
use crate::dialect::{Speech as _, client, words};
use crate::problem::Problem;

/// How long `GET /api/qr` waits for a code that is about to come.
const QR_PATIENCE: Duration = Duration::from_secs(10);

/// What a session is, in the words of this API.
fn status_word(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Starting => "initializing",
        SessionStatus::Qr | SessionStatus::Passkey => "qr_ready",
        SessionStatus::Connecting => "authenticated",
        SessionStatus::Connected => "connected",
        SessionStatus::Banned | SessionStatus::Failed => "auth_failure",
        SessionStatus::Stopped | SessionStatus::Disconnected | SessionStatus::LoggedOut => "disconnected",
    }
}

/// A session as this API shows it, and, besides, whose account it is.
fn shown(named: &NamedSession) -> Value {
    let account = named.session.account.as_ref();
    let status = status_word(named.session.status);
    json!({
        "sessionId": named.name,
        "status": status,
        "connectedAt": named.session.connected_at.filter(|_| named.is_connected()).map(timestamp::text),
        "hasQR": status == "qr_ready",
        "info": account.map(|account| json!({
            "wid": web::address(account),
            "number": web::number(account),
            "pushname": named.session.push_name,
        })),
    })
}

/// How many of the sessions that the key may touch are connected.
pub(super) async fn active(app: &App, client: &Client) -> Result<usize, Problem> {
    let call = client.tenant::<ReadSessions>(app).await?;
    let found = sessions::list(app, &call, Multisession::DIALECT).await?;
    Ok(found.iter().filter(|named| named.is_connected()).count())
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
                    "message": "Sesión creada exitosamente",
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
            "qr": link.picture,
            "qrCode": link.code,
        }))),
        Err(problem) if no_code(&problem) => {
            Err(Problem::new(Code::QrNotAvailable, "QR no disponible para esta sesión"))
        }
        Err(problem) => Err(problem),
    }
}

/// Whether there is no code to show: it is linked already, not started, or none has come yet.
fn no_code(problem: &Problem) -> bool {
    matches!(
        problem.code(),
        Code::SessionAlreadyPaired | Code::SessionNotStarted | Code::QrNotAvailable
    )
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
    let active = found.iter().filter(|named| named.is_connected()).count();
    Ok(ok(json!({ "sessions": shown, "total": found.len(), "active": active })))
}

/// `POST /api/logout/{sessionId}`: unlinks the account and removes the session, as that server forgot it.
pub(super) async fn logout(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let call = client
        .session::<WriteSessions>(&app, &name)
        .await
        .map_err(of_session(&name))?;
    sessions::delete(&app, call).await?;
    Ok(ok(
        json!({ "sessionId": name, "message": "Sesión cerrada exitosamente" }),
    ))
}

/// `POST /webhook/config`: where messages of all sessions go; without a URL nowhere any more.
pub(super) async fn set_webhook(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let call = client.tenant::<WriteWebhooks>(&app).await?;
    let url = Fields::read(&app, request).await?.text("webhookUrl");
    sessions::set_webhook(&app, &call, Multisession::DIALECT, None, url.as_deref()).await?;
    Ok(ok(
        json!({ "message": "Configuración de webhook actualizada", "webhookUrl": url }),
    ))
}
