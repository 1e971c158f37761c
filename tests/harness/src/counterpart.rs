//! A client that others wrote, run as a program of its own and driven by lines of JSON: commands on its standard input, events on its standard output.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::directory::{Directory, open_log};
use crate::process::mark;

/// How long an expected event may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running client; it ends when it is dropped.
#[derive(Debug)]
pub struct Counterpart {
    /// Whose client it is, for people.
    maker: &'static str,
    commands: ChildStdin,
    events: mpsc::UnboundedReceiver<Value>,
    unclaimed: VecDeque<Value>,
    /// Killed when dropped.
    _process: Child,
}

impl Counterpart {
    /// Starts `command` as the process `name` of a stack's directory.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(maker: &'static str, directory: &Directory, name: &str, mut command: Command) -> anyhow::Result<Self> {
        let mut process = command
            .envs(mark(directory, name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(open_log(&directory.log_file(name))?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {maker}: it needs Node 20 or newer"))?;
        let commands = process.stdin.take().context("the program has no input")?;
        let mut lines = BufReader::new(process.stdout.take().context("the program has no output")?).lines();
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let event =
                    serde_json::from_str(&line).unwrap_or_else(|_| json!({ "event": "nonsense", "line": line }));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            maker,
            commands,
            events,
            unclaimed: VecDeque::new(),
            _process: process,
        })
    }

    /// Gives a command.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn command(&mut self, command: &Value) -> anyhow::Result<()> {
        let line = format!("{command}\n");
        let written = self.commands.write_all(line.as_bytes()).await;
        written.with_context(|| format!("{} has ended", self.maker))
    }

    /// The first event of this kind that nobody has claimed yet.
    ///
    /// # Errors
    /// When none comes.
    pub async fn event(&mut self, kind: &str) -> anyhow::Result<Value> {
        self.first(kind, |event| event["event"] == kind).await
    }

    /// The first event that fits and that nobody has claimed yet; others stay for later.
    ///
    /// # Errors
    /// When none comes: the text lists what came instead.
    pub async fn first(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        if let Some(place) = self.unclaimed.iter().position(&fits) {
            return self.unclaimed.remove(place).context("the place was just found");
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (maker, unclaimed) = (self.maker, &self.unclaimed);
            let event = match timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => event,
                Ok(None) => bail!("{maker} ended before {what} came; what came: {unclaimed:?}"),
                Err(_) => bail!("{what} never came from {maker}; what came: {unclaimed:?}"),
            };
            if fits(&event) {
                return Ok(event);
            }
            self.unclaimed.push_back(event);
        }
    }

    /// What has come and nobody has claimed.
    pub fn unclaimed(&mut self) -> impl Iterator<Item = &Value> {
        while let Ok(event) = self.events.try_recv() {
            self.unclaimed.push_back(event);
        }
        self.unclaimed.iter()
    }
}
