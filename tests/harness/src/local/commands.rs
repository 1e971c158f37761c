//! The command line of `deploy/local`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::bench::BenchName;

/// Runs, shows, tests and measures a whole Rookery on this machine.
#[derive(Debug, Parser)]
#[command(name = "deploy/local", bin_name = "deploy/local", max_term_width = 120)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where the stack is kept; `.local` in the checkout by default.
    #[arg(long, global = true, env = "ROOKERY_LOCAL_DIRECTORY")]
    pub directory: Option<PathBuf>,
    /// How many gateways run.
    #[arg(long, global = true, env = "ROOKERY_GATEWAYS", default_value_t = 1)]
    pub gateways: usize,
    /// How many workers run.
    #[arg(long, global = true, env = "ROOKERY_WORKERS", default_value_t = 1)]
    pub workers: usize,
    /// How many dispatchers run.
    #[arg(long, global = true, env = "ROOKERY_DISPATCHERS", default_value_t = 1)]
    pub dispatchers: usize,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the stack on the simulated network and tell the main story with its times: link a number, send, answer, webhook. It goes on running.
    Demo,
    /// Start the stack: what runs is kept, what died is started again, data and ports stay.
    Up {
        /// Talk to the simulated network instead of WhatsApp.
        #[arg(long)]
        simulated: bool,
    },
    /// Check and test everything: format, lints, licences, documentation, tests, stories. Needs no running stack and touches none.
    Test {
        /// Tell only stories whose name contains this, and do nothing else; `generated-requests`: only put generated requests to the API.
        filter: Vec<String>,
    },
    /// Record our SQL statements in `.sqlx`, which is needed after one has changed: builds check them by that record.
    Statements,
    /// Write the table of what is tested by what (`tests/COVERAGE.md`) from the latest run of all stories.
    Coverage,
    /// Measure, with programs as they are released, and print tables.
    Bench {
        /// What to measure; everything by default.
        name: Option<BenchName>,
        /// How many messages `read-model` loads; 10,000,000 if not said.
        #[arg(long)]
        messages: Option<u64>,
        /// Measure `read-model` with programs that are built quickly and are slower themselves: the database does most of its work.
        #[arg(long)]
        development: bool,
    },
    /// Show what runs.
    Status,
    /// Show the end of one log, or of all.
    Logs {
        /// The process: gateway-1, worker-1, dispatcher-1, postgres, nats, s3, network or webhook-sink.
        name: Option<String>,
        /// Go on showing what comes.
        #[arg(long, short, requires = "name")]
        follow: bool,
    },
    /// Stop everything. Data stay, for the next `up`.
    Down {
        /// Remove the data, the secrets and the installed tools too: nothing is left.
        #[arg(long)]
        wipe: bool,
    },
}
