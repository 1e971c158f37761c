//! Stopping the local stack, and removing it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;

use super::Local;
use crate::directory::Directory;
use crate::process::Process;
use crate::progress::{line, say};
use crate::service::Service;

/// How long a process may take to stop by itself.
const GRACE: Duration = Duration::from_secs(20);
/// Everything that a stack and `deploy/local` ever put into the folder. Nothing else is removed: the folder may be somebody's home.
const OURS: [&str; 10] = [
    "pids",
    "logs",
    "data",
    "secrets",
    "tools",
    "env",
    "stack.json",
    "network-media-ca.pem",
    "nats.conf",
    "lock",
];

/// `deploy/local down`
pub(super) async fn run(local: &Local, wipe: bool) -> anyhow::Result<()> {
    let stopped = match local.existing() {
        Some(directory) => stop_everything(&directory).await?,
        None => 0,
    };
    if stopped == 0 {
        say("  nothing was running");
    }
    if wipe && local.folder.exists() {
        remove(&local.folder)?;
        say(format!("  {} is removed", local.folder.display()));
    }
    Ok(())
}

/// Stops every process of the stack, clients before what they use. Returns how many there were.
async fn stop_everything(directory: &Directory) -> anyhow::Result<usize> {
    let mut processes: Vec<(Option<Service>, Process)> = Process::all_of(directory)?
        .into_iter()
        .map(|process| (Service::parse(process.name()), process))
        .collect();
    let count = processes.len();
    let order = |service: &Option<Service>| service.map_or(0, Service::stop_order);
    processes.sort_by_key(|(service, _)| order(service));
    for group in processes.chunk_by(|left, right| order(&left.0) == order(&right.0)) {
        let ends = join_all(group.iter().map(|(service, process)| stop_one(*service, process))).await;
        ends.into_iter().collect::<anyhow::Result<()>>()?;
    }
    let left = Process::all_of(directory)?;
    let names: Vec<&str> = left.iter().map(Process::name).collect();
    ensure!(left.is_empty(), "still running: {}", names.join(", "));
    // Files of processes that had died by themselves.
    for entry in fs::read_dir(directory.pids())? {
        fs::remove_file(entry?.path())?;
    }
    Ok(count)
}

async fn stop_one(service: Option<Service>, process: &Process) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    let signal = service.map_or(rustix::process::Signal::TERM, Service::stop_signal);
    let by_itself = process.stop(signal, GRACE).await?;
    let how = if by_itself {
        "stopped"
    } else {
        "killed: it did not stop by itself"
    };
    say(line("✓", &format!("{} {how}", process.name()), start.elapsed()));
    Ok(())
}

/// Removes what is ours from the folder, then the folder if nothing else is in it.
fn remove(folder: &Path) -> anyhow::Result<()> {
    for name in OURS {
        let path = folder.join(name);
        let outcome = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        match outcome {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    if fs::remove_dir(folder).is_err() {
        bail!("{} holds something that is not ours, so it stays", folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        fs::write(directory.environment_file(), "A=1").unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        let error = remove(directory.root()).unwrap_err();
        assert!(error.to_string().contains("not ours"), "{error}");
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["thesis.txt"]);
    }
}
