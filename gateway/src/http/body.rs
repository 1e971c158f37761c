//! JSON bodies. Unknown fields, wrong types and broken JSON are told apart, and each failure says where.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body_util::LengthLimitError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use shared::problem::Code;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::idempotency::Idempotency;
use crate::problem::Problem;

/// The longest `Idempotency-Key`, in characters.
const LONGEST_KEY: usize = 255;
/// The longest JSON body with a file in it: 16 MiB in base64, and some room. Larger files are uploaded as they are.
pub const LONGEST_WITH_FILE: usize = 23 * 1024 * 1024;

/// The body of a request that changes something, without an idempotency key (`PATCH`).
#[derive(Debug)]
pub struct Document<T>(pub T);

/// The body of a `POST` that changes something, and its idempotency key if it has one.
#[derive(Debug)]
pub struct Submission<T> {
    /// The body.
    pub body: T,
    /// The key, with the fingerprint of the request that came with it.
    pub idempotency: Option<Idempotency>,
}

impl Idempotency {
    /// The same for a body that holds a password: without the caller's key nobody can find out by trying what it was.
    #[must_use]
    pub fn keyed(mut self, caller: &SecretString) -> Self {
        let mut keyed = Sha256::new();
        keyed.update(caller.expose_secret().as_bytes());
        keyed.update([0]);
        keyed.update(self.fingerprint);
        self.fingerprint = keyed.finalize().into();
        self
    }
}

/// A [`Submission`] that may hold a file in base64, and is then much longer than others: only so many of those are in memory at once.
#[derive(Debug)]
pub struct FileSubmission<T> {
    /// The body and its key.
    pub submission: Submission<T>,
    /// Kept for as long as the body's file is in memory.
    pub place: Option<OwnedSemaphorePermit>,
}

/// The body of a request that has nothing to say: absent, null or `{}`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<T: DeserializeOwned> FromRequest<App> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, app.limits().max_body_bytes).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Submission<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Self::of(&parts, body, app.limits().max_body_bytes).await
    }
}

impl<T: DeserializeOwned> Submission<T> {
    async fn of(parts: &Parts, body: Body, limit: usize) -> Result<Self, Problem> {
        let key = idempotency_key(&parts.headers)?;
        let bytes = read(&parts.headers, body, limit).await?;
        let idempotency = key.map(|key| Idempotency {
            key,
            fingerprint: fingerprint(&parts.method, parts.uri.path(), &bytes),
            window: None,
        });
        Ok(Self {
            body: parse(&bytes)?,
            idempotency,
        })
    }
}

impl<T: DeserializeOwned> FromRequest<App> for FileSubmission<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let usual = app.limits().max_body_bytes;
        let declared = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
        let (limit, place) = if declared.is_some_and(|length| length <= usual) {
            (usual, None)
        } else {
            (LONGEST_WITH_FILE.max(usual), Some(place_for_base64(app)?))
        };
        let submission = Submission::of(&parts, body, limit).await?;
        Ok(Self { submission, place })
    }
}

/// A place for one body that holds a file in base64.
///
/// # Errors
/// [`Code::Overloaded`] when there is none right now.
pub(crate) fn place_for_base64(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    app.base64_permits().try_acquire_owned().map_err(|_| {
        Problem::new(
            Code::Overloaded,
            "Too many files in base64 are coming in: upload files as they are, or repeat the request later.",
        )
    })
}

/// The request's idempotency key, if it has one.
///
/// # Errors
/// `validation_failed` when it is malformed.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let valid = |key: &&str| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(valid) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::field(
            "Idempotency-Key",
            format!("must have 1 to {LONGEST_KEY} visible ASCII characters"),
        )),
    }
}

/// What makes two requests the same: the method, the path with its ids, and the body byte for byte.
pub(crate) fn fingerprint(method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes()] {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(body);
    digest.finalize().into()
}

/// Reads a body of at most `limit` bytes, whatever it is.
///
/// # Errors
/// [`Code::BodyTooLarge`], [`Code::MalformedBody`] when it ends early.
pub async fn collect(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::BodyTooLarge, format!("The body must have at most {limit} bytes."));
    let declared: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
            too_large()
        } else {
            Problem::new(Code::MalformedBody, "The body ended early.")
        }
    })
}

/// Reads a body of JSON of at most `limit` bytes. An absent body is fine: it reads as `{}`.
///
/// # Errors
/// `body_too_large`, `malformed_body`, `unsupported_media_type`.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let bytes = collect(headers, body, limit).await?;
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "The body must be JSON: Content-Type: application/json.",
        ));
    }
    Ok(bytes)
}

/// `application/json` or a type of that family (`application/merge-patch+json`), with or without parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix("application/") else {
        return false;
    };
    subtype == "json" || subtype.ends_with("+json")
}

