//! What a tenant uses, and whether it may use more.

use chrono::{DateTime, NaiveDate, Utc};

use super::{AdministrationTransaction, StoreError, TenantTransaction};
use crate::ids::{SessionId, TenantId};

/// Rows among which a tenant's messages of a day are counted. Sends of one session wait for each other anyway, so the session chooses the row; others meet
/// in it once in so many times. The sum of so many rows costs some ten microseconds.
const SHARDS: u128 = 64;

/// Whether a message may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagePlace {
    /// It may, and it is counted if that matters.
    Free,
    /// The tenant has sent what it may send today.
    Full {
        /// How many messages a day.
        limit: u64,
        /// When the next day begins.
        free_at: DateTime<Utc>,
    },
}

/// What a tenant has at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Sessions.
    pub sessions: i64,
    /// Sessions that are connected.
    pub connected_sessions: i64,
    /// Webhooks.
    pub webhooks: i64,
    /// API keys that work.
    pub api_keys: i64,
    /// Users.
    pub users: i64,
    /// Files that are kept.
    pub media_files: i64,
    /// Their bytes.
    pub media_bytes: i64,
    /// Messages that count towards `messages_per_day` today.
    pub messages_counted_today: i64,
}

/// Messages of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfMessages {
    /// The day (UTC).
    pub day: NaiveDate,
    /// Messages that the tenant's accounts have sent, from here or from a phone.
    pub sent: i64,
    /// Messages that they have received.
    pub received: i64,
}

impl TenantTransaction {
    /// Takes a place for one message of the day, if the tenant's messages are limited. The count is part of this transaction: what is undone was not
    /// counted. Requests at the same time do not see each other, so a tenant may pass its limit by as many as it sends at once.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn take_message_place(&mut self, session: SessionId) -> Result<MessagePlace, StoreError> {
        let shard = i16::try_from(session.uuid.as_u128() % SHARDS).unwrap_or_default();
        let row = sqlx::query!(
            r#"WITH quota AS (
                   SELECT (quotas->>'messages_per_day')::bigint AS most, (now() AT TIME ZONE 'UTC')::date AS today FROM tenant
                   WHERE id = $1 AND quotas->>'messages_per_day' IS NOT NULL),
               taken AS (
                   INSERT INTO tenant_message_count (tenant_id, day, shard, messages)
                   SELECT $1, today, $2, 1 FROM quota
                   WHERE most > (SELECT COALESCE(sum(messages), 0) FROM tenant_message_count WHERE tenant_id = $1 AND day = today)
                   ON CONFLICT (tenant_id, day, shard) DO UPDATE SET messages = tenant_message_count.messages + 1
                   RETURNING 1)
               SELECT most AS "most!", (today + 1)::timestamp AT TIME ZONE 'UTC' AS "free_at!", EXISTS (SELECT 1 FROM taken) AS "taken!" FROM quota"#,
            self.tenant.0,
            shard
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(match row {
            Some(row) if !row.taken => MessagePlace::Full {
                limit: u64::try_from(row.most).unwrap_or_default(),
                free_at: row.free_at,
            },
            _ => MessagePlace::Free,
        })
    }
}

impl AdministrationTransaction {
    /// What a tenant has at this moment.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn holdings(&mut self, tenant: TenantId) -> Result<Holdings, StoreError> {
        Ok(sqlx::query_as!(
            Holdings,
            r#"SELECT
                 (SELECT count(*) FROM session WHERE tenant_id = $1 AND deleted_at IS NULL) AS "sessions!",
                 (SELECT count(*) FROM session WHERE tenant_id = $1 AND deleted_at IS NULL AND status = 'connected') AS "connected_sessions!",
                 (SELECT count(*) FROM webhook WHERE tenant_id = $1) AS "webhooks!",
                 (SELECT count(*) FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS "api_keys!",
                 (SELECT count(*) FROM tenant_user WHERE tenant_id = $1) AS "users!",
                 (SELECT count(*) FROM media WHERE tenant_id = $1 AND status = 'stored' AND deleted_at IS NULL) AS "media_files!",
                 (SELECT COALESCE(sum(size), 0)::bigint FROM media WHERE tenant_id = $1 AND status = 'stored' AND deleted_at IS NULL) AS "media_bytes!",
                 (SELECT COALESCE(sum(messages), 0)::bigint FROM tenant_message_count
                  WHERE tenant_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date) AS "messages_counted_today!""#,
            tenant.0
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }

    /// A tenant's messages by the day, oldest first, of the days from `since` until before `until`: read from the counters that are kept with every message
    /// of the sessions that exist.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn messages_by_day(
        &mut self,
        tenant: TenantId,
        since: NaiveDate,
        until: NaiveDate,
    ) -> Result<Vec<DayOfMessages>, StoreError> {
        Ok(sqlx::query_as!(
            DayOfMessages,
            r#"SELECT (starts_at AT TIME ZONE 'UTC')::date AS "day!",
                      COALESCE(sum(messages) FILTER (WHERE from_me), 0)::bigint AS "sent!",
                      COALESCE(sum(messages) FILTER (WHERE NOT from_me), 0)::bigint AS "received!"
               FROM session JOIN message_statistic ON message_statistic.session_id = session.id
               WHERE session.tenant_id = $1 AND message_statistic.tenant_id = $1 AND chat = ''
                 AND starts_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND starts_at < $3::date::timestamp AT TIME ZONE 'UTC'
               GROUP BY 1 ORDER BY 1"#,
            tenant.0,
            since,
            until
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }
}
