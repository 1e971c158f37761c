//! Events on their way to the broker: which are not there yet, and up to where each session's are.
//!
//! The broker's copy is never the only one, so its loss is a delay: when its stream turns out to be a new one, what the old one may have held is
//! published again. Readers drop what they have seen, by event id.

use std::time::Duration;

use uuid::Uuid;

use super::records::RecordedEvent;
use super::{Store, StoreError};
use crate::ids::{EventId, SessionId, TenantId, WorkerId};

impl Store {
    /// Sessions with events that the broker has not acknowledged: this worker's own, and those that no live worker holds.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn sessions_to_publish(&self, worker: WorkerId, limit: i64) -> Result<Vec<SessionId>, StoreError> {
        let rows = sqlx::query_scalar!(
            "SELECT event_counter.session_id FROM event_counter
             JOIN session_lease ON session_lease.session_id = event_counter.session_id
             LEFT JOIN worker ON worker.id = session_lease.worker_id
             WHERE published < sequence
               AND (worker.id = $1 OR worker.id IS NULL OR worker.beat_at < clock_timestamp() - make_interval(secs => $3))
             LIMIT $2",
            worker.0,
            limit,
            super::leases::LEASE_TIME.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|uuid| SessionId::new(self.region, uuid)).collect())
    }

    /// A session's events that the broker has not acknowledged, in order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn unpublished_events(&self, session: SessionId, limit: i64) -> Result<Vec<RecordedEvent>, StoreError> {
        let rows = sqlx::query!(
            "SELECT event.id, event.tenant_id, event.sequence, event.type, event.body
             FROM event_counter JOIN event ON event.session_id = event_counter.session_id AND event.sequence > event_counter.published
             WHERE event_counter.session_id = $1 ORDER BY event.sequence LIMIT $2",
            session.uuid,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| RecordedEvent {
                id: EventId(row.id),
                tenant: TenantId(row.tenant_id),
                sequence: row.sequence,
                event_type: row.r#type,
                body: row.body,
            })
            .collect())
    }

    /// Notes up to which number each session's events are with the broker. Not fenced: it is true whoever says it, and it only moves forward.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn mark_published(&self, published: &[(SessionId, i64)]) -> Result<(), StoreError> {
        let sessions: Vec<Uuid> = published.iter().map(|(session, _)| session.uuid).collect();
        let sequences: Vec<i64> = published.iter().map(|(_, sequence)| *sequence).collect();
        sqlx::query!(
            "UPDATE event_counter SET published = input.sequence
             FROM unnest($1::uuid[], $2::bigint[]) AS input (session_id, sequence)
             WHERE event_counter.session_id = input.session_id AND event_counter.published < input.sequence",
            &sessions,
            &sequences
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Compares the broker's stream of events with the one last seen. If it is a new one, every event younger than `age` counts as unpublished.
    /// Answers for how many sessions that is so.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn notice_event_stream(&self, created: i64, age: Duration) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let known = sqlx::query_scalar!("SELECT created FROM event_stream FOR UPDATE")
            .fetch_optional(&mut *transaction)
            .await?;
        let sessions = match known {
            Some(known) if known == created => return Ok(0),
            Some(_) => {
                let result = sqlx::query!(
                    "UPDATE event_counter SET published = recent.before
                     FROM (SELECT session_id, min(sequence) - 1 AS before FROM event
                           WHERE created_at > now() - make_interval(secs => $1) AND id >= uuid_at(now() - make_interval(secs => $1)) GROUP BY session_id) recent
                     WHERE event_counter.session_id = recent.session_id AND event_counter.published > recent.before",
                    age.as_secs_f64()
                )
                .execute(&mut *transaction)
                .await?;
                result.rows_affected()
            }
            None => 0,
        };
        sqlx::query!(
            "INSERT INTO event_stream (only_row, created) VALUES (true, $1) ON CONFLICT (only_row) DO UPDATE SET created = excluded.created",
            created
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(sessions)
    }
}
