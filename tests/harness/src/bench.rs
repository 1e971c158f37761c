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
    /// Lists and searches with ten million messages (or `--messages`), through the gateway. Some minutes and up to 10 GB of disk; only when named.
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
pub async fn run(name: Option<BenchName>, messages: Option<u64>) -> anyhow::Result<()> {
    heading("Building the programs as they are released");
    step("gateway, dispatcher and network", repository::build_released_programs()).await?;
    let work = repository::build_simulated_worker(Profile::Release);
    step("the worker that accepts the simulated network", work).await?;
    let folders = StackFolders::of_this_run().await?;
    for bench in name.map_or(ALL.to_vec(), |name| vec![name]) {
        let folder = folders.next();
        match bench {
            BenchName::IdleMemory => idle_memory::run(&folder).await?,
            BenchName::SendLatency => send_latency::run(&folder).await?,
            BenchName::ReadModel => read_model::run(&folder, messages.unwrap_or(read_model::MESSAGES)).await?,
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
    let built = Programs::beside_this_one()?;
    let target = built.folder().parent().unwrap_or(built.folder());
    let released = Programs::in_folder(&target.join(Profile::Release.folder()));
    Ok(Stack::builder(folder)?.programs(released))
}
