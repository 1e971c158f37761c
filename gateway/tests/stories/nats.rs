//! A broker of its own for the stories that need one.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::wait::{SOON, until};

/// A running `nats-server`. Killed with the value.
pub(crate) struct Nats {
    /// Where it listens.
    pub(crate) url: String,
    _process: Child,
    _directory: TempDir,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        let program = std::env::var_os("ROOKERY_TEST_NATS_SERVER")
            .expect("ROOKERY_TEST_NATS_SERVER is not set: give the path of the nats-server program");
        let directory = tempfile::tempdir().unwrap();
        let configuration = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: {:?}\njetstream {{ store_dir: {:?} }}\n",
            directory.path(),
            directory.path().join("store"),
        );
        let file = directory.path().join("nats.conf");
        tokio::fs::write(&file, configuration).await.unwrap();
        let process = Command::new(&program)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("ROOKERY_TEST_NATS_SERVER does not name a program");
        let name = Path::new(&program).file_name().unwrap().to_string_lossy().into_owned();
        let ports = directory.path().join(format!("{name}_{}.ports", process.id().unwrap()));
        let url = until("nats-server is ready", SOON, async || {
            let text = tokio::fs::read(&ports).await.ok()?;
            let ports: serde_json::Value = serde_json::from_slice(&text).ok()?;
            Some(ports["nats"][0].as_str()?.to_owned())
        })
        .await;
        Self {
            url,
            _process: process,
            _directory: directory,
        }
    }
}
