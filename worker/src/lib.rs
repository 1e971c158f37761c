//! The side of Rookery that holds WhatsApp connections: commands become messages, messages become events.
//!
//! A command's way: [`commands`] (from the broker) or the backlog (from Postgres) → [`session`] → [`engine`] → WhatsApp.
//! An event's way: WhatsApp → [`engine`] → [`session::recorder`] (fenced, into Postgres) → [`relay`] → the broker.
//!
//! Which sessions a worker holds is decided by leases in Postgres: [`supervisor`] beats, claims and gives back, [`share`] decides how much,
//! [`authority`] says whether this worker may act right now, and each session's [`gate`] keeps frames back while it may not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use shared::broker::Broker;
use shared::bucket::Bucket;
use shared::egress::Policy;
use shared::ids::WorkerId;
use shared::lifecycle::Shutdown;
use shared::operations::Check;
use shared::store::{Scope, Store};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

pub mod authority;
pub mod clock;
pub mod commands;
pub mod config;
pub mod engine;
pub mod gate;
pub mod media;
pub mod metrics;
pub mod queries;
pub mod relay;
pub mod session;
pub mod share;
pub mod start;
pub mod supervisor;

use authority::Authority;
use config::Options;
use engine::whatsapp::dial::Dialer;
use engine::whatsapp::media::Uploads;
use engine::whatsapp::pacer::Pacer;
use engine::whatsapp::version::VersionSource;
use engine::whatsapp::{WhatsApp, state};
use media::downloads::Downloads;
use relay::Relay;
use supervisor::Held;

/// Engines that are opened at once: each reads its keys from the database.
const OPENINGS: usize = 32;
/// How often old rows are removed.
const CLEAN_UP_EVERY: Duration = Duration::from_secs(60);
/// How long to wait before trying again to reach the database at start.
const RETRY: Duration = Duration::from_millis(500);

