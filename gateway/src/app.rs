//! What every handler shares. No state here decides anything: two gateways side by side behave as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use shared::broker::Broker;
use shared::bucket::Bucket;
use shared::egress::Policy;
use shared::ids::Region;
use shared::lifecycle::Shutdown;
use shared::seal::RegionPublicKey;
use shared::store::{Scope, Store};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::key_ring::{self, KeyRing};
use crate::auth::password::Passwords;
use crate::auth::rate::RequestRates;
use crate::config::{Configuration, CrmWebhook, LimitOptions};
use crate::dialect::doors::Doors;
use crate::dialect::open::OpenDoor;
use crate::media::Files;
use crate::relay::{self, Relay};
use crate::streams::Streams;

/// How long to wait before trying again what failed because something was away.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Bodies with a file in base64 that are in memory at once, at most: each takes up to 46 MiB.
const MOST_BASE64: usize = 8;

/// What every handler shares. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    store: Store,
    broker: Broker,
    relay: Relay,
    keys: KeyRing,
    passwords: Passwords,
    request_rates: RequestRates,
    admin_key: SecretString,
    region_key: RegionPublicKey,
    egress: Policy,
    limits: LimitOptions,
    metrics: PrometheusHandle,
    shutdown: Shutdown,
    drained: CancellationToken,
    migrated: AtomicBool,
    request_permits: Semaphore,
    event_stream_permits: Arc<Semaphore>,
    base64_permits: Arc<Semaphore>,
    files: Files,
    doors: Doors,
    management_open: Option<OpenDoor>,
    crm_webhook: Option<CrmWebhook>,
    streams: Option<Streams>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "App({})", self.region())
    }
}

