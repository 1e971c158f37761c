//! The webhook sink: a receiver that keeps what it gets and says whether its signature is right.
//!
//! Deliveries go to `POST /hooks/NAME`, where NAME tells receivers apart. What arrived is read with `GET /webhooks`, signatures are checked with
//! the official `standardwebhooks` library against the secrets that `POST /secrets` has named, and `POST /behaviour` makes a receiver fail,
//! dawdle or hang. [`Sink`] is the client of all that; [`server`] is the receiver itself, which runs as a process of its own.

pub mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{self, Answer};
use crate::process::Launch;
use crate::site::Site;
use crate::wait::NotYet;

/// How the sink is started.
///
/// # Errors
/// When no port is free.
pub fn launch(site: &Site) -> anyhow::Result<Launch> {
    let address = format!("127.0.0.1:{}", site.port("webhook-sink")?);
    Ok(Launch::new("webhook-sink", site.programs.path("rookery-webhook-sink"))
        .variable("ROOKERY_SINK_ADDRESS", address))
}

/// Whether the sink answers.
///
/// # Errors
/// [`NotYet`] when it does not.
pub async fn ready(site: &Site) -> Result<(), NotYet> {
    let url = format!("{}/healthz", site.http_url("webhook-sink")?);
    http::answers_well(&http::client()?, &url).await
}

/// A webhook as it arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Its place in the order of arrival, from 1.
    pub cursor: u64,
    /// The receiver's name: the last part of the address.
    pub name: String,
    /// When it arrived.
    pub received_at: chrono::DateTime<chrono::Utc>,
    /// The headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte where it is text.
    pub body: String,
    /// Whether the official library accepts the signature with one of the secrets that were named for this receiver.
    pub verified: bool,
    /// Why not.
    pub verification_error: Option<String>,
    /// Whether the older `X-Webhook-Signature` is right too.
    pub legacy_verified: bool,
    /// How often this `webhook-id` has arrived here so far, this time included.
    pub attempts: u32,
    /// The status of the answer; absent while the request hangs.
    pub answered: Option<u16>,
}

impl Received {
    /// The event in the body.
    ///
    /// # Errors
    /// When the body is no JSON.
    pub fn event(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).context("the body of a webhook is no JSON")
    }

    /// Whether `X-Webhook-Signature` is the HMAC-SHA256 of the body, keyed with the text of this secret.
    #[must_use]
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let header = self.headers.get("x-webhook-signature").map(String::as_str);
        server::legacy_signature_is_right(secret, header.unwrap_or_default(), self.body.as_bytes())
    }

    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> String {
        self.event()
            .ok()
            .and_then(|event| event["type"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// What `GET /webhooks` answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// What arrived after the cursor that was asked for.
    pub webhooks: Vec<Received>,
    /// The cursor for the next look.
    pub next: u64,
}

/// How a receiver answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// The receiver; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The status to answer with; absent: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How many requests it holds for; absent: until it is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Milliseconds to wait before the answer.
    pub delay_ms: u64,
    /// Whether to never answer.
    pub hang: bool,
    /// Headers of the answer, for example `Retry-After`.
    pub headers: BTreeMap<String, String>,
}

/// The client of a running sink.
#[derive(Debug, Clone)]
pub struct Sink {
    base: String,
    http: reqwest::Client,
}

impl Sink {
    /// The sink of a stack.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn of(site: &Site) -> anyhow::Result<Self> {
        Ok(Self {
            base: site.http_url("webhook-sink")?,
            http: http::client()?,
        })
    }

    /// The address of the receiver `name`, to give to a webhook.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}/hooks/{name}", self.base)
    }

    /// Names a secret with which deliveries to `name` are signed.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub async fn expect_secret(&self, name: &str, secret: &str) -> anyhow::Result<()> {
        let body = serde_json::json!({ "name": name, "secret": secret });
        self.post("/secrets", &body).await
    }

    /// Makes receivers behave.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub async fn behave(&self, behaviour: &Behaviour) -> anyhow::Result<()> {
        self.post("/behaviour", &serde_json::to_value(behaviour)?).await
    }

    /// What has arrived at `name` after `after`; waits for something for up to `wait`.
    ///
    /// # Errors
    /// When the sink does not answer.
    pub async fn received(&self, name: &str, after: u64, wait: Duration) -> anyhow::Result<Page> {
        let url = format!(
            "{}/webhooks?name={name}&after={after}&wait={}",
            self.base,
            wait.as_secs_f64()
        );
        Answer::to(self.http.get(url)).await?.expect(200)?.json()
    }

    /// The first webhook at `name` that `condition` accepts, within `deadline`.
    ///
    /// # Errors
    /// When none comes: the text lists what came instead.
    pub async fn first(
        &self,
        name: &str,
        deadline: Duration,
        mut condition: impl FnMut(&Received) -> bool,
    ) -> anyhow::Result<Received> {
        let start = std::time::Instant::now();
        let mut after = 0;
        let mut others = Vec::new();
        loop {
            let remaining = deadline.saturating_sub(start.elapsed());
            let page = self.received(name, after, remaining).await?;
            after = page.next;
            for webhook in page.webhooks {
                if condition(&webhook) {
                    return Ok(webhook);
                }
                others.push(webhook.event_type());
            }
            ensure!(
                start.elapsed() < deadline,
                "the expected webhook did not arrive at '{name}' within {:.1} s; what came: {others:?}",
                deadline.as_secs_f64()
            );
        }
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        Answer::to(self.http.post(format!("{}{path}", self.base)).json(body))
            .await?
            .expect(204)?;
        Ok(())
    }
}
