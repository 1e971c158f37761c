//! The headers of a delivery's request: ours, the signatures, and what the tenant adds.
//!
//! A tenant's header never replaces one of ours and never changes how the connection works.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use shared::ids::EventId;

use crate::signature::SigningSecret;
use crate::translation::Body;

/// Headers that tenants cannot set: the connection's (RFC 9110 §7.6.1), the request's own, and ours. Besides these everything that starts
/// with `webhook-` or `x-webhook-`.
const RESERVED: [&str; 16] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// What the headers say about an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The event. Its identifier is the `webhook-id`: the same in every attempt and for every webhook, so that a receiver can tell repeats.
    pub(crate) event: EventId,
    /// Its type.
    pub(crate) event_type: &'a str,
    /// Its session, as the receiver calls it.
    pub(crate) session: &'a str,
    /// Which of the requests about it this is, from 0: the later ones have their own `webhook-id`, behind which the part stands.
    pub(crate) part: usize,
}

/// A request could not be built from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header of the request cannot be written")]
pub(crate) struct InvalidRequest;

/// All headers of one attempt at `timestamp` (unix seconds). `secrets` are those that sign, the newest first.
pub(crate) fn headers(
    subject: Subject<'_>,
    timestamp: i64,
    body: &Body,
    secrets: &[impl AsRef<SigningSecret>],
    custom: &serde_json::Value,
) -> Result<HeaderMap, InvalidRequest> {
    let newest = secrets.first().ok_or(InvalidRequest)?.as_ref();
    let webhook_id = match subject.part {
        0 => subject.event.to_string(),
        part => format!("{}-{part}", subject.event),
    };
    let content_type = HeaderValue::from_static(body.content_type);
    let body = &body.bytes;
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| secret.as_ref().standard_signature(&webhook_id, timestamp, body))
        .collect();

    let mut headers = custom_headers(custom);
    headers.insert(CONTENT_TYPE, content_type);
    let ours = [
        ("webhook-id", webhook_id),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures.join(" ")),
        ("x-webhook-signature", newest.body_signature(body)),
        ("x-webhook-event", subject.event_type.to_owned()),
        ("x-webhook-session", subject.session.to_owned()),
    ];
    for (name, value) in ours {
        // Bytes, because the clients of a dialect may call a session by a name in any language.
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| InvalidRequest)?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// Tells the receiver the secret that its own side chose, for a dialect whose receivers compare it. One that cannot stand in a header is left out.
pub(crate) fn tell_secret(headers: &mut HeaderMap, secret: &SigningSecret) {
    if let Some(mut value) = secret.chosen().and_then(|text| HeaderValue::from_str(text).ok()) {
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-webhook-secret"), value);
    }
}

