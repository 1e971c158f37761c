//! Keeping messages and events as long as each tenant wants: partitions for what comes are made ahead, those that nobody wants any more are dropped, and
//! what one tenant wants shorter than others is deleted in bites.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Store, StoreError};

/// How many days events are kept when a tenant does not say: longer than every webhook's retries and the stream's own window.
const EVENT_DAYS: i32 = 7;
/// Rows that one statement deletes at most.
const BITE: i64 = 5_000;

impl Store {
    /// Makes the partitions that will be needed soon. Answers how many were missing at `now`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn make_partitions(&self, now: DateTime<Utc>) -> Result<i32, StoreError> {
        let mut connection = self.pool.acquire().await?;
        make_partitions(&mut connection, now).await
    }

    /// Deletes what every tenant wants gone at `now`, at most a bite of each kind; partitions go whole. Answers how many rows and partitions.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn enforce_retention(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let gone = enforce_retention(&mut transaction, now).await?;
        transaction.commit().await?;
        let mut transaction = self.pool.begin().await?;
        let dropped = drop_partitions(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(gone + dropped)
    }
}

pub(super) async fn make_partitions(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<i32, StoreError> {
    // Partitions are first of all looked for: making one locks the table.
    Ok(sqlx::query_scalar!(r#"SELECT make_partitions($1) AS "made!""#, now)
        .fetch_one(connection)
        .await?)
}

pub(super) async fn enforce_retention(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut gone = sqlx::query!(
        "WITH kept AS MATERIALIZED (
             SELECT session.id AS session_id, uuid_at($1::timestamptz - make_interval(days => (quotas ->> 'message_days')::integer)) AS since
             FROM tenant JOIN session ON session.tenant_id = tenant.id WHERE (quotas ->> 'message_days')::integer > 0
         ), gone AS (
             DELETE FROM message USING (
                 SELECT old.session_id, old.id FROM kept, LATERAL (
                     SELECT message.session_id, message.id FROM message WHERE message.session_id = kept.session_id AND message.id < kept.since
                     ORDER BY message.id LIMIT $2) old LIMIT $2) old
             WHERE message.session_id = old.session_id AND message.id = old.id
             RETURNING message.session_id, wa_message_id, message.id)
         DELETE FROM message_identity identity USING gone
         WHERE identity.session_id = gone.session_id AND identity.wa_message_id = gone.wa_message_id AND identity.id = gone.id",
        now,
        BITE
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    gone += sqlx::query!(
        "DELETE FROM message_statistic WHERE ctid = ANY(ARRAY(
             SELECT message_statistic.ctid FROM tenant JOIN message_statistic ON message_statistic.tenant_id = tenant.id
             WHERE (quotas ->> 'message_days')::integer > 0 AND message_statistic.chat <> ''
               AND starts_at < $1::timestamptz - make_interval(days => (quotas ->> 'message_days')::integer + 1) LIMIT $2))",
        now,
        BITE
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    gone += sqlx::query!(
        "WITH kept AS MATERIALIZED (
             SELECT tenant.id AS tenant_id, uuid_at($1::timestamptz - make_interval(days => COALESCE((quotas ->> 'event_days')::integer, $3))) AS since
             FROM tenant WHERE COALESCE((quotas ->> 'event_days')::integer, $3) > 0
         )
         DELETE FROM event USING (
             SELECT event.id FROM kept JOIN event ON event.tenant_id = kept.tenant_id AND event.id < kept.since
             WHERE event.id < (SELECT max(since::text)::uuid FROM kept) LIMIT $2) old
         WHERE event.id = old.id",
        now,
        BITE,
        EVENT_DAYS
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    // A chat's messages that its owner has deleted, beyond those that went at once.
    gone += sqlx::query!(
        "WITH gone AS (
             DELETE FROM message USING (
                 SELECT old.session_id, old.id FROM chat, LATERAL (
                     SELECT message.session_id, message.id FROM message
                     WHERE message.session_id = chat.session_id AND message.chat = chat.jid AND message.id <= chat.cleared_until LIMIT $1) old
                 WHERE cleared_until IS NOT NULL LIMIT $1) old
             WHERE message.session_id = old.session_id AND message.id = old.id
             RETURNING message.session_id, wa_message_id, message.id)
         DELETE FROM message_identity identity USING gone
         WHERE identity.session_id = gone.session_id AND identity.wa_message_id = gone.wa_message_id AND identity.id = gone.id",
        BITE
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    gone += sqlx::query!(
        "DELETE FROM dialect_number WHERE ctid = ANY(ARRAY(
             SELECT dialect_number.ctid FROM tenant JOIN dialect_number ON dialect_number.tenant_id = tenant.id
             WHERE (quotas ->> 'message_days')::integer > 0 AND kind = 'message'
               AND subject < uuid_at($1::timestamptz - make_interval(days => (quotas ->> 'message_days')::integer)) LIMIT $2))",
        now,
        BITE
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    // WhatsApp delivers again within days what was not acknowledged.
    gone += sqlx::query!(
        "DELETE FROM event_identity WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_identity WHERE created_at < $1::timestamptz - interval '14 days' LIMIT $2))",
        now,
        BITE
    )
    .execute(connection)
    .await?
    .rows_affected();
    Ok(gone)
}

/// Drops the partitions of which no tenant wants anything. Nobody reads or writes while one is dropped, so whoever is in the way is not waited for.
pub(super) async fn drop_partitions(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let longest = sqlx::query!(
        r#"SELECT CASE WHEN bool_and(COALESCE((quotas ->> 'message_days')::integer, 0) > 0) THEN max((quotas ->> 'message_days')::integer) END AS message_days,
                  CASE WHEN bool_and(COALESCE((quotas ->> 'event_days')::integer, $1) > 0) THEN max(COALESCE((quotas ->> 'event_days')::integer, $1)) END AS event_days
           FROM tenant"#,
        EVENT_DAYS
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!("SET LOCAL lock_timeout = '1s'")
        .execute(&mut *connection)
        .await?;
    let mut dropped = 0;
    for (table, days) in [("message", longest.message_days), ("event", longest.event_days)] {
        let Some(days) = days else { continue };
        let count = sqlx::query_scalar!(
            r#"SELECT drop_partitions($1, $2::timestamptz - make_interval(days => $3)) AS "dropped!""#,
            table,
            now,
            days
        )
        .fetch_one(&mut *connection)
        .await?;
        dropped += u64::try_from(count).unwrap_or_default();
    }
    if let Some(days) = longest.message_days {
        dropped += sqlx::query!(
            "DELETE FROM message_identity WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM message_identity WHERE id < uuid_at($1::timestamptz - make_interval(days => $2)) LIMIT $3))",
            now,
            days,
            BITE
        )
        .execute(connection)
        .await?
        .rows_affected();
    }
    Ok(dropped)
}
