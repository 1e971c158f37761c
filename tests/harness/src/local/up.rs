//! Starting the local stack, again and again if need be: what runs is kept, what died is started, what was rebuilt is replaced.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::try_join_all;

use super::Local;
use crate::directory::{Directory, write_private};
use crate::nats::authority;
use crate::ports;
use crate::process::Process;
use crate::progress::{heading, line, say, step};
use crate::repository::{self, Profile};
use crate::service::Service;
use crate::site::{BUCKET, Mode, Programs, Site, Tuning};

/// How long a process that is replaced may take to stop.
const GRACE: Duration = Duration::from_secs(15);

/// `deploy/local up`
pub(super) async fn run(local: &Local, simulated: bool) -> anyhow::Result<()> {
    let mode = if simulated { Mode::Simulated } else { Mode::Real };
    let site = start(local, mode).await?;
    print_addresses(&site)?;
    Ok(())
}

/// Builds and starts everything, and waits until it is ready.
pub(super) async fn start(local: &Local, mode: Mode) -> anyhow::Result<Site> {
    let directory = Directory::create(&local.folder)?;
    let lock = File::create(directory.root().join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("another `deploy/local` is starting this stack right now");
    }
    // Before anything is built: a stack of the other mode is refused at once.
    let site = Site::open(directory, mode, Programs::beside_this_one()?, Tuning::default())?;
    build(mode).await?;
    heading(format!("Starting the stack on the {mode}"));
    let wanted: Vec<Service> = Service::foundations(mode)
        .into_iter()
        .chain(Service::binaries(local.counts))
        .collect();
    stop_surplus(&site, &wanted).await?;
    bring_up(&site, &Service::foundations(mode)).await?;
    // The first gateway brings the schema up to date; what comes after finds it so.
    let (gateways, others): (Vec<Service>, Vec<Service>) = Service::binaries(local.counts)
        .into_iter()
        .partition(|service| matches!(service, Service::Gateway(_)));
    bring_up(&site, &gateways).await?;
    bring_up(&site, &others).await?;
    write_environment(&site)?;
    Ok(site)
}

async fn build(mode: Mode) -> anyhow::Result<()> {
    heading("Building the programs");
    step(
        "gateway, worker, dispatcher and the harness",
        repository::build_programs(Profile::Development),
    )
    .await?;
    if mode == Mode::Simulated {
        let work = repository::build_simulated_worker(Profile::Development);
        step("the worker that accepts the simulated network", work).await?;
    }
    Ok(())
}

/// Stops gateways, workers and dispatchers beyond the number that is wanted now.
async fn stop_surplus(site: &Site, wanted: &[Service]) -> anyhow::Result<()> {
    for process in Process::all_of(&site.directory)? {
        let Some(service) = Service::parse(process.name()) else {
            continue;
        };
        if !wanted.contains(&service) {
            let name = service.name();
            step(
                format!("{name}: no longer wanted, stopped"),
                process.stop(service.stop_signal(), GRACE),
            )
            .await?;
        }
    }
    Ok(())
}

/// Brings services up side by side.
async fn bring_up(site: &Site, services: &[Service]) -> anyhow::Result<()> {
    try_join_all(services.iter().map(|service| bring_up_one(site, *service))).await?;
    Ok(())
}

async fn bring_up_one(site: &Site, service: Service) -> anyhow::Result<()> {
    let name = service.name();
    let address = service.address(site)?;
    let running = Process::find(&site.directory, &name);
    if let Some(process) = &running
        && !process.is_outdated()
    {
        service.wait_until_ready(site, process).await?;
        say(line(
            "·",
            &format!("{name:<14} runs already     {address}"),
            Duration::ZERO,
        ));
        return Ok(());
    }
    let work = async {
        if let Some(outdated) = running {
            outdated.stop(service.stop_signal(), GRACE).await?;
        }
        check_port(site, service)?;
        // Making the database's cluster blocks this thread for a moment; nothing else here needs it meanwhile.
        let process = service.start(site)?;
        service.wait_until_ready(site, &process).await
    };
    step(format!("{name:<14} {address}"), work).await
}

/// A port that another program has taken since would only show as a server that ends right after its start.
fn check_port(site: &Site, service: Service) -> anyhow::Result<()> {
    let names = match service {
        Service::Network => vec![
            "network-protocol".to_owned(),
            "network-http".to_owned(),
            "network-media".to_owned(),
        ],
        other => vec![other.name()],
    };
    for name in names {
        let port = site.port(&name)?;
        if !ports::is_free(port) {
            bail!(
                "port {port} of {name} is taken by another program: end that one, or give the stack new ports with \
                 `deploy/local down --wipe`"
            );
        }
    }
    Ok(())
}

/// Writes `.local/env`: addresses and keys for scripts, readable by their owner only.
fn write_environment(site: &Site) -> anyhow::Result<()> {
    let mut lines = vec![
        format!("ROOKERY_URL={}", site.http_url("gateway-1")?),
        format!("ROOKERY_API_KEY={}", site.secrets.admin_key),
    ];
    if site.mode == Mode::Simulated {
        lines.push(format!("ROOKERY_SIM_URL={}", site.http_url("network-http")?));
        lines.push(format!("ROOKERY_SIM_WS={}", site.network_protocol_url()?));
        lines.push(format!(
            "ROOKERY_SIM_MEDIA_CA={}",
            site.network_media_ca_file().display()
        ));
    }
    lines.extend([
        format!("ROOKERY_WEBHOOK_SINK_URL={}", site.http_url("webhook-sink")?),
        format!("DATABASE_URL={}", site.database_url()?),
        format!("NATS_URL={}", site.nats_url()?),
        format!(
            "NATS_CREDS={}",
            site.directory.secrets().join(authority::SERVICES_FILE).display()
        ),
        format!("S3_ENDPOINT={}", site.http_url("s3")?),
        format!("S3_BUCKET={BUCKET}"),
        format!("S3_ACCESS_KEY_ID={}", site.secrets.s3_access_key),
        format!("S3_SECRET_ACCESS_KEY={}", site.secrets.s3_secret_key),
    ]);
    write_private(&site.directory.environment_file(), &(lines.join("\n") + "\n")).context("cannot write the addresses")
}

/// Tells a person where everything is.
pub(super) fn print_addresses(site: &Site) -> anyhow::Result<()> {
    let url = site.http_url("gateway-1")?;
    heading("Rookery runs");
    say(format!("  API            {url}/v1"));
    say(format!("  Panel          {url}/panel"));
    say(format!("  Documentation  {url}/docs"));
    say(format!("  Admin key      {}", site.secrets.admin_key));
    if site.mode == Mode::Simulated {
        say(format!(
            "  Network        {} (plays the people)",
            site.http_url("network-http")?
        ));
    }
    say(format!(
        "  For scripts    {}",
        site.directory.environment_file().display()
    ));
    say("  deploy/local status | logs NAME | down");
    Ok(())
}
