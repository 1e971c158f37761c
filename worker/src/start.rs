//! What the two binaries' `main` have in common: reading the configuration, telemetry, running, the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use shared::seal::RegionSecretKey;
use shared::telemetry::Telemetry;

use crate::config::{Cli, Command, Options};

/// Starts the process. `check` refuses a configuration that this binary must not run with.
#[must_use]
pub fn start(check: fn(&Options) -> Result<(), String>) -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::RegionKey) = cli.command {
        print_region_key();
        return ExitCode::SUCCESS;
    }
    match run(cli.options, check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options, check: fn(&Options) -> Result<(), String>) -> anyhow::Result<bool> {
    check(&options).map_err(anyhow::Error::msg)?;
    use_small_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(64)
        .build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&options.telemetry, "rookery-worker")?;
        tokio::spawn(Telemetry::upkeep(telemetry.metrics.clone()));
        crate::run(options, telemetry.metrics.clone()).await
    })
}

/// Sessions are many small things that come and go: of a huge page (2 MiB) much stays empty and counts all the same. Measured with 1,000 idle
/// sessions: a quarter less memory each. Where the kernel refuses, only memory is lost.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).ok();
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn print_region_key() {
    let key = RegionSecretKey::generate();
    println!("ROOKERY_REGION_SECRET_KEY={}", *key.to_base64());
    println!("ROOKERY_REGION_PUBLIC_KEY={}", key.public_base64());
}

#[expect(clippy::print_stderr, reason = "logging may not be set up")]
fn report(error: &anyhow::Error) {
    eprintln!("rookery-worker: {error:#}");
}
