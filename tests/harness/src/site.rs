//! What a stack consists of: its folder, its mode, its ports, its secrets and the programs it runs.
//!
//! A site is the plan; it starts nothing. What must be the same when the stack is started again is kept in `stack.json` in its folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, write_private};
use crate::nats::authority::Authority;
use crate::ports::free_port;
use crate::secrets::Secrets;

/// The region that a local stack serves.
pub const REGION: &str = "local";
/// The bucket of a local stack.
pub const BUCKET: &str = "rookery";

/// Which WhatsApp the workers of a stack talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The simulated network of this repository, and workers that accept its certificate.
    Simulated,
    /// WhatsApp itself, and workers as they are released.
    Real,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Simulated => "simulated network",
            Self::Real => "real WhatsApp",
        })
    }
}

/// What `stack.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    mode: Mode,
    ports: BTreeMap<String, u16>,
}

/// Settings of a stack that only tests need.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    /// Variables for gateways, workers and dispatchers.
    pub variables: Vec<(String, String)>,
    /// Arguments for the simulated network.
    pub network_arguments: Vec<String>,
    /// Whether the database is for tests that make one each and throw it away: its role may create databases, and nothing waits for the disk.
    pub scratch_database: bool,
    /// An empty database cluster to copy, made when it is missing.
    pub cluster_template: Option<PathBuf>,
    /// Whether the processes are kept from the `ROOKERY_…` variables of whoever starts them.
    pub hermetic: bool,
}

/// What a stack consists of.
#[derive(Debug)]
pub struct Site {
    /// Its folder.
    pub directory: Directory,
    /// Which WhatsApp it talks to.
    pub mode: Mode,
    /// Its secrets.
    pub secrets: Secrets,
    /// Who may do what at its broker.
    pub authority: Authority,
    /// Where the built programs are.
    pub programs: Programs,
    /// Settings that only tests need.
    pub tuning: Tuning,
    ports: Mutex<BTreeMap<String, u16>>,
}

impl Site {
    /// The site in `directory`, as it was or new.
    ///
    /// # Errors
    /// When the folder holds a stack of the other mode: sessions that were linked in the simulated network must never be presented to WhatsApp.
    pub fn open(directory: Directory, mode: Mode, programs: Programs, tuning: Tuning) -> anyhow::Result<Self> {
        let kept = Kept::read(&directory)?;
        if let Some(kept) = &kept
            && kept.mode != mode
        {
            bail!(
                "the stack in {} was made for the {}, not for the {mode}: `deploy/local down --wipe` removes it",
                directory.root().display(),
                kept.mode,
            );
        }
        let secrets = Secrets::open(&directory)?;
        let authority = Authority::open(&directory)?;
        let site = Self {
            directory,
            mode,
            secrets,
            authority,
            programs,
            tuning,
            ports: Mutex::new(kept.map(|kept| kept.ports).unwrap_or_default()),
        };
        site.keep(&site.ports.lock())?;
        Ok(site)
    }

    /// The mode of the stack in `directory`, if there is one.
    #[must_use]
    pub fn mode_of(directory: &Directory) -> Option<Mode> {
        Kept::read(directory).ok().flatten().map(|kept| kept.mode)
    }

    /// The port called `name`; the same for as long as the stack exists.
    ///
    /// # Errors
    /// When no port is free, or the choice cannot be kept.
    pub fn port(&self, name: &str) -> anyhow::Result<u16> {
        let mut ports = self.ports.lock();
        if let Some(port) = ports.get(name) {
            return Ok(*port);
        }
        let port = free_port()?;
        ports.insert(name.to_owned(), port);
        self.keep(&ports)?;
        Ok(port)
    }

    /// The database's address with user and password.
    ///
    /// # Errors
    /// See [`Site::port`].
    pub fn database_url(&self) -> anyhow::Result<String> {
        let port = self.port("postgres")?;
        Ok(format!(
            "postgres://rookery:{}@127.0.0.1:{port}/rookery",
            self.secrets.database_password
        ))
    }

    /// The broker's address.
    ///
    /// # Errors
    /// See [`Site::port`].
    pub fn nats_url(&self) -> anyhow::Result<String> {
        Ok(format!("nats://127.0.0.1:{}", self.port("nats")?))
    }

    /// An `http` address of this machine.
    ///
    /// # Errors
    /// See [`Site::port`].
    pub fn http_url(&self, port_name: &str) -> anyhow::Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.port(port_name)?))
    }

    /// Where the simulated network speaks WhatsApp's protocol.
    ///
    /// # Errors
    /// See [`Site::port`].
    pub fn network_protocol_url(&self) -> anyhow::Result<String> {
        Ok(format!("ws://127.0.0.1:{}/ws/chat", self.port("network-protocol")?))
    }

    /// The certificate of the authority that the simulated network's media store is signed by, in PEM; the network writes it at its start.
    #[must_use]
    pub fn network_media_ca_file(&self) -> PathBuf {
        self.directory.root().join("network-media-ca.pem")
    }

    /// Writes down what must stay as it is. The caller holds the ports: two services may ask for theirs at the same time.
    fn keep(&self, ports: &BTreeMap<String, u16>) -> anyhow::Result<()> {
        let kept = Kept {
            mode: self.mode,
            ports: ports.clone(),
        };
        write_private(&Kept::path(&self.directory), &serde_json::to_string_pretty(&kept)?)
    }
}

impl Kept {
    fn path(directory: &Directory) -> PathBuf {
        directory.root().join("stack.json")
    }

    fn read(directory: &Directory) -> anyhow::Result<Option<Self>> {
        let path = Self::path(directory);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)?;
        let kept = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Some(kept))
    }
}

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// The programs in a folder such as `target/debug`.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The programs beside the one that runs now: tests run from `deps`, one folder below.
    ///
    /// # Errors
    /// When this program does not know where it is.
    pub fn beside_this_one() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own path")?;
        let mut folder = program.parent().context("this program is in no folder")?;
        if folder.file_name() == Some(OsStr::new("deps")) {
            folder = folder.parent().context("this program is in no folder")?;
        }
        Ok(Self(folder.to_owned()))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// One program.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// The first program called `name` in the folders of `PATH`.
#[must_use]
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        Programs::in_folder(Path::new("/nonexistent"))
    }

    #[test]
    fn a_stack_that_is_started_again_has_the_same_ports_and_cannot_change_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        let first = Site::open(directory.clone(), Mode::Simulated, programs(), Tuning::default()).unwrap();
        let port = first.port("gateway-1").unwrap();
        assert_ne!(port, first.port("gateway-2").unwrap());
        let database_url = first.database_url().unwrap();

        let again = Site::open(directory.clone(), Mode::Simulated, programs(), Tuning::default()).unwrap();
        assert_eq!(again.port("gateway-1").unwrap(), port);
        assert_eq!(again.database_url().unwrap(), database_url);

        let error = Site::open(directory.clone(), Mode::Real, programs(), Tuning::default()).unwrap_err();
        assert!(error.to_string().contains("down --wipe"), "{error}");
        assert_eq!(Site::mode_of(&directory), Some(Mode::Simulated));
    }
}
