//! `rookery-gateway`: reads the configuration, starts telemetry, runs the gateway, says how it ended.

use std::process::ExitCode;

use clap::Parser as _;
use gateway::config::Configuration;
use shared::lifecycle::Shutdown;
use shared::telemetry::Telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let config = Configuration::parse();
    let telemetry = Telemetry::start(&config.telemetry, "rookery-gateway")?;
    let shutdown = Shutdown::new();
    let soft = shutdown.soft().clone();
    let upkeep = Telemetry::upkeep(telemetry.metrics.clone());
    shutdown.spawn(async move {
        tokio::select! {
            () = upkeep => {}
            () = soft.cancelled() => {}
        }
    });
    gateway::run(&config, telemetry.metrics.clone(), &shutdown).await?;
    let well = shutdown.wait(config.shutdown.grace()).await?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
