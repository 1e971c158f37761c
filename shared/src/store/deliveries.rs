//! Deliveries as the dispatcher works through them.
//!
//! A delivery is one event for one webhook. While it is pending, it is either *parked* (nobody is at it; its next attempt is due at some time)
//! or *leased* (a dispatcher is at it until a moment of the database's clock; it is due again then). So what a dead dispatcher leaves behind
//! becomes due by itself, and another one carries on.
//!
//! The fence: a lease is the pair of its holder and its end. Only that exact pair can settle a delivery, so whoever finishes late, after the
//! lease ran out and somebody (even the same dispatcher) took the delivery again, changes nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::dialect::WebhookFormat;
use crate::ids::{DeliveryId, DispatcherId, EventId, SessionId, TenantId, WebhookId};

/// Where and how the deliveries of one webhook go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The webhook.
    pub webhook: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where requests go; checked when it was accepted, and to be checked again before each request.
    pub url: String,
    /// Which types of events it wants; `None`: all.
    pub events: Option<Vec<String>>,
    /// Which sessions' events it wants; `None`: all of the tenant's.
    pub sessions: Option<Vec<Uuid>>,
    /// The tenant's own headers, as a JSON object of strings.
    pub headers: serde_json::Value,
    /// Seconds before each further attempt; `None`: the dispatcher's schedule.
    pub retry_schedule: Option<Vec<i32>>,
    /// In whose words they are written.
    pub format: WebhookFormat,
    /// Whether it takes deliveries.
    pub enabled: bool,
    /// The secrets that sign, the newest first.
    pub secrets: Vec<SealedSecret>,
}

/// A signing secret as it rests, sealed to the region's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The row.
    pub id: Uuid,
    /// The ciphertext.
    pub sealed: Vec<u8>,
}

/// A delivery to record.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery<'a> {
    /// Its identifier, used unless the same event is already recorded for the same webhook.
    pub id: DeliveryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// For whom.
    pub webhook: WebhookId,
    /// The event.
    pub event: EventId,
    /// The session that the event is about.
    pub session: SessionId,
    /// The event's type.
    pub event_type: &'a str,
    /// The envelope, byte for byte.
    pub body: &'a str,
    /// Whether to lease it at once instead of parking it.
    pub leased: bool,
}

/// A dispatcher's right to attempt and settle one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryLease {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Who has it.
    pub holder: DispatcherId,
    /// Until when, by the database's clock.
    pub until: DateTime<Utc>,
}

/// What recording some deliveries did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// How many were new.
    pub new: usize,
    /// The leases of those that were new and wanted one.
    pub leases: Vec<DeliveryLease>,
}

/// A webhook that has pending deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingWebhook {
    /// The webhook.
    pub webhook: WebhookId,
    /// Whether one of them is due.
    pub due: bool,
}

/// A delivery whose next attempt is due, leased to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// The right to attempt it.
    pub lease: DeliveryLease,
    /// For whom.
    pub webhook: WebhookId,
    /// The event.
    pub event: EventId,
    /// The session that the event is about.
    pub session: SessionId,
    /// The event's type.
    pub event_type: String,
    /// The envelope, byte for byte.
    pub body: String,
    /// How many attempts of its schedule are behind it.
    pub attempts: i32,
}

/// One HTTP request, for the list of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// The status of the answer, if one came.
    pub status_code: Option<u16>,
    /// The class of the failure; `None`: it succeeded.
    pub error: Option<&'static str>,
    /// The first bytes of the answer, without control characters.
    pub response: Option<String>,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The receiver has it.
    Succeeded,
    /// It is tried again after so long.
    Retry(Duration),
    /// It is not tried again.
    Failed,
    /// It is not tried again, and neither is anything else for this webhook: the receiver said that it is gone for good.
    Gone,
}

impl Settlement {
    fn status(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retry(_) => "pending",
            Self::Failed | Self::Gone => "failed",
        }
    }
}

