//! API keys: making, finding and revoking them. The database never sees a key, only its hash.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AdministrationTransaction, StoreError, TenantTransaction};
use crate::api_key::Scope;
use crate::ids::{ApiKeyId, Region, SessionId, TenantId, UserId};

/// A key as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is for, in the operator's words.
    pub name: String,
    /// Its first characters.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The sessions that it may touch; `None`: all of the tenant's.
    pub sessions: Option<Vec<SessionId>>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the key.
    pub secret_hash: [u8; 32],
    /// Its first characters.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The sessions that it may touch; `None`: all of the tenant's.
    pub sessions: Option<Vec<SessionId>>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What somebody has presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey(ApiKeyId),
    /// The token of a user who has logged in.
    Login(UserId),
}

/// What a working key or token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAccess {
    /// What it is.
    pub credential: Credential,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The sessions that it may touch; `None`: all of the tenant's.
    pub sessions: Option<Vec<Uuid>>,
    /// Whether the tenant is suspended.
    pub suspended: bool,
    /// The most requests a second that the tenant may make; `None`: as many as it likes.
    pub requests_per_second: Option<NonZeroU32>,
}

struct ApiKeyRow {
    id: Uuid,
    tenant_id: Uuid,
    name: String,
    hint: String,
    scopes: Vec<String>,
    sessions: Option<Vec<Uuid>>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl ApiKeyRow {
    fn into_key(self, region: Region) -> Result<ApiKey, StoreError> {
        Ok(ApiKey {
            id: ApiKeyId(self.id),
            tenant: TenantId(self.tenant_id),
            name: self.name,
            hint: self.hint,
            scopes: scopes(&self.scopes)?,
            sessions: self.sessions.map(|sessions| session_ids(region, sessions)),
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            last_used_at: self.last_used_at,
            created_at: self.created_at,
        })
    }
}

fn scopes(words: &[String]) -> Result<Vec<Scope>, StoreError> {
    words
        .iter()
        .map(|word| {
            word.parse().map_err(|_| StoreError::Corrupt {
                table: "api_key",
                column: "scopes",
            })
        })
        .collect()
}

/// A rate of 0 or less cannot be set.
pub(super) fn rate(stored: Option<i64>) -> Option<NonZeroU32> {
    stored
        .and_then(|rate| u32::try_from(rate).ok())
        .and_then(NonZeroU32::new)
}

fn session_ids(region: Region, uuids: Vec<Uuid>) -> Vec<SessionId> {
    uuids.into_iter().map(|uuid| SessionId::new(region, uuid)).collect()
}

impl TenantTransaction {
    /// Makes a key for this tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable or the tenant is gone.
    pub async fn create_api_key(&mut self, key: &NewApiKey) -> Result<ApiKey, StoreError> {
        let words: Vec<String> = key.scopes.iter().map(Scope::to_string).collect();
        let sessions: Option<Vec<Uuid>> = key
            .sessions
            .as_ref()
            .map(|sessions| sessions.iter().map(|session| session.uuid).collect());
        sqlx::query_as!(
            ApiKeyRow,
            "INSERT INTO api_key (id, tenant_id, name, secret_hash, hint, scopes, sessions, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             RETURNING id, tenant_id, name, hint, scopes, sessions, expires_at, revoked_at, last_used_at, created_at",
            key.id.0,
            self.tenant.0,
            key.name,
            key.secret_hash.as_slice(),
            key.hint,
            &words,
            sessions.as_deref(),
            key.expires_at
        )
        .fetch_one(&mut *self.transaction)
        .await?
        .into_key(self.region)
    }
}

impl AdministrationTransaction {
    /// What the key with this hash allows; `None` when there is none, it is revoked or it has expired.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn find_api_key(&mut self, secret_hash: &[u8; 32]) -> Result<Option<KeyAccess>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT api_key.id, tenant_id, scopes, sessions, suspended_at IS NOT NULL AS "suspended!",
                      (quotas->>'requests_per_second')::bigint AS requests_per_second
               FROM api_key JOIN tenant ON tenant.id = api_key.tenant_id
               WHERE secret_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())"#,
            secret_hash.as_slice()
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(KeyAccess {
            credential: Credential::ApiKey(ApiKeyId(row.id)),
            tenant: TenantId(row.tenant_id),
            scopes: scopes(&row.scopes)?,
            sessions: row.sessions,
            suspended: row.suspended,
            requests_per_second: rate(row.requests_per_second),
        }))
    }

    /// Keys, newest first, at most `limit`: of one tenant or of all, the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn api_keys(
        &mut self,
        tenant: Option<TenantId>,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let region = self.region;
        sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, tenant_id, name, hint, scopes, sessions, expires_at, revoked_at, last_used_at, created_at FROM api_key
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
            tenant.map(|tenant| tenant.0),
            after.map(|after| after.0),
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_key(region))
        .collect()
    }

    /// Makes a key stop working; one that is revoked already keeps its time. Answers whether there is such a key.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn revoke_api_key(&mut self, key: ApiKeyId) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "UPDATE api_key SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1",
            key.0
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// Remembers that keys were used, to the minute: writes nothing for those that were written within the last one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn note_api_keys_used(&mut self, keys: &[ApiKeyId]) -> Result<(), StoreError> {
        let keys: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        sqlx::query!(
            "UPDATE api_key SET last_used_at = now()
             WHERE id = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
            &keys
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
