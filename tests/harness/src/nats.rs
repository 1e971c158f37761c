//! nats-server with JetStream, for this machine only: files that are synced after every message.
//!
//! `sync_interval: always` is what the reliability of the stack is measured with: the server's default syncs every two minutes and
//! acknowledges at once (Jepsen's report on NATS 2.12.1).

pub mod authority;

use std::process::Command;

use anyhow::{Context as _, anyhow, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use crate::directory::write_private;
use crate::ports::loopback;
use crate::process::Launch;
use crate::repository;
use crate::site::{Site, find_in_path};
use crate::wait::NotYet;

/// The oldest version that can do what the streams and consumers need.
const OLDEST_VERSION: (u32, u32) = (2, 10);

/// Writes the server's configuration.
///
/// # Errors
/// When the file cannot be written.
pub fn prepare(site: &Site) -> anyhow::Result<()> {
    let store = site.directory.data_of("nats");
    std::fs::create_dir_all(&store)?;
    let configuration = format!(
        "# Written by Rookery's local stack at every start.\n\
         listen: \"127.0.0.1:{port}\"\n\
         server_name: \"rookery-local\"\n\
         jetstream {{\n  store_dir: \"{store}\"\n  # Acknowledged means on the disk.\n  sync_interval: always\n}}\n{authority}",
        port = site.port("nats")?,
        store = store.display(),
        authority = site.authority.server_configuration()?,
    );
    site.authority.write_services_file(&site.directory)?;
    write_private(&configuration_file(site), &configuration)
}

/// How the server is started.
///
/// # Errors
/// When nats-server is missing or too old.
pub fn launch(site: &Site) -> anyhow::Result<Launch> {
    Ok(Launch::new("nats", find_server()?)
        .argument("--config")
        .argument(configuration_file(site)))
}

/// Whether the server accepts connections and has JetStream: it says so in its first line.
///
/// # Errors
/// [`NotYet`] when it does not.
pub async fn ready(site: &Site) -> Result<(), NotYet> {
    let stream = TcpStream::connect(loopback(site.port("nats")?)).await?;
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).await?;
    if greeting.contains("\"jetstream\":true") {
        return Ok(());
    }
    Err(NotYet::because(format!("it greets with '{}'", greeting.trim())))
}

/// The server: from `PATH` if it is new enough, else the one that `deploy/local` has unpacked.
///
/// # Errors
/// When there is none, or only one that is too old.
pub fn find_server() -> anyhow::Result<std::path::PathBuf> {
    let unpacked = repository::tools().join("bin").join("nats-server");
    let candidates = find_in_path("nats-server")
        .into_iter()
        .chain(unpacked.is_file().then_some(unpacked));
    let mut too_old = None;
    for candidate in candidates {
        let version = version_of(&candidate)?;
        if version >= OLDEST_VERSION {
            return Ok(candidate);
        }
        too_old = Some(anyhow!("nats-server {}.{} is too old", version.0, version.1));
    }
    Err(too_old
        .unwrap_or_else(|| anyhow!("there is no nats-server"))
        .context("Rookery needs nats-server 2.10 or newer: `deploy/local` installs it"))
}

fn version_of(server: &std::path::Path) -> anyhow::Result<(u32, u32)> {
    let output = Command::new(server)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", server.display()))?;
    ensure!(output.status.success(), "{} --version fails", server.display());
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| anyhow!("cannot read the version of nats-server from '{}'", text.trim()))
}

/// "nats-server: v2.15.1" → (2, 15)
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let numbers = text.trim().rsplit_once('v')?.1;
    let mut numbers = numbers.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn configuration_file(site: &Site) -> std::path::PathBuf {
    site.directory.root().join("nats.conf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_not_by_letter() {
        assert_eq!(parse_version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert!(parse_version("nats-server: v2.9.10").unwrap() < OLDEST_VERSION);
        assert!(parse_version("nats-server: v2.10.0-RC.1").unwrap() >= OLDEST_VERSION);
        assert_eq!(parse_version("gibberish"), None);
    }
}
