//! Tenants, as the operator manages them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AdministrationTransaction, StoreError, TenantTransaction};
use crate::ids::TenantId;

/// What a tenant may use. Every limit that is absent is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// The most sessions that exist at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 100)]
    pub sessions: Option<u32>,
    /// The most messages that are accepted for sending in a day (UTC), of all sessions together: everything that `POST …/messages` takes, and edits, votes and
    /// the like as well. Counted from when the quota is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10_000)]
    pub messages_per_day: Option<u32>,
    /// The most requests a second that a gateway answers; a pause of up to ten seconds is saved up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, example = 50, minimum = 1)]
    pub requests_per_second: Option<std::num::NonZeroU32>,
    /// How many days messages are kept, counted from when they were written; absent or 0: until they are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 365)]
    pub message_days: Option<u32>,
    /// How many days events are kept for reading and replaying; absent: 7; 0: until their session is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 7)]
    pub event_days: Option<u32>,
}

/// A customer of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, for people.
    pub name: String,
    /// What it may use.
    pub quotas: Quotas,
    /// Since when its keys are refused, if they are.
    pub suspended_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

struct TenantRow {
    id: Uuid,
    name: String,
    quotas: serde_json::Value,
    suspended_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;

    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TenantId(row.id),
            name: row.name,
            quotas: quotas(row.quotas)?,
            suspended_at: row.suspended_at,
            created_at: row.created_at,
        })
    }
}

fn quotas(value: serde_json::Value) -> Result<Quotas, StoreError> {
    serde_json::from_value(value).map_err(|_| StoreError::Corrupt {
        table: "tenant",
        column: "quotas",
    })
}

impl TenantTransaction {
    /// Creates the tenant for whom this transaction was opened. `None` when it exists already.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn create_tenant(&mut self, name: &str, quotas: &Quotas) -> Result<Option<Tenant>, StoreError> {
        let quotas = super::to_json(quotas)?;
        sqlx::query_as!(
            TenantRow,
            "INSERT INTO tenant (id, name, quotas) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING
             RETURNING id, name, quotas, suspended_at, created_at",
            self.tenant.0,
            name,
            quotas
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(Tenant::try_from)
        .transpose()
    }

    /// What the tenant may use. `None` when there is no such tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn quotas(&mut self) -> Result<Option<Quotas>, StoreError> {
        sqlx::query_scalar!("SELECT quotas FROM tenant WHERE id = $1", self.tenant.0)
            .fetch_optional(&mut *self.transaction)
            .await?
            .map(quotas)
            .transpose()
    }
}

impl AdministrationTransaction {
    /// Changes a tenant: its name, what it may use, whether its keys are refused (which also ends its users' logins). What is `None` stays. `None` when there is no such tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn update_tenant(
        &mut self,
        tenant: TenantId,
        name: Option<&str>,
        quotas: Option<&Quotas>,
        suspended: Option<bool>,
    ) -> Result<Option<Tenant>, StoreError> {
        let quotas = quotas.map(super::to_json).transpose()?;
        let changed = sqlx::query_as!(
            TenantRow,
            "UPDATE tenant SET name = COALESCE($2, name), quotas = COALESCE($3, quotas),
                    suspended_at = CASE WHEN $4::boolean IS NULL THEN suspended_at WHEN $4 THEN COALESCE(suspended_at, now()) END
             WHERE id = $1 RETURNING id, name, quotas, suspended_at, created_at",
            tenant.0,
            name,
            quotas,
            suspended
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        if suspended == Some(true) {
            // Keys come back with the tenant, logins do not.
            sqlx::query!("DELETE FROM login_token WHERE tenant_id = $1", tenant.0)
                .execute(&mut *self.transaction)
                .await?;
        }
        changed.map(Tenant::try_from).transpose()
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn tenant(&mut self, tenant: TenantId) -> Result<Option<Tenant>, StoreError> {
        sqlx::query_as!(
            TenantRow,
            "SELECT id, name, quotas, suspended_at, created_at FROM tenant WHERE id = $1",
            tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(Tenant::try_from)
        .transpose()
    }

    /// Tenants, newest first, at most `limit`: the first ones, or those after the one that was created then under that id.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn tenants(
        &mut self,
        after: Option<(DateTime<Utc>, TenantId)>,
        limit: i64,
    ) -> Result<Vec<Tenant>, StoreError> {
        let (created_at, id) = after.map_or((None, None), |(created_at, id)| (Some(created_at), Some(id.0)));
        sqlx::query_as!(
            TenantRow,
            "SELECT id, name, quotas, suspended_at, created_at FROM tenant
             WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid)
             ORDER BY created_at DESC, id DESC LIMIT $3",
            created_at,
            id,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(Tenant::try_from)
        .collect()
    }
}
