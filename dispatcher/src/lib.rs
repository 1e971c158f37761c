//! The side of Rookery that delivers webhooks: events become signed, retried requests.
//!
//! ```text
//! JetStream ─▶ fanout ─┬─ a slot is free: leased row ─────────────▶ delivery ─▶ sender ─▶ receiver
//!                      └─ no slot: parked row ─▶ due loop ─ leases ──▶    │
//!                                   ▲                                     │ settled under the lease:
//!                                   └────────────── retry at its time ◀───┴─ succeeded, retry or failed
//! ```
//!
//! The shape is: park, never wait. Nothing in this crate waits for a receiver except that receiver's own attempts, and everything that has
//! to wait is a row in Postgres that any dispatcher of the region can take up. Delivery is at least once: every attempt of an event
//! carries the same `webhook-id`.
//!
//! This crate owns the rows of `delivery` and `delivery_attempt` while they are pending. It must never change an event, follow a redirect,
//! send anything unsigned, or hold a transaction while it talks to a receiver.

mod answer;
mod backoff;
mod capacity;
pub mod config;
mod delivery;
mod directory;
mod due;
mod fanout;
mod incoming;
mod keyring;
mod metrics;
mod request;
mod schedule;
mod sender;
mod signature;
mod translation;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{FutureExt as _, StreamExt as _};
use metrics_exporter_prometheus::PrometheusHandle;
use shared::broker::Broker;
use shared::bucket::Bucket;
use shared::dialect::around::Reader;
use shared::egress::Policy;
use shared::ids::DispatcherId;
use shared::lifecycle::Shutdown;
use shared::operations::{self, Check};
use shared::store::{Scope, Store};
use shared::subject;
use shared::telemetry::Telemetry;

use crate::capacity::Capacity;
use crate::config::Config;
use crate::delivery::Deliverer;
use crate::directory::Directory;
use crate::due::DueLoop;
use crate::fanout::Fanout;
use crate::keyring::Keyring;
use crate::schedule::Schedule;
use crate::sender::Sender;
use crate::translation::Translator;

/// So long giving back leases may take at the very end.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
/// So long a readiness check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a dispatcher until it is asked to stop. Answers whether everything went well: whether no essential task died.
///
/// Postgres and NATS may be away at start and at any later time; that delays, and nothing else.
///
/// # Errors
/// When the configuration is unusable, or the process cannot listen for signals.
pub async fn run(config: Config, metrics: PrometheusHandle, shutdown: Shutdown) -> anyhow::Result<bool> {
    let region = config.region.region;
    let holder = DispatcherId::generate();
    let keyring = Keyring::new(config.region_secret.key()?);
    let connections = config.database.database_connections;
    let store = Store::connect(&config.database.url()?, connections, region, Scope::Everyone)?;
    let broker = Broker::connect(&config.nats, region, "rookery-dispatcher").await?;
    let options = &config.delivery;
    let policy = Policy::new(&config.egress);
    let sender = Sender::new(policy, options.attempt_timeout(), options.connect_timeout(), keyring)
        .context("cannot set up the HTTP client")?;
    let capacity = Capacity::new(options.delivery_concurrency, options.endpoint_concurrency);
    let directory = Arc::new(Directory::new(store.clone()));
    let bucket = config.bucket.s3_bucket.as_ref().map(|_| Bucket::new(&config.bucket));
    let translator = Translator::new(Reader::new(store.clone(), bucket.transpose()?));
    let deliverer = Arc::new(Deliverer::new(
        store.clone(),
        broker.clone(),
        sender,
        translator,
        Schedule::from_seconds(&options.retry_schedule),
        shutdown.clone(),
    ));
    metrics::describe();
    tracing::info!(dispatcher.id = %holder, region = %region, "started");

    let fanout = Fanout {
        broker: broker.clone(),
        store: store.clone(),
        directory: Arc::clone(&directory),
        capacity: Arc::clone(&capacity),
        deliverer: Arc::clone(&deliverer),
        holder,
        lease: options.lease(),
        shutdown: shutdown.clone(),
    };
    shutdown.spawn_essential("fanout", fanout.run());
    let due = DueLoop::new(
        store.clone(),
        Arc::clone(&capacity),
        Arc::clone(&deliverer),
        holder,
        options.lease(),
    );
    shutdown.spawn_essential("due", due.run(shutdown.clone()));
    shutdown.spawn_essential(
        "hints",
        follow_hints(broker.clone(), directory, capacity, shutdown.clone()),
    );
    let endpoint = operations::serve(
        config.operations.operations_address,
        checks(&store, &broker),
        metrics.clone(),
        shutdown.soft().clone(),
    );
    shutdown.spawn_essential("operations", async {
        endpoint.await.context("the operations endpoint")
    });
    let upkeep = shutdown.soft().clone();
    shutdown.spawn(async move {
        tokio::select! {
            () = upkeep.cancelled() => {}
            () = Telemetry::upkeep(metrics) => {}
        }
    });

    let went_well = shutdown.wait(config.shutdown.grace()).await?;
    if tokio::time::timeout(RELEASE_TIMEOUT, deliverer.release_unsettled())
        .await
        .is_err()
    {
        tracing::warn!("leases could not be given back: they run out by themselves");
    }
    tracing::info!("stopped");
    Ok(went_well)
}

/// A hint says that some webhook has changed, or that its deliveries were made due by hand.
async fn follow_hints(
    broker: Broker,
    directory: Arc<Directory>,
    capacity: Arc<Capacity>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut hints = broker
        .client()
        .subscribe(subject::webhook_hint(broker.region()))
        .await?;
    loop {
        let hint = tokio::select! {
            () = shutdown.soft().cancelled() => return Ok(()),
            hint = hints.next() => hint,
        };
        if hint.is_none() {
            anyhow::bail!("the broker's client has stopped");
        }
        directory.forget();
        capacity.wake();
    }
}

fn checks(store: &Store, broker: &Broker) -> Vec<Check> {
    let store = store.clone();
    let broker = broker.clone();
    vec![
        Check {
            name: "postgres",
            run: Box::new(move || {
                let store = store.clone();
                async move {
                    tokio::time::timeout(CHECK_TIMEOUT, store.is_up())
                        .await
                        .unwrap_or(false)
                }
                .boxed()
            }),
        },
        Check {
            name: "nats",
            run: Box::new(move || {
                let connected = broker.is_connected();
                async move { connected }.boxed()
            }),
        },
    ]
}
