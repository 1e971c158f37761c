//! Workers' heartbeats, and who holds which session.
//!
//! The database clock decides. A worker writes one heartbeat row, whatever the number of its sessions; a claim raises the session's epoch, and
//! everything that a holder writes is fenced by that epoch (see [`super::records`] and the worker's protocol state).

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::ids::{SessionId, TenantId, WorkerId};
use crate::session::Goal;

/// A worker whose last heartbeat is older than this, by the database's clock, has lost its sessions to whoever claims them.
pub const LEASE_TIME: Duration = Duration::from_secs(5);

/// A session that this worker has just claimed, or holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The fencing token.
    pub epoch: i64,
    /// What is wanted of the session.
    pub goal: Goal,
}

/// A worker as the others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerBeat {
    /// The worker.
    pub worker: WorkerId,
    /// Its last heartbeat, by the database's clock.
    pub beat_at: DateTime<Utc>,
    /// Whether that is longer ago than [`LEASE_TIME`], by the database's clock.
    pub stale: bool,
    /// Whether it gives its sessions away.
    pub draining: bool,
    /// How many sessions it can hold.
    pub capacity: i32,
    /// How many it holds.
    pub held: i64,
}

/// How the region's sessions are shared out right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Every worker that has a row.
    pub workers: Vec<WorkerBeat>,
    /// Sessions that want a holder, held or not.
    pub wanted: i64,
    /// Sessions that want a holder, have none, and may be claimed now.
    pub free: i64,
}

/// How a lease is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Somebody else is to hold the session: the goal stays.
    HandOver,
    /// The same, but nobody is to claim it before so long from now.
    Later(Duration),
    /// The goal is reached, or cannot be reached without a person: the session is [`Goal::Stopped`].
    /// A goal that its owner has set meanwhile stays.
    Stop {
        /// The goal that was reached or given up.
        reached: Goal,
    },
}