/// Runs a worker until it is asked to stop. Answers whether all went well.
///
/// # Errors
/// When the configuration cannot be used.
pub async fn run(options: Options, metrics: PrometheusHandle) -> anyhow::Result<bool> {
    let shutdown = Shutdown::new();
    let stop = shutdown.soft().clone();
    let region = options.region.region;
    let region_key = options.region_secret.key()?;
    let url = options.database.url()?;
    let connections = options.database.database_connections;
    let store = Store::connect(&url, connections, region, Scope::Everyone)?;
    let pool = state::connect(&url, connections).context("ROOKERY_DATABASE_URL cannot be used")?;
    let broker = Broker::connect(&options.nats, region, "rookery-worker").await?;
    let dialer = Dialer::new(&options.whatsapp.whatsapp_url, Policy::new(&options.egress))
        .context("ROOKERY_WHATSAPP_URL cannot be used")?;
    let bucket = Bucket::new(&options.bucket)?;
    let version = VersionSource::new(options.whatsapp.whatsapp_version);
    let worker = WorkerId::generate();

    // Last of all: operators want to see why a worker that stops is not ready.
    let operations_end = CancellationToken::new();
    let checks = checks(&store, &broker);
    let serving = shared::operations::serve(
        options.operations.operations_address,
        checks,
        metrics,
        operations_end.clone(),
    );
    // Outlives the shutdown of everything else, and is awaited below.
    let operations = tokio::spawn(serving);

    if !register(&store, worker, options.whatsapp.worker_capacity, &stop).await {
        operations_end.cancel();
        return Ok(true);
    }
    tracing::info!(%worker, %region, "worker is up");

    let authority = Authority::new();
    let media_bell = Arc::new(Notify::new());
    let (relay, relay_task) = Relay::new(broker.clone(), store.clone(), worker);
    let context = Arc::new(session::Context {
        store: store.clone(),
        engines: Arc::new(WhatsApp {
            pool,
            dialer: Arc::new(dialer),
            pacer: Pacer::new(options.whatsapp.connects_per_second),
            version: version.clone(),
            device_name: options.whatsapp.device_name.clone(),
            uploads: Uploads {
                store: store.clone(),
                bucket: bucket.clone(),
                region_key: region_key.clone(),
            },
        }),
        relay,
        region_key: region_key.clone(),
        authority,
        worker,
        openings: Semaphore::new(OPENINGS),
        qr_rounds: options.whatsapp.qr_rounds,
        stalled_after: Duration::from_secs(options.whatsapp.stalled_after_seconds),
        media_days: options.bucket.media_days,
        media_bell: Arc::clone(&media_bell),
    });
    let held = Held::default();
    let downloads = Downloads {
        store: store.clone(),
        bucket: bucket.clone(),
        region_key,
        worker,
        held: held.clone(),
        bell: media_bell,
        at_once: options.media.media_downloads,
        largest: options.media.media_largest_bytes,
        bucket_away: Arc::default(),
    };
    // Sessions are given back first; the heartbeat, the relay and the answers go on until that is done.
    let sessions_gone = CancellationToken::new();
    let commands = commands::Commands {
        broker: broker.clone(),
        store: store.clone(),
        held: held.clone(),
        worker,
    };
    shutdown.spawn_essential(
        "heartbeat",
        supervisor::beat(Arc::clone(&context), held.clone(), stop.clone(), sessions_gone.clone()),
    );
    shutdown.spawn_essential("relay", relay_task.run(sessions_gone.clone()));
    shutdown.spawn_essential("commands", commands.clone().consume(stop.clone()));
    shutdown.spawn_essential("sweep", commands.sweep(stop.clone()));
    shutdown.spawn_essential(
        "queries",
        queries::answer(broker.clone(), worker, held.clone(), sessions_gone.clone()),
    );
    shutdown.spawn_essential("media", downloads.run(stop.clone()));
    shutdown.spawn(clean_up(store.clone(), bucket, stop.clone()));
    // A fixed version, or a network that is not WhatsApp's, needs no look at WhatsApp's page.
    if options.whatsapp.whatsapp_version.is_none() && options.whatsapp.whatsapp_url.scheme() == "wss" {
        let stop = stop.clone();
        shutdown.spawn(async move {
            tokio::select! {
                () = version.follow() => {}
                () = stop.cancelled() => {}
            }
        });
    }
    shutdown.spawn_essential("sessions", {
        let (context, store, held) = (context, store.clone(), held);
        async move {
            let outcome = supervisor::supervise(context, broker, held, stop).await;
            if let Err(error) = store.deregister_worker(worker).await {
                tracing::warn!(%error, "the worker's row stays behind; it is removed later");
            }
            sessions_gone.cancel();
            outcome
        }
    });

    let well = shutdown.wait(options.shutdown.grace()).await?;
    operations_end.cancel();
    operations.await.context("the operations endpoint panicked")??;
    Ok(well)
}

/// Brings the schema up to date and makes this worker known, however long the database takes. Answers false if asked to stop meanwhile.
async fn register(store: &Store, worker: WorkerId, capacity: i32, stop: &CancellationToken) -> bool {
    loop {
        let ready = match store.migrate().await {
            Ok(()) => store.register_worker(worker, env!("CARGO_PKG_VERSION"), capacity).await,
            Err(error) => Err(error),
        };
        match ready {
            Ok(()) => return true,
            Err(error) => tracing::warn!(error = ?error, "waiting for the database"),
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn checks(store: &Store, broker: &Broker) -> Vec<Check> {
    let (store, broker) = (store.clone(), broker.clone());
    vec![
        Check {
            name: "postgres",
            run: Box::new(move || {
                let store = store.clone();
                async move { store.is_up().await }.boxed()
            }),
        },
        Check {
            name: "nats",
            run: Box::new(move || {
                let up = broker.is_connected();
                async move { up }.boxed()
            }),
        },
    ]
}

async fn clean_up(store: Store, bucket: Bucket, stop: CancellationToken) {
    let mut interval = tokio::time::interval(CLEAN_UP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        match store.clean_up().await {
            Ok(Some(0) | None) => {}
            Ok(Some(rows)) => tracing::info!(rows, "removed old rows"),
            Err(error) => tracing::debug!(%error, "old rows are removed later"),
        }
        media::removal::remove_media(&store, &bucket).await;
    }
}