impl Store {
    /// The enabled webhooks of some tenants.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn enabled_targets(&self, tenants: &[TenantId]) -> Result<Vec<Target>, StoreError> {
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
        self.read_targets(&tenants, &[]).await
    }

    /// Some webhooks, enabled or not. One that does not exist any more is missing from the answer.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn targets(&self, webhooks: &[WebhookId]) -> Result<Vec<Target>, StoreError> {
        let webhooks: Vec<Uuid> = webhooks.iter().map(|webhook| webhook.0).collect();
        self.read_targets(&[], &webhooks).await
    }

    async fn read_targets(&self, tenants: &[Uuid], webhooks: &[Uuid]) -> Result<Vec<Target>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, tenant_id, url, events, sessions, headers, retry_schedule, format, enabled,
                      ARRAY(SELECT secret.id FROM webhook_secret AS secret
                            WHERE secret.webhook_id = webhook.id AND (secret.expires_at IS NULL OR secret.expires_at > now())
                            ORDER BY secret.created_at DESC, secret.id DESC) AS "secret_ids!",
                      ARRAY(SELECT secret.sealed FROM webhook_secret AS secret
                            WHERE secret.webhook_id = webhook.id AND (secret.expires_at IS NULL OR secret.expires_at > now())
                            ORDER BY secret.created_at DESC, secret.id DESC) AS "secrets!"
               FROM webhook WHERE (tenant_id = ANY($1) AND enabled) OR id = ANY($2)"#,
            tenants,
            webhooks
        )
        .fetch_all(&self.pool)
        .await?;
        let targets = rows.into_iter().map(|row| {
            let secrets = row.secret_ids.into_iter().zip(row.secrets);
            Ok(Target {
                webhook: WebhookId(row.id),
                tenant: TenantId(row.tenant_id),
                url: row.url,
                events: row.events,
                sessions: row.sessions,
                headers: row.headers,
                retry_schedule: row.retry_schedule,
                format: row.format.parse().map_err(|_| StoreError::Corrupt {
                    table: "webhook",
                    column: "format",
                })?,
                enabled: row.enabled,
                secrets: secrets.map(|(id, sealed)| SealedSecret { id, sealed }).collect(),
            })
        });
        targets.collect()
    }

    /// Records deliveries in one statement. An event that is already recorded for a webhook stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; whether they are recorded is then unknown, and recording them again is harmless.
    pub async fn record_deliveries(
        &self,
        holder: DispatcherId,
        lease: Duration,
        deliveries: &[NewDelivery<'_>],
    ) -> Result<Recorded, StoreError> {
        let ids: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.id.0).collect();
        let tenants: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.tenant.0).collect();
        let webhooks: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.webhook.0).collect();
        let events: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.event.0).collect();
        let sessions: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.session.uuid).collect();
        let types: Vec<&str> = deliveries.iter().map(|delivery| delivery.event_type).collect();
        let bodies: Vec<&str> = deliveries.iter().map(|delivery| delivery.body).collect();
        let leased: Vec<bool> = deliveries.iter().map(|delivery| delivery.leased).collect();
        let rows = sqlx::query!(
            r#"INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body, due_at, leased_by, leased_until)
               SELECT id, tenant_id, webhook_id, event_id, session_id, event_type, body,
                      CASE WHEN leased THEN now() + make_interval(secs => $10) ELSE now() END,
                      CASE WHEN leased THEN $9::uuid END,
                      CASE WHEN leased THEN now() + make_interval(secs => $10) END
               FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::boolean[])
                    AS fresh (id, tenant_id, webhook_id, event_id, session_id, event_type, body, leased)
               ON CONFLICT (webhook_id, event_id) DO NOTHING
               RETURNING id, leased_until"#,
            &ids,
            &tenants,
            &webhooks,
            &events,
            &sessions,
            &types as &[&str],
            &bodies as &[&str],
            &leased,
            holder.0,
            lease.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let new = rows.len();
        let leases = rows.into_iter().filter_map(|row| {
            let until = row.leased_until?;
            let delivery = DeliveryId(row.id);
            Some(DeliveryLease {
                delivery,
                holder,
                until,
            })
        });
        Ok(Recorded {
            new,
            leases: leases.collect(),
        })
    }

    /// The next webhooks, in the order of their identifiers after `after`, that have pending deliveries: at most `limit`.
    ///
    /// Jumps from webhook to webhook in the index, so the cost grows with the number of webhooks and not with their backlogs.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn pending_webhooks(
        &self,
        after: Option<WebhookId>,
        limit: usize,
    ) -> Result<Vec<PendingWebhook>, StoreError> {
        let after = after.map_or(Uuid::nil(), |webhook| webhook.0);
        let rows = sqlx::query!(
            r#"WITH RECURSIVE pending AS (
                   (SELECT webhook_id, due_at FROM delivery
                    WHERE status = 'pending' AND webhook_id > $1
                    ORDER BY webhook_id, due_at LIMIT 1)
                   UNION ALL
                   SELECT following.webhook_id, following.due_at
                   FROM pending CROSS JOIN LATERAL (
                       SELECT delivery.webhook_id, delivery.due_at FROM delivery
                       WHERE delivery.status = 'pending' AND delivery.webhook_id > pending.webhook_id
                       ORDER BY delivery.webhook_id, delivery.due_at LIMIT 1
                   ) AS following
               )
               SELECT webhook_id AS "webhook_id!", due_at <= now() AS "due!" FROM pending LIMIT $2"#,
            after,
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_all(&self.pool)
        .await?;
        let webhooks = rows.into_iter().map(|row| PendingWebhook {
            webhook: WebhookId(row.webhook_id),
            due: row.due,
        });
        Ok(webhooks.collect())
    }

    /// Leases due deliveries, of each named webhook at most so many, the longest due first. What another dispatcher is claiming at the same
    /// moment is skipped, not waited for.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; some may be leased then and come back when their leases run out.
    pub async fn claim_due_deliveries(
        &self,
        holder: DispatcherId,
        lease: Duration,
        wanted: &[(WebhookId, usize)],
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let webhooks: Vec<Uuid> = wanted.iter().map(|(webhook, _)| webhook.0).collect();
        let counts: Vec<i32> = wanted
            .iter()
            .map(|(_, count)| i32::try_from(*count).unwrap_or(i32::MAX))
            .collect();
        let rows = sqlx::query!(
            r#"WITH due AS (
                   SELECT longest_due.id
                   FROM unnest($1::uuid[], $2::integer[]) AS wanted (webhook_id, count)
                   CROSS JOIN LATERAL (
                       SELECT delivery.id FROM delivery
                       WHERE delivery.webhook_id = wanted.webhook_id AND delivery.status = 'pending' AND delivery.due_at <= now()
                             -- Made due by hand while somebody is at it.
                             AND (delivery.leased_until IS NULL OR delivery.leased_until <= now())
                       ORDER BY delivery.due_at LIMIT wanted.count
                       FOR UPDATE SKIP LOCKED
                   ) AS longest_due
               )
               UPDATE delivery SET
                   leased_by = $3,
                   leased_until = now() + make_interval(secs => $4),
                   due_at = now() + make_interval(secs => $4)
               FROM due WHERE delivery.id = due.id
               RETURNING delivery.id, webhook_id, event_id, session_id, event_type, body, attempts, leased_until AS "leased_until!""#,
            &webhooks,
            &counts,
            holder.0,
            lease.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let claimed = rows.into_iter().map(|row| ClaimedDelivery {
            lease: DeliveryLease {
                delivery: DeliveryId(row.id),
                holder,
                until: row.leased_until,
            },
            webhook: WebhookId(row.webhook_id),
            event: EventId(row.event_id),
            session: SessionId::new(self.region, row.session_id),
            event_type: row.event_type,
            body: row.body,
            attempts: row.attempts,
        });
        Ok(claimed.collect())
    }

    /// Writes down an attempt and what becomes of its delivery, in one statement. Answers whether the lease was still the holder's; if not,
    /// nothing has changed.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; settling again is harmless.
    pub async fn settle_delivery(
        &self,
        lease: &DeliveryLease,
        attempt: &Attempt,
        settlement: Settlement,
    ) -> Result<bool, StoreError> {
        let retry_after = match settlement {
            Settlement::Retry(delay) => Some(delay.as_secs_f64()),
            Settlement::Succeeded | Settlement::Failed | Settlement::Gone => None,
        };
        let settled = sqlx::query_scalar!(
            r#"WITH settled AS (
                   UPDATE delivery SET
                       status = $4,
                       attempts = attempts + 1,
                       due_at = COALESCE(now() + make_interval(secs => $5), due_at),
                       leased_by = NULL,
                       leased_until = NULL,
                       last_status_code = $8,
                       last_error = $9,
                       finished_at = CASE WHEN $4 <> 'pending' THEN now() END
                   WHERE id = $1 AND leased_by = $2 AND leased_until = $3 AND status = 'pending'
                   RETURNING id, tenant_id, webhook_id
               ),
               recorded AS (
                   -- Numbered by what is recorded, not by the schedule: a delivery that is sent again by hand starts its schedule anew.
                   INSERT INTO delivery_attempt (delivery_id, tenant_id, number, started_at, duration_ms, status_code, error, response)
                   SELECT id, tenant_id,
                          (SELECT COALESCE(max(number), 0) + 1 FROM delivery_attempt WHERE delivery_id = settled.id),
                          $6, $7, $8, $9, $10
                   FROM settled
               ),
               disabled AS (
                   UPDATE webhook SET enabled = false, disabled_reason = 'gone', updated_at = now()
                   FROM settled WHERE webhook.id = settled.webhook_id AND webhook.enabled AND $11
               )
               SELECT count(*) AS "count!" FROM settled"#,
            lease.delivery.0,
            lease.holder.0,
            lease.until,
            settlement.status(),
            retry_after,
            attempt.started_at,
            i32::try_from(attempt.duration.as_millis()).unwrap_or(i32::MAX),
            attempt.status_code.map(i32::from),
            attempt.error,
            attempt.response,
            settlement == Settlement::Gone,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(settled == 1)
    }

    /// Ends due deliveries that nobody is to get: their webhook is disabled or deleted. At most `limit` at a time; answers how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn abandon_due_deliveries(&self, webhooks: &[WebhookId], limit: usize) -> Result<u64, StoreError> {
        let webhooks: Vec<Uuid> = webhooks.iter().map(|webhook| webhook.0).collect();
        let result = sqlx::query!(
            "UPDATE delivery SET status = 'failed', last_error = 'webhook_disabled', finished_at = now(), leased_by = NULL, leased_until = NULL
             WHERE id = ANY(ARRAY(
                 SELECT id FROM delivery
                 WHERE webhook_id = ANY($1) AND status = 'pending' AND due_at <= now()
                       AND (leased_until IS NULL OR leased_until <= now())
                       -- Enabled again since the caller looked: it is to be delivered after all.
                       AND NOT EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_id AND enabled)
                 LIMIT $2 FOR UPDATE OF delivery SKIP LOCKED))",
            &webhooks,
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected())
    }

    /// Gives leases back, so that another dispatcher need not wait until they run out.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn release_deliveries(&self, leases: &[DeliveryLease]) -> Result<u64, StoreError> {
        let ids: Vec<Uuid> = leases.iter().map(|lease| lease.delivery.0).collect();
        let holders: Vec<Uuid> = leases.iter().map(|lease| lease.holder.0).collect();
        let ends: Vec<DateTime<Utc>> = leases.iter().map(|lease| lease.until).collect();
        let result = sqlx::query!(
            "UPDATE delivery SET leased_by = NULL, leased_until = NULL, due_at = now()
             FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS lease (id, holder, until)
             WHERE delivery.id = lease.id AND leased_by = lease.holder AND leased_until = lease.until AND status = 'pending'",
            &ids,
            &holders,
            &ends
        )
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected())
    }
}