fn goal(text: &str) -> Result<Goal, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt {
        table: "session_lease",
        column: "goal",
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

impl Store {
    /// Makes a new worker known.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn register_worker(&self, worker: WorkerId, version: &str, capacity: i32) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO worker (id, version, capacity) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
            worker.0,
            version,
            capacity
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes a worker that has given back every session.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn deregister_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM worker WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM session_lease WHERE worker_id = $1)",
            worker.0
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// One heartbeat. Answers whether the worker is still known.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn beat(&self, worker: WorkerId, draining: bool) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "UPDATE worker SET beat_at = clock_timestamp(), draining = $2 WHERE id = $1",
            worker.0,
            draining
        )
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// How the sessions are shared out right now.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn observe_workers(&self) -> Result<Observation, StoreError> {
        let workers = sqlx::query!(
            r#"SELECT worker.id, worker.beat_at, worker.draining, worker.capacity,
                      worker.beat_at < clock_timestamp() - make_interval(secs => $1) AS "stale!",
                      (SELECT count(*) FROM session_lease WHERE session_lease.worker_id = worker.id) AS "held!"
               FROM worker"#,
            seconds(LEASE_TIME)
        )
        .fetch_all(&self.pool)
        .await?;
        let sessions = sqlx::query!(
            r#"SELECT count(*) AS "wanted!",
                      count(*) FILTER (WHERE worker_id IS NULL AND claim_after <= clock_timestamp()) AS "free!"
               FROM session_lease WHERE goal <> 'stopped'"#
        )
        .fetch_one(&self.pool)
        .await?;
        let workers = workers
            .into_iter()
            .map(|row| WorkerBeat {
                worker: WorkerId(row.id),
                beat_at: row.beat_at,
                stale: row.stale,
                draining: row.draining,
                capacity: row.capacity,
                held: row.held,
            })
            .collect();
        Ok(Observation {
            workers,
            wanted: sessions.wanted,
            free: sessions.free,
        })
    }

    /// Claims up to `limit` sessions that want a holder: free ones, and those of `suspects` whose heartbeat is stale by the database's clock.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn claim_sessions(
        &self,
        worker: WorkerId,
        suspects: &[WorkerId],
        limit: i64,
    ) -> Result<Vec<Lease>, StoreError> {
        let suspects: Vec<Uuid> = suspects.iter().map(|suspect| suspect.0).collect();
        let rows = sqlx::query!(
            r#"WITH dead AS (
                   SELECT id FROM worker
                   WHERE id = ANY($2) AND id <> $1 AND beat_at < clock_timestamp() - make_interval(secs => $4)
               ), candidate AS (
                   SELECT session_id FROM session_lease
                   WHERE goal <> 'stopped' AND claim_after <= clock_timestamp()
                     AND (worker_id IS NULL OR worker_id IN (SELECT id FROM dead))
                   ORDER BY session_id
                   LIMIT $3
                   FOR UPDATE SKIP LOCKED
               )
               UPDATE session_lease SET worker_id = $1, taken_from = session_lease.worker_id, epoch = epoch + 1, claimed_at = clock_timestamp()
               FROM candidate WHERE session_lease.session_id = candidate.session_id
               RETURNING session_lease.session_id, tenant_id, epoch, goal"#,
            worker.0,
            &suspects,
            limit,
            seconds(LEASE_TIME)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Lease {
                    session: SessionId::new(self.region, row.session_id),
                    tenant: TenantId(row.tenant_id),
                    epoch: row.epoch,
                    goal: goal(&row.goal)?,
                })
            })
            .collect()
    }

    /// Every session that the worker holds, according to the database.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn leases_of(&self, worker: WorkerId) -> Result<Vec<Lease>, StoreError> {
        let rows = sqlx::query!(
            "SELECT session_id, tenant_id, epoch, goal FROM session_lease WHERE worker_id = $1",
            worker.0
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Lease {
                    session: SessionId::new(self.region, row.session_id),
                    tenant: TenantId(row.tenant_id),
                    epoch: row.epoch,
                    goal: goal(&row.goal)?,
                })
            })
            .collect()
    }

    /// What is wanted of a session that is held under `epoch`, or `None` when the claim is over.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn goal_of(&self, session: SessionId, epoch: i64) -> Result<Option<Goal>, StoreError> {
        let row = sqlx::query_scalar!(
            "SELECT goal FROM session_lease WHERE session_id = $1 AND epoch = $2",
            session.uuid,
            epoch
        )
        .fetch_optional(&self.pool)
        .await?;
        row.as_deref().map(goal).transpose()
    }

    /// The live worker that holds a session, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn holder_of(&self, session: SessionId) -> Result<Option<WorkerId>, StoreError> {
        let row = sqlx::query_scalar!(
            "SELECT worker.id FROM session_lease JOIN worker ON worker.id = session_lease.worker_id
             WHERE session_id = $1 AND worker.beat_at > clock_timestamp() - make_interval(secs => $2)",
            session.uuid,
            seconds(LEASE_TIME)
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(WorkerId))
    }

    /// Gives a lease back. Must come after the session's socket is closed. Answers whether the claim was still this one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; the lease then runs out with the worker's heartbeat.
    pub async fn release_lease(&self, session: SessionId, epoch: i64, release: Release) -> Result<bool, StoreError> {
        let (reached, pause) = match release {
            Release::HandOver => (None, 0.0),
            Release::Later(pause) => (None, seconds(pause)),
            Release::Stop { reached } => (Some(reached.as_str()), 0.0),
        };
        // One statement on one row: a goal set by a gateway in between is seen, because the row is read again after its lock is taken.
        let result = sqlx::query!(
            "UPDATE session_lease SET worker_id = NULL,
                    goal = CASE WHEN goal = $3 THEN 'stopped' ELSE goal END,
                    claim_after = clock_timestamp() + make_interval(secs => $4)
             WHERE session_id = $1 AND epoch = $2",
            session.uuid,
            epoch,
            reached,
            pause
        )
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected() == 1)
    }
}
