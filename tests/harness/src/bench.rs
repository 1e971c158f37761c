//! The benchmarks: real processes, built as they are released unless somebody asks for the quick build, on the simulated network.
//!
//! A figure without its circumstances says nothing, so every table prints beside it what it depends on: the disk's own speed in the same run, or the
//! slope instead of the sum.

mod api_fuzz;
mod idle_memory;
mod media;
pub mod read_model;
mod send_latency;

use std::path::PathBuf;

use crate::progress::{heading, say, step};
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
    /// The worker's memory while a document of 100 MiB is received and sent, and files that arrive while the bucket is away for a minute.
    Media,
}

const ALL: [BenchName; 3] = [BenchName::IdleMemory, BenchName::SendLatency, BenchName::Media];

/// What is measured: where its stacks are kept, and how their programs are built.
#[derive(Debug)]
struct Subject {
    folder: PathBuf,
    profile: Profile,
}

impl Subject {
    /// A stack of the programs that are measured.
    fn stack(&self) -> anyhow::Result<StackBuilder> {
        let built = Programs::beside_this_one()?;
        let target = built.folder().parent().unwrap_or(built.folder());
        let programs = Programs::in_folder(&target.join(self.profile.folder()));
        Ok(Stack::builder(&self.folder)?.programs(programs))
    }
}

/// Measures one thing, or everything, with programs that are built in this way.
///
/// # Errors
/// When something cannot be built, started or measured.
pub async fn run(name: Option<BenchName>, messages: Option<u64>, profile: Profile) -> anyhow::Result<()> {
    heading(match profile {
        Profile::Release => "Building the programs as they are released",
        Profile::Development => "Building the programs for development: memory is about the same, times are not",
    });
    let work = repository::build_measured_programs(profile);
    step("gateway, dispatcher and network", work).await?;
    // Lists are read from the database: no session runs.
    if name != Some(BenchName::ReadModel) {
        let work = repository::build_simulated_worker(profile);
        step("the worker that accepts the simulated network", work).await?;
    }
    let folders = StackFolders::of_this_run().await?;
    for bench in name.map_or(ALL.to_vec(), |name| vec![name]) {
        let subject = Subject {
            folder: folders.next(),
            profile,
        };
        match bench {
            BenchName::IdleMemory => idle_memory::run(&subject).await?,
            BenchName::SendLatency => send_latency::run(&subject).await?,
            BenchName::ReadModel => read_model::run(&subject, messages.unwrap_or(read_model::MESSAGES)).await?,
            BenchName::Media => media::run(&subject).await?,
            BenchName::ApiFuzz => api_fuzz::run(&subject).await?,
        }
        say(format!("  Programs: {profile}."));
        std::fs::remove_dir_all(&subject.folder)?;
    }
    std::fs::remove_dir_all(folders.root())?;
    Ok(())
}
