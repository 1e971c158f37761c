//! The simulated WhatsApp network: its process, and the client of its HTTP side, which plays the people.

mod calls;
mod groups;
mod media;
mod messages;
mod people;
mod types;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

pub use buffa::MessageField;
pub use calls::{Call, CallState};
pub use media::{MediaKind, MediaReference, MediaRetryAnswer, StoredFile, UploadedMedia};
pub use messages::{EventResponse, Vote, file_message};
pub use people::{AppState, AppStateMutation, Profile, ProfilePicture};
pub use types::{LedgerCiphertext, LedgerEntry, Linked, PhoneMessage, PhonePage, PhoneReceipt, ProvisionedAccount};

use crate::http::{self, Answer};
use crate::process::Launch;
use crate::site::Site;
use crate::wait::NotYet;
pub use waproto::whatsapp;

/// How the network is started.
///
/// # Errors
/// When no port is free.
pub fn launch(site: &Site) -> anyhow::Result<Launch> {
    let mut launch = Launch::new("network", site.programs.path("rookery-network"))
        .argument("--protocol-address")
        .argument(format!("127.0.0.1:{}", site.port("network-protocol")?))
        .argument("--http-address")
        .argument(format!("127.0.0.1:{}", site.port("network-http")?))
        .argument("--media-address")
        .argument(format!("127.0.0.1:{}", site.port("network-media")?))
        .argument("--media-folder")
        .argument(site.directory.data_of("network-media"))
        .argument("--media-ca-file")
        .argument(site.network_media_ca_file());
    for argument in &site.tuning.network_arguments {
        launch = launch.argument(argument);
    }
    Ok(launch)
}

/// Whether the network answers.
///
/// # Errors
/// [`NotYet`] when it does not.
pub async fn ready(site: &Site) -> Result<(), NotYet> {
    let url = format!("{}/healthz", site.http_url("network-http")?);
    http::answers_well(&http::client()?, &url).await
}

/// The client of a running network.
#[derive(Debug, Clone)]
pub struct Network {
    base: String,
    protocol_url: String,
    http: reqwest::Client,
}

impl Network {
    /// The network of a stack.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn of(site: &Site) -> anyhow::Result<Self> {
        Ok(Self {
            base: site.http_url("network-http")?,
            protocol_url: site.network_protocol_url()?,
            http: http::client()?,
        })
    }

    /// Where it speaks WhatsApp's protocol.
    #[must_use]
    pub fn protocol_url(&self) -> &str {
        &self.protocol_url
    }

    /// A person with a phone. With a number the same person every time, without one somebody new.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn phone(&self, number: Option<&str>, name: &str) -> anyhow::Result<Phone> {
        let answer: Value = self
            .post("/phones", &json!({ "number": number, "name": name }))
            .await?
            .expect(200)?
            .json()?;
        let digits = |field: &str| {
            let text = answer[field]
                .as_str()
                .with_context(|| format!("a phone without {field}: {answer}"))?;
            anyhow::Ok(text.to_owned())
        };
        Ok(Phone {
            number: digits("number")?,
            lid: digits("lid")?,
            network: self.clone(),
        })
    }

    /// Accounts that are linked already: their credentials can be imported.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn provision(&self, count: usize, prefix: &str) -> anyhow::Result<Vec<ProvisionedAccount>> {
        let body = json!({ "count": count, "prefix": prefix });
        let mut answer: Value = self.post("/provision", &body).await?.expect(200)?.json()?;
        serde_json::from_value(answer["accounts"].take()).context("unexpected accounts")
    }

    /// Makes something go wrong; see the network's documentation for the kinds of fault.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn fault(&self, rule: &Value) -> anyhow::Result<()> {
        let answer = self.post("/faults", rule).await?;
        ensure!(
            (200..300).contains(&answer.status),
            "the fault {rule} was refused: {answer}"
        );
        Ok(())
    }

    /// Ends every fault.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        let answer = Answer::to(self.http.delete(format!("{}/faults", self.base))).await?;
        ensure!(
            (200..300).contains(&answer.status),
            "the faults were not cleared: {answer}"
        );
        Ok(())
    }

    /// Everything that was accepted from the account's companions, in order: the evidence for "nothing lost, nothing doubled".
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn ledger(&self, number: &str) -> anyhow::Result<Vec<LedgerEntry>> {
        let mut answer: Value = self
            .get(&format!("/ledger?session={number}"))
            .await?
            .expect(200)?
            .json()?;
        serde_json::from_value(answer["entries"].take()).context("unexpected ledger")
    }

    /// Counters.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn stats(&self) -> anyhow::Result<Value> {
        self.get("/stats").await?.expect(200)?.json()
    }

    /// The public key of the certificates' root, in hex: for clients that can be told to trust it.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn root_key(&self) -> anyhow::Result<String> {
        Ok(self.get("/root-key").await?.expect(200)?.text().trim().to_owned())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::to(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        Answer::to(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }
}

