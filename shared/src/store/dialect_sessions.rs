//! How the clients of a dialect call their sessions. The names are the clients' own; a session has at most one name in each dialect.

use std::collections::HashMap;

use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::dialect::Dialect;
use crate::ids::SessionId;

impl TenantTransaction {
    /// The session that a dialect's clients call `name`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_named(&mut self, dialect: Dialect, name: &str) -> Result<Option<SessionId>, StoreError> {
        let found = sqlx::query_scalar!(
            "SELECT session_id FROM dialect_session WHERE tenant_id = $1 AND dialect = $2 AND name = $3",
            self.tenant.0,
            dialect.as_str(),
            name
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(found.map(|uuid| SessionId::new(self.region, uuid)))
    }

    /// Gives a session its name in a dialect. Answers whether the name was free.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn name_session(&mut self, dialect: Dialect, name: &str, session: SessionId) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "INSERT INTO dialect_session (tenant_id, dialect, name, session_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            self.tenant.0,
            dialect.as_str(),
            name,
            session.uuid
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// The names of some sessions in a dialect; those that have none are missing.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_names(
        &mut self,
        dialect: Dialect,
        sessions: &[SessionId],
    ) -> Result<HashMap<Uuid, String>, StoreError> {
        let uuids: Vec<Uuid> = sessions.iter().map(|session| session.uuid).collect();
        let rows = sqlx::query!(
            "SELECT session_id, name FROM dialect_session WHERE tenant_id = $1 AND dialect = $2 AND session_id = ANY($3)",
            self.tenant.0,
            dialect.as_str(),
            &uuids
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.session_id, row.name)).collect())
    }
}
