//! What the protocol library remembers of one session, in Postgres: the tables `protocol_*`, and the only SQL outside `shared::store`.
//!
//! - Every write is one statement that locks the lease row `FOR SHARE`, checks the epoch and answers whether the claim held ([`fenced!`]).
//!   If it did not, the session's gate is closed at once and the library is told that the write failed.
//! - Whatever is secret is sealed with the session's data key, bound to its table and row.
//! - A database that is away makes calls slow, not wrong: every statement may be repeated, so it is, until the database answers or the session is
//!   over. The library would survive a crash but not a write that failed while later ones succeed, so any other failure closes the gate too.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Pool, PoolError};
use shared::seal::{DataKey, Place};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use wacore::store::error::{Result, StoreError};
use zeroize::Zeroizing;

use crate::gate::{Closed, Gate};

mod app_state;
mod connection;
mod device;
mod inbound;
mod messages;
mod people;
mod ratchets;

#[cfg(test)]
mod tests;

pub use connection::connect;
pub(super) use device::import;

/// Parameters of a statement after the session and the epoch.
type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Wraps a statement that changes `protocol_*` rows into the fence. It reads `lease (session_id)`; its own parameters start at `$3`.
macro_rules! fenced {
    ($change:literal) => {
        concat!(
            "WITH lease AS MATERIALIZED (SELECT session_id FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE), change AS (",
            $change,
            ") SELECT 1 FROM lease"
        )
    };
    ($change:literal returning $column:literal) => {
        concat!(
            "WITH lease AS MATERIALIZED (SELECT session_id FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE), change AS (",
            $change,
            " RETURNING ",
            $column,
            ") SELECT change.* FROM lease LEFT JOIN change ON true"
        )
    };
}
use fenced;

/// One session's protocol state, under one claim.
#[derive(Debug)]
pub(super) struct ProtocolState {
    pool: Pool,
    session: Uuid,
    tenant: Uuid,
    epoch: i64,
    key: DataKey,
    gate: Gate,
}

/// A statement that failed, and whether it is worth repeating.
enum Failure {
    /// The database is away or restarting.
    Unavailable(StoreError),
    /// A bug, or the database refuses.
    Refused(StoreError),
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(StoreError::Connection(Box::new(error)))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let refused = error.code().is_some_and(|state| {
            let code = state.code();
            let transient = ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
                || code == "55P03"
                || code == "25P03";
            !transient
        });
        let error = StoreError::Database(Box::new(error));
        if refused {
            Self::Refused(error)
        } else {
            Self::Unavailable(error)
        }
    }
}

impl ProtocolState {
    pub(super) fn new(pool: Pool, session: &crate::engine::EngineSession) -> Arc<Self> {
        Arc::new(Self {
            pool,
            session: session.session.uuid,
            tenant: session.tenant.0,
            epoch: session.epoch,
            key: session.key.clone(),
            gate: session.gate.clone(),
        })
    }

    /// Runs a statement built with [`fenced!`].
    async fn write(&self, statement: &'static str, parameters: Parameters<'_>) -> Result<()> {
        self.write_returning(statement, parameters).await.map(drop)
    }

    /// The same for a statement that answers what it changed: at most one row, with NULLs if it changed nothing.
    async fn write_returning(&self, statement: &'static str, parameters: Parameters<'_>) -> Result<Row> {
        let fence: [&(dyn ToSql + Sync); 2] = [&self.session, &self.epoch];
        let rows = self.run(statement, &[&fence, parameters].concat()).await?;
        rows.into_iter().next().ok_or_else(|| {
            tracing::warn!(session = %self.session, epoch = self.epoch, "a write found the claim over: stopping the session");
            self.gate.close(Closed::Fenced);
            StoreError::Validation("the claim is over".to_owned())
        })
    }

    /// Reads rows of this session: `$1` is the session, the parameters start at `$2`.
    async fn read(&self, statement: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let session: [&(dyn ToSql + Sync); 1] = [&self.session];
        self.run(statement, &[&session, parameters].concat()).await
    }

    /// The same for at most one row.
    async fn read_optional(&self, statement: &'static str, parameters: Parameters<'_>) -> Result<Option<Row>> {
        Ok(self.read(statement, parameters).await?.into_iter().next())
    }

    async fn run(&self, statement: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        const LONGEST_PAUSE: Duration = Duration::from_secs(1);
        let mut pause = Duration::from_millis(20);
        loop {
            if let Some(closed) = self.gate.closed() {
                return Err(StoreError::Validation(closed.to_string()));
            }
            match self.attempt(statement, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(Failure::Unavailable(error)) => {
                    tracing::debug!(session = %self.session, %error, "protocol state waits for the database");
                }
                Err(Failure::Refused(error)) => {
                    tracing::error!(session = %self.session, error = ?error, "protocol state was refused: stopping the session");
                    self.gate.close(Closed::Poisoned);
                    return Err(error);
                }
            }
            tokio::select! {
                _ = self.gate.wait_until_closed() => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    async fn attempt(
        &self,
        statement: &'static str,
        parameters: Parameters<'_>,
    ) -> std::result::Result<Vec<Row>, Failure> {
        let connection = self.pool.get().await?;
        let prepared = connection.prepare_cached(statement).await?;
        Ok(connection.query(&prepared, parameters).await?)
    }

    fn place<'a>(&self, table: &'a str, row: &'a [u8]) -> Place<'a> {
        Place {
            tenant: self.tenant,
            session: self.session,
            table,
            column: "sealed",
            row,
        }
    }

    fn seal(&self, table: &str, row: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.key.seal(plaintext, self.place(table, row))
    }

    /// Opens a cell. One that does not open means that the row or the key is not what it should be: nothing of this session can be trusted.
    fn open(&self, table: &str, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.key.open(sealed, self.place(table, row)).map_err(|error| {
            tracing::error!(session = %self.session, table, "a sealed cell does not open: stopping the session");
            self.gate.close(Closed::Poisoned);
            StoreError::Serialization(Box::new(error))
        })
    }
}

/// The engine counts in `u32`, Postgres in `integer`; no number of theirs comes near the limit of either.
fn integer(number: u32) -> Result<i32> {
    i32::try_from(number).map_err(|_| StoreError::Validation(format!("{number} is out of range")))
}

fn unsigned(number: i32) -> Result<u32> {
    u32::try_from(number).map_err(|_| StoreError::Validation(format!("{number} is out of range")))
}

/// The pairs by column, of several with one key only the last: one INSERT may not touch a row twice.
fn last_of_each<K: Eq + std::hash::Hash, V>(pairs: impl IntoIterator<Item = (K, V)>) -> (Vec<K>, Vec<V>) {
    pairs
        .into_iter()
        .collect::<std::collections::HashMap<K, V>>()
        .into_iter()
        .unzip()
}

/// A row key of several texts: unambiguous, because no text of the protocol contains a NUL.
fn row_key(parts: &[&str]) -> Vec<u8> {
    parts.join("\0").into_bytes()
}
