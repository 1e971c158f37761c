//! Bodies as the older web frameworks read them: JSON, a form in the URL's encoding, or a form with files. Unknown fields are ignored, a number may
//! stand for a text, and files go straight into our storage.

use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use shared::ids::TenantId;
use shared::problem::Code;
use shared::store::media::StoredMedia;
use url::form_urlencoded;

use crate::app::App;
use crate::http::body;
use crate::media::receive::Incoming;
use crate::media::{fetch, resolve};
use crate::problem::Problem;

/// The largest body with files in base64, in bytes: 16 MiB of file, and some room.
const LARGEST_WITH_BASE64: usize = 23 * 1024 * 1024;
/// The longest text field of a form with files, in bytes; a file in base64 may be one.
const LONGEST_FIELD: usize = LARGEST_WITH_BASE64;

/// What a body says.
#[derive(Debug, Default)]
pub struct Fields {
    values: Map<String, Value>,
    /// The file of a form, in our storage.
    pub file: Option<StoredMedia>,
    /// The name of its field.
    pub file_field: String,
}

impl Fields {
    /// Reads a body without files.
    ///
    /// # Errors
    /// [`Code::BodyTooLarge`], [`Code::MalformedBody`].
    pub async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = body::collect(&parts.headers, body, app.limits().max_body_bytes).await?;
        Self::of_bytes(&parts.headers, &bytes)
    }

    /// Reads a body that may hold a file: in a form, under any name, or in base64.
    ///
    /// # Errors
    /// As [`Fields::read`], and those of storing a file.
    pub async fn with_file(app: &App, tenant: TenantId, request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if let Some(boundary) = content_type(&parts.headers).and_then(|value| multer::parse_boundary(value).ok()) {
            return Self::of_form(app, tenant, body, boundary).await;
        }
        let _place = app.base64_permits().try_acquire_owned().map_err(|_| {
            Problem::new(
                Code::Overloaded,
                "Too many files in base64 are coming in: send files as they are.",
            )
        })?;
        let bytes = body::collect(&parts.headers, body, LARGEST_WITH_BASE64).await?;
        Self::of_bytes(&parts.headers, &bytes)
    }

    fn of_bytes(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Problem> {
        if content_type(headers).is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
            let values = form_urlencoded::parse(bytes)
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect();
            return Ok(Self {
                values,
                ..Self::default()
            });
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        // Whatever it is called: some clients send JSON without saying so.
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(values)) => Ok(Self {
                values,
                ..Self::default()
            }),
            _ => Err(Problem::new(Code::MalformedBody, "The body is no JSON object.")),
        }
    }

    async fn of_form(app: &App, tenant: TenantId, body: Body, boundary: String) -> Result<Self, Problem> {
        let malformed = |error: multer::Error| {
            Problem::new(Code::MalformedBody, "The form cannot be read or ended early.")
                .caused_by(anyhow::Error::from(error))
        };
        let mut form = multer::Multipart::new(body.into_data_stream(), boundary);
        let mut fields = Self::default();
        let mut length = 0;
        while let Some(mut part) = form.next_field().await.map_err(malformed)? {
            let name = part.name().unwrap_or_default().to_owned();
            if part.file_name().is_none() {
                let mut text = Vec::new();
                while let Some(piece) = part.chunk().await.map_err(malformed)? {
                    length += piece.len();
                    if length > LONGEST_FIELD {
                        return Err(Problem::new(Code::BodyTooLarge, "The form's fields are too long."));
                    }
                    text.extend_from_slice(&piece);
                }
                let text = String::from_utf8_lossy(&text).into_owned();
                fields.values.insert(name, Value::String(text));
                continue;
            }
            if fields.file.is_some() {
                return Err(Problem::field(name, "is a second file"));
            }
            let declared = part.content_type().map(ToString::to_string);
            let file_name = part.file_name().and_then(fetch::clean_name);
            let largest = app.files().limits.document;
            let mut incoming = Incoming::begin(app.files(), tenant, declared.as_deref(), largest);
            while let Some(piece) = part.chunk().await.map_err(malformed)? {
                incoming.write(&piece).await?;
            }
            let received = incoming.finish().await?;
            fields.file = Some(resolve::keep(app, tenant, received, file_name.as_deref()).await?);
            fields.file_field = name;
        }
        Ok(fields)
    }

    /// What a JSON object says.
    #[cfg(test)]
    pub(crate) fn of_json(body: &Value) -> Self {
        let values = body.as_object().cloned().unwrap_or_default();
        Self {
            values,
            ..Self::default()
        }
    }

    /// A field as text: a string, a number, a truth value. `None` where it is absent, null or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let text = match self.values.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// The first of some fields that is there.
    #[must_use]
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// A field as it is.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether a field is there at all, even if it is null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(kind: &'static str, body: &str) -> Fields {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Fields::of_bytes(&headers, body.as_bytes()).unwrap()
    }

    #[test]
    fn json_and_forms_read_alike_and_numbers_are_texts() {
        for (kind, body) in [
            ("application/json", r#"{"number": 5491123456789, "message": "¡Hola!"}"#),
            (
                "application/x-www-form-urlencoded; charset=UTF-8",
                "number=5491123456789&message=%C2%A1Hola%21",
            ),
            ("text/plain", r#"{"number": "5491123456789", "message": "¡Hola!"}"#),
        ] {
            let fields = read(kind, body);
            assert_eq!(fields.text("number").as_deref(), Some("5491123456789"), "{kind}");
            assert_eq!(fields.text("message").as_deref(), Some("¡Hola!"), "{kind}");
        }
        let fields = read("application/json", r#"{"empty": " ", "null": null, "list": []}"#);
        assert!(
            ["empty", "null", "list", "absent"]
                .iter()
                .all(|name| fields.text(name).is_none())
        );
        assert!(fields.has("null") && !fields.has("absent"));
        assert!(read("application/json", "").text("x").is_none());
    }
}