impl App {
    /// Builds the application and starts what it does in the background. Neither Postgres nor NATS must be there.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub async fn start(config: &Configuration, metrics: PrometheusHandle, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let region = config.region.region;
        let store = Store::connect(
            &config.database.url()?,
            config.database.database_connections,
            region,
            Scope::PerTransaction,
        )
        .context("ROOKERY_DATABASE_URL is not usable")?;
        let broker = Broker::connect(&config.nats, region, "rookery-gateway")
            .await
            .context("NATS is not usable")?;
        let (relay, relay_task) = relay::new(broker.clone());
        let (keys, key_task) = key_ring::new(store.clone());
        let admin_key = config.admin.key()?;
        let management_open = config.dialects.management_open.door(&admin_key)?;
        let app = Self(Arc::new(Parts {
            store,
            broker,
            relay,
            keys,
            passwords: Passwords::default(),
            request_rates: RequestRates::default(),
            admin_key,
            region_key: config.region_key.key()?,
            egress: Policy::new(&config.egress),
            limits: config.limits.clone(),
            metrics,
            shutdown: shutdown.clone(),
            drained: CancellationToken::new(),
            migrated: AtomicBool::new(false),
            request_permits: Semaphore::new(config.limits.max_requests),
            event_stream_permits: Arc::new(Semaphore::new(config.limits.max_event_streams)),
            base64_permits: Arc::new(Semaphore::new(MOST_BASE64)),
            files: Files::new(Bucket::new(&config.bucket)?, config.media, config.bucket.media_days),
            doors: Doors::new(&config.dialects)?,
            management_open,
            crm_webhook: crm_webhook(config)?,
            streams: Streams::configured(&config.streams, &config.nats.nats_url)?,
        }));
        shutdown.spawn(relay_task.run(app.drained().clone()));
        shutdown.spawn(key_task.run(shutdown.soft().clone()));
        shutdown.spawn_essential("key hints", app.clone().listen_for_key_hints());
        shutdown.spawn_essential("migrations", app.clone().migrate());
        shutdown.spawn(app.clone().ensure_streams());
        Ok(app)
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.0.broker
    }

    /// What carries commands and hints to the broker after their commit.
    #[must_use]
    pub fn relay(&self) -> &Relay {
        &self.0.relay
    }

    /// The keys of tenants, and the tokens of their users.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    /// What computes hashes of passwords.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// How many requests tenants make.
    #[must_use]
    pub fn request_rates(&self) -> &RequestRates {
        &self.0.request_rates
    }

    /// The operator's key.
    #[must_use]
    pub fn admin_key(&self) -> &SecretString {
        &self.0.admin_key
    }

    /// The region that this gateway serves.
    #[must_use]
    pub fn region(&self) -> Region {
        self.0.store.region()
    }

    /// The key to which secrets are sealed.
    #[must_use]
    pub fn region_key(&self) -> &RegionPublicKey {
        &self.0.region_key
    }

    /// Where URLs from outside may lead.
    #[must_use]
    pub fn egress(&self) -> &Policy {
        &self.0.egress
    }

    /// The bounds of every request.
    #[must_use]
    pub fn limits(&self) -> &LimitOptions {
        &self.0.limits
    }

    /// Renders the metrics.
    #[must_use]
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// When to stop.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// Cancelled when the last request has been answered: what serves requests may then stop as well.
    #[must_use]
    pub fn drained(&self) -> &CancellationToken {
        &self.0.drained
    }

    /// Whether the database's schema is this version's.
    #[must_use]
    pub fn is_migrated(&self) -> bool {
        self.0.migrated.load(Ordering::Relaxed)
    }

    /// Places for running requests.
    #[must_use]
    pub fn request_permits(&self) -> &Semaphore {
        &self.0.request_permits
    }

    /// Places for clients that follow events.
    #[must_use]
    pub fn event_stream_permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.event_stream_permits)
    }

    /// Places for requests that hold a file in base64.
    #[must_use]
    pub fn base64_permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.base64_permits)
    }

    /// What handling files needs.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.0.files
    }

    /// Where the dialects are served.
    #[must_use]
    pub fn doors(&self) -> &Doors {
        &self.0.doors
    }

    /// What serves requests to the dialect management that carry no credential, if the operator wants that.
    #[must_use]
    pub fn management_open(&self) -> Option<&OpenDoor> {
        self.0.management_open.as_ref()
    }

    /// Where messages of the crm dialect's sessions go that have no URL of their own, if the operator says so.
    #[must_use]
    pub fn crm_webhook(&self) -> Option<&CrmWebhook> {
        self.0.crm_webhook.as_ref()
    }

    /// What signs credentials for reading events from NATS itself, if the operator wants that.
    #[must_use]
    pub fn streams(&self) -> Option<&Streams> {
        self.0.streams.as_ref()
    }

    /// Brings the schema up to date, as soon as the database is there. A migration that fails stops the process.
    async fn migrate(self) -> anyhow::Result<()> {
        let soft = self.shutdown().soft().clone();
        let mut told = false;
        loop {
            match self.store().migrate().await {
                Ok(()) => break,
                Err(error) if error.is_unavailable() => {
                    if !told {
                        tracing::warn!(
                            cause = format!("{:#}", anyhow::Error::from(error)),
                            "waiting for the database"
                        );
                        told = true;
                    }
                }
                Err(error) => return Err(error).context("the database cannot be migrated"),
            }
            tokio::select! {
                () = soft.cancelled() => return Ok(()),
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
        self.0.migrated.store(true, Ordering::Relaxed);
        tracing::info!("the database is up to date");
        if let Some(door) = self.management_open() {
            door.look(&self).await;
        }
        // An essential task must not end by itself.
        soft.cancelled().await;
        Ok(())
    }

    /// Creates the broker's streams, as soon as the broker is there.
    async fn ensure_streams(self) {
        let soft = self.shutdown().soft().clone();
        let mut told = false;
        while let Err(error) = self.broker().ensure_streams().await {
            if !told {
                tracing::warn!(
                    cause = format!("{:#}", anyhow::Error::from(error)),
                    "waiting for the broker"
                );
                told = true;
            }
            tokio::select! {
                () = soft.cancelled() => return,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
        tracing::info!("the broker is ready");
    }

    /// Forgets cached keys when one was revoked anywhere. Without the broker a cached key lives for at most [`key_ring::CACHE_TIME`].
    async fn listen_for_key_hints(self) -> anyhow::Result<()> {
        let soft = self.shutdown().soft().clone();
        let subject = shared::subject::api_key_hint(self.region());
        loop {
            let bell = crate::bell::Bell::hang(self.broker(), subject.clone()).await;
            while bell.is_connected() {
                tokio::select! {
                    () = soft.cancelled() => return Ok(()),
                    () = bell.rung() => self.keys().forget(),
                    () = bell.broken() => {}
                }
            }
            tokio::select! {
                () = soft.cancelled() => return Ok(()),
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
    }
}

/// The operator's webhook of the crm dialect, which must lead where webhooks may.
fn crm_webhook(config: &Configuration) -> anyhow::Result<Option<CrmWebhook>> {
    let webhook = config.dialects.crm_webhook()?;
    if let Some(webhook) = &webhook {
        Policy::new(&config.egress)
            .check_url(webhook.url.as_str())
            .context("ROOKERY_CRM_WEBHOOK_URL leads where webhooks may not")?;
    }
    Ok(webhook)
}
