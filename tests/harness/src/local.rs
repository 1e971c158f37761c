//! The local stack: what `deploy/local` does once the machine has what it needs.

mod commands;
mod database;
mod demo;
mod down;
mod statements;
mod status;
mod test;
mod up;

use std::path::PathBuf;

pub use commands::{Command, Options};

use crate::bench;
use crate::coverage;
use crate::directory::Directory;
use crate::repository;
use crate::results::read_results;
use crate::service::Counts;

/// Does what the command line says.
///
/// # Errors
/// When it fails; the text is for the person at the keyboard.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let local = Local {
        folder: options.directory.unwrap_or_else(repository::local_directory),
        counts: Counts {
            gateways: options.gateways,
            workers: options.workers,
            dispatchers: options.dispatchers,
        },
    };
    match options.command {
        Command::Demo => demo::run(&local).await,
        Command::Up { simulated } => up::run(&local, simulated).await,
        Command::Test { filter } => test::run(&filter).await,
        Command::Statements => statements::record().await,
        Command::Coverage => coverage::write(&read_results()?),
        Command::Bench {
            name,
            messages,
            development,
        } => bench::run(name, messages, development).await,
        Command::Status => status::run(&local),
        Command::Logs { name, follow } => status::logs(&local, name.as_deref(), follow),
        Command::Down { wipe } => down::run(&local, wipe).await,
    }
}

/// The local stack of this checkout, which may or may not exist.
struct Local {
    folder: PathBuf,
    counts: Counts,
}

impl Local {
    fn existing(&self) -> Option<Directory> {
        Directory::existing(&self.folder)
    }
}
