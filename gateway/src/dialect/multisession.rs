//! WhatsApp Multi-Session API: a REST API in Spanish over whatsapp-web.js and Express. What its documentation leaves open is decided in
//! `multisession/README.md`.

pub mod live;
mod messages;
mod sessions;

use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use chrono::Utc;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::Dialect;
use shared::problem::Code;
use shared::timestamp;

use super::{Speech, json as respond, words};
use crate::app::App;
use crate::auth;
use crate::http::parameters;
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Multisession;

impl Speech for Multisession {
    const DIALECT: Dialect = Dialect::Multisession;

    /// `X-API-Key` or `?apiKey=`. The canonical API's other header works too: there is one authentication.
    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers).or_else(|| {
            let (_, key) = parameters::pairs(&parts.uri).find(|(name, _)| name == "apiKey")?;
            (!key.is_empty()).then(|| SecretString::from(key))
        })
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        let status = match problem.code() {
            Code::ValidationFailed | Code::MalformedBody | Code::UrlForbidden | Code::NotOnWhatsapp => {
                StatusCode::BAD_REQUEST
            }
            // A session that cannot send is the client's fault in this API.
            Code::SessionNotPaired | Code::SessionNotStarted | Code::SessionNotConnected => StatusCode::BAD_REQUEST,
            Code::QrNotAvailable => StatusCode::NOT_FOUND,
            _ => problem.status(),
        };
        let error = match problem.code() {
            Code::Unauthorized => "API Key requerida. Usa el header X-API-Key o query param apiKey".to_owned(),
            Code::QrNotAvailable => "QR no disponible para esta sesión".to_owned(),
            _ => words::spanish(problem),
        };
        (status, json!({ "success": false, "error": error }))
    }
}

type Client = super::client::Client<Multisession>;

/// The routes.
pub fn routes() -> Router<App> {
    let started = Instant::now();
    Router::new()
        .route("/api/start-session", post(sessions::start))
        .route("/api/qr/{session}", get(sessions::qr))
        .route("/api/status/{session}", get(sessions::status))
        .route("/api/sessions", get(sessions::list))
        .route("/api/logout/{session}", post(sessions::logout))
        .route("/api/send-message", post(messages::send))
        .route("/api/send-media", post(messages::send_media))
        .route("/api/messages/{session}", get(messages::list))
        .route("/webhook/config", post(sessions::set_webhook))
        .route("/info", get(info))
        .route("/api/health", get(move |app, client| health(app, client, started)))
        // Its web interface stood at the root; ours is the panel.
        .route("/", get(async || Redirect::temporary("/panel")))
}

fn ok(mut value: Value) -> Response {
    value["success"] = true.into();
    respond(StatusCode::OK, &value)
}

/// How many sessions are connected: of the caller's tenant, and none for whoever says no key.
async fn active(app: &App, client: &Client) -> usize {
    sessions::active(app, client).await.unwrap_or_default()
}

async fn info(State(app): State<App>, client: Client) -> Response {
    ok(json!({
        "server": "WhatsApp Multi-Session API",
        "version": "1.0.0",
        "activeSessions": active(&app, &client).await,
        "timestamp": timestamp::text(Utc::now()),
    }))
}

/// Also its documentation, as its users were told: the routes.
async fn health(State(app): State<App>, client: Client, started: Instant) -> Response {
    let endpoints: Vec<&str> = super::listed_routes(Dialect::Multisession).lines().collect();
    ok(json!({
        "status": "healthy",
        "timestamp": timestamp::text(Utc::now()),
        "activeSessions": active(&app, &client).await,
        "uptime": started.elapsed().as_secs_f64(),
        "endpoints": endpoints,
    }))
}

/// Says what is wrong with a session as that server did when it was to act: by its name, as the client's fault.
fn of_session(name: &str) -> impl Fn(Problem) -> Problem + '_ {
    move |problem| match problem.code() {
        Code::SessionNotFound => words::invalid(format!("Sesión {name} no encontrada")),
        Code::SessionNotPaired | Code::SessionNotStarted | Code::SessionNotConnected => {
            words::invalid(format!("Sesión {name} no está conectada"))
        }
        _ => problem,
    }
}

/// The request's idempotency key, for clients that send one.
fn idempotency(
    headers: &HeaderMap,
    path: &str,
    message: &Value,
) -> Result<Option<crate::idempotency::Idempotency>, Problem> {
    super::sending::idempotency(headers, path, message)
}