/// Reads JSON.
///
/// # Errors
/// [`Code::MalformedBody`] when it is no JSON, [`Code::ValidationFailed`] with the path when it is not what is expected.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() || bytes == b"null" {
        b"{}"
    } else {
        bytes
    };
    // Serde would read an array as an object's fields in order.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'[')) {
        let _: serde::de::IgnoredAny = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        return Err(Problem::field("", "must be an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            field_problem(&path, &error.to_string())
        } else {
            malformed(&error)
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(
        Code::MalformedBody,
        format!(
            "The body is not valid JSON: line {}, column {}.",
            error.line(),
            error.column()
        ),
    )
}

/// Turns serde's words into a problem with the field at fault: for a missing or unknown field the path ends at its parent and the name is in
/// the text.
pub(crate) fn field_problem(path: &str, message: &str) -> Problem {
    let message = message.split(" at line ").next().unwrap_or(message);
    let message = match message.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected an object"),
        None => message.to_owned(),
    };
    let parent = if path == "." || path == "?" { "" } else { path };
    let named = message
        .strip_prefix("missing field `")
        .or_else(|| message.strip_prefix("unknown field `"))
        .or_else(|| message.strip_prefix("duplicate field `"))
        .and_then(|rest| rest.split('`').next());
    let field = match named {
        Some(name) if parent.is_empty() => name.to_owned(),
        Some(name) if parent == name || parent.ends_with(&format!(".{name}")) => parent.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None => parent.to_owned(),
    };
    Problem::field(field, message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Letter {
        #[serde(rename = "to")]
        _to: String,
        #[serde(rename = "text")]
        _text: Text,
        #[serde(rename = "copies", default)]
        _copies: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Text {
        #[serde(rename = "body")]
        _body: String,
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (body, field) in [
            (r#"{}"#, "to"),
            (r#"{"to":1,"text":{"body":""}}"#, "to"),
            (r#"{"to":"","text":{"body":1}}"#, "text.body"),
            (r#"{"to":"","text":{}}"#, "text.body"),
            (r#"{"to":"","text":{"body":"","colour":"red"}}"#, "text.colour"),
            (r#"{"to":"","text":{"body":""},"colour":"red"}"#, "colour"),
            (r#"{"to":"","to":"","text":{"body":""}}"#, "to"),
            (r#"{"to":"","text":{"body":""},"copies":[1,300]}"#, "copies[1]"),
            (r#"{"to":"","text":"hello"}"#, "text"),
            (r#"["", {"body":""}]"#, ""),
            ("null", "to"),
            (" null", ""),
            ("", "to"),
        ] {
            let problem = parse::<Letter>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), Code::ValidationFailed, "{body}");
            assert_eq!(problem.errors()[0].field, field, "{body}: {problem:?}");
            assert!(!problem.errors()[0].message.contains("struct"), "{problem:?}");
        }
    }

    #[test]
    fn broken_json_is_malformed() {
        for body in [
            "{",
            "{\"to\":",
            "{\"to\": \"\u{1}\"}",
            "hello",
            "{\"to\":\"\",\"text\":{\"body\":\"\"}} {}",
            "[1,",
            "{\"to\":\"\\ud800\"}",
        ] {
            let problem = parse::<Letter>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), Code::MalformedBody, "{body}");
        }
        assert_eq!(parse::<Letter>(b"\xff").unwrap_err().code(), Code::MalformedBody);
    }

    #[tokio::test]
    async fn size_and_type_of_a_body_are_checked() {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("Application/JSON; charset=utf-8"),
        );
        assert!(read(&headers, Body::from("{}"), 2).await.is_ok());
        let problem = read(&headers, Body::from("{ }"), 2).await.unwrap_err();
        assert_eq!(problem.code(), Code::BodyTooLarge);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("4000000000"));
        let problem = read(&headers, Body::from("{}"), 2).await.unwrap_err();
        assert_eq!(problem.code(), Code::BodyTooLarge, "refused before it is read");

        for content_type in ["text/plain", "application/xml", "json"] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            let problem = read(&headers, Body::from("{}"), 2).await.unwrap_err();
            assert_eq!(problem.code(), Code::UnsupportedMediaType, "{content_type}");
        }
        assert!(
            read(&HeaderMap::new(), Body::empty(), 2).await.is_ok(),
            "no body, no type"
        );
    }

    #[test]
    fn an_idempotency_key_is_short_visible_ascii() {
        let key = |text: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", HeaderValue::from_bytes(text).unwrap());
            idempotency_key(&headers)
        };
        assert_eq!(key(b"order-4711").unwrap().as_deref(), Some("order-4711"));
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        for text in [
            b"".as_slice(),
            b"two words",
            "schlüssel".as_bytes(),
            "x".repeat(256).as_bytes(),
        ] {
            assert_eq!(key(text).unwrap_err().errors()[0].field, "Idempotency-Key");
        }
    }

    #[test]
    fn the_same_request_has_the_same_fingerprint() {
        let send = |path: &str, body: &str| fingerprint(&Method::POST, path, body.as_bytes());
        assert_eq!(send("/v1/a", "{}"), send("/v1/a", "{}"));
        assert_ne!(send("/v1/a", "{}"), send("/v1/b", "{}"));
        assert_ne!(send("/v1/a", "{}"), send("/v1/a", "{ }"));
        assert_ne!(send("/v1/a", "{}"), fingerprint(&Method::PUT, "/v1/a", b"{}"));
    }
}