/// The tenant's own headers. Those that it may not set, or that are not headers, are left out: the gateway has refused them already.
fn custom_headers(custom: &serde_json::Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(custom) = custom.as_object() else {
        return headers;
    };
    for (name, value) in custom {
        let name = name.to_ascii_lowercase();
        let reserved =
            RESERVED.contains(&name.as_str()) || name.starts_with("webhook-") || name.starts_with("x-webhook-");
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        if let (false, Ok(name), Some(mut value)) = (reserved, HeaderName::try_from(name), value) {
            // Often a credential of the receiver.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use serde_json::json;

    const BYTES: &[u8] = br#"{"type":"message.received"}"#;

    fn body() -> Body {
        Body::json(BYTES.into())
    }

    fn secrets(texts: &[&str]) -> Vec<Arc<SigningSecret>> {
        texts
            .iter()
            .map(|text| Arc::new(SigningSecret::parse(text.as_bytes()).unwrap()))
            .collect()
    }

    fn subject() -> Subject<'static> {
        Subject {
            event: EventId::generate(),
            event_type: "message.received",
            session: "ses_eu1_00000000000000000000000000",
            part: 0,
        }
    }

    #[test]
    fn every_live_secret_signs_and_the_official_library_verifies_with_each() {
        let texts = [
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ];
        let secrets = secrets(&texts);
        let now = chrono::Utc::now().timestamp();
        let headers = headers(subject(), now, &body(), &secrets, &json!({})).unwrap();
        for text in texts {
            let official = standardwebhooks::Webhook::new(text).unwrap();
            official.verify(BYTES, &headers).unwrap();
            assert!(official.verify(b"tampered", &headers).is_err());
        }
        let stranger = standardwebhooks::Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(stranger.verify(BYTES, &headers).is_err());
        assert_eq!(headers["x-webhook-signature"], secrets[0].body_signature(BYTES));
    }

    #[test]
    fn the_headers_name_the_event_and_its_session() {
        let subject = subject();
        let secrets = secrets(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
        let headers = headers(subject, 1_700_000_000, &body(), &secrets, &json!({})).unwrap();
        assert_eq!(headers["webhook-id"], subject.event.to_string());
        assert_eq!(headers["webhook-timestamp"], "1700000000");
        assert_eq!(headers["x-webhook-event"], "message.received");
        assert_eq!(headers["x-webhook-session"], subject.session);
        assert_eq!(headers["content-type"], "application/json");
        assert!(
            !headers["webhook-id"].to_str().unwrap().contains('.'),
            "a dot would make the signature ambiguous"
        );
    }

    #[test]
    fn a_session_is_called_as_its_dialect_does_in_any_language_but_on_one_line() {
        let secrets = secrets(&["tu_secreto"]);
        let named = |session| {
            let subject = Subject { session, ..subject() };
            headers(subject, 1, &body(), &secrets, &json!({}))
        };
        let found = named("sesión_1").unwrap();
        assert_eq!(found["x-webhook-session"].as_bytes(), "sesión_1".as_bytes());
        assert_eq!(named("a\r\nX-Forged: b"), Err(InvalidRequest));
    }

    #[test]
    fn a_form_is_signed_as_it_is_sent_and_a_second_request_has_an_id_of_its_own() {
        let first = subject();
        let subject = Subject { part: 1, ..first };
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let form = Body {
            content_type: "application/x-www-form-urlencoded",
            bytes: "tipo=statusMudou&json%5Bmessage%5D=CONNECTED".into(),
        };
        let now = chrono::Utc::now().timestamp();
        let headers = headers(subject, now, &form, &secrets(&[secret]), &json!({})).unwrap();
        assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(headers["webhook-id"], format!("{}-1", first.event));
        let official = standardwebhooks::Webhook::new(secret).unwrap();
        official.verify(&form.bytes, &headers).unwrap();
    }

    #[test]
    fn a_tenants_headers_are_added_but_never_replace_ours_or_touch_the_connection() {
        let custom = json!({
            "Authorization": "Bearer receiver",
            "X-Custom": "yes",
            "Webhook-Id": "forged",
            "X-Webhook-Event": "forged",
            "webhook-signature": "forged",
            "Content-Type": "text/plain",
            "Host": "internal",
            "Transfer-Encoding": "chunked",
            "Connection": "upgrade",
            "Content-Length": "0",
            "bad name": "x",
            "X-Split": "a\r\nInjected: b",
            "X-Number": 5,
        });
        let secrets = secrets(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
        let headers = headers(subject(), 1, &body(), &secrets, &custom).unwrap();
        assert_eq!(headers["authorization"], "Bearer receiver");
        assert!(
            !format!("{headers:?}").contains("Bearer"),
            "a receiver's credential never shows in logs"
        );
        assert_eq!(headers["x-custom"], "yes");
        assert_eq!(headers["content-type"], "application/json");
        assert!(headers.values().all(|value| value != "forged"));
        for refused in [
            "host",
            "transfer-encoding",
            "connection",
            "content-length",
            "x-split",
            "x-number",
        ] {
            assert!(!headers.contains_key(refused), "{refused}");
        }
        assert_eq!(headers.len(), 9);
    }

    #[test]
    fn nothing_is_ever_sent_unsigned() {
        let none: [Arc<SigningSecret>; 0] = [];
        assert_eq!(headers(subject(), 1, &body(), &none, &json!({})), Err(InvalidRequest));
    }

    #[test]
    fn only_a_secret_that_a_dialects_client_chose_is_told() {
        let mut headers = HeaderMap::new();
        tell_secret(&mut headers, &secrets(&["my-secret-key"])[0]);
        assert_eq!(headers["x-webhook-secret"], "my-secret-key");
        for untold in ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "line\nbreak"] {
            let mut headers = HeaderMap::new();
            tell_secret(&mut headers, &secrets(&[untold])[0]);
            assert!(headers.is_empty(), "{untold}");
        }
    }
}
