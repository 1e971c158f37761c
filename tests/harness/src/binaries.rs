//! Gateways, workers and dispatchers: how this repository's own binaries are configured in a stack.
//!
//! They get what an operator would give them, and nothing that production does not have: addresses, secrets in files, and permission to deliver
//! webhooks to this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::directory::write_private;
use crate::http;
use crate::nats::authority;
use crate::process::Launch;
use crate::site::{BUCKET, Mode, REGION, Site};
use crate::wait::NotYet;

/// How quickly workers log in to the simulated network, which does not mind: sessions a second.
const SIMULATED_CONNECTS_PER_SECOND: u32 = 200;
/// Seconds until a process that does not stop by itself stops anyway.
const SHUTDOWN_SECONDS: u32 = 10;

/// Writes the files that the binaries read their secrets from.
///
/// # Errors
/// When a file cannot be written.
pub fn prepare(site: &Site) -> anyhow::Result<()> {
    write_private(&secret_file(site, "database-url"), &site.database_url()?)
}

/// How gateway number `number` is started.
///
/// # Errors
/// When no port is free.
pub fn gateway(site: &Site, number: usize) -> anyhow::Result<Launch> {
    let name = format!("gateway-{number}");
    let launch = Launch::new(&name, site.programs.path("rookery-gateway"))
        .variable("ROOKERY_LISTEN_ADDRESS", address(site, &name)?)
        .variable("ROOKERY_ADMIN_KEY_FILE", secret_file(site, "admin-key").display())
        .variable("ROOKERY_REGION_PUBLIC_KEY", &site.secrets.region_public_key)
        .variable("ROOKERY_STREAM_ACCOUNT", site.authority.tenants_account())
        .variable(
            "ROOKERY_STREAM_SIGNING_KEY_FILE",
            secret_file(site, authority::SIGNING_KEY_FILE).display(),
        );
    common(site, with_egress(launch))
}

/// How worker number `number` is started.
///
/// # Errors
/// When no port is free.
pub fn worker(site: &Site, number: usize) -> anyhow::Result<Launch> {
    let program = match site.mode {
        Mode::Simulated => "rookery-worker-simulated",
        Mode::Real => "rookery-worker",
    };
    worker_with(site, number, program)
}

/// The worker as it is released, whatever the stack's mode: for proving that it refuses the simulated network.
///
/// # Errors
/// When no port is free.
pub fn production_worker(site: &Site, number: usize) -> anyhow::Result<Launch> {
    worker_with(site, number, "rookery-worker")
}

fn worker_with(site: &Site, number: usize, program: &str) -> anyhow::Result<Launch> {
    let name = format!("worker-{number}");
    let mut launch = Launch::new(&name, site.programs.path(program));
    if site.mode == Mode::Simulated {
        launch = launch
            .variable("ROOKERY_WHATSAPP_URL", site.network_protocol_url()?)
            .variable("ROOKERY_SIMULATED_MEDIA_CA", site.network_media_ca_file().display())
            .variable("ROOKERY_CONNECTS_PER_SECOND", SIMULATED_CONNECTS_PER_SECOND);
    }
    let launch = launch
        .variable("ROOKERY_OPERATIONS_ADDRESS", address(site, &name)?)
        .variable(
            "ROOKERY_REGION_SECRET_KEY_FILE",
            secret_file(site, "region-secret-key").display(),
        );
    common(site, launch)
}

/// How dispatcher number `number` is started.
///
/// # Errors
/// When no port is free.
pub fn dispatcher(site: &Site, number: usize) -> anyhow::Result<Launch> {
    let name = format!("dispatcher-{number}");
    let launch = Launch::new(&name, site.programs.path("rookery-dispatcher"))
        .variable("ROOKERY_OPERATIONS_ADDRESS", address(site, &name)?)
        .variable(
            "ROOKERY_REGION_SECRET_KEY_FILE",
            secret_file(site, "region-secret-key").display(),
        );
    common(site, with_egress(launch))
}

/// Whether the process called `name` says that it can do its work.
///
/// # Errors
/// [`NotYet`] with what it lacks.
pub async fn ready(site: &Site, name: &str) -> Result<(), NotYet> {
    let url = format!("{}/readyz", site.http_url(name)?);
    http::answers_well(&http::client()?, &url).await
}

fn common(site: &Site, launch: Launch) -> anyhow::Result<Launch> {
    let mut launch = launch
        .variable("ROOKERY_REGION", REGION)
        .variable("ROOKERY_DATABASE_URL_FILE", secret_file(site, "database-url").display())
        .variable("ROOKERY_NATS_URL", site.nats_url()?)
        .variable(
            "ROOKERY_NATS_CREDENTIALS_FILE",
            secret_file(site, authority::SERVICES_FILE).display(),
        )
        .variable("ROOKERY_S3_ENDPOINT", site.http_url("s3")?)
        .variable("ROOKERY_S3_BUCKET", BUCKET)
        .variable(
            "ROOKERY_S3_ACCESS_KEY_FILE",
            secret_file(site, "s3-access-key").display(),
        )
        .variable(
            "ROOKERY_S3_SECRET_KEY_FILE",
            secret_file(site, "s3-secret-key").display(),
        )
        .variable("ROOKERY_SHUTDOWN_SECONDS", SHUTDOWN_SECONDS);
    // The sink's address is only known now.
    let hooks = format!("{}/hooks", site.http_url("webhook-sink")?);
    let variables = site.tuning.variables.iter();
    launch
        .environment
        .extend(variables.map(|(name, value)| (name.clone(), value.replace("{sink}", &hooks))));
    Ok(launch)
}

/// Webhooks may lead to this machine, without TLS: the sink is here, and so is whatever its developer writes.
fn with_egress(launch: Launch) -> Launch {
    launch
        .variable("ROOKERY_EGRESS_ALLOW", "127.0.0.0/8")
        .variable("ROOKERY_EGRESS_ALLOW_HTTP", true)
}

fn address(site: &Site, name: &str) -> anyhow::Result<SocketAddr> {
    Ok(crate::ports::loopback(site.port(name)?))
}

fn secret_file(site: &Site, name: &str) -> PathBuf {
    site.directory.secrets().join(name)
}
