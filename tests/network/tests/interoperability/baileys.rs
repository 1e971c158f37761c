//! Driving one Baileys client: `tests/baileys/client.mjs`, commands in and events out as lines of JSON.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::world::{PATIENCE, Person, World};

const INSTALL: &str = "npm ci --prefix tests/baileys";

/// A running client.
pub(crate) struct Baileys {
    child: Child,
    commands: ChildStdin,
    events: mpsc::UnboundedReceiver<Value>,
    unclaimed: VecDeque<Value>,
}

/// A client's credentials, kept while the client is stopped.
pub(crate) struct Credentials(TempDir);

impl Credentials {
    /// None yet.
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file with the certificate that the network's media store is signed by.
    fn trust(&self, world: &World) -> PathBuf {
        let file = self.path().join("media-ca.pem");
        std::fs::write(&file, world.media_authority()).unwrap();
        file
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../baileys")
}

impl Baileys {
    /// Starts a client with these credentials and further options.
    pub(crate) fn start_with(world: &World, credentials: &Credentials, options: &[&str]) -> Self {
        let installed = folder().join("node_modules/baileys").is_dir();
        assert!(installed, "Baileys is not installed; run: {INSTALL}");
        let mut child = Command::new("node")
            .arg(folder().join("client.mjs"))
            .args(["--url", world.protocol_url()])
            .args(["--root-key", world.root_key()])
            .arg("--auth")
            .arg(credentials.path())
            .args(options)
            .args([
                "--log",
                &std::env::var("BAILEYS_LOG").unwrap_or_else(|_| "silent".to_owned()),
            ])
            .env("NODE_EXTRA_CA_CERTS", credentials.trust(world))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("Node 20 or newer is needed, then run: {INSTALL} ({error})"));
        let commands = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
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
        Self {
            child,
            commands,
            events,
            unclaimed: VecDeque::new(),
        }
    }

    /// Starts a client with these credentials.
    pub(crate) fn start(world: &World, credentials: &Credentials) -> Self {
        Self::start_with(world, credentials, &[])
    }

    /// A new client, linked to a person by QR code and logged in.
    pub(crate) async fn paired(world: &World, person: &Person) -> (Self, Credentials) {
        let credentials = Credentials::empty();
        let mut client = Self::start(world, &credentials);
        let qr = client.event("qr").await;
        let path = format!("/phones/{}/scan", person.number);
        world.post(&path, json!({ "qr": qr["qr"] })).await;
        assert_eq!(client.event("close").await["status"], 515);
        client.event("open").await;
        client.settled(world, person).await;
        (client, credentials)
    }

    /// Waits until this client holds everything its phone sends to a new companion: then nothing of the first login
    /// interferes with what a test does.
    async fn settled(&mut self, world: &World, person: &Person) {
        let done = |description: &Value| {
            let companions = description["companions"].as_array().unwrap();
            companions.iter().all(|companion| companion["unacknowledged"] == 0)
        };
        world
            .until(person, "every companion has acknowledged everything", done)
            .await;
    }

    /// Gives a command.
    pub(crate) async fn command(&mut self, command: Value) {
        let mut line = command.to_string();
        line.push('\n');
        self.commands.write_all(line.as_bytes()).await.unwrap();
    }

    /// Sends a text and answers with the message's identifier.
    pub(crate) async fn send(&mut self, to: &str, text: &str) -> String {
        self.command(json!({ "do": "send", "to": to, "text": text })).await;
        let sent = self.event("sent").await;
        sent["id"].as_str().unwrap().to_owned()
    }

    /// Sends any kind of message and answers with its identifier; see `content.mjs` for how bytes are written.
    pub(crate) async fn send_content(&mut self, to: &str, content: Value) -> String {
        self.command(json!({ "do": "send-content", "to": to, "content": content }))
            .await;
        self.outcome("sent").await["id"].as_str().unwrap().to_owned()
    }

    /// The event that a command leads to; fails if the command does.
    pub(crate) async fn outcome(&mut self, name: &str) -> Value {
        let event = self
            .wait(name, |event| event["event"] == name || event["event"] == "failed")
            .await;
        assert_eq!(event["event"], name, "{event}");
        event
    }

    /// Downloads and decrypts the file of a message.
    pub(crate) async fn download(&mut self, id: &str) -> Value {
        self.command(json!({ "do": "download", "id": id })).await;
        self.outcome("media").await
    }

    /// Calls a method of the client and answers with what it returns.
    pub(crate) async fn invoke(&mut self, method: &'static str, args: Value) -> Value {
        self.command(json!({ "do": "invoke", "method": method, "args": args }))
            .await;
        let result = self
            .wait(method, |event| {
                (event["event"] == "result" && event["method"] == method)
                    || event["do"] == "invoke" && event["event"] == "failed"
            })
            .await;
        assert_eq!(result["event"], "result", "{result}");
        result["value"].clone()
    }

    /// Calls a method of the client and answers with the message of its error.
    pub(crate) async fn invoke_in_vain(&mut self, method: &'static str, args: Value) -> String {
        self.command(json!({ "do": "invoke", "method": method, "args": args }))
            .await;
        let failed = self
            .wait("a failure", |event| {
                event["event"] == "failed" || event["event"] == "result" && event["method"] == method
            })
            .await;
        assert_eq!(failed["event"], "failed", "{failed}");
        failed["message"].as_str().unwrap().to_owned()
    }

    /// The first event with this name that nobody has claimed yet.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        self.wait(name, |event| event["event"] == name).await
    }

    /// The first message with this text that nobody has claimed yet.
    pub(crate) async fn text(&mut self, text: &str) -> Value {
        let wanted = |event: &Value| event["event"] == "message" && event["text"] == text;
        self.wait(&format!("the message {text:?}"), wanted).await
    }

    /// The first event that fits and that nobody has claimed yet; others stay for later.
    pub(crate) async fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.unclaimed.iter().position(&fits) {
            return self.unclaimed.remove(place).unwrap();
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let Ok(event) = timeout_at(deadline, self.events.recv()).await else {
                panic!("Baileys never told {what}; it told {:?}", self.unclaimed);
            };
            let Some(event) = event else {
                panic!("Baileys ended before it told {what}; it told {:?}", self.unclaimed);
            };
            if fits(&event) {
                return event;
            }
            self.unclaimed.push_back(event);
        }
    }

    /// Whether an event that fits has arrived and was not claimed.
    pub(crate) fn has(&mut self, fits: impl Fn(&Value) -> bool) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.unclaimed.push_back(event);
        }
        self.unclaimed.iter().any(fits)
    }

    /// Stops the client in an orderly way, so that its credentials are saved.
    pub(crate) async fn stop(mut self) {
        self.command(json!({ "do": "end" })).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        timeout_at(deadline, self.child.wait())
            .await
            .expect("Baileys ends")
            .unwrap();
    }
}
