//! How many messages there were: read from counters that are kept with every message, never counted anew.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{StoreError, TenantTransaction};
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

impl TenantTransaction {
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
