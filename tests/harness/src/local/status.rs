//! Looking at the local stack.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::Local;
use crate::directory::{Directory, tail};
use crate::process::Process;
use crate::progress::{duration, heading, say};
use crate::report::Table;
use crate::service::Service;
use crate::site::{Programs, Site, Tuning};

/// Lines of each log when all are shown.
const LINES_OF_EACH: usize = 12;
/// Lines of a log when one is shown.
const LINES_OF_ONE: &str = "200";
const MEBIBYTE: u64 = 1024 * 1024;

/// `deploy/local status`: fails when something that was started does not run.
pub(super) fn run(local: &Local) -> anyhow::Result<()> {
    let Some((directory, mode)) = local
        .existing()
        .and_then(|directory| Site::mode_of(&directory).map(|mode| (directory, mode)))
    else {
        bail!("there is no local stack: `deploy/local up` starts one");
    };
    let site = Site::open(directory.clone(), mode, Programs::beside_this_one()?, Tuning::default())?;
    let mut table = Table::new(&["process", "state", "pid", "since", "memory", "address"]);
    let mut dead = Vec::new();
    for name in names(&directory)? {
        let address = Service::parse(&name)
            .and_then(|service| service.address(&site).ok())
            .unwrap_or_default();
        let Some(process) = Process::find(&directory, &name) else {
            let nothing = "-".to_owned();
            dead.push(name.clone());
            table.row([
                name,
                "dead".to_owned(),
                nothing.clone(),
                nothing.clone(),
                nothing,
                address,
            ]);
            continue;
        };
        let memory = process.resident_bytes().unwrap_or(0) / MEBIBYTE;
        let state = if process.is_outdated() { "outdated" } else { "running" };
        table.row([
            name,
            state.to_owned(),
            process.pid().to_string(),
            process.age().map(duration).unwrap_or_default(),
            format!("{memory} MiB"),
            address,
        ]);
    }
    heading(format!("The stack in {} ({mode})", directory.root().display()));
    say(table);
    if !dead.is_empty() {
        bail!(
            "not running: {}; `deploy/local up` starts what is missing",
            dead.join(", ")
        );
    }
    Ok(())
}

/// Every process that was started and not stopped, and every one that runs.
fn names(directory: &Directory) -> anyhow::Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = Process::all_of(directory)?
        .iter()
        .map(|process| process.name().to_owned())
        .collect();
    for entry in fs::read_dir(directory.pids())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // A file that is being written has a name of its own until it is complete.
        if Service::parse(&name).is_some() {
            names.insert(name);
        }
    }
    Ok(names)
}

/// `deploy/local logs`
pub(super) fn logs(local: &Local, name: Option<&str>, follow: bool) -> anyhow::Result<()> {
    let Some(directory) = local.existing() else {
        bail!("there is no local stack: `deploy/local up` starts one");
    };
    let Some(name) = name else {
        return all_logs(&directory);
    };
    let log = directory.log_file(name);
    if Service::parse(name).is_none() || !log.is_file() {
        bail!(
            "there is no log of '{name}'; there are: {}",
            log_names(&directory)?.join(", ")
        );
    }
    show(&log, follow)
}

fn all_logs(directory: &Directory) -> anyhow::Result<()> {
    for name in log_names(directory)? {
        heading(format!("{name}:"));
        for line in tail(&directory.log_file(&name), LINES_OF_EACH) {
            say(format!("  {line}"));
        }
    }
    Ok(())
}

fn log_names(directory: &Directory) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.logs())? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Becomes `tail`, which knows how to follow a file.
fn show(log: &Path, follow: bool) -> anyhow::Result<()> {
    let mut tail = std::process::Command::new("tail");
    tail.args(["-n", LINES_OF_ONE]);
    if follow {
        tail.arg("-F");
    }
    Err(tail.arg("--").arg(log).exec()).context("cannot run tail")
}
