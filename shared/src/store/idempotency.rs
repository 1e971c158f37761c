//! Stored answers of requests that came with an `Idempotency-Key`.
//!
//! The key's row, the request's effect and the stored answer are one transaction: a gateway that dies in between leaves neither. While that
//! transaction runs, an advisory lock that ends with it tells a duplicate so.

use std::time::Duration;

use super::{StoreError, TenantTransaction};

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyKeyState {
    /// It is new, and this transaction now owns it until its end.
    Fresh,
    /// A transaction that is still running owns it.
    InProgress,
    /// Its request was answered.
    Answered(StoredAnswer),
}

/// What was answered to the first request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// SHA-256 of the request that was answered.
    pub fingerprint: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    /// The body as it was stored.
    pub body: Vec<u8>,
}

impl TenantTransaction {
    /// Takes an idempotency key of this tenant for the rest of the transaction, or says what became of it. `window`: an answer that is older is
    /// forgotten, and the key is new again; `None`: answers live as long as they are kept.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn take_idempotency_key(
        &mut self,
        key: &str,
        window: Option<Duration>,
    ) -> Result<IdempotencyKeyState, StoreError> {
        // A statement of its own: what the next one sees must be as of after the lock was granted.
        let locked = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) AS "locked!""#,
            self.tenant.to_string(),
            key
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        if !locked {
            return Ok(IdempotencyKeyState::InProgress);
        }
        if let Some(window) = window {
            sqlx::query!(
                "DELETE FROM idempotency_key WHERE tenant_id = $1 AND key = $2 AND created_at < clock_timestamp() - make_interval(secs => $3)",
                self.tenant.0,
                key,
                window.as_secs_f64()
            )
            .execute(&mut *self.transaction)
            .await?;
        }
        let row = sqlx::query!(
            "SELECT fingerprint, status, body FROM idempotency_key WHERE tenant_id = $1 AND key = $2",
            self.tenant.0,
            key
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else {
            return Ok(IdempotencyKeyState::Fresh);
        };
        Ok(IdempotencyKeyState::Answered(StoredAnswer {
            fingerprint: row.fingerprint,
            status: u16::try_from(row.status).map_err(|_| StoreError::Corrupt {
                table: "idempotency_key",
                column: "status",
            })?,
            body: row.body,
        }))
    }

    /// Stores what is about to be answered to the request with a key that this transaction owns.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn store_answer(&mut self, key: &str, answer: &StoredAnswer) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO idempotency_key (tenant_id, key, fingerprint, status, body) VALUES ($1, $2, $3, $4, $5)",
            self.tenant.0,
            key,
            answer.fingerprint,
            i16::try_from(answer.status).unwrap_or(i16::MAX),
            answer.body
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
