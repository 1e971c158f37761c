//! WhatsApp Multi-Session API: a REST API in Spanish over whatsapp-web.js and Express. What its documentation leaves open is decided in
//! `multisession/README.md`.

mod messages;
mod sessions;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use chrono::Utc;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::Dialect;
use shared::problem::Code;

use super::{Speech, json as respond, words};
use crate::app::App;
use crate::auth;
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Multisession;

impl Speech for Multisession {
    const DIALECT: Dialect = Dialect::Multisession;

    /// `X-API-Key`. The canonical API's other header works too: there is one authentication.
    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers)
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
            Code::Unauthorized => "API Key inválida o no proporcionada".to_owned(),
            _ => words::spanish(problem),
        };
        (status, json!({ "success": false, "error": error }))
    }
}

type Client = super::client::Client<Multisession>;

/// The routes.
pub fn routes() -> Router<App> {
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
        .route("/api/health", get(health))
        // Its web interface stood at the root; ours is the panel.
        .route("/", get(async || Redirect::temporary("/panel")))
}

fn ok(mut value: Value) -> Response {
    value["success"] = true.into();
    respond(StatusCode::OK, &value)
}

async fn info() -> Response {
    ok(json!({
        "name": "WhatsApp Multi-Session API",
        "version": env!("CARGO_PKG_VERSION"),
        "status": "running",
        "documentation": "/api/health",
    }))
}

/// Also its documentation, as its users were told: the routes.
async fn health() -> Response {
    let endpoints: Vec<&str> = super::listed_routes(Dialect::Multisession).lines().collect();
    ok(json!({
        "status": "ok",
        "timestamp": shared::timestamp::text(Utc::now()),
        "endpoints": endpoints,
    }))
    .into_response()
}

/// The request's idempotency key, for clients that send one.
fn idempotency(
    headers: &HeaderMap,
    path: &str,
    message: &Value,
) -> Result<Option<crate::idempotency::Idempotency>, Problem> {
    super::sending::idempotency(headers, path, message)
}
