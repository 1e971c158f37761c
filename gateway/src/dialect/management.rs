//! WhatsApp Management System API: a REST API in English over whatsapp-web.js. What its documentation leaves open is decided in `management/README.md`.

mod messages;
mod sessions;
mod webhooks;

use std::collections::HashMap;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::Dialect;
use shared::problem::Code;

use super::open::{self, OpenDoor};
use super::{Speech, json as respond};
use crate::app::App;
use crate::auth::permission::Permission;
use crate::auth::{self, SessionCall};
use crate::problem::Problem;

/// So much of what stands in a path is said again, in characters.
const LONGEST_SHOWN: usize = 100;

/// The dialect.
#[derive(Debug)]
pub struct Management;

impl Speech for Management {
    const DIALECT: Dialect = Dialect::Management;

    /// Its clients sent none. Where one is needed it stands where HTTP knows one, also in the base address: `https://key:KEY@host`.
    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers).or_else(|| auth::basic_password(&parts.headers))
    }

    fn open_door(app: &App, parts: &Parts) -> Option<Result<OpenDoor, Problem>> {
        let door = app.management_open()?;
        // A credential that does not work is refused, not overlooked.
        if auth::carries_credential(&parts.headers) {
            return None;
        }
        if open::is_of_another_site(&parts.headers) {
            let refused = "A request that a web page of another site makes needs an API key.";
            return Some(Err(Problem::new(Code::Forbidden, refused)));
        }
        Some(Ok(door.clone()))
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        let status = match problem.code() {
            Code::ValidationFailed | Code::MalformedBody | Code::UrlForbidden | Code::NotOnWhatsapp => {
                StatusCode::BAD_REQUEST
            }
            // A session that cannot send is the client's fault in this API.
            Code::SessionNotPaired | Code::SessionNotStarted | Code::SessionNotConnected => StatusCode::BAD_REQUEST,
            _ => problem.status(),
        };
        let message = match problem.errors().first() {
            Some(error) => format!("{} {}", own_name(&error.field), error.message),
            None => problem.detail().to_owned(),
        };
        (status, json!({ "status": "error", "message": message }))
    }
}

/// What its clients call a field of ours.
fn own_name(field: &str) -> &str {
    match field {
        "text.body" => "message",
        "name" => "session_name",
        other => other,
    }
}

type Client = super::client::Client<Management>;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/sessions", get(sessions::list).post(sessions::create))
        .route(
            "/api/sessions/{id}",
            get(sessions::read).put(sessions::update).delete(sessions::delete),
        )
        .route("/api/sessions/{id}/start", post(sessions::start))
        .route("/api/sessions/{id}/stop", post(sessions::stop))
        .route("/api/sessions/{id}/qr", get(sessions::qr))
        .route("/api/messages/session/{id}", get(messages::list))
        .route("/api/messages/session/{id}/send", post(messages::send))
        .route("/api/messages/{id}", get(messages::read))
        .route(
            "/api/webhook/{id}",
            get(webhooks::list).post(messages::reply).delete(webhooks::delete),
        )
        .route("/api/webhook/{id}/register", post(webhooks::register))
}

/// An answer with data.
fn data(status: StatusCode, data: impl Into<Value>) -> Response {
    let data: Value = data.into();
    respond(status, &json!({ "status": "success", "data": data }))
}

/// An answer that only says something.
fn done(message: impl Into<String>) -> Response {
    let message: String = message.into();
    respond(StatusCode::OK, &json!({ "status": "success", "message": message }))
}

/// What a client called something, as it is said again.
fn shown_id(id: &str) -> String {
    id.chars().take(LONGEST_SHOWN).collect()
}

fn session_not_found(id: &str) -> Problem {
    Problem::new(
        Code::SessionNotFound,
        format!("Session with ID {} not found", shown_id(id)),
    )
}

/// The number that stands in a path, if it is one.
fn number(id: &str) -> Option<i64> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| id.parse().ok()).flatten()
}

/// What the path names, as the client called it.
#[derive(Debug)]
struct Named(String);

impl FromRequestParts<App> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        // What is no text names nothing.
        let mut path = path.map(|Path(path)| path).unwrap_or_default();
        Ok(Self(path.remove("id").unwrap_or_default()))
    }
}

/// A request about one session, by somebody who may do `P` with it.
#[derive(Debug)]
struct About<P> {
    call: SessionCall<P>,
    client: Client,
    /// What the client called the session.
    id: String,
}

impl<P: Permission> FromRequestParts<App> for About<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(client) = Client::from_request_parts(parts, app).await;
        let Named(id) = Named::from_request_parts(parts, app).await?;
        let call = client.session(app, &id).await;
        let call = call.map_err(|problem| match problem.code() {
            Code::SessionNotFound => session_not_found(&id),
            _ => problem,
        })?;
        Ok(Self { call, client, id })
    }
}

impl<P> About<P> {
    /// The session as the client called it.
    fn shown_id(&self) -> String {
        shown_id(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_look_as_its_documentation_says() {
        for (problem, status, message) in [
            (session_not_found("999"), 404, "Session with ID 999 not found"),
            (
                Problem::new(Code::SessionNotStarted, "Session 1 is not connected"),
                400,
                "Session 1 is not connected",
            ),
            (Problem::field("text.body", "is too long"), 400, "message is too long"),
            (Problem::new(Code::Unauthorized, "No key."), 401, "No key."),
        ] {
            let told = Management::tell(&problem);
            assert_eq!(told.0.as_u16(), status);
            assert_eq!(told.1, json!({ "status": "error", "message": message }));
        }
    }

    #[test]
    fn what_was_not_found_is_not_repeated_without_end() {
        let problem = session_not_found(&"9".repeat(10_000));
        assert!(problem.detail().len() < 200);
    }

    #[test]
    fn only_digits_are_a_number() {
        assert_eq!(number("17"), Some(17));
        for text in ["", "-1", "+1", "1a", "99999999999999999999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
