//! How many messages there were: read from counters that are kept with every message, never counted anew.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::messages::MessageFilter;
use super::{StoreError, TenantTransaction};
use crate::content::ACTS;
use crate::ids::SessionId;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// An hour; not of a single chat.
    Hour,
    /// A day (UTC).
    Day,
    /// A month (UTC).
    Month,
}

/// Which counts are read.
#[derive(Debug, Clone)]
pub struct StatisticFilter {
    /// What is counted together.
    pub period: Period,
    /// From when on.
    pub since: DateTime<Utc>,
    /// Until before when.
    pub until: DateTime<Utc>,
    /// The JID under which a chat is kept; `None`: all chats together.
    pub chat: Option<String>,
}

/// A count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageCount {
    /// When the period begins.
    pub starts_at: DateTime<Utc>,
    /// The kind of the messages.
    pub kind: String,
    /// Whether the account wrote them.
    pub from_me: bool,
    /// How many.
    pub messages: i64,
}

/// How many messages of a kind there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// Whether the account wrote them.
    pub from_me: bool,
    /// How many.
    pub messages: i64,
}

impl TenantTransaction {
    /// How many messages a session had in a span of time, by kind and direction; acts on other messages are left out. Full hours (UTC) are counted.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message_totals(
        &mut self,
        session: SessionId,
        since: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Vec<KindCount>, StoreError> {
        Ok(sqlx::query_as!(
            KindCount,
            r#"SELECT type AS kind, from_me, sum(messages)::bigint AS "messages!" FROM message_statistic
               WHERE session_id = $1 AND tenant_id = $2 AND chat = '' AND type <> ALL($5)
                 AND ($3::timestamptz IS NULL OR starts_at >= date_trunc('hour', $3, 'UTC')) AND ($4::timestamptz IS NULL OR starts_at < $4)
               GROUP BY type, from_me ORDER BY type, from_me"#,
            session.uuid,
            self.tenant.0,
            since,
            until,
            &ACTS.map(str::to_owned)
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }

    /// How many messages each of some chats had, by the JID under which the chat is kept; a chat without messages is missing.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message_totals_of_chats(
        &mut self,
        session: SessionId,
        chats: &[String],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT chat, sum(messages)::bigint AS "messages!" FROM message_statistic
               WHERE session_id = $1 AND tenant_id = $2 AND chat = ANY($3) AND type <> ALL($4) GROUP BY chat"#,
            session.uuid,
            self.tenant.0,
            chats,
            &ACTS.map(str::to_owned)
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.chat, row.messages)).collect())
    }

    /// How far the messages of a session have come: how many of the newest `most` that are within the filter's times have each status.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message_statuses(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        most: i64,
    ) -> Result<HashMap<String, i64>, StoreError> {
        let Some((_, lower)) = self.bounds(session, filter).await? else {
            return Ok(HashMap::new());
        };
        let rows = sqlx::query!(
            r#"WITH found AS MATERIALIZED (
                   SELECT status FROM message
                   WHERE session_id = $1 AND tenant_id = $2 AND id >= $3 AND type <> ALL($4)
                     AND ($5::timestamptz IS NULL OR sent_at >= $5) AND ($6::timestamptz IS NULL OR sent_at < $6)
                   ORDER BY id DESC LIMIT $7)
               SELECT status AS "status!", count(*) AS "messages!" FROM found GROUP BY status"#,
            session.uuid,
            self.tenant.0,
            lower,
            &ACTS.map(str::to_owned),
            filter.since,
            filter.until,
            most
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.status, row.messages)).collect())
    }

    /// Counts of a session's messages by period, kind and direction, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn statistics(
        &mut self,
        session: SessionId,
        filter: &StatisticFilter,
        limit: i64,
    ) -> Result<Vec<MessageCount>, StoreError> {
        let unit = match filter.period {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
        };
        Ok(sqlx::query_as!(
            MessageCount,
            r#"SELECT date_trunc($1, starts_at, 'UTC') AS "starts_at!", type AS kind, from_me, sum(messages)::bigint AS "messages!"
               FROM message_statistic
               WHERE session_id = $2 AND tenant_id = $3 AND chat = $4
                 AND starts_at >= date_trunc($1, $5::timestamptz, 'UTC') AND starts_at < $6
               GROUP BY 1, type, from_me ORDER BY 1, type, from_me LIMIT $7"#,
            unit,
            session.uuid,
            self.tenant.0,
            filter.chat.as_deref().unwrap_or_default(),
            filter.since,
            filter.until,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }
}
