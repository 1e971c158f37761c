//! Webhooks as tenants manage them. What happens to their deliveries is in [`deliveries`]; sending them is the dispatcher's business.

pub mod deliveries;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::dialect::WebhookFormat;
use crate::ids::{Region, SessionId, WebhookId};
use crate::session::words;

words! {
    /// Whether deliveries of a webhook may overtake each other.
    DeliveryOrdering {
        /// They may: the fastest way.
        None = "none",
        /// Those of one conversation come one after another.
        Chat = "chat",
    }
}

/// What a tenant decides about a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where deliveries go.
    pub url: String,
    /// Event types and families (`message.*`); `None`: all.
    pub events: Option<Vec<String>>,
    /// Sessions; `None`: all of the tenant's.
    pub sessions: Option<Vec<SessionId>>,
    /// Headers that each request carries besides ours.
    pub headers: BTreeMap<String, String>,
    /// Seconds before each further attempt; `None`: the standard schedule.
    pub retry_schedule: Option<Vec<i32>>,
    /// Whether deliveries may overtake each other.
    pub ordering: DeliveryOrdering,
    /// In whose words deliveries are written.
    pub format: WebhookFormat,
    /// Whether anything is delivered.
    pub enabled: bool,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// What its tenant decided.
    pub settings: WebhookSettings,
    /// Why it was disabled, if Rookery did it.
    pub disabled_reason: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

