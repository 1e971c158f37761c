//! The program behind `deploy/local`.

use std::process::ExitCode;

use clap::Parser as _;
use harness::{local, progress};

fn main() -> ExitCode {
    let options = local::Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            progress::say(format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(local::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(format!("\n✗ {error:#}"));
            ExitCode::FAILURE
        }
    }
}
