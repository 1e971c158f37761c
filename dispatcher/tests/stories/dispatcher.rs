//! A dispatcher: the real program in a process of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use harness::wait::{SOON, until};

/// A dispatcher that runs. Killed with the value; its log is shown when the story fails.
pub(crate) struct Dispatcher {
    process: Child,
    log: PathBuf,
}

/// How a dispatcher is started, as variables of its environment.
pub(crate) struct Settings(pub(crate) Vec<(&'static str, String)>);

impl Settings {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.into()));
        self
    }

    /// Starts a dispatcher that writes its log to `log`.
    pub(crate) fn start(&self, log: PathBuf) -> Dispatcher {
        let output = File::create(&log).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_rookery-dispatcher"))
            .env_clear()
            .envs(self.0.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Dispatcher { process, log }
    }
}

impl Dispatcher {
    /// Ends it at once, as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks it to stop, as `kill` does.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().unwrap().to_string();
        let status = std::process::Command::new("kill").arg(id).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        tokio::time::timeout(SOON, self.process.wait())
            .await
            .expect("a dispatcher did not stop")
            .unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where its operations endpoint is.
    pub(crate) async fn operations(&self) -> String {
        until("the operations endpoint is up", SOON, async || {
            let log = self.log();
            let (_, rest) = log.split_once("operations endpoint is up address=")?;
            Some(format!("http://{}", rest.split_whitespace().next()?))
        })
        .await
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {} ---\n{}", self.log.display(), self.log());
        }
    }
}
