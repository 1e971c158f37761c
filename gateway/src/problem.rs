//! Problems: how every failure is answered (RFC 9457).
//!
//! A [`Problem`] is made where something fails and rendered in one place, the outermost middleware, which knows the request's id and logs the
//! internal cause once. What a client reads comes from [`Problem::new`]'s arguments only; a cause never reaches it.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use shared::problem::Code;
use shared::store::StoreError;

/// The content type of every failure.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The page that documents the codes; a problem's `type` leads to its paragraph.
pub const DOCUMENTATION: &str = "/docs/problems";

/// What a failed request is answered with. Cheap to clone.
#[derive(Clone)]
pub struct Problem(Box<Contents>);

#[derive(Clone)]
struct Contents {
    code: Code,
    detail: String,
    said: Option<String>,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    rate_limit: Option<NonZeroU32>,
    cause: Option<Arc<anyhow::Error>>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: a path into the body (`text.body`, `mentions[0]`), or the name of a parameter or header.
    #[schema(example = "text.body")]
    pub field: String,
    /// What is wrong, for people.
    #[schema(example = "must have 1 to 65536 characters")]
    pub message: String,
}

/// The body of a problem.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Leads to the documentation of the code.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "/docs/problems#session_not_found")]
    pub kind: String,
    /// A short name, the same for every occurrence.
    #[schema(value_type = String, example = "There is no such session")]
    pub title: &'a str,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What happened this time, for people.
    #[schema(value_type = String)]
    pub detail: &'a str,
    /// What happened, for programs. Codes never change their meaning.
    pub code: Code,
    /// The request's id: under it the log tells more.
    #[schema(value_type = String, example = "req_019c2f7e5d0a7c31b1a6d7a3c0c6e1f2")]
    pub request_id: &'a str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// A problem that its reader can understand: `detail` is shown.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Unavailable
            | Code::Overloaded
            | Code::IdempotencyInProgress
            | Code::QrNotAvailable
            | Code::RateLimited => Some(1),
            Code::RegionUnavailable => Some(5),
            Code::QuotaExceeded => Some(60),
            _ => None,
        };
        Self(Box::new(Contents {
            code,
            detail: detail.into(),
            said: None,
            errors: Vec::new(),
            retry_after,
            rate_limit: None,
            cause: None,
        }))
    }

    /// One field of the request is wrong.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(
            Code::ValidationFailed,
            vec![FieldError {
                field: field.into(),
                message: message.into(),
            }],
        )
    }

    /// Fields of the request are wrong.
    #[must_use]
    pub fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => code.title().to_owned(),
            [only] => format!("{}: {}", only.field, only.message),
            [first, rest @ ..] => format!("{}: {}; and {} more", first.field, first.message, rest.len()),
        };
        let mut problem = Self::new(code, detail);
        problem.0.errors = errors;
        problem
    }

    /// What was asked for does not exist, or is not the caller's: the two are never told apart.
    #[must_use]
    pub fn not_found(code: Code) -> Self {
        Self::new(code, format!("{}.", code.title()))
    }

    /// A fault of ours. The cause goes to the log and nowhere else.
    #[must_use]
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(
            Code::Internal,
            "The request could not be carried out because of a fault in Rookery.",
        )
        .caused_by(cause)
    }

    /// The database cannot be reached or does not answer in time.
    #[must_use]
    pub fn unavailable(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(
            Code::Unavailable,
            "The database cannot be reached right now. The request may be repeated.",
        )
        .caused_by(cause)
    }

    /// Says when a repeat may succeed: after so long, in full seconds.
    #[must_use]
    pub fn retry_after(mut self, patience: Duration) -> Self {
        let seconds = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX);
        self.0.retry_after = Some(seconds.saturating_add(u32::from(patience.subsec_nanos() > 0)).max(1));
        self
    }

    /// Says how many requests a second are possible.
    #[must_use]
    pub fn rate_limit(mut self, per_second: NonZeroU32) -> Self {
        self.0.rate_limit = Some(per_second);
        self
    }

    /// After how many seconds a repeat may succeed.
    #[must_use]
    pub fn seconds_to_wait(&self) -> Option<u32> {
        self.0.retry_after
    }

    /// Says it in the words of an older API's clients, whatever [`crate::dialect::words`] has for its code.
    #[must_use]
    pub fn said(mut self, text: impl Into<String>) -> Self {
        self.0.said = Some(text.into());
        self
    }

    /// What the clients of an older API are told, where that is something of its own.
    #[must_use]
    pub fn saying(&self) -> Option<&str> {
        self.0.said.as_deref()
    }

    /// Remembers the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(Arc::new(cause.into()));
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What is wrong with which field.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// What happened, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The cause, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&anyhow::Error> {
        self.0.cause.as_deref()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The JSON that the client reads.
    #[must_use]
    pub fn render(&self, request_id: &str) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("{DOCUMENTATION}#{}", self.0.code),
            title: self.0.code.title(),
            status: self.0.code.status(),
            detail: &self.0.detail,
            code: self.0.code,
            request_id,
            errors: &self.0.errors,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Problem({}: {}", self.0.code, self.0.detail)?;
        if let Some(cause) = self.cause() {
            write!(formatter, "; {cause:#}")?;
        }
        formatter.write_str(")")
    }
}

impl IntoResponse for Problem {
    /// The status and headers; the body is written by the middleware that knows the request's id (see [`crate::http::middleware`]).
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.0.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(per_second) = self.0.rate_limit {
            let reset = self.0.retry_after.unwrap_or(1);
            let headers = response.headers_mut();
            headers.insert("ratelimit-limit", HeaderValue::from(per_second.get()));
            headers.insert("ratelimit-remaining", HeaderValue::from(0));
            headers.insert("ratelimit-reset", HeaderValue::from(reset));
        }
        if self.0.code == Code::Unauthorized {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            Self::unavailable(error)
        } else {
            Self::internal(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_the_code_and_never_the_cause() {
        let problem = Problem::internal(anyhow::anyhow!("password of the database"));
        let body: serde_json::Value = serde_json::from_slice(&problem.render("req_1")).unwrap();
        assert_eq!(body["code"], "internal");
        assert_eq!(body["type"], "/docs/problems#internal");
        assert_eq!(body["status"], 500);
        assert_eq!(body["request_id"], "req_1");
        assert!(body.get("errors").is_none());
        assert!(!body.to_string().contains("password"));
        assert!(format!("{problem:?}").contains("password"), "the log does read it");
    }

    #[test]
    fn every_answer_that_invites_a_repeat_says_when() {
        for code in Code::ALL {
            let response = Problem::new(*code, "").into_response();
            let invites = matches!(code.status(), 429 | 503) || *code == Code::IdempotencyInProgress;
            let says_when = response.headers().contains_key(header::RETRY_AFTER);
            assert!(says_when || !invites, "{code} lacks Retry-After");
        }
    }
}
