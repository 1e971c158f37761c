//! Commands as their worker reads them, and what a worker must know of a session to hold it.

use std::time::Duration;

use secrecy::SecretSlice;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::address::Party;
use crate::command::{Command, InvalidCommand};
use crate::ids::{CommandId, SessionId, WorkerId};
use crate::seal::{DataKey, Place, RegionSecretKey, SealError};
use crate::session::{SessionSettings, SessionStatus};

/// A command that waits to be executed.
#[derive(Debug)]
pub struct QueuedCommand {
    /// Its id.
    pub id: CommandId,
    /// Its number within the session.
    pub sequence: i64,
    /// The intent, or why the row holds none.
    pub command: Result<Command, InvalidCommand>,
    /// For sends: whether an earlier attempt may have put the message on the wire already.
    pub maybe_sent: bool,
    /// For operations that must not be carried out twice: whether one attempt has begun.
    pub attempted: bool,
}

/// What a holder must know of its session.
#[derive(Debug)]
pub struct HeldSession {
    /// How it behaves; the proxy's URL is complete, with its password.
    pub settings: SessionSettings,
    /// The proxy with its password, sealed to the region.
    pub proxy_sealed: Option<Vec<u8>>,
    /// What it was when it was last written.
    pub status: SessionStatus,
    /// The linked account.
    pub account: Option<Party>,
    /// Credentials to import, sealed to the region.
    pub imported_credentials: Option<Vec<u8>>,
    /// The wrapped data key, if one was made already.
    pub wrapped_key: Option<Vec<u8>>,
}

/// Where a session's data key belongs.
fn data_key_place(tenant: Uuid, session: Uuid) -> Place<'static> {
    Place {
        tenant,
        session,
        table: "session_data_key",
        column: "wrapped",
        row: b"",
    }
}

/// Where a session's imported credentials or proxy belong.
#[must_use]
pub fn session_secret_place<'a>(tenant: Uuid, session: &'a SessionId, column: &'a str) -> Place<'a> {
    Place {
        tenant,
        session: session.uuid,
        table: "session",
        column,
        row: session.uuid.as_bytes(),
    }
}

/// Opens what a gateway has sealed for a session.
///
/// # Errors
/// [`SealError`] when it was sealed for another region or place.
pub fn open_session_secret(
    key: &RegionSecretKey,
    tenant: Uuid,
    session: &SessionId,
    column: &str,
    sealed: &[u8],
) -> Result<SecretSlice<u8>, SealError> {
    key.open(sealed, session_secret_place(tenant, session, column))
}

impl Store {
    /// Reads a session for its holder; `None` when it is gone.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable or holds a value of another version.
    pub async fn held_session(&self, session: SessionId) -> Result<Option<HeldSession>, StoreError> {
        let row = sqlx::query!(
            "SELECT settings, proxy_sealed, status, jid, phone, lid, imported_credentials, wrapped AS \"wrapped?\"
             FROM session LEFT JOIN session_data_key ON session_data_key.session_id = session.id WHERE id = $1",
            session.uuid
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let corrupt = |column| StoreError::Corrupt {
            table: "session",
            column,
        };
        Ok(Some(HeldSession {
            settings: serde_json::from_value(row.settings).map_err(|_| corrupt("settings"))?,
            proxy_sealed: row.proxy_sealed,
            status: row.status.parse().map_err(|_| corrupt("status"))?,
            account: row.jid.map(|jid| Party {
                jid,
                phone: row.phone,
                lid: row.lid,
            }),
            imported_credentials: row.imported_credentials,
            wrapped_key: row.wrapped,
        }))
    }

    /// The session's data key; made and stored (fenced by `epoch`) at the first claim. `None` when the claim is over.
    ///
    /// # Errors
    /// [`DataKeyError`] when the database is unavailable or the key was wrapped by another region's key.
    pub async fn data_key(
        &self,
        region: &RegionSecretKey,
        tenant: Uuid,
        session: SessionId,
        epoch: i64,
        wrapped: Option<&[u8]>,
    ) -> Result<Option<DataKey>, DataKeyError> {
        let place = data_key_place(tenant, session.uuid);
        if let Some(wrapped) = wrapped {
            return Ok(Some(region.unwrap_data_key(wrapped, place)?));
        }
        let (key, wrapped) = region.create_data_key(place);
        let result = sqlx::query!(
            "WITH lease AS (SELECT session_id FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE)
             INSERT INTO session_data_key (session_id, wrapped) SELECT session_id, $3 FROM lease",
            session.uuid,
            epoch,
            wrapped
        )
        .execute(&self.pool)
        .await
        .map_err(StoreError::from)?;
        Ok((result.rows_affected() == 1).then_some(key))
    }

    /// The session's commands that wait, in order, with numbers above `after`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn queued_commands(
        &self,
        session: SessionId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<QueuedCommand>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, sequence, payload, attempted_at IS NOT NULL AS "attempted!",
                      EXISTS (SELECT 1 FROM protocol_sent_message sent
                              WHERE sent.session_id = command.session_id AND sent.message_id = command.wa_message_id) AS "maybe_sent!"
               FROM command WHERE session_id = $1 AND status = 'queued' AND sequence > $2
               ORDER BY sequence LIMIT $3"#,
            session.uuid,
            after,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| QueuedCommand {
                id: CommandId(row.id),
                sequence: row.sequence,
                command: Command::decode(&row.payload),
                maybe_sent: row.maybe_sent,
                attempted: row.attempted,
            })
            .collect())
    }

    /// Marks a command as being tried, under the claim `epoch`. Answers whether the claim holds.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn note_attempt(&self, session: SessionId, epoch: i64, command: CommandId) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "WITH lease AS (SELECT session_id FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE)
             UPDATE command SET attempted_at = now() FROM lease WHERE command.id = $3 AND command.session_id = lease.session_id",
            session.uuid,
            epoch,
            command.0
        )
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// Sessions of this worker that have commands waiting for longer than `age`: their carriage was lost or came late.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn overdue_sessions(&self, worker: WorkerId, age: Duration) -> Result<Vec<SessionId>, StoreError> {
        let rows = sqlx::query_scalar!(
            "SELECT session_id FROM session_lease
             WHERE worker_id = $1 AND EXISTS (
                 SELECT 1 FROM command WHERE command.session_id = session_lease.session_id AND status = 'queued'
                   AND created_at < clock_timestamp() - make_interval(secs => $2))",
            worker.0,
            age.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|uuid| SessionId::new(self.region, uuid)).collect())
    }
}

/// A session's data key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DataKeyError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key does not open: the region's secret key was changed, or the row comes from elsewhere.
    #[error("the session's data key does not open with this region's secret key")]
    Seal(#[from] SealError),
}
