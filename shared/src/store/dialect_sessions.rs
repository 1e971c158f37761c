//! How the clients of a dialect call their sessions. The names are the clients' own; a session has at most one name in each dialect.

use std::collections::HashMap;

use chrono::Utc;
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::dialect::{Dialect, WebhookFormat, premium};
use crate::ids::{DeliveryId, SessionId};

impl TenantTransaction {
    /// The session that a dialect's clients call `name`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_named(&mut self, dialect: Dialect, name: &str) -> Result<Option<SessionId>, StoreError> {
        let found = sqlx::query_scalar!(
            "SELECT session_id FROM dialect_session WHERE tenant_id = $1 AND dialect = $2 AND name = $3",
            self.tenant.0,
            dialect.as_str(),
            name
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(found.map(|uuid| SessionId::new(self.region, uuid)))
    }

    /// Gives a session its name in a dialect. Answers whether the name was free.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn name_session(&mut self, dialect: Dialect, name: &str, session: SessionId) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "INSERT INTO dialect_session (tenant_id, dialect, name, session_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            self.tenant.0,
            dialect.as_str(),
            name,
            session.uuid
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// The names of some sessions in a dialect; those that have none are missing.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_names(
        &mut self,
        dialect: Dialect,
        sessions: &[SessionId],
    ) -> Result<HashMap<Uuid, String>, StoreError> {
        let uuids: Vec<Uuid> = sessions.iter().map(|session| session.uuid).collect();
        let rows = sqlx::query!(
            "SELECT session_id, name FROM dialect_session WHERE tenant_id = $1 AND dialect = $2 AND session_id = ANY($3)",
            self.tenant.0,
            dialect.as_str(),
            &uuids
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.session_id, row.name)).collect())
    }

    /// Plans the last news of a session that is about to be hidden, for every webhook that speaks of removals: in the same transaction, because nobody
    /// knows the session's name afterwards. Answers for how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn tell_removal(&mut self, session: SessionId) -> Result<usize, StoreError> {
        let webhooks = sqlx::query_scalar!(
            "SELECT id FROM webhook
             WHERE tenant_id = $1 AND enabled AND format = $3 AND (sessions IS NULL OR $2 = ANY(sessions))
               AND (events IS NULL OR '*' = ANY(events) OR 'session.*' = ANY(events) OR 'session.status' = ANY(events))",
            self.tenant.0,
            session.uuid,
            WebhookFormat::Premium.as_str()
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        if webhooks.is_empty() {
            return Ok(0);
        }
        let mut names = self.session_names(Dialect::Premium, &[session]).await?;
        let name = names.remove(&session.uuid).unwrap_or_else(|| session.to_string());
        let event = premium::removal(self.tenant, session, &name, Utc::now());
        let body = super::to_json(&event)?.to_string();
        for webhook in &webhooks {
            sqlx::query!(
                "INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                DeliveryId::generate().0,
                self.tenant.0,
                webhook,
                event.id.0,
                session.uuid,
                event.event_type,
                body
            )
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(webhooks.len())
    }
}
