//! A broker of the test's own: the program that `ROOKERY_TEST_NATS_SERVER` names. Killed with the value.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::wait::{SOON, until};

/// A running `nats-server`.
#[derive(Debug)]
pub struct Nats {
    program: String,
    directory: TempDir,
    process: Child,
    port: u16,
}

impl Nats {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let program = super::told("ROOKERY_TEST_NATS_SERVER", "the nats-server program");
        let directory = tempfile::tempdir().unwrap();
        let (process, port) = start(&program, directory.path(), None).await;
        Self {
            program,
            directory,
            process,
            port,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power failure would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Loses everything that it has stored, while it is killed.
    ///
    /// # Panics
    /// When its files cannot be removed.
    pub async fn lose_everything(&self) {
        tokio::fs::remove_dir_all(self.directory.path().join("store"))
            .await
            .unwrap();
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        (self.process, self.port) = start(&self.program, self.directory.path(), Some(self.port)).await;
    }
}

/// Starts a broker and finds out its port from the file that it writes when it is ready.
async fn start(program: &str, directory: &Path, port: Option<u16>) -> (Child, u16) {
    let port = port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let configuration = format!(
        "listen: \"127.0.0.1:{port}\"\nports_file_dir: {directory:?}\njetstream {{ store_dir: {store:?}, sync_interval: always }}\n",
        store = directory.join("store"),
    );
    let file = directory.join("nats.conf");
    tokio::fs::write(&file, configuration).await.unwrap();
    let process = Command::new(program)
        .arg("-c")
        .arg(&file)
        .arg("-l")
        .arg(directory.join("nats.log"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ROOKERY_TEST_NATS_SERVER does not name a program");
    let name = Path::new(program).file_name().unwrap().to_string_lossy().into_owned();
    let ports = directory.join(format!("{name}_{}.ports", process.id().unwrap()));
    let port = until("nats-server is ready", SOON, async || {
        let text = tokio::fs::read(&ports).await.ok()?;
        let ports: serde_json::Value = serde_json::from_slice(&text).ok()?;
        ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
    })
    .await;
    (process, port)
}
