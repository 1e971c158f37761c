//! A fresh database with the schema, on the server that `ROOKERY_TEST_DATABASE_URL` names. Dropped with the value.

use std::str::FromStr as _;
use std::time::Duration;

use shared::store::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool};
use uuid::Uuid;

use crate::wait::until;

/// How long dropping may take: a connection that somebody has left in the middle of its login delays it for a server's `authentication_timeout`.
const DROPPED: Duration = Duration::from_secs(90);
/// Connections of a test's own.
const CONNECTIONS: u32 = 4;

/// A database.
#[derive(Debug)]
pub struct Database {
    server: PgConnectOptions,
    name: String,
    /// Sees every tenant.
    pub pool: PgPool,
}

impl Database {
    /// Creates one.
    ///
    /// # Panics
    /// When the server does not allow it.
    pub async fn create() -> Self {
        let url = super::told(
            "ROOKERY_TEST_DATABASE_URL",
            "a PostgreSQL server where the role may create databases and is no superuser, so that row-level security binds it",
        );
        let server = PgConnectOptions::from_str(&url).expect("ROOKERY_TEST_DATABASE_URL is not a URL of PostgreSQL");
        let name = format!("scratch_{}", Uuid::now_v7().simple());
        execute(&server, format!("CREATE DATABASE {name}")).await.unwrap();
        let options = server.clone().database(&name).options([("rookery.tenant", "*")]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await
            .unwrap();
        MIGRATOR.run(&pool).await.unwrap();
        Self { server, name, pool }
    }

    /// Its URL, going through `port` of this machine if one is given.
    #[must_use]
    pub fn url(&self, port: Option<u16>) -> String {
        let options = self.server.clone().database(&self.name);
        let options = match port {
            Some(port) => options.host("127.0.0.1").port(port),
            None => options,
        };
        options.to_url_lossy().to_string()
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.server.get_host(), self.server.get_port())
    }

    /// A connection that works for nobody, as a gateway's are before they say for whom.
    ///
    /// # Panics
    /// When the server is away.
    pub async fn connection_for_nobody(&self) -> PgConnection {
        let options = self.server.clone().database(&self.name);
        PgConnection::connect_with(&options).await.unwrap()
    }
}

/// Runs a statement that names a database, which no statement known beforehand can.
async fn execute(server: &PgConnectOptions, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(server).await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

impl Drop for Database {
    /// A thread of its own: dropping a value cannot wait, and the test's runtime may be on its way down.
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            // While the server vacuums the database, only a superuser may drop it.
            runtime.block_on(until("the test's database is dropped", DROPPED, async || {
                execute(&server, statement.clone()).await.ok()
            }));
        });
        let outcome = dropping.join();
        assert!(
            outcome.is_ok() || std::thread::panicking(),
            "the test's database was not dropped"
        );
    }
}
