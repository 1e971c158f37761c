//! Commands: accepting them, and their outcome.
//!
//! A command gets its number before anything else is read or written for it. The number's row is locked until the end of the transaction, so
//! all changes that a gateway makes to what is wanted of one session happen one after another, in the order of the commands.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::command::Command;
use crate::ids::{CommandId, SessionId};
use crate::session::words;

words! {
    /// How far a command has come.
    CommandStatus {
        /// It waits to be executed, or is being executed.
        Queued = "queued",
        /// It was carried out.
        Done = "done",
        /// It will not be carried out.
        Failed = "failed",
    }
}

/// A command and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRecord {
    /// Its id.
    pub id: CommandId,
    /// The session it is for.
    pub session: SessionId,
    /// What kind it is, for example `message.send`.
    pub kind: String,
    /// How far it has come.
    pub status: CommandStatus,
    /// A problem's code, if it failed.
    pub error_code: Option<String>,
    /// The same for people.
    pub error_detail: Option<String>,
    /// What it gave, if it gave something.
    pub result: Option<serde_json::Value>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl TenantTransaction {
    /// Takes the next command number of a session. `None` when there is no such session.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn take_command_number(&mut self, session: SessionId) -> Result<Option<i64>, StoreError> {
        let number = sqlx::query_scalar!(
            "UPDATE command_counter SET sequence = sequence + 1
             FROM session WHERE command_counter.session_id = $1 AND session.id = $1 AND session.tenant_id = $2 AND session.deleted_at IS NULL
             RETURNING command_counter.sequence",
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(number)
    }

    /// Stores a command under a number that this transaction took.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn append_command(
        &mut self,
        session: SessionId,
        id: CommandId,
        number: i64,
        command: &Command,
    ) -> Result<(), StoreError> {
        let wa_message_id = match command {
            Command::SendMessage(message) => Some(message.wa_message_id.as_str()),
            Command::Start
            | Command::Stop
            | Command::Restart
            | Command::Logout
            | Command::Delete
            | Command::ApplySettings
            | Command::RequestPairingCode { .. }
            | Command::Operation(_) => None,
        };
        sqlx::query!(
            "INSERT INTO command (id, tenant_id, session_id, sequence, kind, payload, wa_message_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            id.0,
            self.tenant.0,
            session.uuid,
            number,
            command.kind(),
            command.encode(),
            wa_message_id
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// One command; `within` are the sessions that the caller's key may touch, `None`: all.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn command(
        &mut self,
        command: CommandId,
        within: Option<&[Uuid]>,
    ) -> Result<Option<CommandRecord>, StoreError> {
        let row = sqlx::query!(
            "SELECT id, session_id, kind, status, error_code, error_detail, result, created_at, finished_at FROM command
             WHERE id = $1 AND tenant_id = $2 AND ($3::uuid[] IS NULL OR session_id = ANY($3))",
            command.0,
            self.tenant.0,
            within
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(CommandRecord {
            id: CommandId(row.id),
            session: SessionId::new(self.region, row.session_id),
            kind: row.kind,
            status: row.status.parse().map_err(|_| StoreError::Corrupt {
                table: "command",
                column: "status",
            })?,
            error_code: row.error_code,
            error_detail: row.error_detail,
            result: row.result,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }))
    }
}