struct WebhookRow {
    id: Uuid,
    url: String,
    events: Option<Vec<String>>,
    sessions: Option<Vec<Uuid>>,
    headers: serde_json::Value,
    retry_schedule: Option<Vec<i32>>,
    ordering: String,
    format: String,
    enabled: bool,
    disabled_reason: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl WebhookRow {
    fn into_webhook(self, region: Region) -> Result<Webhook, StoreError> {
        let corrupt = |column| StoreError::Corrupt {
            table: "webhook",
            column,
        };
        Ok(Webhook {
            id: WebhookId(self.id),
            settings: WebhookSettings {
                url: self.url,
                events: self.events,
                sessions: self
                    .sessions
                    .map(|sessions| sessions.into_iter().map(|uuid| SessionId::new(region, uuid)).collect()),
                headers: serde_json::from_value(self.headers).map_err(|_| corrupt("headers"))?,
                retry_schedule: self.retry_schedule,
                ordering: self.ordering.parse().map_err(|_| corrupt("ordering"))?,
                format: self.format.parse().map_err(|_| corrupt("format"))?,
                enabled: self.enabled,
            },
            disabled_reason: self.disabled_reason,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn uuids(sessions: Option<&[SessionId]>) -> Option<Vec<Uuid>> {
    sessions.map(|sessions| sessions.iter().map(|session| session.uuid).collect())
}

/// Reads webhooks; the caller adds the condition. `$1` is the tenant and `$2` the sessions that the caller's key may touch: a key with such a
/// list sees only webhooks that are restricted to sessions of its list; one whose sessions are all removed is none of these.
macro_rules! select_webhooks {
    ($condition:literal, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            WebhookRow,
            "SELECT id, url, events, sessions, headers, retry_schedule, ordering, format, enabled, disabled_reason, created_at, updated_at FROM webhook
             WHERE tenant_id = $1 AND ($2::uuid[] IS NULL OR (sessions <@ $2 AND sessions <> '{}')) AND "
                + $condition,
            $($argument),*
        )
    };
}

impl TenantTransaction {
    /// Creates a webhook. It signs nothing until it has a secret: see [`TenantTransaction::add_webhook_secret`].
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn create_webhook(&mut self, id: WebhookId, settings: &WebhookSettings) -> Result<Webhook, StoreError> {
        let sessions = uuids(settings.sessions.as_deref());
        sqlx::query_as!(
            WebhookRow,
            "INSERT INTO webhook (id, tenant_id, url, events, sessions, headers, retry_schedule, ordering, enabled, format)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             RETURNING id, url, events, sessions, headers, retry_schedule, ordering, format, enabled, disabled_reason, created_at, updated_at",
            id.0,
            self.tenant.0,
            settings.url,
            settings.events.as_deref(),
            sessions.as_deref(),
            super::to_json(&settings.headers)?,
            settings.retry_schedule.as_deref(),
            settings.ordering.as_str(),
            settings.enabled,
            settings.format.as_str()
        )
        .fetch_one(&mut *self.transaction)
        .await?
        .into_webhook(self.region)
    }

    /// One webhook; `within` are the sessions that the caller's key may touch, `None`: all.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn webhook(&mut self, id: WebhookId, within: Option<&[Uuid]>) -> Result<Option<Webhook>, StoreError> {
        select_webhooks!("id = $3", self.tenant.0, within, id.0)
            .fetch_optional(&mut *self.transaction)
            .await?
            .map(|row| row.into_webhook(self.region))
            .transpose()
    }

    /// Reads a webhook and keeps others from changing it until the end of the transaction.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn lock_webhook(
        &mut self,
        id: WebhookId,
        within: Option<&[Uuid]>,
    ) -> Result<Option<Webhook>, StoreError> {
        select_webhooks!("id = $3 FOR UPDATE", self.tenant.0, within, id.0)
            .fetch_optional(&mut *self.transaction)
            .await?
            .map(|row| row.into_webhook(self.region))
            .transpose()
    }

    /// Webhooks, newest first, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn webhooks(
        &mut self,
        within: Option<&[Uuid]>,
        after: Option<WebhookId>,
        limit: i64,
    ) -> Result<Vec<Webhook>, StoreError> {
        let region = self.region;
        select_webhooks!(
            "($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
            self.tenant.0,
            within,
            after.map(|after| after.0),
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_webhook(region))
        .collect()
    }

    /// Keeps others from choosing webhooks of a format until the end of the transaction, so that two requests make one webhook.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn lock_webhooks_in_format(&mut self, format: WebhookFormat) -> Result<(), StoreError> {
        sqlx::query!(
            r#"SELECT pg_advisory_xact_lock(hashtextextended($1 || ' webhooks ' || $2, 1)) AS "locked!: ()""#,
            self.tenant.to_string(),
            format.as_str()
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// The oldest webhook of a format that is for one session alone, or, with `None`, for all of the tenant's.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn webhook_in_format(
        &mut self,
        format: WebhookFormat,
        session: Option<SessionId>,
        within: Option<&[Uuid]>,
    ) -> Result<Option<Webhook>, StoreError> {
        let sessions = session.map(|session| vec![session.uuid]);
        select_webhooks!(
            "format = $3 AND sessions IS NOT DISTINCT FROM $4 ORDER BY id LIMIT 1",
            self.tenant.0,
            within,
            format.as_str(),
            sessions.as_deref()
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(|row| row.into_webhook(self.region))
        .transpose()
    }

    /// The webhooks of a format that are the sessions' own addresses, by session; those that have none are missing. See
    /// [`Self::mark_session_address`].
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_addresses(
        &mut self,
        format: WebhookFormat,
        sessions: &[SessionId],
    ) -> Result<HashMap<Uuid, Webhook>, StoreError> {
        let region = self.region;
        let sessions = uuids(Some(sessions));
        let rows = select_webhooks!(
            "format = $3 AND is_session_address AND cardinality(sessions) = 1 ORDER BY id",
            self.tenant.0,
            sessions.as_deref(),
            format.as_str()
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut addresses = HashMap::new();
        for row in rows {
            if let Some(session) = row.sessions.as_ref().and_then(|sessions| sessions.first().copied()) {
                addresses.insert(session, row.into_webhook(region)?);
            }
        }
        Ok(addresses)
    }

    /// Makes a webhook, which is for one session alone, that session's own address, as opposed to those that are registered besides.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn mark_session_address(&mut self, webhook: WebhookId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE webhook SET is_session_address = true WHERE id = $1 AND tenant_id = $2",
            webhook.0,
            self.tenant.0
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// The webhooks of a format that are registered for a session, alone or among others, oldest first, at most `limit`. The session's own address is
    /// none of them.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn registered_webhooks(
        &mut self,
        format: WebhookFormat,
        session: SessionId,
        within: Option<&[Uuid]>,
        limit: i64,
    ) -> Result<Vec<Webhook>, StoreError> {
        let region = self.region;
        select_webhooks!(
            "format = $3 AND $4 = ANY(sessions) AND NOT is_session_address ORDER BY id LIMIT $5",
            self.tenant.0,
            within,
            format.as_str(),
            session.uuid,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_webhook(region))
        .collect()
    }

    /// Replaces everything that a tenant decides about a webhook. Enabling it forgets why it was disabled.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn update_webhook(&mut self, id: WebhookId, settings: &WebhookSettings) -> Result<Webhook, StoreError> {
        let sessions = uuids(settings.sessions.as_deref());
        sqlx::query_as!(
            WebhookRow,
            "UPDATE webhook SET url = $3, events = $4, sessions = $5, headers = $6, retry_schedule = $7, ordering = $8, enabled = $9, format = $10,
                    disabled_reason = CASE WHEN $9 THEN NULL ELSE disabled_reason END, updated_at = now()
             WHERE id = $1 AND tenant_id = $2
             RETURNING id, url, events, sessions, headers, retry_schedule, ordering, format, enabled, disabled_reason, created_at, updated_at",
            id.0,
            self.tenant.0,
            settings.url,
            settings.events.as_deref(),
            sessions.as_deref(),
            super::to_json(&settings.headers)?,
            settings.retry_schedule.as_deref(),
            settings.ordering.as_str(),
            settings.enabled,
            settings.format.as_str()
        )
        .fetch_one(&mut *self.transaction)
        .await?
        .into_webhook(self.region)
    }

    /// Removes a webhook with its secrets and with what it still had to deliver. Answers whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn delete_webhook(&mut self, id: WebhookId, within: Option<&[Uuid]>) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "DELETE FROM webhook WHERE id = $1 AND tenant_id = $2 AND ($3::uuid[] IS NULL OR (sessions <@ $3 AND sessions <> '{}'))",
            id.0,
            self.tenant.0,
            within
        )
        .execute(&mut *self.transaction)
        .await?;
        if result.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "DELETE FROM delivery WHERE webhook_id = $1 AND tenant_id = $2 AND status = 'pending'",
            id.0,
            self.tenant.0
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(true)
    }

    /// Gives a webhook a signing secret, sealed to the region. All that have not expired sign.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn add_webhook_secret(
        &mut self,
        webhook: WebhookId,
        secret: Uuid,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO webhook_secret (id, tenant_id, webhook_id, sealed) VALUES ($1, $2, $3, $4)",
            secret,
            self.tenant.0,
            webhook.0,
            sealed
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Lets every secret that a webhook has now expire in so many seconds, unless it expires earlier anyway, and forgets those that have
    /// expired. Answers when the last one of them expires.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn expire_webhook_secrets(
        &mut self,
        webhook: WebhookId,
        seconds: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        sqlx::query!(
            "DELETE FROM webhook_secret WHERE webhook_id = $1 AND tenant_id = $2 AND expires_at < now()",
            webhook.0,
            self.tenant.0
        )
        .execute(&mut *self.transaction)
        .await?;
        let last = sqlx::query_scalar!(
            r#"WITH expiring AS (
                   UPDATE webhook_secret SET expires_at = LEAST(expires_at, now() + make_interval(secs => $3))
                   WHERE webhook_id = $1 AND tenant_id = $2
                   RETURNING expires_at
               )
               SELECT max(expires_at) FROM expiring"#,
            webhook.0,
            self.tenant.0,
            f64::from(seconds)
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(last)
    }
}
