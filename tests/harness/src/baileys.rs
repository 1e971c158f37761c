//! An unmodified Baileys client as the independent counterpart: what it pairs with, sends and decrypts, it does with its own implementation of
//! the protocol. It is `tests/baileys/client.mjs`, driven by lines of JSON.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::counterpart::Counterpart;
use crate::network::Phone;
use crate::repository;
use crate::stack::Stack;

/// A running Baileys client; it ends when it is dropped.
#[derive(Debug)]
pub struct Baileys {
    program: Counterpart,
}

/// A message as Baileys has decrypted it.
#[derive(Debug, Clone)]
pub struct BaileysMessage {
    /// WhatsApp's id.
    pub id: String,
    /// The conversation, as Baileys names it.
    pub from: String,
    /// The text.
    pub text: String,
    /// Everything it told.
    pub event: Value,
}

/// A file as Baileys has downloaded and decrypted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaileysFile {
    /// The digest, in hexadecimal.
    pub sha256: String,
    /// How long it is, in bytes.
    pub length: u64,
    /// The file itself, up to 4 MiB.
    pub bytes: Option<Vec<u8>>,
}

impl Baileys {
    /// Starts a client called `name`. The same name of the same stack finds its credentials again.
    ///
    /// # Errors
    /// When Node or Baileys is not installed.
    pub async fn start(stack: &Stack, name: &str) -> anyhow::Result<Self> {
        let folder = repository::root().join("tests/baileys");
        ensure!(
            folder.join("node_modules/baileys").is_dir(),
            "Baileys is not installed: `npm ci --prefix tests/baileys`"
        );
        let directory = &stack.site().directory;
        let process_name = format!("baileys-{name}");
        let mut command = Command::new("node");
        command
            .arg(folder.join("client.mjs"))
            .args(["--url", stack.network().protocol_url(), "--name", name])
            .args(["--root-key", &stack.network().root_key().await?])
            .arg("--auth")
            .arg(directory.data_of(&process_name))
            .env("NODE_EXTRA_CA_CERTS", stack.site().network_media_ca_file());
        let program = Counterpart::start("Baileys", directory, &process_name, command)?;
        Ok(Self { program })
    }

    /// A new client that is linked to the phone by QR code and logged in.
    ///
    /// # Errors
    /// When it cannot be linked.
    pub async fn paired(stack: &Stack, name: &str, phone: &Phone) -> anyhow::Result<Self> {
        let mut client = Self::start(stack, name).await?;
        let qr = client.event("qr").await?;
        phone
            .scan(qr["qr"].as_str().context("a QR event without a code")?)
            .await?;
        client.event("open").await?;
        Ok(client)
    }

    /// Sends a text and returns its id.
    ///
    /// # Errors
    /// When Baileys cannot send it.
    pub async fn send_text(&mut self, to: &str, text: &str) -> anyhow::Result<String> {
        self.command(&json!({ "do": "send", "to": to, "text": text })).await?;
        let sent = self.event("sent").await?;
        Ok(sent["id"].as_str().context("a sent message without an id")?.to_owned())
    }

    /// Sends any kind of message that Baileys' `sendMessage` knows and returns its id. Bytes are written `{"base64": …}`, files
    /// `{"path": …}`, dates `{"date": milliseconds}`, earlier messages `{"message": id}` and their keys `{"key": id}`; `options` are those
    /// of `sendMessage`, for example `{"quoted": {"message": id}}`, or null.
    ///
    /// # Errors
    /// When Baileys cannot send it.
    pub async fn send_content(&mut self, to: &str, content: &Value, options: &Value) -> anyhow::Result<String> {
        let command = json!({ "do": "send-content", "to": to, "content": content, "options": options });
        self.sends(&command).await
    }

    /// Votes in a poll that it has received or sent; returns the message's id.
    ///
    /// # Errors
    /// When Baileys does not have the poll.
    pub async fn vote(&mut self, poll: &str, options: &[&str]) -> anyhow::Result<String> {
        self.sends(&json!({ "do": "vote", "poll": poll, "options": options }))
            .await
    }

    /// Responds to an event with `GOING`, `NOT_GOING` or `MAYBE`; returns the message's id.
    ///
    /// # Errors
    /// When Baileys does not have the event.
    pub async fn respond(&mut self, event: &str, response: &str) -> anyhow::Result<String> {
        self.sends(&json!({ "do": "respond", "event": event, "response": response }))
            .await
    }

    async fn sends(&mut self, command: &Value) -> anyhow::Result<String> {
        self.command(command).await?;
        let sent = self.outcome(command, "sent").await?;
        Ok(sent["id"].as_str().context("a sent message without an id")?.to_owned())
    }

    /// Downloads and decrypts the file of a message.
    ///
    /// # Errors
    /// When Baileys cannot download it: the text has the status.
    pub async fn download(&mut self, id: &str) -> anyhow::Result<BaileysFile> {
        let command = json!({ "do": "download", "id": id });
        self.command(&command).await?;
        let media = self.outcome(&command, "media").await?;
        let bytes = media["base64"].as_str().map(|text| BASE64.decode(text)).transpose()?;
        Ok(BaileysFile {
            sha256: media["sha256"].as_str().unwrap_or_default().to_owned(),
            length: media["length"].as_u64().unwrap_or_default(),
            bytes,
        })
    }

    /// Asks the own phone to upload the file of a message again; returns the new direct path.
    ///
    /// # Errors
    /// When the phone does not, or Baileys does not understand the answer.
    pub async fn reupload(&mut self, id: &str) -> anyhow::Result<String> {
        let command = json!({ "do": "reupload", "id": id });
        self.command(&command).await?;
        let answer = self.outcome(&command, "reuploaded").await?;
        Ok(answer["direct_path"].as_str().unwrap_or_default().to_owned())
    }

    /// The event that a command leads to.
    async fn outcome(&mut self, command: &Value, event: &str) -> anyhow::Result<Value> {
        let failed = |event: &Value| event["event"] == "failed" && event["do"] == command["do"];
        let outcome = self.first(event, |seen| seen["event"] == event || failed(seen)).await?;
        ensure!(!failed(&outcome), "Baileys cannot {command}: {outcome}");
        Ok(outcome)
    }

    /// The first message with this text that nobody has claimed yet.
    ///
    /// # Errors
    /// When none comes.
    pub async fn text(&mut self, text: &str) -> anyhow::Result<BaileysMessage> {
        let is_it = |event: &Value| event["event"] == "message" && event["text"] == text;
        let event = self.first(&format!("the message '{text}'"), is_it).await?;
        let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Ok(BaileysMessage {
            id: field("id"),
            from: field("from"),
            text: field("text"),
            event,
        })
    }

    /// Gives a command.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn command(&mut self, command: &Value) -> anyhow::Result<()> {
        self.program.command(command).await
    }

    /// The first event of this kind that nobody has claimed yet.
    ///
    /// # Errors
    /// When none comes.
    pub async fn event(&mut self, kind: &str) -> anyhow::Result<Value> {
        self.program.event(kind).await
    }

    /// The first event that fits and that nobody has claimed yet; others stay for later.
    ///
    /// # Errors
    /// When none comes: the text lists what came instead.
    pub async fn first(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        self.program.first(what, fits).await
    }
}
