//! Events as they come from the broker, checked so thoroughly that everything behind this module can rely on them.

use bytes::Bytes;
use shared::dialect::WebhookFormat;
use shared::event::Envelope;
use shared::ids::{EventId, Region, SessionId, TenantId};
use shared::subject;

/// A message on the events' subjects is not an event of ours. Such a message is put aside; trying again would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// Not an envelope in JSON.
    #[error("it is not an envelope")]
    Envelope,
    /// It says something else than its subject. The subject is what a publisher's permissions bind, so it must be right about the tenant.
    #[error("it does not belong on its subject")]
    Subject,
    /// It belongs to another region.
    #[error("it belongs to another region")]
    Region,
}

/// An event as it came, and what the dispatcher needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IncomingEvent {
    /// The event.
    pub(crate) id: EventId,
    /// Whose it is.
    pub(crate) tenant: TenantId,
    /// The session that it is about.
    pub(crate) session: SessionId,
    /// Its type, without control characters.
    pub(crate) event_type: String,
    /// The envelope, byte for byte. Valid UTF-8.
    pub(crate) body: Bytes,
}

impl IncomingEvent {
    /// Reads the payload of a message on `subject`.
    pub(crate) fn decode(region: Region, subject: &str, payload: &Bytes) -> Result<Self, Undecodable> {
        let text = std::str::from_utf8(payload).map_err(|_| Undecodable::Envelope)?;
        let envelope: Envelope = serde_json::from_str(text).map_err(|_| Undecodable::Envelope)?;
        if envelope.event_type.chars().any(char::is_control) {
            return Err(Undecodable::Envelope);
        }
        if envelope.session_id.region != region {
            return Err(Undecodable::Region);
        }
        if subject::event(envelope.tenant_id, envelope.session_id, &envelope.event_type) != subject {
            return Err(Undecodable::Subject);
        }
        Ok(Self {
            id: envelope.id,
            tenant: envelope.tenant_id,
            session: envelope.session_id,
            event_type: envelope.event_type,
            body: payload.clone(),
        })
    }

    /// Whether a webhook of this format says anything about it.
    pub(crate) fn is_told_in(&self, format: WebhookFormat) -> bool {
        format == WebhookFormat::Rookery
            || serde_json::from_slice::<Envelope>(&self.body).is_ok_and(|envelope| format.tells(&envelope))
    }

    /// The envelope as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        "eu1".parse().unwrap()
    }

    fn envelope(event: EventId, tenant: TenantId, session: SessionId, event_type: &str) -> Bytes {
        let body = serde_json::json!({
            "id": event,
            "type": event_type,
            "timestamp": "2026-11-20T12:00:00.000Z",
            "tenant_id": tenant,
            "session_id": session,
            "seq": 7,
            "data": {"text": {"body": "NUL \u{0} and bird \u{1F426}"}},
        });
        Bytes::from(body.to_string())
    }

    #[test]
    fn an_event_keeps_its_bytes() {
        let (event, tenant, session) = (EventId::generate(), TenantId::generate(), SessionId::generate(region()));
        let payload = envelope(event, tenant, session, "message.received");
        let subject = subject::event(tenant, session, "message.received");
        let incoming = IncomingEvent::decode(region(), &subject, &payload).unwrap();
        assert_eq!(
            (incoming.id, incoming.tenant, incoming.session),
            (event, tenant, session)
        );
        assert_eq!(incoming.event_type, "message.received");
        assert_eq!(incoming.text().as_bytes(), payload);
        assert!(!incoming.text().contains('\0'), "a database column takes no NUL");
    }

    #[test]
    fn what_is_no_event_of_this_region_and_subject_is_refused() {
        let (event, tenant, session) = (EventId::generate(), TenantId::generate(), SessionId::generate(region()));
        let right = envelope(event, tenant, session, "message.received");
        let subject = subject::event(tenant, session, "message.received");
        let decode = |subject: &str, payload: &Bytes| IncomingEvent::decode(region(), subject, payload).unwrap_err();

        for nonsense in [&b"{"[..], b"", b"null", b"{}", b"\xff\xfe", b"[1]"] {
            assert_eq!(decode(&subject, &Bytes::from(nonsense)), Undecodable::Envelope);
        }
        let other_tenant = subject::event(TenantId::generate(), session, "message.received");
        assert_eq!(decode(&other_tenant, &right), Undecodable::Subject);
        let other_type = subject::event(tenant, session, "message.sent");
        assert_eq!(decode(&other_type, &right), Undecodable::Subject);
        let elsewhere = SessionId::generate("us1".parse().unwrap());
        let foreign = envelope(event, tenant, elsewhere, "message.received");
        let foreign_subject = subject::event(tenant, elsewhere, "message.received");
        assert_eq!(decode(&foreign_subject, &foreign), Undecodable::Region);
        let control = envelope(event, tenant, session, "message\u{0}");
        assert_eq!(decode(&subject, &control), Undecodable::Envelope);
    }
}
