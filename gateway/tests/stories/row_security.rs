//! The second wall between tenants: the database shows nobody's rows to a connection that does not say for whom it works.

use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::gateway::{World, text_message};

#[tokio::test]
async fn every_table_with_a_tenant_has_a_policy_that_binds_its_owner_too() {
    let world = World::new().await;
    let unprotected: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
           AND (c.relname = 'tenant' OR EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
               SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL))",
    )
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    assert!(
        unprotected.is_empty(),
        "tables without row-level security: {unprotected:?}"
    );
}

#[tokio::test]
async fn a_connection_that_works_for_nobody_sees_and_writes_nothing() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let messages = format!("/v1/sessions/{session}/messages");
    tenant
        .client
        .call("POST", &messages)
        .header("idempotency-key", "k")
        .json(&text_message("a"))
        .send()
        .await
        .expect(202);
    let (webhook, _) = tenant.webhook().await;
    tenant
        .client
        .post(&format!("/v1/webhooks/{webhook}/test"), json!({}))
        .await
        .expect(202);
    world.database.record_event(tenant.id, session, "session.status").await;

    let mut nobody = world.database.connection_for_nobody().await;
    let superuser: bool =
        sqlx::query_scalar("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&mut nobody)
            .await
            .unwrap();
    assert!(
        !superuser,
        "the role of ROOKERY_TEST_DATABASE_URL passes row-level security by: use an ordinary one"
    );

    for table in [
        "tenant",
        "api_key",
        "idempotency_key",
        "session",
        "session_lease",
        "command",
        "event",
        "message",
        "webhook",
        "webhook_secret",
        "delivery",
    ] {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let visible: i64 = sqlx::query_scalar(count).fetch_one(&mut nobody).await.unwrap();
        assert_eq!(visible, 0, "{table} shows rows to nobody");
        assert!(world.database.count(table).await > 0, "{table} has rows in this story");
    }
    let written = sqlx::query("INSERT INTO tenant (id, name) VALUES ($1, 'Eve')")
        .bind(uuid::Uuid::now_v7())
        .execute(&mut nobody)
        .await;
    assert!(written.is_err(), "nobody writes nothing");
    let changed = sqlx::query("UPDATE session SET name = 'Eve'")
        .execute(&mut nobody)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 0);
}
