//! Deliveries as tenants see and operate them: list, retry, replay, test.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::dialect::WebhookFormat;
use crate::event::tenant::TenantEvent;
use crate::ids::{DeliveryId, EventId, MessageId, Region, SessionId, WebhookId};
use crate::session::words;
use crate::store::events::split_types;
use crate::store::{StoreError, TenantTransaction};

/// So many deliveries of a webhook are looked at for one message.
const PLANNED_NEXT: i64 = 200;

words! {
    /// How far a delivery has come.
    DeliveryStatus {
        /// Another attempt is due, or under way.
        Pending = "pending",
        /// The receiver has it.
        Succeeded = "succeeded",
        /// It was given up.
        Failed = "failed",
    }
}

/// One event for one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The webhook.
    pub webhook: WebhookId,
    /// The event.
    pub event: EventId,
    /// The session that the event is about; the nil UUID for a test.
    pub session: SessionId,
    /// The event's type.
    pub event_type: String,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// When the next attempt is due.
    pub due_at: DateTime<Utc>,
    /// The receiver's last HTTP status.
    pub last_status_code: Option<i32>,
    /// The last failure's class.
    pub last_error: Option<String>,
    /// When it was planned.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number within the delivery, from 1.
    pub number: i32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The receiver's HTTP status.
    pub status_code: Option<i32>,
    /// The class of the failure.
    pub error: Option<String>,
    /// The first 1,024 characters of the answer.
    pub response: Option<String>,
}

/// Which events are delivered again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Those recorded at or after this time.
    pub since: DateTime<Utc>,
    /// Those recorded before this time.
    pub until: DateTime<Utc>,
    /// Those of these sessions, among those of the webhook; `None`: all of the webhook's.
    pub sessions: Option<Vec<Uuid>>,
    /// Those of these types and families, among those of the webhook; empty: all of the webhook's.
    pub types: Vec<String>,
    /// The most events.
    pub limit: i64,
}

