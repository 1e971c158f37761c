//! Where numbered pages begin, for the older APIs that page by number and tell a total. Lists themselves are read from a place on, as everywhere.
//!
//! A page far down needs a walk to it, and a total needs a count; both are kept short: only ids are read for them, and no further than
//! [`COUNTED_AHEAD`] entries behind the page ([`PICKED_AHEAD`] where a filter picks few of them). Up to there the total is exact; whoever walks on sees it grow.

use uuid::Uuid;

use super::messages::MessageFilter;
use super::sessions::SessionFilter;
use super::{StoreError, TenantTransaction};
use crate::ids::SessionId;
use crate::session::SessionStatus;
use crate::store::leases::LEASE_TIME;

/// So many entries behind the beginning of a page are counted.
pub const COUNTED_AHEAD: i64 = 10_000;
/// The same where messages of one kind or direction are picked out: to find a rare one, many others are looked at.
pub const PICKED_AHEAD: i64 = 1_000;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStart {
    /// How many entries there are, as far as they are counted.
    pub total: i64,
    /// The place of the page's first entry; `None`: the list ends before the page.
    pub first: Option<Uuid>,
}

impl PageStart {
    /// No entries at all.
    const NOTHING: Self = Self { total: 0, first: None };

    /// The place behind which the page is read: lists go from late to early ids and leave out the place that they are given.
    #[must_use]
    pub fn after(&self) -> Option<Uuid> {
        self.first
            .map(|first| Uuid::from_u128(first.as_u128().saturating_add(1)))
    }
}

/// So many messages are found at most for a page after `skip` of them.
fn walked(filter: &MessageFilter, skip: i64) -> i64 {
    let picks = filter.kind.is_some() || filter.from_me.is_some();
    skip.saturating_add(if picks { PICKED_AHEAD } else { COUNTED_AHEAD })
}

