//! A conversation of every kind: a session and somebody who talks to it through Baileys, an independent client.

use anyhow::{Context as _, ensure};
use harness::baileys::Baileys;
use harness::network::Phone;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};

use crate::scene::{LinkedSession, PATIENCE};
use crate::{Scene, Story};

/// A session and somebody who talks to it through Baileys.
#[derive(Debug)]
pub struct Talk {
    /// Where it happens.
    pub scene: Scene,
    /// Our side.
    pub session: LinkedSession,
    /// The other person's phone.
    pub contact: Phone,
    /// The other person's second device.
    pub baileys: Baileys,
}

impl Talk {
    /// A new session and a new person with two devices.
    ///
    /// # Errors
    /// When the stack does not start.
    pub async fn of(story: &Story) -> anyhow::Result<Self> {
        let scene = Scene::of(story).await?;
        let session = scene.linked_session("Front desk").await?;
        let contact = scene.phone("Bruno").await?;
        let baileys = Baileys::paired(&scene, "bruno", &contact).await?;
        Ok(Self {
            scene,
            session,
            contact,
            baileys,
        })
    }

    /// The path of the session's messages.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/sessions/{}/messages{rest}", self.session.id)
    }

    /// Sends a message of a kind to the contact; answers it as WhatsApp has it.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn send(&self, kind: &str, content: Value) -> anyhow::Result<Value> {
        self.send_with(kind, content, json!({})).await
    }

    /// The same with more fields.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn send_with(&self, kind: &str, content: Value, mut body: Value) -> anyhow::Result<Value> {
        body["to"] = json!(self.contact.number);
        body["type"] = json!(kind);
        body[kind] = content;
        let sent: Value = self
            .scene
            .api
            .post(&self.path(""), &body)
            .prefer_wait(PATIENCE)
            .ok()
            .await?
            .json()?;
        ensure!(sent["status"] != "queued", "the {kind} is still queued: {sent}");
        Ok(sent)
    }

    /// Changes a message and waits until WhatsApp has the change.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn change(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let method = method.parse().context("no method")?;
        let mut request = self.scene.api.request(method, &self.path(path)).prefer_wait(PATIENCE);
        if let Some(body) = &body {
            request = request.json(body);
        }
        request.ok().await?.json()
    }

    /// What Baileys decrypted of the message with this id.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn read(&mut self, sent: &Value) -> anyhow::Result<Value> {
        let id = text(sent, "wa_message_id")?;
        let message = self
            .baileys
            .first(&format!("the message {id}"), |event| {
                event["event"] == "message" && event["id"] == id.as_str()
            })
            .await?;
        Ok(message["content"].clone())
    }

    /// The same as the contact's phone decrypted it: its kind.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn kind_on_phone(&self, sent: &Value) -> anyhow::Result<String> {
        let id = text(sent, "wa_message_id")?;
        let read = self.contact.first_message(PATIENCE, |message| message.id == id).await?;
        Ok(read.kind)
    }

    /// Has Baileys send this protobuf to the session; answers WhatsApp's id.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn relay(&mut self, message: Value) -> anyhow::Result<String> {
        let to = format!("{}@s.whatsapp.net", self.session.owner.number);
        self.has_sent(json!({ "do": "relay", "to": to, "message": message }))
            .await
    }

    /// Has Baileys do something that sends a message; answers WhatsApp's id of it.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn has_sent(&mut self, command: Value) -> anyhow::Result<String> {
        self.baileys.command(&command).await?;
        let sent = self.baileys.event("sent").await?;
        text(&sent, "id")
    }

    /// The data of the first event of this type that fits.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn event(&self, event_type: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait_for(format!("an event {event_type}"), PATIENCE, async || {
            let events = self.scene.api.events().await?;
            let found = events
                .iter()
                .find(|event| event.event_type == event_type && fits(&event.data));
            match found {
                Some(event) => Ok(event.data.clone()),
                None => {
                    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
                    Err(NotYet::because(format!("what came: {types:?}")))
                }
            }
        })
        .await
    }

    /// The message as it arrived.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn arrived(&self, id: &str) -> anyhow::Result<Value> {
        let data = self
            .event("message.received", |data| data["wa_message_id"] == id)
            .await?;
        ensure!(
            data["from"]["phone"] == self.contact.number.as_str() && data["from"]["lid"] == self.contact.lid.as_str(),
            "{data}"
        );
        Ok(data)
    }

    /// What the API says of a message now.
    ///
    /// # Errors
    /// When it does not happen in time, or the gateway refuses.
    pub async fn stored(&self, id: &str) -> anyhow::Result<Value> {
        self.scene.api.get(&self.path(&format!("/{id}"))).ok().await?.json()
    }
}

/// A field's text.
///
/// # Errors
/// When it is none.
pub fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    let text = value[field].as_str();
    text.map(str::to_owned)
        .with_context(|| format!("no {field} in {value}"))
}

/// Whether everything that `expected` says is in `actual`.
///
/// # Errors
/// When not: the text says where.
pub fn says(actual: &Value, expected: &Value) -> anyhow::Result<()> {
    fn find(actual: &Value, expected: &Value, path: &str) -> Option<String> {
        match (actual, expected) {
            (Value::Object(actual), Value::Object(expected)) => expected.iter().find_map(|(name, expected)| {
                find(
                    actual.get(name).unwrap_or(&Value::Null),
                    expected,
                    &format!("{path}.{name}"),
                )
            }),
            (Value::Number(actual), Value::Number(expected)) if actual.as_f64() == expected.as_f64() => None,
            (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => actual
                .iter()
                .zip(expected)
                .enumerate()
                .find_map(|(index, (actual, expected))| find(actual, expected, &format!("{path}[{index}]"))),
            _ => (actual != expected).then(|| format!("{path} is {actual} instead of {expected}")),
        }
    }
    match find(actual, expected, "") {
        None => Ok(()),
        Some(difference) => anyhow::bail!("{difference}: {actual}"),
    }
}