/// A person on the simulated network.
#[derive(Debug, Clone)]
pub struct Phone {
    /// The phone number, in digits.
    pub number: String,
    /// The LID, in digits.
    pub lid: String,
    network: Network,
}

impl Phone {
    /// Scans a QR code; the answer has arrived when the companion is linked.
    ///
    /// # Errors
    /// When the phone refuses the code.
    pub async fn scan(&self, qr: &str) -> anyhow::Result<Linked> {
        self.try_scan(qr).await?.expect(200)?.json()
    }

    /// Scans a QR code that may be refused.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn try_scan(&self, qr: &str) -> anyhow::Result<Answer> {
        self.act("scan", &json!({ "qr": qr })).await
    }

    /// Enters a pairing code; the answer has arrived when the companion is linked.
    ///
    /// # Errors
    /// When the phone refuses the code.
    pub async fn enter_code(&self, code: &str) -> anyhow::Result<Linked> {
        self.act("enter-code", &json!({ "code": code }))
            .await?
            .expect(200)?
            .json()
    }

    /// Sends a text, end-to-end encrypted. Returns the message's id.
    ///
    /// # Errors
    /// When the phone cannot send it.
    pub async fn send_text(&self, to: &str, text: &str) -> anyhow::Result<String> {
        self.send(&json!({ "to": to, "type": "text", "text": text })).await
    }

    /// Sends a message of any kind that the network's phones can send. Returns its id.
    ///
    /// # Errors
    /// When the phone cannot send it.
    pub async fn send(&self, message: &Value) -> anyhow::Result<String> {
        let answer: Value = self.act("messages", message).await?.expect(200)?.json()?;
        Ok(answer["id"].as_str().context("a message without an id")?.to_owned())
    }

    /// What this phone has received and decrypted after `after`; waits for something for up to `wait`, which counts in seconds.
    ///
    /// # Errors
    /// When the network does not answer.
    pub async fn received(&self, after: u64, wait: Duration) -> anyhow::Result<PhonePage> {
        let path = format!("/phones/{}/messages?after={after}&wait={}", self.number, wait.as_secs());
        self.network.get(&path).await?.expect(200)?.json()
    }

    /// The first message that `condition` accepts, within `deadline`.
    ///
    /// # Errors
    /// When none comes: the text lists what came instead.
    pub async fn first_message(
        &self,
        deadline: Duration,
        mut condition: impl FnMut(&PhoneMessage) -> bool,
    ) -> anyhow::Result<PhoneMessage> {
        let start = std::time::Instant::now();
        let mut after = 0;
        let mut others = Vec::new();
        loop {
            let page = self.received(after, Duration::from_secs(1)).await?;
            after = page.next;
            for message in page.messages {
                if condition(&message) {
                    return Ok(message);
                }
                others.push(message);
            }
            ensure!(
                start.elapsed() < deadline,
                "the phone {} did not receive the expected message within {:.1} s; what came: {others:?}",
                self.number,
                deadline.as_secs_f64()
            );
        }
    }

    /// Marks messages as read.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn read(&self, ids: &[&str], from: &str) -> anyhow::Result<()> {
        self.do_quietly("read", &json!({ "ids": ids, "from": from })).await
    }

    /// Takes the phone off the network, or brings it back.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn set_online(&self, online: bool) -> anyhow::Result<()> {
        self.do_quietly("online", &json!({ "online": online })).await
    }

    /// Unlinks every companion, as the phone's "log out" does.
    ///
    /// # Errors
    /// When the network refuses.
    pub async fn unlink(&self) -> anyhow::Result<()> {
        self.do_quietly("unlink", &json!({})).await
    }

    async fn do_quietly(&self, action: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self.act(action, body).await?;
        ensure!((200..300).contains(&answer.status), "{answer}");
        Ok(())
    }

    async fn act(&self, action: &str, body: &Value) -> anyhow::Result<Answer> {
        self.network
            .post(&format!("/phones/{}/{action}", self.number), body)
            .await
    }
}