impl TenantTransaction {
    /// Where the page of messages after the newest `skip` ones begins. Of the filter everything counts but `unread` and `search`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message_page(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        skip: i64,
    ) -> Result<PageStart, StoreError> {
        let Some((chat, lower)) = self.bounds(session, filter).await? else {
            return Ok(PageStart::NOTHING);
        };
        self.prefer_order(true).await?;
        // Two statements, because each has its own index.
        let start = match chat {
            None => {
                sqlx::query_as!(
                    PageStart,
                    r#"WITH found AS MATERIALIZED (
                           SELECT id FROM message
                           WHERE session_id = $1 AND tenant_id = $2 AND id >= $9
                             AND CASE WHEN $3::text IS NULL THEN type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE type = $3 END
                             AND ($4::boolean IS NULL OR from_me = $4) AND ($5::timestamptz IS NULL OR sent_at >= $5) AND ($6::timestamptz IS NULL OR sent_at < $6)
                           ORDER BY id DESC LIMIT $7)
                       SELECT count(*) AS "total!", (SELECT id FROM found ORDER BY id DESC OFFSET $8 LIMIT 1) AS first FROM found"#,
                    session.uuid,
                    self.tenant.0,
                    filter.kind,
                    filter.from_me,
                    filter.since,
                    filter.until,
                    walked(filter, skip),
                    skip,
                    lower
                )
                .fetch_one(&mut *self.transaction)
                .await?
            }
            Some(jid) => {
                sqlx::query_as!(
                    PageStart,
                    r#"WITH found AS MATERIALIZED (
                           SELECT id FROM message
                           WHERE session_id = $1 AND tenant_id = $2 AND chat = $3 AND id >= $4
                             AND CASE WHEN $5::text IS NULL THEN type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE type = $5 END
                             AND ($6::boolean IS NULL OR from_me = $6) AND ($7::timestamptz IS NULL OR sent_at >= $7) AND ($8::timestamptz IS NULL OR sent_at < $8)
                           ORDER BY session_id DESC, chat DESC, id DESC LIMIT $9)
                       SELECT count(*) AS "total!", (SELECT id FROM found ORDER BY id DESC OFFSET $10 LIMIT 1) AS first FROM found"#,
                    session.uuid,
                    self.tenant.0,
                    jid,
                    lower,
                    filter.kind,
                    filter.from_me,
                    filter.since,
                    filter.until,
                    walked(filter, skip),
                    skip
                )
                .fetch_one(&mut *self.transaction)
                .await?
            }
        };
        self.prefer_order(false).await?;
        Ok(start)
    }

    /// Whether the planner is to read messages in the order of an index. Below a policy it expects to see one row in a hundred, and would rather read and sort
    /// all messages than walk over some thousands of them: a second instead of thirty milliseconds at 600,000 messages.
    async fn prefer_order(&mut self, preferred: bool) -> Result<(), StoreError> {
        sqlx::query!(
            "SELECT set_config('enable_seqscan', $1, true) AS seqscan, set_config('enable_bitmapscan', $1, true) AS bitmapscan",
            if preferred { "off" } else { "on" }
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Where the page of chats after the `skip` last active ones begins.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn chat_page(&mut self, session: SessionId, skip: i64) -> Result<PageStart, StoreError> {
        Ok(sqlx::query_as!(
            PageStart,
            r#"WITH found AS MATERIALIZED (
                   SELECT activity FROM chat WHERE session_id = $1 AND tenant_id = $2 AND deleted_at IS NULL
                   ORDER BY session_id DESC, activity DESC LIMIT $3)
               SELECT count(*) AS "total!", (SELECT activity FROM found ORDER BY activity DESC OFFSET $4 LIMIT 1) AS first FROM found"#,
            session.uuid,
            self.tenant.0,
            skip.saturating_add(COUNTED_AHEAD),
            skip
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }

    /// Where the page of sessions after the newest `skip` ones begins. Of the filter everything counts but `metadata`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_page(&mut self, filter: &SessionFilter, skip: i64) -> Result<PageStart, StoreError> {
        let statuses: Vec<String> = filter.statuses.iter().map(SessionStatus::to_string).collect();
        Ok(sqlx::query_as!(
            PageStart,
            r#"WITH found AS MATERIALIZED (
                   SELECT session.id FROM session
                   JOIN session_lease ON session_lease.session_id = session.id
                   LEFT JOIN worker ON worker.id = session_lease.worker_id
                   WHERE session.tenant_id = $1 AND deleted_at IS NULL
                     AND (cardinality($3::text[]) = 0
                          OR CASE WHEN status = 'connected' AND NOT COALESCE(worker.beat_at > clock_timestamp() - make_interval(secs => $2), false)
                                  THEN 'disconnected' ELSE status END = ANY($3))
                     AND ($4::uuid[] IS NULL OR session.id = ANY($4))
                   ORDER BY session.id DESC LIMIT $5)
               SELECT count(*) AS "total!", (SELECT id FROM found ORDER BY id DESC OFFSET $6 LIMIT 1) AS first FROM found"#,
            self.tenant.0,
            LEASE_TIME.as_secs_f64(),
            &statuses,
            filter.within.as_deref(),
            skip.saturating_add(COUNTED_AHEAD),
            skip
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ACTS;

    #[test]
    fn pages_leave_out_what_lists_leave_out() {
        let words = ACTS.map(|act| format!("'{act}'")).join(", ");
        let complete = include_str!("pages.rs").matches(&format!("NOT IN ({words})")).count();
        assert_eq!(complete, 2);
    }

    #[test]
    fn a_page_is_read_from_just_before_its_first_entry() {
        let first = Uuid::from_u128(7);
        let start = PageStart {
            total: 1,
            first: Some(first),
        };
        assert_eq!(start.after(), Some(Uuid::from_u128(8)));
        assert_eq!(PageStart::NOTHING.after(), None);
    }
}
