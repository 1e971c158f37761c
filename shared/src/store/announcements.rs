//! Events about a tenant: planned as deliveries for every webhook that wants them, because no session's stream carries them.

use std::time::Duration;

use uuid::Uuid;

use super::{Store, StoreError};
use crate::event::tenant::TenantEvent;
use crate::ids::{DeliveryId, TenantId, WebhookId};

impl Store {
    /// Whose a webhook is; `None` when it is gone.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn tenant_of_webhook(&self, webhook: WebhookId) -> Result<Option<TenantId>, StoreError> {
        let tenant = sqlx::query_scalar!("SELECT tenant_id FROM webhook WHERE id = $1", webhook.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(tenant.map(TenantId))
    }

    /// Plans an event for every enabled webhook of the tenant whose filter takes it, unless it had one of the same type within `quiet`: of the same type and
    /// about the same quota, if the event is about one. Answers for how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn announce(
        &self,
        tenant: TenantId,
        event: &TenantEvent,
        quota: Option<&str>,
        quiet: Duration,
    ) -> Result<usize, StoreError> {
        let mut transaction = self.tenant(tenant).await?;
        let event_type = event.event_type.as_str();
        let family = event_type.split('.').next().unwrap_or_default();
        let webhooks = sqlx::query_scalar!(
            "SELECT id FROM webhook
             WHERE tenant_id = $1 AND enabled AND sessions IS NULL
               AND (events IS NULL OR '*' = ANY(events) OR $2 = ANY(events) OR $3 || '.*' = ANY(events))
               AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook_id = webhook.id AND event_type = $2
                                 AND created_at > now() - make_interval(secs => $4)
                                 AND ($5::text IS NULL OR body::jsonb->'data'->>'quota' = $5))",
            tenant.0,
            event_type,
            family,
            quiet.as_secs_f64(),
            quota
        )
        .fetch_all(&mut *transaction.transaction)
        .await?;
        for webhook in &webhooks {
            sqlx::query!(
                "INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                DeliveryId::generate().0,
                tenant.0,
                webhook,
                event.id.0,
                Uuid::nil(),
                event_type,
                event.body
            )
            .execute(&mut *transaction.transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(webhooks.len())
    }
}