struct DeliveryRow {
    id: Uuid,
    webhook_id: Uuid,
    event_id: Uuid,
    session_id: Uuid,
    event_type: String,
    status: String,
    due_at: DateTime<Utc>,
    last_status_code: Option<i32>,
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl DeliveryRow {
    fn into_delivery(self, region: Region, attempts: Vec<Attempt>) -> Result<Delivery, StoreError> {
        Ok(Delivery {
            id: DeliveryId(self.id),
            webhook: WebhookId(self.webhook_id),
            event: EventId(self.event_id),
            session: SessionId::new(region, self.session_id),
            event_type: self.event_type,
            status: self.status.parse().map_err(|_| StoreError::Corrupt {
                table: "delivery",
                column: "status",
            })?,
            due_at: self.due_at,
            last_status_code: self.last_status_code,
            last_error: self.last_error,
            created_at: self.created_at,
            finished_at: self.finished_at,
            attempts,
        })
    }
}

impl TenantTransaction {
    /// Deliveries of a webhook, newest first, at most `limit`: the first ones or those after `after`, of one status or of all.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn deliveries(
        &mut self,
        webhook: WebhookId,
        status: Option<DeliveryStatus>,
        after: Option<DeliveryId>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT id, webhook_id, event_id, session_id, event_type, status, due_at, last_status_code, last_error, created_at, finished_at
             FROM delivery
             WHERE webhook_id = $1 AND tenant_id = $2 AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR id < $4)
             ORDER BY id DESC LIMIT $5",
            webhook.0,
            self.tenant.0,
            status.map(DeliveryStatus::as_str),
            after.map(|after| after.0),
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        self.with_attempts(rows).await
    }

    async fn with_attempts(&mut self, rows: Vec<DeliveryRow>) -> Result<Vec<Delivery>, StoreError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let attempts = sqlx::query!(
            "SELECT delivery_id, number, started_at, duration_ms, status_code, error, left(response, 1024) AS response
             FROM delivery_attempt WHERE delivery_id = ANY($1) AND tenant_id = $2 ORDER BY delivery_id, number",
            &ids,
            self.tenant.0
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut by_delivery: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
        for row in attempts {
            by_delivery.entry(row.delivery_id).or_default().push(Attempt {
                number: row.number,
                started_at: row.started_at,
                duration_ms: row.duration_ms,
                status_code: row.status_code,
                error: row.error,
                response: row.response,
            });
        }
        let region = self.region;
        rows.into_iter()
            .map(|row| {
                let attempts = by_delivery.remove(&row.id).unwrap_or_default();
                row.into_delivery(region, attempts)
            })
            .collect()
    }

    /// Which of these messages of a session a webhook of a format should have been told and has not been, yet or for good.
    ///
    /// What a webhook is told of a message is planned right after the message has come, so only the few deliveries of each webhook that were planned next
    /// are looked at. Deliveries that ended long ago are forgotten: such a message counts as told.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn untold_messages(
        &mut self,
        format: WebhookFormat,
        session: SessionId,
        messages: &[MessageId],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let ids: Vec<Uuid> = messages.iter().map(|message| message.0).collect();
        let texts: Vec<String> = messages.iter().map(MessageId::to_string).collect();
        // The clocks of those who write messages and of those who plan deliveries differ a little.
        let untold = sqlx::query_scalar!(
            r#"SELECT DISTINCT message.id AS "id!"
               FROM unnest($4::uuid[], $5::text[]) AS message (id, written)
               CROSS JOIN webhook
               CROSS JOIN LATERAL (
                   SELECT status, body FROM delivery
                   WHERE delivery.webhook_id = webhook.id AND delivery.tenant_id = $1 AND delivery.id >= uuid_at(uuid_time(message.id) - interval '1 second')
                   ORDER BY delivery.id LIMIT $6) planned
               WHERE webhook.tenant_id = $1 AND webhook.format = $2 AND (webhook.sessions IS NULL OR $3 = ANY(webhook.sessions))
                 AND planned.status <> 'succeeded' AND position(message.written IN planned.body) > 0"#,
            self.tenant.0,
            format.as_str(),
            session.uuid,
            &ids,
            &texts,
            PLANNED_NEXT
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(untold.into_iter().collect())
    }

    /// Makes a delivery due now, whatever became of it: its schedule begins anew, and what was tried stays listed. `None` when there is no such delivery.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn retry_delivery(
        &mut self,
        webhook: WebhookId,
        delivery: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        // Whoever is at it right now loses its lease, so that its end does not overwrite this.
        let row = sqlx::query_as!(
            DeliveryRow,
            "UPDATE delivery SET status = 'pending', attempts = 0, due_at = now(), leased_by = NULL, leased_until = NULL, finished_at = NULL
             WHERE id = $1 AND webhook_id = $2 AND tenant_id = $3
             RETURNING id, webhook_id, event_id, session_id, event_type, status, due_at, last_status_code, last_error, created_at, finished_at",
            delivery.0,
            webhook.0,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(self.with_attempts(vec![row]).await?.pop())
    }

    /// Plans the delivery of an event that is made for this webhook alone.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn insert_test_delivery(
        &mut self,
        webhook: WebhookId,
        delivery: DeliveryId,
        event: &TenantEvent,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            delivery.0,
            self.tenant.0,
            webhook.0,
            event.id.0,
            Uuid::nil(),
            event.event_type.as_str(),
            event.body
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Plans stored events for a webhook again: a new delivery where there is none, the old one due now where there is. Answers how many, at
    /// most `replay.limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn replay_events(&mut self, webhook: WebhookId, replay: &Replay) -> Result<u64, StoreError> {
        let (types, families) = split_types(&replay.types);
        // Deliveries are listed by their id, so a new one needs a UUIDv7: a random UUID with the time in its first 48 bits and the version set.
        let result = sqlx::query!(
            "WITH chosen AS (
                 SELECT event.id, event.session_id, event.type, event.body
                 FROM event JOIN webhook ON webhook.id = $1 AND webhook.tenant_id = event.tenant_id
                 WHERE event.tenant_id = $2 AND event.created_at >= $3 AND event.created_at < $4
                   AND ($5::uuid[] IS NULL OR event.session_id = ANY($5))
                   AND (cardinality($6::text[]) + cardinality($7::text[]) = 0 OR type = ANY($6) OR split_part(type, '.', 1) = ANY($7))
                   AND (webhook.sessions IS NULL OR event.session_id = ANY(webhook.sessions))
                   AND (webhook.events IS NULL OR '*' = ANY(webhook.events) OR type = ANY(webhook.events)
                        OR split_part(type, '.', 1) || '.*' = ANY(webhook.events))
                 ORDER BY event.position, event.id
                 LIMIT $8
             )
             INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body)
             SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                           PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
                       52, 1), 53, 1), 'hex')::uuid,
                    $2, $1, id, session_id, type, body
             FROM chosen
             ON CONFLICT (webhook_id, event_id) DO UPDATE
             SET status = 'pending', due_at = now(), leased_by = NULL, leased_until = NULL, finished_at = NULL",
            webhook.0,
            self.tenant.0,
            replay.since,
            replay.until,
            replay.sessions.as_deref(),
            &types,
            &families,
            replay.limit
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(result.rows_affected())
    }
}
