//! Events as tenants read them: in an order in which none is ever missed.
//!
//! Events of one tenant are written by many transactions at once, so "newer than the last one I saw" by id or time would skip those that commit
//! late. Each row carries the id of its transaction (`position`); a reader stays below the oldest transaction that is still running, so what it
//! has passed can never grow, and (`position`, `id`) is an order in which every event is seen exactly once.

use uuid::Uuid;

use super::{StoreError, TenantTransaction};

/// A place in a tenant's events: everything up to here was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition {
    /// The writing transaction.
    pub position: i64,
    /// The event within it.
    pub event: Uuid,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place.
    pub position: EventPosition,
    /// Its type.
    pub event_type: String,
    /// The envelope, byte for byte.
    pub body: String,
}

/// Which events are read.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Those of these sessions; `None`: of all.
    pub sessions: Option<Vec<Uuid>>,
    /// Those of these types and families (`message.*`); empty: all.
    pub types: Vec<String>,
}

/// Splits a webhook's or reader's filter into exact types and families, as the statements compare them; (empty, empty) lets everything through.
#[must_use]
pub(super) fn split_types(filters: &[String]) -> (Vec<String>, Vec<String>) {
    if filters.iter().any(|filter| filter == "*") {
        return (Vec::new(), Vec::new());
    }
    let (families, types): (Vec<_>, Vec<_>) = filters.iter().partition(|filter| filter.ends_with(".*"));
    let families = families
        .into_iter()
        .map(|family| family.trim_end_matches(".*").to_owned())
        .collect();
    (types.into_iter().cloned().collect(), families)
}

impl TenantTransaction {
    /// Events after `after`, oldest first, at most `limit`. Without `after`: from the oldest one that is kept.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn events(
        &mut self,
        filter: &EventFilter,
        after: Option<EventPosition>,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (types, families) = split_types(&filter.types);
        let after = after.unwrap_or(EventPosition {
            position: -1,
            event: Uuid::nil(),
        });
        let rows = sqlx::query!(
            "SELECT id, position, type, body FROM event
             WHERE tenant_id = $1 AND (position, id) > ($2, $3)
               AND position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
               AND ($4::uuid[] IS NULL OR session_id = ANY($4))
               AND (cardinality($5::text[]) + cardinality($6::text[]) = 0 OR type = ANY($5) OR split_part(type, '.', 1) = ANY($6))
             ORDER BY position, id LIMIT $7",
            self.tenant.0,
            after.position,
            after.event,
            filter.sessions.as_deref(),
            &types,
            &families,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| StoredEvent {
                position: EventPosition {
                    position: row.position,
                    event: row.id,
                },
                event_type: row.r#type,
                body: row.body,
            })
            .collect())
    }

    /// The place after everything that can be read right now: whatever is read after it was not there yet.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn end_of_events(&mut self) -> Result<EventPosition, StoreError> {
        let oldest_running =
            sqlx::query_scalar!(r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "oldest_running!""#)
                .fetch_one(&mut *self.transaction)
                .await?;
        Ok(EventPosition {
            position: oldest_running - 1,
            event: Uuid::max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_filter_is_split_into_types_and_families() {
        assert_eq!(
            split_types(&texts(&["message.*", "session.qr"])),
            (texts(&["session.qr"]), texts(&["message"]))
        );
        assert_eq!(
            split_types(&texts(&["session.qr", "*"])),
            (vec![], vec![]),
            "everything"
        );
        assert_eq!(split_types(&[]), (vec![], vec![]));
    }
}
