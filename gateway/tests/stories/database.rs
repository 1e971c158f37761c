//! A database of its own for each story, and what workers and dispatchers would write into it.

use std::ops::Deref;

use chrono::{DateTime, Utc};
use harness::scratch;
use harness::wait::{SOON, until};
use shared::ids::{CommandId, EventId, SessionId, TenantId, WorkerId};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

/// A fresh database with the schema. Dropped with the value.
pub(crate) struct Database(scratch::Database);

impl Deref for Database {
    type Target = scratch::Database;

    fn deref(&self) -> &scratch::Database {
        &self.0
    }
}

impl Database {
    /// Creates a database.
    pub(crate) async fn create() -> Self {
        Self(scratch::Database::create().await)
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Runs a statement about one row.
    pub(crate) async fn change(&self, statement: &'static str, id: Uuid) {
        sqlx::query(statement).bind(id).execute(&self.pool).await.unwrap();
    }

    /// Links an account to a session, as a worker does.
    pub(crate) async fn link(&self, session: SessionId) {
        self.change(
            "UPDATE session SET jid = '15550001001:7@s.whatsapp.net', phone = '15550001001', lid = '100000000001001', push_name = 'Shop',
                    status = 'connected', connected_at = now() WHERE id = $1",
            session.uuid,
        )
        .await;
    }

    /// Registers a worker that holds a session, with a fresh heartbeat.
    pub(crate) async fn hold(&self, session: SessionId) -> WorkerId {
        let worker = WorkerId::generate();
        self.change(
            "INSERT INTO worker (id, version, capacity) VALUES ($1, 'story', 10)",
            worker.0,
        )
        .await;
        sqlx::query("UPDATE session_lease SET worker_id = $2, epoch = epoch + 1 WHERE session_id = $1")
            .bind(session.uuid)
            .bind(worker.0)
            .execute(&self.pool)
            .await
            .unwrap();
        worker
    }

    /// Ends a command, as a worker does.
    pub(crate) async fn finish_command(
        &self,
        command: CommandId,
        error: Option<(&str, &str)>,
        result: Option<serde_json::Value>,
    ) {
        sqlx::query(
            "UPDATE command SET status = CASE WHEN $2::text IS NULL THEN 'done' ELSE 'failed' END, error_code = $2, error_detail = $3,
                    result = $4, finished_at = now() WHERE id = $1",
        )
        .bind(command.0)
        .bind(error.map(|(code, _)| code))
        .bind(error.map(|(_, detail)| detail))
        .bind(result)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Records an event, as a holder does.
    pub(crate) async fn record_event(&self, tenant: TenantId, session: SessionId, event_type: &str) -> EventId {
        let mut connection = self.pool.acquire().await.unwrap();
        insert_event(&mut connection, tenant, session, event_type).await
    }

    /// Waits until readers may see every event: no transaction of the server is older, those of other stories' databases included.
    pub(crate) async fn all_events_visible(&self) {
        until("no older transaction is running", SOON, async || {
            let visible: bool = sqlx::query_scalar(
                "SELECT COALESCE(max(position), 0) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM event",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            visible.then_some(())
        })
        .await;
    }

    /// Moves an event's record into the past.
    pub(crate) async fn backdate_event(&self, event: EventId, at: DateTime<Utc>) {
        sqlx::query("UPDATE event SET created_at = $2 WHERE id = $1")
            .bind(event.0)
            .bind(at)
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

/// Records an event within somebody's transaction.
pub(crate) async fn insert_event(
    connection: &mut PgConnection,
    tenant: TenantId,
    session: SessionId,
    event_type: &str,
) -> EventId {
    let id = EventId::generate();
    let body = format!(
        r#"{{"id":"{id}","type":"{event_type}","timestamp":"2026-11-20T10:00:00.000Z","tenant_id":"{tenant}","session_id":"{session}","seq":1,"data":{{"spacing" : "kept"}}}}"#
    );
    sqlx::query(
        "WITH counter AS (UPDATE event_counter SET sequence = sequence + 1 WHERE session_id = $3 RETURNING sequence)
         INSERT INTO event (id, tenant_id, session_id, sequence, type, body) SELECT $1, $2, $3, sequence, $4, $5 FROM counter",
    )
    .bind(id.0)
    .bind(tenant.0)
    .bind(session.uuid)
    .bind(event_type)
    .bind(body)
    .execute(connection)
    .await
    .unwrap();
    id
}
