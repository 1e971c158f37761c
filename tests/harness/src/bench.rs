//! The benchmarks: real processes, built as they are released, on the simulated network.
//!
//! A figure without its circumstances says nothing, so every table prints beside it what it depends on: the disk's own speed in the same run, or the
//! slope instead of the sum.

mod api_fuzz;
mod idle_memory;
mod media;
pub mod read_model;
mod send_latency;

use std::path::Path;

use anyhow::ensure;

use crate::progress::{heading, step};
use crate::repository::{self, Profile};
use crate::site::Programs;
use crate::stack::{Stack, StackBuilder, StackFolders};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchName {
    /// Memory of one worker with 0, 100, 500 and 1,000 idle sessions.
    IdleMemory,
    /// Time from the REST call to WhatsApp's acknowledgement, beside the disk's fsync in the same run.
    SendLatency,
    /// Lists and searches with ten million messages (or `--messages`), through the gateway. Half an hour and 10 GB of disk; only when named.
    ReadModel,
    /// Many generated requests to the API: none may be answered otherwise than the OpenAPI document says. Half an hour or more; only when named.
    ApiFuzz,
    /// The worker's memory while a document of 100 MB is received and sent.
    Media,
}

const ALL: [BenchName; 3] = [BenchName::IdleMemory, BenchName::SendLatency, BenchName::Media];

/// Measures one thing, or everything.
///
/// # Errors
/// When something cannot be built, started or measured.
pub async fn run(name: Option<BenchName>, messages: Option<u64>, development: bool) -> anyhow::Result<()> {
    ensure!(
        !development || name == Some(BenchName::ReadModel),
        "only what the database does can be measured with programs that were built quickly"
    );
    let profile = if development {
        Profile::Development
    } else {
        Profile::Release
    };
    heading("Building the programs");
    let work = repository::build_measured_programs(profile);
    step("gateway, dispatcher and network", work).await?;
    // Lists are read from the database: no session runs.
    if name != Some(BenchName::ReadModel) {
        let work = repository::build_simulated_worker(profile);
        step("the worker that accepts the simulated network", work).await?;
    }
    let folders = StackFolders::of_this_run().await?;
    for bench in name.map_or(ALL.to_vec(), |name| vec![name]) {
        let folder = folders.next();
        match bench {
            BenchName::IdleMemory => idle_memory::run(&folder).await?,
            BenchName::SendLatency => send_latency::run(&folder).await?,
            BenchName::ReadModel => {
                let messages = messages.unwrap_or(read_model::MESSAGES);
                read_model::measure(stack(&folder, profile)?, messages).await?;
            }
            BenchName::Media => media::run(&folder).await?,
            BenchName::ApiFuzz => api_fuzz::run(&folder).await?,
        }
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::remove_dir_all(folders.root())?;
    Ok(())
}

/// A stack of released programs.
fn released_stack(folder: &Path) -> anyhow::Result<StackBuilder> {
    stack(folder, Profile::Release)
}

fn stack(folder: &Path, profile: Profile) -> anyhow::Result<StackBuilder> {
    let built = Programs::beside_this_one()?;
    let target = built.folder().parent().unwrap_or(built.folder());
    let programs = Programs::in_folder(&target.join(profile.folder()));
    Ok(Stack::builder(folder)?.programs(programs))
}
