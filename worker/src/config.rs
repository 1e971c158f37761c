//! The worker's configuration: flags, and variables `ROOKERY_…`.

use clap::{Args, Parser, Subcommand};
use shared::config::{
    DatabaseOptions, EgressOptions, NatsOptions, OperationsOptions, RegionOptions, RegionSecretOptions,
    ShutdownOptions, TelemetryOptions,
};
use url::Url;

use crate::engine::whatsapp::version::Version;

/// Holds WhatsApp connections: claims sessions, executes their commands, records their events.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do instead of working.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to work.
    #[command(flatten)]
    pub options: Options,
}

/// What a worker can do instead of working.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Prints a fresh pair of region keys: the secret one for workers and dispatchers, the public one for gateways.
    RegionKey,
}

/// How a worker works.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where it runs.
    #[command(flatten)]
    pub region: RegionOptions,
    /// The region's secret key.
    #[command(flatten)]
    pub region_secret: RegionSecretOptions,
    /// PostgreSQL.
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// NATS.
    #[command(flatten)]
    pub nats: NatsOptions,
    /// WhatsApp.
    #[command(flatten)]
    pub whatsapp: WhatsAppOptions,
    /// Where proxies of sessions may lead.
    #[command(flatten)]
    pub egress: EgressOptions,
    /// Operations.
    #[command(flatten)]
    pub operations: OperationsOptions,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
    /// How it stops.
    #[command(flatten)]
    pub shutdown: ShutdownOptions,
}

/// WhatsApp.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "WhatsApp")]
pub struct WhatsAppOptions {
    /// The endpoint of WhatsApp's network.
    #[arg(long, env = "ROOKERY_WHATSAPP_URL", default_value = "wss://web.whatsapp.com/ws/chat")]
    pub whatsapp_url: Url,
    /// The version of WhatsApp Web to be, as `2.3000.REVISION`. Unset: read from WhatsApp once a day.
    #[arg(long, env = "ROOKERY_WHATSAPP_VERSION", value_parser = parse_version)]
    pub whatsapp_version: Option<Version>,
    /// The name under which phones list this device.
    #[arg(long, env = "ROOKERY_DEVICE_NAME", default_value = "Rookery")]
    pub device_name: String,
    /// Sessions that this worker holds at most; among several workers also its weight.
    #[arg(long, env = "ROOKERY_WORKER_CAPACITY", default_value_t = 5_000, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub worker_capacity: i32,
    /// Connections to WhatsApp that this worker opens a second, at most.
    #[arg(long, env = "ROOKERY_CONNECTS_PER_SECOND", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connects_per_second: u32,
    /// Connections on which a session shows QR codes before it gives up. Each shows six codes in about 160 seconds.
    #[arg(long, env = "ROOKERY_QR_ROUNDS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub qr_rounds: u32,
    /// How long messages may wait, in seconds, without any of them getting further before the session says so (`session.stalled`).
    #[arg(long, env = "ROOKERY_STALLED_AFTER_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stalled_after_seconds: u64,
}

fn parse_version(text: &str) -> Result<Version, String> {
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| part.parse().map_err(|_| "expected 2.3000.REVISION"))
        .collect::<Result<_, _>>()?;
    match parts[..] {
        [primary, secondary, tertiary] => Ok((primary, secondary, tertiary)),
        _ => Err("expected 2.3000.REVISION".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_three_numbers() {
        assert_eq!(parse_version("2.3000.1042742319"), Ok((2, 3000, 1_042_742_319)));
        assert!(parse_version("2.3000").is_err());
        assert!(parse_version("two").is_err());
    }

    #[test]
    fn the_help_text_can_be_made() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
