//! Files, measured: the memory of one worker while a large document comes in and goes out, and what a minute without the bucket costs.
//!
//! Every file is compared by its SHA-256 with what the other side sent. [`memory`] and [`outage`] are the two measurements; here is what both need.

mod memory;
mod outage;

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Subject;
use crate::client::Api;
use crate::network::Phone;
use crate::stack::Stack;
use crate::wait::{NotYet, wait_for};

/// How long one step may take, with programs that are not optimised.
const DEADLINE: Duration = Duration::from_secs(300);

pub(super) async fn run(subject: &Subject) -> anyhow::Result<()> {
    let stack = subject.stack()?.start().await?;
    let scene = Scene::of(&stack).await?;
    memory::run(&stack, &scene).await?;
    outage::run(&stack, &scene).await
}

/// A linked session and somebody who writes to it.
struct Scene {
    api: Api,
    session: String,
    owner: Phone,
    contact: Phone,
}

/// What is compared of a file.
type Hash = [u8; 32];

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// `length` bytes that no other seed makes.
fn file(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| ((index ^ seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40).to_le_bytes()[0])
        .collect()
}

impl Scene {
    async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let admin = stack.gateway(1)?;
        let api = admin.create_key(&admin.create_tenant("Files").await?).await?;
        let owner = stack.network().phone(None, "Front desk").await?;
        let contact = stack.network().phone(None, "Carlos").await?;
        let session = api.create_session("Front desk").await?.id;
        owner.scan(&api.qr(&session, DEADLINE).await?).await?;
        wait_for("the session to be connected", DEADLINE, async || {
            let seen = api.session(&session).await?;
            if seen.status == "connected" {
                return Ok(());
            }
            Err(NotYet::because(seen.status))
        })
        .await?;
        Ok(Self {
            api,
            session,
            owner,
            contact,
        })
    }

    /// Sends a stored file as a document and waits until the contact has it. Answers the message's id.
    async fn send(&self, media: &str) -> anyhow::Result<String> {
        let body = json!({ "to": self.contact.number, "type": "document", "document": { "media_id": media } });
        let path = format!("/v1/sessions/{}/messages", self.session);
        let accepted: Value = self
            .api
            .request(Method::POST, &path)
            .json(&body)
            .send()
            .await?
            .expect(202)?
            .json()?;
        let id = accepted["wa_message_id"].as_str().context("a message without an id")?;
        self.contact.first_message(DEADLINE, |message| message.id == id).await?;
        Ok(id.to_owned())
    }

    /// The SHA-256 of a file in the bucket, read by the link that clients are given.
    async fn hash_in_bucket(&self, media: &str) -> anyhow::Result<Hash> {
        let answer = self.api.get(&format!("/v1/media/{media}/content")).send().await?;
        let answer = answer.expect(302)?;
        let link = answer.header("location").context("a redirect leads somewhere")?;
        let bytes = crate::http::client()?
            .get(link)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        Ok(hash(&bytes))
    }
}

/// The tenant's events from a moment on, each once.
struct Events<'scene> {
    api: &'scene Api,
    cursor: Option<String>,
    seen: Vec<Value>,
}

impl<'scene> Events<'scene> {
    fn of(api: &'scene Api) -> Self {
        Self {
            api,
            cursor: None,
            seen: Vec::new(),
        }
    }

    /// Reads what is new.
    async fn read(&mut self) -> anyhow::Result<()> {
        loop {
            let from = self
                .cursor
                .as_ref()
                .map_or(String::new(), |cursor| format!("&cursor={cursor}"));
            let mut page: Value = self
                .api
                .get(&format!("/v1/events?limit=100{from}"))
                .ok()
                .await?
                .json()?;
            if let Some(cursor) = page["resume_cursor"].as_str() {
                self.cursor = Some(cursor.to_owned());
            }
            if let Value::Array(events) = page["data"].take() {
                self.seen.extend(events);
            }
            if page["next_cursor"].is_null() {
                return Ok(());
            }
        }
    }

    /// The data of those of a type.
    fn data(&self, event_type: &str) -> impl Iterator<Item = &Value> {
        self.seen
            .iter()
            .filter(move |event| event["type"] == event_type)
            .map(|event| &event["data"])
    }

    /// The first of a type about the message with WhatsApp's id `message`, as soon as it is there.
    async fn first(&mut self, event_type: &str, message: &str) -> anyhow::Result<Value> {
        wait_for(format!("{event_type} of {message}"), DEADLINE, async || {
            self.read().await?;
            let found = self.data(event_type).find(|data| data["wa_message_id"] == message);
            found.cloned().ok_or_else(|| NotYet::because("there is none"))
        })
        .await
    }
}
