//! The users of tenants, as the operator manages them. Their passwords are here only as hashes that a gateway has made.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AdministrationTransaction, StoreError, TenantTransaction};
use crate::ids::{TenantId, UserId};
use crate::user::Role;

/// A person who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// For whom the person works.
    pub tenant: TenantId,
    /// The email, in lower case.
    pub email: String,
    /// What the person may do.
    pub role: Role,
    /// Since when the person cannot log in, if so.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the person logged in last.
    pub last_login_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// The email, in lower case.
    pub email: String,
    /// The password's hash, a PHC string.
    pub password_hash: String,
    /// What the person may do.
    pub role: Role,
}

/// What is to change about a user. What is `None` stays.
#[derive(Clone, Default)]
pub struct UserChanges {
    /// The new password's hash. It ends every login.
    pub password_hash: Option<String>,
    /// What the person may do from now on.
    pub role: Option<Role>,
    /// Whether the person is kept out. It ends every login.
    pub disabled: Option<bool>,
}

pub(super) struct UserRow {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) email: String,
    pub(super) role: String,
    pub(super) disabled_at: Option<DateTime<Utc>>,
    pub(super) last_login_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId(row.id),
            tenant: TenantId(row.tenant_id),
            email: row.email,
            role: role(&row.role)?,
            disabled_at: row.disabled_at,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
        })
    }
}

pub(super) fn role(word: &str) -> Result<Role, StoreError> {
    word.parse().map_err(|_| StoreError::Corrupt {
        table: "tenant_user",
        column: "role",
    })
}

impl TenantTransaction {
    /// Makes a user of this tenant. `None` when anybody's user has the email already.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable or the tenant is gone.
    pub async fn create_user(&mut self, user: &NewUser) -> Result<Option<User>, StoreError> {
        sqlx::query_as!(
            UserRow,
            "INSERT INTO tenant_user (id, tenant_id, email, password_hash, role) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email) DO NOTHING
             RETURNING id, tenant_id, email, role, disabled_at, last_login_at, created_at",
            user.id.0,
            self.tenant.0,
            user.email,
            user.password_hash,
            user.role.as_str()
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(User::try_from)
        .transpose()
    }
}

impl AdministrationTransaction {
    /// One user.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn user(&mut self, user: UserId) -> Result<Option<User>, StoreError> {
        sqlx::query_as!(
            UserRow,
            "SELECT id, tenant_id, email, role, disabled_at, last_login_at, created_at FROM tenant_user WHERE id = $1",
            user.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(User::try_from)
        .transpose()
    }

    /// Users, newest first, at most `limit`: of one tenant or of all, the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn users(
        &mut self,
        tenant: Option<TenantId>,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>, StoreError> {
        sqlx::query_as!(
            UserRow,
            "SELECT id, tenant_id, email, role, disabled_at, last_login_at, created_at FROM tenant_user
             WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
            tenant.map(|tenant| tenant.0),
            after.map(|after| after.0),
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(User::try_from)
        .collect()
    }

    /// Changes a user; a new password and being kept out end every login. `None` when there is no such user.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn update_user(&mut self, user: UserId, changes: &UserChanges) -> Result<Option<User>, StoreError> {
        let changed = sqlx::query_as!(
            UserRow,
            "UPDATE tenant_user SET password_hash = COALESCE($2, password_hash), role = COALESCE($3, role),
                    disabled_at = CASE WHEN $4::boolean IS NULL THEN disabled_at WHEN $4 THEN COALESCE(disabled_at, now()) END
             WHERE id = $1 RETURNING id, tenant_id, email, role, disabled_at, last_login_at, created_at",
            user.0,
            changes.password_hash,
            changes.role.map(Role::as_str),
            changes.disabled
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        if changes.password_hash.is_some() || changes.disabled == Some(true) {
            // After the user's row is locked: who logs in at the same time is either seen here or sees the change.
            sqlx::query!("DELETE FROM login_token WHERE user_id = $1", user.0)
                .execute(&mut *self.transaction)
                .await?;
        }
        changed.map(User::try_from).transpose()
    }

    /// Removes a user and ends every login. Answers whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn delete_user(&mut self, user: UserId) -> Result<bool, StoreError> {
        let result = sqlx::query!("DELETE FROM tenant_user WHERE id = $1", user.0)
            .execute(&mut *self.transaction)
            .await?;
        Ok(result.rows_affected() == 1)
    }
}
