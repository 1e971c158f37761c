//! Logging in and out: the tokens of users, and how often it has failed. The database never sees a token or a password, only their hashes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::api_keys::{Credential, KeyAccess, rate};
use super::users::{User, UserRow, role};
use super::{AdministrationTransaction, StoreError};
use crate::ids::{TenantId, UserId};

/// What must be known of a user to let them in.
pub struct Candidate {
    /// The user.
    pub id: UserId,
    /// The password's hash, a PHC string.
    pub password_hash: String,
    /// Whether the user is kept out.
    pub disabled: bool,
    /// Whether the tenant is suspended.
    pub suspended: bool,
}

/// How often somebody has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// How often within the window, this time included.
    pub count: i32,
    /// When they are forgotten, from now.
    pub forgotten_in: Duration,
}

impl AdministrationTransaction {
    /// Counts a failure of each subject, before it is known whether it is one, so that attempts at the same time count as well. Answers in the order of
    /// `subjects`, which must differ.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn count_login_failures(
        &mut self,
        subjects: &[[u8; 32]],
        window: Duration,
    ) -> Result<Vec<Failures>, StoreError> {
        let mut failures = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let row = sqlx::query!(
                r#"INSERT INTO login_failure (subject, failures, expires_at) VALUES ($1, 1, clock_timestamp() + make_interval(secs => $2))
                   ON CONFLICT (subject) DO UPDATE SET
                       failures = CASE WHEN login_failure.expires_at <= clock_timestamp() THEN 1 ELSE LEAST(login_failure.failures + 1, 1000000) END,
                       expires_at = CASE WHEN login_failure.expires_at <= clock_timestamp() THEN excluded.expires_at ELSE login_failure.expires_at END
                   RETURNING failures, GREATEST(extract(epoch FROM expires_at - clock_timestamp()), 0)::float8 AS "left!""#,
                subject.as_slice(),
                window.as_secs_f64()
            )
            .fetch_one(&mut *self.transaction)
            .await?;
            failures.push(Failures {
                count: row.failures,
                forgotten_in: Duration::try_from_secs_f64(row.left).unwrap_or_default(),
            });
        }
        Ok(failures)
    }

    /// Takes back what was counted, because it was none: the first subject starts anew, the others have one failure less.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn forgive_login(&mut self, subjects: &[[u8; 32]]) -> Result<(), StoreError> {
        let Some((first, others)) = subjects.split_first() else {
            return Ok(());
        };
        sqlx::query!("DELETE FROM login_failure WHERE subject = $1", first.as_slice())
            .execute(&mut *self.transaction)
            .await?;
        for subject in others {
            sqlx::query!(
                "UPDATE login_failure SET failures = GREATEST(failures - 1, 0) WHERE subject = $1",
                subject.as_slice()
            )
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }

    /// The user who logs in with an email, which must be in lower case.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn login_candidate(&mut self, email: &str) -> Result<Option<Candidate>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT tenant_user.id, password_hash, disabled_at IS NOT NULL AS "disabled!", suspended_at IS NOT NULL AS "suspended!"
               FROM tenant_user JOIN tenant ON tenant.id = tenant_user.tenant_id WHERE email = $1"#,
            email
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.map(|row| Candidate {
            id: UserId(row.id),
            password_hash: row.password_hash,
            disabled: row.disabled,
            suspended: row.suspended,
        }))
    }

    /// Stores a token of a user whose password still is the one that was verified. `None` when it has changed, or the user is kept out meanwhile, or
    /// the tenant is suspended: nobody is let in by a race.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn log_in(
        &mut self,
        candidate: &Candidate,
        token_hash: &[u8; 32],
        expires_at: DateTime<Utc>,
    ) -> Result<Option<User>, StoreError> {
        let tenant = sqlx::query_scalar!(
            "SELECT tenant.id FROM tenant JOIN tenant_user ON tenant_user.tenant_id = tenant.id
             WHERE tenant_user.id = $1 AND suspended_at IS NULL FOR SHARE OF tenant",
            candidate.id.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(tenant) = tenant else { return Ok(None) };
        let user = sqlx::query_as!(
            UserRow,
            "UPDATE tenant_user SET last_login_at = now() WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
             RETURNING id, tenant_id, email, role, disabled_at, last_login_at, created_at",
            candidate.id.0,
            candidate.password_hash
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(user) = user else { return Ok(None) };
        sqlx::query!(
            "INSERT INTO login_token (secret_hash, tenant_id, user_id, expires_at) VALUES ($1, $2, $3, $4)",
            token_hash.as_slice(),
            tenant,
            candidate.id.0,
            expires_at
        )
        .execute(&mut *self.transaction)
        .await?;
        User::try_from(user).map(Some)
    }

    /// Ends a login. Answers whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn log_out(&mut self, token_hash: &[u8; 32]) -> Result<bool, StoreError> {
        let result = sqlx::query!("DELETE FROM login_token WHERE secret_hash = $1", token_hash.as_slice())
            .execute(&mut *self.transaction)
            .await?;
        Ok(result.rows_affected() == 1)
    }

    /// What the token with this hash allows; `None` when there is none or it has expired.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn find_login(&mut self, token_hash: &[u8; 32]) -> Result<Option<KeyAccess>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT tenant_user.id, login_token.tenant_id, role, suspended_at IS NOT NULL AS "suspended!",
                      (quotas->>'requests_per_second')::bigint AS requests_per_second
               FROM login_token JOIN tenant_user ON tenant_user.id = login_token.user_id JOIN tenant ON tenant.id = login_token.tenant_id
               WHERE secret_hash = $1 AND expires_at > clock_timestamp() AND disabled_at IS NULL"#,
            token_hash.as_slice()
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(KeyAccess {
            credential: Credential::Login(UserId(row.id)),
            tenant: TenantId(row.tenant_id),
            scopes: role(&row.role)?.scopes().to_vec(),
            sessions: None::<Vec<Uuid>>,
            suspended: row.suspended,
            requests_per_second: rate(row.requests_per_second),
        }))
    }
}
