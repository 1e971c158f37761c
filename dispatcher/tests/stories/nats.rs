//! A broker of its own for each story.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::wait::{SOON, until};

/// A running `nats-server` whose streams are below a directory. Killed with the value.
pub(crate) struct Nats {
    program: PathBuf,
    directory: PathBuf,
    process: Child,
    port: u16,
}

impl Nats {
    /// Starts a broker on a free port.
    pub(crate) async fn start(directory: &Path) -> Self {
        let program = std::env::var_os("ROOKERY_TEST_NATS_SERVER")
            .expect("ROOKERY_TEST_NATS_SERVER is not set: give the path of the nats-server program");
        let program = PathBuf::from(program);
        let directory = directory.join("nats");
        tokio::fs::create_dir_all(&directory).await.unwrap();
        let (process, port) = start(&program, &directory, None).await;
        Self {
            program,
            directory,
            process,
            port,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends the broker as a power failure would.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Loses everything that it has stored, while it is killed.
    pub(crate) async fn lose_everything(&self) {
        tokio::fs::remove_dir_all(self.directory.join("store")).await.unwrap();
    }

    /// Starts it again where it was.
    pub(crate) async fn start_again(&mut self) {
        (self.process, self.port) = start(&self.program, &self.directory, Some(self.port)).await;
    }
}

/// Starts a broker and finds out its port from the file that it writes when it is ready.
async fn start(program: &Path, directory: &Path, port: Option<u16>) -> (Child, u16) {
    let port = port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let configuration = format!(
        "listen: \"127.0.0.1:{port}\"\nports_file_dir: {ports:?}\njetstream {{ store_dir: {store:?}, sync_interval: always }}\n",
        ports = directory,
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
    let id = process.id().unwrap();
    let program = program.file_name().unwrap().to_string_lossy().into_owned();
    let ports = directory.join(format!("{program}_{id}.ports"));
    let port = until("nats-server is ready", SOON, async || {
        let text = tokio::fs::read(&ports).await.ok()?;
        let ports: serde_json::Value = serde_json::from_slice(&text).ok()?;
        ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
    })
    .await;
    (process, port)
}
