//! A database of its own for each story, and what the gateway and the worker would write into it.

use std::ops::Deref;

use harness::scratch;
use secrecy::SecretString;
use shared::ids::{DeliveryId, EventId, Region, TenantId, WebhookId};
use shared::seal::{Place, RegionPublicKey};
use shared::store::{Scope, Store};
use uuid::Uuid;

/// A fresh database with the schema. Dropped with the value.
pub(crate) struct Database(scratch::Database);

impl Deref for Database {
    type Target = scratch::Database;

    fn deref(&self) -> &scratch::Database {
        &self.0
    }
}

/// A webhook to be written.
#[derive(Default)]
pub(crate) struct WebhookRow<'a> {
    pub(crate) url: String,
    pub(crate) events: Option<Vec<&'a str>>,
    pub(crate) sessions: Option<Vec<Uuid>>,
    pub(crate) headers: Option<serde_json::Value>,
    pub(crate) retry_schedule: Option<Vec<i32>>,
    pub(crate) format: Option<&'a str>,
}

/// A delivery as the database has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) status: String,
    pub(crate) attempts: i32,
    pub(crate) leased_by: Option<Uuid>,
    pub(crate) last_status_code: Option<i32>,
    pub(crate) last_error: Option<String>,
}

/// An attempt as the database has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AttemptRow {
    pub(crate) number: i32,
    pub(crate) duration_ms: i32,
    pub(crate) status_code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) response: Option<String>,
}

impl Database {
    /// Creates a database.
    pub(crate) async fn create() -> Self {
        Self(scratch::Database::create().await)
    }

    /// A store as a dispatcher has it.
    pub(crate) fn store(&self, region: Region) -> Store {
        Store::connect(&SecretString::from(self.url(None)), 4, region, Scope::Everyone).unwrap()
    }

    pub(crate) async fn add_tenant(&self) -> TenantId {
        let tenant = TenantId::generate();
        sqlx::query("INSERT INTO tenant (id, name) VALUES ($1, 'story')")
            .bind(tenant.0)
            .execute(&self.pool)
            .await
            .unwrap();
        tenant
    }

    pub(crate) async fn add_webhook(&self, tenant: TenantId, webhook: WebhookRow<'_>) -> WebhookId {
        let id = WebhookId::generate();
        sqlx::query(
            "INSERT INTO webhook (id, tenant_id, url, events, sessions, headers, retry_schedule, format) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.0)
        .bind(tenant.0)
        .bind(webhook.url)
        .bind(webhook.events)
        .bind(webhook.sessions)
        .bind(webhook.headers.unwrap_or_else(|| serde_json::json!({})))
        .bind(webhook.retry_schedule)
        .bind(webhook.format.unwrap_or("rookery"))
        .execute(&self.pool)
        .await
        .unwrap();
        id
    }

    /// Gives a webhook a secret, sealed as the gateway seals it. `expires_in` is in seconds, and may have passed.
    pub(crate) async fn add_secret(
        &self,
        key: &RegionPublicKey,
        tenant: TenantId,
        webhook: WebhookId,
        secret: &str,
        expires_in: Option<f64>,
    ) {
        let id = Uuid::now_v7();
        let place = Place {
            tenant: tenant.0,
            session: Uuid::nil(),
            table: "webhook_secret",
            column: "sealed",
            row: id.as_bytes(),
        };
        sqlx::query(
            "INSERT INTO webhook_secret (id, tenant_id, webhook_id, sealed, expires_at, created_at)
             VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), clock_timestamp())",
        )
        .bind(id)
        .bind(tenant.0)
        .bind(webhook.0)
        .bind(key.seal(secret.as_bytes(), place))
        .bind(expires_in)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// A due delivery, as the gateway writes it for a test or a replay.
    pub(crate) async fn add_delivery(&self, tenant: TenantId, webhook: WebhookId, body: &str) -> (DeliveryId, EventId) {
        let (delivery, event) = (DeliveryId::generate(), EventId::generate());
        sqlx::query(
            "INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body)
             VALUES ($1, $2, $3, $4, $5, 'webhook.test', $6)",
        )
        .bind(delivery.0)
        .bind(tenant.0)
        .bind(webhook.0)
        .bind(event.0)
        .bind(Uuid::nil())
        .bind(body)
        .execute(&self.pool)
        .await
        .unwrap();
        (delivery, event)
    }

    /// The deliveries of a webhook, in the order of their events.
    pub(crate) async fn deliveries(&self, webhook: WebhookId) -> Vec<DeliveryRow> {
        sqlx::query_as(
            "SELECT id, event_id, status, attempts, leased_by, last_status_code, last_error FROM delivery WHERE webhook_id = $1 ORDER BY event_id",
        )
        .bind(webhook.0)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// The attempts of a delivery, in their order.
    pub(crate) async fn attempts(&self, delivery: Uuid) -> Vec<AttemptRow> {
        sqlx::query_as(
            "SELECT number, duration_ms, status_code, error, response FROM delivery_attempt WHERE delivery_id = $1 ORDER BY number",
        )
        .bind(delivery)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}
