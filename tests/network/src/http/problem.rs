//! Errors of the HTTP interface, and reading its requests.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use wacore_binary::Jid;

use crate::accounts::Number;
use crate::pairing::LinkError;
use crate::phone::send::SendError;

/// An error with its status, its stable code and a sentence for people.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
        }
    }

    /// The request cannot be understood.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
    }

    /// Nobody has this number.
    pub fn unknown_phone(number: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_phone",
            format!("nobody has the number {number}"),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.code, "detail": self.detail }))).into_response()
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let (status, code) = match &error {
            LinkError::NotAQrCode => (StatusCode::UNPROCESSABLE_ENTITY, "not_a_qr_code"),
            LinkError::KeysDiffer => (StatusCode::UNPROCESSABLE_ENTITY, "keys_differ"),
            LinkError::QrExpired => (StatusCode::CONFLICT, "qr_expired"),
            LinkError::CodeExpired => (StatusCode::CONFLICT, "code_expired"),
            LinkError::CodeWrong => (StatusCode::CONFLICT, "code_wrong"),
            LinkError::NotAccepted(_) => (StatusCode::CONFLICT, "not_accepted"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        let (status, code) = match &error {
            SendError::Nobody(_) => (StatusCode::NOT_FOUND, "unknown_recipient"),
            SendError::NoPhone => (StatusCode::CONFLICT, "no_phone"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// Reads a JSON body; an empty one counts as `{}`.
///
/// # Errors
/// The body is not JSON of the expected form.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Problem::unreadable(error.to_string()))
}

/// Reads a number, with or without `+`.
///
/// # Errors
/// It is not a number.
pub fn read_number(text: &str) -> Result<Number, Problem> {
    Number::parse(text.trim_start_matches('+'))
        .ok_or_else(|| Problem::unreadable(format!("{text:?} is not an international phone number")))
}

/// Reads an address: digits, or a JID in either spelling.
///
/// # Errors
/// It is neither.
pub fn read_address(text: &str) -> Result<Jid, Problem> {
    if text.contains('@') {
        return text
            .parse()
            .map_err(|_| Problem::unreadable(format!("{text:?} is not an address")));
    }
    Ok(Jid::pn(read_number(text)?.to_string()))
}

/// The answer to unknown routes.
pub async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "there is no such route")
}

/// The answer to unknown methods.
pub async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no_such_method",
        "the route does not have this method",
    )
}
