//! Events about a tenant and not about one of its sessions: they go to webhooks only, with the session of the nil UUID and the number 0.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Envelope, EventType};
use crate::ids::{EventId, Region, SessionId, TenantId, WebhookId};

/// The data of `webhook.disabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebhookDisabled {
    /// The webhook that gets nothing any more.
    #[schema(value_type = String)]
    pub webhook_id: WebhookId,
    /// Why: `gone`: its receiver answered 410.
    pub reason: String,
}

/// The data of `tenant.quota`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QuotaReached {
    /// Which quota: `sessions` or `messages_per_day`.
    pub quota: String,
    /// How much the tenant may use.
    pub limit: u64,
    /// When there will be more to use, if time alone brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_at: Option<DateTime<Utc>>,
}

/// An event about a tenant, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// The envelope.
    pub body: String,
}

impl TenantEvent {
    /// An event that is happening.
    ///
    /// # Errors
    /// When the data cannot be written as JSON, which no data of ours can cause.
    pub fn new(
        region: Region,
        tenant: TenantId,
        event_type: EventType,
        timestamp: DateTime<Utc>,
        data: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        let id = EventId::generate();
        let envelope = Envelope {
            id,
            event_type: event_type.as_str().to_owned(),
            timestamp,
            tenant_id: tenant,
            session_id: SessionId::new(region, Uuid::nil()),
            seq: 0,
            data: serde_json::to_value(data)?,
        };
        Ok(Self {
            id,
            event_type,
            body: serde_json::to_string(&envelope)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_like_any_other_event() {
        let webhook_id = WebhookId::generate();
        let data = WebhookDisabled {
            webhook_id,
            reason: "gone".into(),
        };
        let region = "eu1".parse().unwrap();
        let event = TenantEvent::new(
            region,
            TenantId::generate(),
            EventType::WebhookDisabled,
            Utc::now(),
            &data,
        )
        .unwrap();
        let envelope: Envelope = serde_json::from_str(&event.body).unwrap();
        assert_eq!((envelope.id, envelope.seq), (event.id, 0));
        assert_eq!(envelope.event_type, "webhook.disabled");
        assert_eq!(envelope.session_id.uuid, Uuid::nil());
        assert_eq!(envelope.data["webhook_id"], webhook_id.to_string());
    }
}
