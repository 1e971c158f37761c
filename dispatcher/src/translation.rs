//! What is sent for an event: the event itself, or what a dialect says of it, put together at the moment of sending.
//!
//! What a dialect shows besides the event (the session's name, the message, its file), and how it is written, is the business of [`shared::dialect`]. A
//! delivery keeps the event as it was, so every attempt starts from that; if something cannot be read right now, the attempt has
//! failed and the next one tries again.

use bytes::Bytes;
use serde_json::Value;
use shared::dialect::around::{Reader, Unreadable};
use shared::dialect::{self, WebhookFormat, form};
use shared::event::Envelope;

/// The event with which a tenant tests a webhook: it is told in our own words, because no dialect has any for it.
const TEST: &str = "webhook.test";

/// The body of one request to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    /// What it is.
    pub(crate) content_type: &'static str,
    /// Its bytes: what is sent is what is signed.
    pub(crate) bytes: Bytes,
}

impl Body {
    /// JSON as it is.
    pub(crate) fn json(bytes: Bytes) -> Self {
        Self {
            content_type: "application/json",
            bytes,
        }
    }

    /// A value, as JSON or as a form, as the format wants it.
    fn of(format: WebhookFormat, value: &Value) -> Self {
        if format.is_form() {
            return Self {
                content_type: form::CONTENT_TYPE,
                bytes: form::write(value).into(),
            };
        }
        Self::json(value.to_string().into())
    }
}

/// Something that a delivery shows cannot be read right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    /// What it shows besides the event.
    #[error(transparent)]
    Around(#[from] Unreadable),
    /// The stored event is none.
    #[error("a stored event cannot be read")]
    Event(#[from] serde_json::Error),
}

/// What is sent for an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The bodies, one request after another; none: nothing is sent.
    pub(crate) bodies: Vec<Body>,
    /// The type of event that the headers name; `None`: the event's own.
    pub(crate) event_type: Option<&'static str>,
    /// How the headers call the session; `None`: by its id.
    pub(crate) session: Option<String>,
}

impl Told {
    /// The event as it is.
    fn as_it_is(event: &Bytes) -> Self {
        Self {
            bodies: vec![Body::json(event.clone())],
            event_type: None,
            session: None,
        }
    }
}

/// Puts together what is sent.
#[derive(Debug)]
pub(crate) struct Translator(Reader);

impl Translator {
    /// Reads what is around an event with `reader`.
    pub(crate) fn new(reader: Reader) -> Self {
        Self(reader)
    }

    /// What is sent for an event in a format; no bodies: that format says nothing about it.
    pub(crate) async fn told(&self, format: WebhookFormat, event: &Bytes) -> Result<Told, Untold> {
        let Some(dialect) = format.dialect() else {
            return Ok(Told::as_it_is(event));
        };
        let envelope: Envelope = serde_json::from_slice(event)?;
        if envelope.event_type == TEST {
            return Ok(Told::as_it_is(event));
        }
        if !format.tells(&envelope) {
            return Ok(Told::default());
        }
        let around = self.0.surroundings(format, dialect, &envelope).await?;
        let bodies = dialect::bodies(format, &envelope, &around);
        let event_type = format.told_event();
        Ok(Told {
            bodies: bodies.iter().map(|body| Body::of(format, body)).collect(),
            event_type,
            session: event_type.map(|_| around.session),
        })
    }
}
