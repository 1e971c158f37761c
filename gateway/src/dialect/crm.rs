//! The API of WhatsApp for CRM: a REST API in Spanish over Baileys. What its documentation leaves open is decided in `crm/README.md`.

mod asked;
mod contacts;
mod frappe;
mod groups;
mod media;
mod messages;
mod send;
mod sessions;
mod shape;
mod statuses;

use std::collections::HashMap;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use axum::routing::{get, post, put};
use http::StatusCode;
use http::request::Parts;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::Dialect;
use shared::problem::Code;

use self::asked::Asked;
use super::client::NO_CREDENTIAL;
use super::sessions::is_taken;
use super::{Speech, json as respond, words};
use crate::app::App;
use crate::auth::permission::Permission;
use crate::auth::{self, SessionCall};
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Crm;

impl Speech for Crm {
    const DIALECT: Dialect = Dialect::Crm;

    /// `X-API-Key`. The canonical API's other header works too: there is one authentication.
    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers)
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        let (status, code) = status_and_code(problem);
        let error = match code.as_str() {
            "MISSING_API_KEY" => "Falta el header X-API-Key".to_owned(),
            "INVALID_API_KEY" => "La API Key no es válida".to_owned(),
            "SESSION_ALREADY_EXISTS" => "Ya existe una sesión con ese sessionId".to_owned(),
            _ => words::spanish(problem),
        };
        (status, json!({ "success": false, "error": error, "code": code }))
    }
}

/// Its own codes where its documentation names one, ours in capitals elsewhere.
fn status_and_code(problem: &Problem) -> (StatusCode, String) {
    let (status, code) = match problem.code() {
        Code::Unauthorized if problem.detail() == NO_CREDENTIAL => (problem.status(), "MISSING_API_KEY"),
        Code::Unauthorized => (problem.status(), "INVALID_API_KEY"),
        Code::ValidationFailed if is_taken(problem) => (StatusCode::CONFLICT, "SESSION_ALREADY_EXISTS"),
        Code::ValidationFailed | Code::MalformedBody | Code::UrlForbidden | Code::NotOnWhatsapp => {
            (StatusCode::BAD_REQUEST, "VALIDATION_ERROR")
        }
        // A session that cannot send is the client's fault in this API.
        Code::SessionNotPaired | Code::SessionNotStarted | Code::SessionNotConnected => {
            (StatusCode::BAD_REQUEST, "SESSION_NOT_CONNECTED")
        }
        Code::Forbidden | Code::TenantSuspended => (problem.status(), "AUTHORIZATION_FAILED"),
        Code::RateLimited => (problem.status(), "RATE_LIMIT_EXCEEDED"),
        Code::MessageRefused | Code::WhatsappRefused | Code::NotPermittedOnWhatsapp => {
            (problem.status(), "WHATSAPP_ERROR")
        }
        Code::Internal => (problem.status(), "INTERNAL_ERROR"),
        code => return (problem.status(), code.as_str().to_ascii_uppercase()),
    };
    (status, code.to_owned())
}

type Client = super::client::Client<Crm>;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(session_routes())
        .merge(message_routes())
        .merge(contacts::routes())
        .merge(groups::routes())
        .merge(statuses::routes())
        .merge(media::routes())
}

fn session_routes() -> Router<App> {
    Router::new()
        .route("/api/sessions", post(sessions::create).get(sessions::list))
        .route("/api/sessions/{session}", get(sessions::read).delete(sessions::delete))
        .route("/api/sessions/{session}/status", get(sessions::status))
        .route("/api/sessions/{session}/qr", get(sessions::qr))
        .route("/api/sessions/{session}/connect", post(sessions::connect))
        .route("/api/sessions/{session}/disconnect", post(sessions::disconnect))
        .route("/api/sessions/{session}/restart", post(sessions::restart))
        .route("/api/sessions/{session}/frappe/configure", post(frappe::configure))
        .route("/api/sessions/{session}/frappe/status", get(frappe::status))
}

fn message_routes() -> Router<App> {
    Router::new()
        .route("/api/messages/unread", get(messages::unread))
        .route("/api/messages/{session}", get(messages::list))
        .route("/api/messages/{session}/send", post(send::send))
        .route("/api/messages/{session}/chats", get(messages::list_chats))
        .route("/api/messages/{session}/stats", get(messages::statistics))
        .route("/api/messages/{session}/{chat}", get(messages::of_chat))
        .route("/api/messages/{session}/{chat}/read", put(messages::mark_read))
}

/// An answer: `{"success": true, "data": …}`.
fn ok(data: impl Into<Value>) -> Response {
    let data: Value = data.into();
    respond(StatusCode::OK, &json!({ "success": true, "data": data }))
}

/// An answer that says something too: `{"success": true, "message": …, "data": …}`.
fn done(message: &str, data: impl Into<Value>) -> Response {
    let data: Value = data.into();
    respond(
        StatusCode::OK,
        &json!({ "success": true, "message": message, "data": data }),
    )
}

/// The same about something that is new.
fn made(message: &str, data: impl Into<Value>) -> Response {
    let data: Value = data.into();
    respond(
        StatusCode::CREATED,
        &json!({ "success": true, "message": message, "data": data }),
    )
}

/// A request about the session that its path names under `{session}`, by somebody who may do `P` with it.
#[derive(Debug)]
struct About<P> {
    call: SessionCall<P>,
    asked: Asked,
    path: HashMap<String, String>,
}

impl<P: Permission> FromRequestParts<App> for About<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(client) = Client::from_request_parts(parts, app).await;
        let Ok(asked) = Asked::from_request_parts(parts, app).await;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        // A name that is no text is nobody's.
        let Path(path) = path.map_err(|_| Problem::not_found(Code::SessionNotFound))?;
        let name = path.get("session").map(String::as_str).unwrap_or_default();
        let call = client.session(app, name).await?;
        Ok(Self { call, asked, path })
    }
}

impl<P> About<P> {
    /// A further part of the path; empty where the route has none of this name.
    fn part(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_codes_of_its_documentation() {
        for (problem, status, code, error) in [
            (
                Problem::not_found(Code::SessionNotFound),
                404,
                "SESSION_NOT_FOUND",
                "Sesión no encontrada",
            ),
            (
                Problem::new(Code::SessionNotStarted, "stopped"),
                400,
                "SESSION_NOT_CONNECTED",
                "La sesión no está iniciada",
            ),
            (
                Problem::new(Code::Unauthorized, NO_CREDENTIAL),
                401,
                "MISSING_API_KEY",
                "Falta el header X-API-Key",
            ),
            (
                Problem::new(Code::Unauthorized, "The key is unknown."),
                401,
                "INVALID_API_KEY",
                "La API Key no es válida",
            ),
            (
                words::invalid("to es requerido"),
                400,
                "VALIDATION_ERROR",
                "to es requerido",
            ),
            (
                Problem::field("name", "is taken"),
                409,
                "SESSION_ALREADY_EXISTS",
                "Ya existe una sesión con ese sessionId",
            ),
            (
                Problem::not_found(Code::ChatNotFound),
                404,
                "CHAT_NOT_FOUND",
                "Chat no encontrado",
            ),
        ] {
            let told = Crm::tell(&problem);
            assert_eq!(told.0.as_u16(), status, "{code}");
            assert_eq!(told.1, json!({ "success": false, "error": error, "code": code }));
        }
    }
}
