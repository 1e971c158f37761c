//! WhatsApp Management System API: a REST API in English over whatsapp-web.js. What its documentation leaves open is decided in `management/README.md`.

use axum::Router;
use http::StatusCode;
use http::request::Parts;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::Dialect;

use super::Speech;
use crate::app::App;
use crate::auth;
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Management;

impl Speech for Management {
    const DIALECT: Dialect = Dialect::Management;

    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers)
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        (
            problem.status(),
            json!({ "status": "error", "message": problem.detail() }),
        )
    }
}

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
}
