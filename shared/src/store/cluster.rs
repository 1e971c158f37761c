//! The cluster as its operator sees it: the region's workers, what they hold, and who took over from whom.
//!
//! Read only. Claims and heartbeats are written in [`super::leases`]; nothing here may decide who holds a session.

use chrono::{DateTime, Utc};

use super::{AdministrationTransaction, StoreError};
use crate::ids::{SessionId, TenantId, WorkerId};
use crate::store::leases::LEASE_TIME;

/// A worker and how much it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOverview {
    /// The worker.
    pub id: WorkerId,
    /// The release it runs.
    pub version: String,
    /// Since when it runs.
    pub started_at: DateTime<Utc>,
    /// Its last heartbeat, by the database's clock.
    pub beat_at: DateTime<Utc>,
    /// Whether that is longer ago than [`LEASE_TIME`]: others may take its sessions.
    pub stale: bool,
    /// Whether it gives its sessions away because it is about to stop.
    pub draining: bool,
    /// How many sessions it can hold.
    pub capacity: i32,
    /// How many it holds.
    pub held: i64,
    /// How many of those are connected to WhatsApp.
    pub connected: i64,
}

/// A session whose last claim took it from a worker that had not given it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Who had it.
    pub from: WorkerId,
    /// Who holds it now; `None` after it was given back.
    pub to: Option<WorkerId>,
    /// The claim's fencing token: how often the session has been claimed.
    pub epoch: i64,
    /// When it was taken.
    pub claimed_at: DateTime<Utc>,
}

/// How many sessions want a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Held or not.
    pub wanted: i64,
    /// Those that have none and may be claimed now.
    pub waiting: i64,
}

impl AdministrationTransaction {
    /// How many sessions want a worker.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn demand(&mut self) -> Result<Demand, StoreError> {
        let demand = sqlx::query_as!(
            Demand,
            r#"SELECT count(*) AS "wanted!",
                      count(*) FILTER (WHERE worker_id IS NULL AND claim_after <= clock_timestamp()) AS "waiting!"
               FROM session_lease WHERE goal <> 'stopped'"#
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(demand)
    }

    /// Every worker that has a row, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn workers(&mut self) -> Result<Vec<WorkerOverview>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT worker.id, version, started_at, beat_at, draining, capacity,
                      beat_at < clock_timestamp() - make_interval(secs => $1) AS "stale!",
                      count(session_lease.session_id) AS "held!",
                      count(session_lease.session_id) FILTER (WHERE session.status = 'connected') AS "connected!"
               FROM worker
               LEFT JOIN session_lease ON session_lease.worker_id = worker.id
               LEFT JOIN session ON session.id = session_lease.session_id
               GROUP BY worker.id
               ORDER BY started_at, worker.id"#,
            LEASE_TIME.as_secs_f64()
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let worker = rows.into_iter().map(|row| WorkerOverview {
            id: WorkerId(row.id),
            version: row.version,
            started_at: row.started_at,
            beat_at: row.beat_at,
            stale: row.stale,
            draining: row.draining,
            capacity: row.capacity,
            held: row.held,
            connected: row.connected,
        });
        Ok(worker.collect())
    }

    /// The latest takeovers, the latest first; one for each session at most.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn takeovers(&mut self, limit: i64) -> Result<Vec<Takeover>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT session_id, session_lease.tenant_id, name, taken_from AS "taken_from!", worker_id, epoch, claimed_at AS "claimed_at!"
               FROM session_lease JOIN session ON session.id = session_id
               WHERE taken_from IS NOT NULL
               ORDER BY claimed_at DESC LIMIT $1"#,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let takeover = rows.into_iter().map(|row| Takeover {
            session: SessionId::new(self.region, row.session_id),
            tenant: TenantId(row.tenant_id),
            name: row.name,
            from: WorkerId(row.taken_from),
            to: row.worker_id.map(WorkerId),
            epoch: row.epoch,
            claimed_at: row.claimed_at,
        });
        Ok(takeover.collect())
    }
}
