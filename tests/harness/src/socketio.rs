//! An unmodified Socket.IO client as the independent counterpart of the Multi-Session dialect's sockets. It is `tests/socketio/client.mjs`.

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::counterpart::Counterpart;
use crate::repository;
use crate::stack::Stack;

/// A running client; it ends when it is dropped.
#[derive(Debug)]
pub struct SocketIo {
    program: Counterpart,
}

impl SocketIo {
    /// Starts a client that connects to `url`, whose `path` is Socket.IO's own unless one is given. Whether it is let in is its first event.
    ///
    /// # Errors
    /// When Node or the client is not installed.
    pub fn start(stack: &Stack, name: &str, url: &str, path: Option<&str>) -> anyhow::Result<Self> {
        let folder = repository::root().join("tests/socketio");
        ensure!(
            folder.join("node_modules/socket.io-client").is_dir(),
            "Socket.IO is not installed: `npm ci --prefix tests/socketio`"
        );
        let mut command = Command::new("node");
        command.arg(folder.join("client.mjs")).args(["--url", url]);
        if let Some(path) = path {
            command.args(["--path", path]);
        }
        let program = Counterpart::start(
            "Socket.IO",
            &stack.site().directory,
            &format!("socketio-{name}"),
            command,
        )?;
        Ok(Self { program })
    }

    /// The first event of this kind that nobody has claimed yet: `connect`, `upgrade`, `refused`, `disconnect`.
    ///
    /// # Errors
    /// When none comes.
    pub async fn event(&mut self, kind: &str) -> anyhow::Result<Value> {
        self.program.event(kind).await
    }

    /// Says something to the server.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn emit(&mut self, name: &str, data: &Value) -> anyhow::Result<()> {
        let command = json!({ "do": "emit", "name": name, "data": data });
        self.program.command(&command).await
    }

    /// What the server says under this name, the first that fits.
    ///
    /// # Errors
    /// When it does not.
    pub async fn hears(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let event = self
            .program
            .first(name, |event| {
                event["event"] == "heard" && event["name"] == name && fits(&event["data"])
            })
            .await?;
        Ok(event["data"].clone())
    }

    /// Everything that the server has said and nobody has claimed.
    #[must_use]
    pub fn heard(&mut self) -> Vec<Value> {
        let heard = self.program.unclaimed().filter(|event| event["event"] == "heard");
        heard.cloned().collect()
    }
}
