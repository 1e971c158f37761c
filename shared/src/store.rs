//! Postgres: every statement that is not the protocol engine's own.
//!
//! One file per family of tables; a method's name says what it does. Two ways in:
//!
//! - [`Store::tenant`] opens a transaction that sees one tenant only: the gateway's way. Row-level security enforces what every query also
//!   says (`tenant_id = …`).
//! - The store's own methods work for everybody: the way of workers and dispatchers, whose connections are opened with [`Scope::Everyone`].
//!
//! A transaction never spans a call over the network to anything but Postgres. Time that decides something is the database's clock.

pub mod announcements;
pub mod api_keys;
pub mod backlog;
pub mod calls;
pub mod chats;
pub mod cluster;
pub mod commands;
pub mod contacts;
pub mod deliveries;
pub mod dialect_numbers;
pub mod dialect_sessions;
pub mod erasure;
pub mod events;
pub mod groups;
pub mod housekeeping;
pub mod idempotency;
pub mod known_messages;
pub mod labels;
pub mod leases;
pub mod logins;
pub mod media;
pub mod messages;
pub mod number_checks;
pub mod pages;
pub mod publications;
pub mod quotas;
pub mod read_model;
pub mod records;
pub mod retention;
pub mod sessions;
pub mod statistics;
pub mod statuses;
pub mod tenants;
pub mod users;
pub mod webhooks;

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool, Postgres};

use crate::ids::{Region, TenantId};

/// The schema of this version, for starting and for tests.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// How long a caller waits for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may take to show that it is usable again after a request has left it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is restarting, or is too busy. Worth a retry.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// A stored value cannot be read: a bug, or somebody changed the database by hand.
    #[error("{table}.{column} holds a value that this version does not understand")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Anything else: a bug.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("cannot migrate the database")]
    Migrate(#[source] MigrateError),
}

impl StoreError {
    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// A connection that is lost while migrating is no failed migration.
    fn from_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => match Self::from(error) {
                Self::Database(error) => Self::Migrate(MigrateError::Execute(error)),
                unavailable => unavailable,
            },
            other => Self::Migrate(other),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = match &error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                true
            }
            sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
            // Class 08: connection; 53: resources; 57: operator intervention (shutdown, restart, cancelled by a timeout);
            // 40: serialisation failure, deadlock; 55P03: lock timeout; 25P03: idle transaction ended.
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
                    || code == "55P03"
                    || code == "25P03"
            }),
            _ => false,
        };
        if unavailable {
            Self::Unavailable(error)
        } else {
            Self::Database(error)
        }
    }
}

/// For whom the connections of a pool work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// For everybody: workers and dispatchers.
    Everyone,
    /// For nobody until a transaction says for whom: gateways.
    PerTransaction,
}

/// One region's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) region: Region,
}

impl Store {
    /// Prepares a pool of at most `connections` connections; connects when first used, so a database that is away does not stop the start.
    ///
    /// # Errors
    /// [`StoreError`] when the URL cannot be read.
    pub fn connect(url: &SecretString, connections: u32, region: Region, scope: Scope) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.expose_secret().parse().map_err(StoreError::Database)?;
        let (tenant, plans) = match scope {
            Scope::Everyone => ("*", "auto"),
            // Each list has a statement of its own whose plan fits whatever is asked for. Planning it anew for each request, which the server would do
            // because a known time leaves out partitions, takes longer than answering it.
            Scope::PerTransaction => ("", "force_generic_plan"),
        };
        let options = options.application_name("rookery").options([
            ("rookery.tenant", tenant),
            ("plan_cache_mode", plans),
            // Compiling a plan of many partitions takes a hundred times longer than carrying it out.
            ("jit", "off"),
            // A stopped process must not hold locks, and a stuck statement must not hold a connection.
            ("idle_in_transaction_session_timeout", "2000"),
            ("statement_timeout", "15000"),
            ("lock_timeout", "5000"),
        ]);
        let mut pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT);
        if scope == Scope::PerTransaction {
            // A request that is given up leaves its connection in the middle of something. One whose network is gone would never come out of it
            // and keep its place in the pool, because the pool itself waits for the answer without a limit.
            pool = pool.after_release(|connection, _| {
                Box::pin(async move {
                    match tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await {
                        Ok(answered) => answered.map(|()| true),
                        Err(_) => Err(sqlx::Error::PoolTimedOut),
                    }
                })
            });
        }
        let pool = pool.connect_lazy_with(options);
        Ok(Self { pool, region })
    }

    /// The region of this database.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region
    }

    /// Brings the schema up to date. Many processes may do so at once: one does it, the others wait.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is away, [`StoreError::Migrate`] when a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATOR.run(&self.pool).await.map_err(StoreError::from_migration)
    }

    /// Whether the database answers.
    pub async fn is_up(&self) -> bool {
        sqlx::query_scalar!("SELECT 1").fetch_one(&self.pool).await.is_ok()
    }

    /// Opens a transaction that sees and changes one tenant's rows only.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantTransaction, StoreError> {
        let transaction = self.begin(&tenant.0.to_string()).await?;
        Ok(TenantTransaction {
            transaction,
            tenant,
            region: self.region,
        })
    }

    /// Opens a transaction that sees every tenant: for administration, and for finding out whose key it is.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn administration(&self) -> Result<AdministrationTransaction, StoreError> {
        let transaction = self.begin("*").await?;
        Ok(AdministrationTransaction {
            transaction,
            region: self.region,
        })
    }

    async fn begin(&self, tenant: &str) -> Result<sqlx::Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query_scalar!("SELECT set_config('rookery.tenant', $1, true)", tenant)
            .fetch_one(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}

/// A transaction on one tenant's rows. Dropped without [`TenantTransaction::commit`] it changes nothing.
#[derive(Debug)]
pub struct TenantTransaction {
    pub(crate) transaction: sqlx::Transaction<'static, Postgres>,
    pub(crate) tenant: TenantId,
    pub(crate) region: Region,
}

impl TenantTransaction {
    /// Whose rows these are.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; whether the changes are stored is then unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    /// Undoes everything at once. Dropping does the same a moment later, in the background: until then its locks are held.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; the database then undoes everything by itself.
    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.transaction.rollback().await?)
    }
}

/// A transaction on every tenant's rows.
#[derive(Debug)]
pub struct AdministrationTransaction {
    pub(crate) transaction: sqlx::Transaction<'static, Postgres>,
    pub(crate) region: Region,
}

impl AdministrationTransaction {
    /// Makes everything durable.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable; whether the changes are stored is then unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

/// A value for a `jsonb` column.
fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))
}
