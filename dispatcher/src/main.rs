//! `rookery-dispatcher`: delivers the events of one region to its tenants' webhooks. Everything it does is in the library.

use std::process::ExitCode;

use clap::Parser as _;
use dispatcher::config::Config;
use shared::lifecycle::Shutdown;
use shared::telemetry::Telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let config = Config::parse();
    let telemetry = Telemetry::start(&config.telemetry, "rookery-dispatcher")?;
    let went_well = dispatcher::run(config, telemetry.metrics.clone(), Shutdown::new()).await?;
    Ok(if went_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
