//! What a story begins with: a database, a broker, a tenant, and dispatchers when it starts them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use shared::broker::Broker;
use shared::config::NatsOptions;
use shared::event::{Draft, Event, LinkCode};
use shared::ids::{EventId, Region, SessionId, TenantId, WebhookId};
use shared::seal::RegionSecretKey;
use shared::subject;
use tempfile::TempDir;

use crate::database::{Database, DeliveryRow, WebhookRow};
use crate::dispatcher::{Dispatcher, Settings};
use crate::receiver::Receiver;
use harness::scratch::Nats;
use harness::wait::{SOON, until};

/// The secret of every webhook that a story does not give another.
pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Everything around the dispatchers of one story.
pub(crate) struct Stack {
    pub(crate) database: Database,
    pub(crate) nats: Nats,
    pub(crate) broker: Broker,
    pub(crate) region: Region,
    pub(crate) key: RegionSecretKey,
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    started: AtomicUsize,
    published: AtomicUsize,
    directory: TempDir,
}

/// An event that was published.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) id: EventId,
    pub(crate) body: String,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let region: Region = "test".parse().unwrap();
        let (database, nats) = tokio::join!(Database::create(), Nats::start());
        let options = NatsOptions {
            nats_url: nats.url(),
            nats_credentials_file: None,
            nats_replicas: 1,
        };
        let broker = Broker::connect(&options, region, "story").await.unwrap();
        broker.ensure_streams().await.unwrap();
        let tenant = database.add_tenant().await;
        Self {
            database,
            nats,
            broker,
            region,
            key: RegionSecretKey::generate(),
            tenant,
            session: SessionId::generate(region),
            started: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
            directory,
        }
    }

    /// Settings under which nothing takes long: retries after a second, attempts of at most two.
    pub(crate) fn settings(&self) -> Settings {
        Settings(vec![
            ("ROOKERY_REGION", self.region.to_string()),
            ("ROOKERY_REGION_SECRET_KEY", self.key.to_base64().to_string()),
            ("ROOKERY_DATABASE_URL", self.database.url(None)),
            ("ROOKERY_DATABASE_CONNECTIONS", "4".into()),
            ("ROOKERY_NATS_URL", self.nats.url()),
            ("ROOKERY_OPERATIONS_ADDRESS", "127.0.0.1:0".into()),
            ("ROOKERY_EGRESS_ALLOW", "127.0.0.0/8".into()),
            ("ROOKERY_EGRESS_ALLOW_HTTP", "true".into()),
            ("ROOKERY_ATTEMPT_SECONDS", "2".into()),
            ("ROOKERY_CONNECT_SECONDS", "1".into()),
            ("ROOKERY_RETRY_SCHEDULE", "1,1,1".into()),
            ("ROOKERY_LOG", "info,dispatcher=debug".into()),
        ])
    }

    /// Starts a dispatcher.
    pub(crate) fn dispatcher(&self, settings: &Settings) -> Dispatcher {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        settings.start(self.directory.path().join(format!("dispatcher-{number}.log")))
    }

    /// A webhook of the story's tenant that leads to a receiver.
    pub(crate) async fn webhook(&self, receiver: &Receiver) -> WebhookId {
        let row = WebhookRow {
            url: receiver.url(),
            ..WebhookRow::default()
        };
        self.webhook_with(row).await
    }

    /// A webhook of the story's tenant with [`SECRET`], announced as the gateway does.
    pub(crate) async fn webhook_with(&self, row: WebhookRow<'_>) -> WebhookId {
        self.webhook_signed_with(row, SECRET).await
    }

    /// The same with another secret.
    pub(crate) async fn webhook_signed_with(&self, row: WebhookRow<'_>, secret: &str) -> WebhookId {
        let webhook = self.database.add_webhook(self.tenant, row).await;
        let key = self.key.public();
        self.database.add_secret(&key, self.tenant, webhook, secret, None).await;
        self.announce().await;
        webhook
    }

    /// Says that a webhook has changed.
    pub(crate) async fn announce(&self) {
        self.broker.hint(subject::webhook_hint(self.region)).await;
        self.broker.client().flush().await.unwrap();
    }

    /// Publishes an event of the story's session.
    pub(crate) async fn publish(&self) -> Published {
        let event = self.draft(self.session);
        self.publish_again(&event, &event.id.to_string()).await;
        event
    }

    /// An event that nobody has published yet.
    pub(crate) fn draft(&self, session: SessionId) -> Published {
        let code = LinkCode {
            code: "2@story \u{1F426} \"quoted\"".into(),
            expires_at: Utc::now(),
        };
        let draft = Draft::new(self.tenant, session, &Event::SessionQr(code), Utc::now(), None).unwrap();
        let sequence = self.published.fetch_add(1, Ordering::Relaxed) + 1;
        Published {
            id: draft.id,
            body: draft.body(i64::try_from(sequence).unwrap()),
        }
    }

    /// Publishes an event under a message id; under a new one the broker does not notice that it is the same event.
    pub(crate) async fn publish_again(&self, event: &Published, message_id: &str) {
        let envelope: shared::event::Envelope = serde_json::from_str(&event.body).unwrap();
        let subject = subject::event(self.tenant, envelope.session_id, &envelope.event_type);
        self.broker
            .publish(subject, message_id, Bytes::from(event.body.clone()))
            .await
            .unwrap();
    }

    /// Waits until the deliveries of a webhook are as `wanted` says.
    pub(crate) async fn deliveries_until(
        &self,
        what: &str,
        webhook: WebhookId,
        wanted: impl Fn(&[DeliveryRow]) -> bool,
    ) -> Vec<DeliveryRow> {
        self.deliveries_within(what, SOON, webhook, wanted).await
    }

    /// The same with another deadline.
    pub(crate) async fn deliveries_within(
        &self,
        what: &str,
        deadline: Duration,
        webhook: WebhookId,
        wanted: impl Fn(&[DeliveryRow]) -> bool,
    ) -> Vec<DeliveryRow> {
        until(what, deadline, async || {
            let rows = self.database.deliveries(webhook).await;
            wanted(&rows).then_some(rows)
        })
        .await
    }
}

/// Whether there are so many deliveries and all have succeeded.
pub(crate) fn all_succeeded(count: usize) -> impl Fn(&[DeliveryRow]) -> bool {
    move |rows| rows.len() == count && rows.iter().all(|row| row.status == "succeeded")
}
