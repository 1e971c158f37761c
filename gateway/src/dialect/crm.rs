//! The API of WhatsApp for CRM: a REST API in Spanish over Baileys. What its documentation leaves open is decided in `crm/README.md`.

use axum::Router;
use http::StatusCode;
use http::request::Parts;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::Dialect;

use super::{Speech, words};
use crate::app::App;
use crate::auth;
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Crm;

impl Speech for Crm {
    const DIALECT: Dialect = Dialect::Crm;

    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers)
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        (
            problem.status(),
            json!({ "success": false, "error": words::spanish(problem) }),
        )
    }
}

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
}
