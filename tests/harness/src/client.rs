//! A client of the gateways' API: typed where a story only wants the effect, open where it looks at the answer.

mod request;
mod types;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};

pub use request::Request;
pub use types::{CreatedWebhook, SentMessage, Session, SessionState};

use crate::http;

/// A gateway's API, used with one key. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    base: String,
    key: String,
    http: reqwest::Client,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Api({})", self.base)
    }
}

impl Api {
    /// The API at `base`, used with `key`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: &str, key: &str) -> anyhow::Result<Self> {
        Ok(Self {
            base: base.to_owned(),
            key: key.to_owned(),
            http: http::client()?,
        })
    }

    /// The same gateway with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// The same key at another gateway.
    #[must_use]
    pub fn at(&self, other: &Self) -> Self {
        Self {
            base: other.base.clone(),
            ..self.clone()
        }
    }

    /// The address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A request with this key.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = self.http.request(method, format!("{}{path}", self.base));
        Request::new(request.bearer_auth(&self.key))
    }

    /// A request without any key.
    pub fn anonymous(&self, method: Method, path: &str) -> Request {
        Request::new(self.http.request(method, format!("{}{path}", self.base)))
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.request(Method::POST, path).json(body)
    }

    /// A PATCH with JSON.
    pub fn patch(&self, path: &str, body: &Value) -> Request {
        self.request(Method::PATCH, path).json(body)
    }

    /// A PUT of JSON.
    pub fn put(&self, path: &str, body: &Value) -> Request {
        self.request(Method::PUT, path).json(body)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// Creates a tenant, with an administration key. Returns its id.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn create_tenant(&self, name: &str) -> anyhow::Result<String> {
        let tenant = self.post("/v1/tenants", &json!({ "name": name })).created().await?;
        text_of(&tenant, "id")
    }

    /// Creates a key of a tenant that may do everything a tenant may. Returns the API with that key.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn create_key(&self, tenant: &str) -> anyhow::Result<Self> {
        let scopes: Vec<&str> = shared::api_key::Scope::ALL
            .iter()
            .map(|scope| scope.as_str())
            .filter(|scope| *scope != "admin")
            .collect();
        self.create_key_with(tenant, &scopes).await
    }

    /// Creates a key of a tenant with these scopes. Returns the API with that key.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn create_key_with(&self, tenant: &str, scopes: &[&str]) -> anyhow::Result<Self> {
        let body = json!({ "tenant_id": tenant, "name": "story", "scopes": scopes });
        let key = self.post("/v1/api-keys", &body).created().await?;
        Ok(self.with_key(&text_of(&key, "key")?))
    }

    /// Creates a webhook for these events; none: for all.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn create_webhook(&self, url: &str, events: &[&str]) -> anyhow::Result<CreatedWebhook> {
        let mut body = json!({ "url": url });
        if !events.is_empty() {
            body["events"] = json!(events);
        }
        let webhook = self.post("/v1/webhooks", &body).created().await?;
        serde_json::from_value(webhook).context("unexpected webhook")
    }

    /// Creates and starts a session.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn create_session(&self, name: &str) -> anyhow::Result<Session> {
        self.create_session_from(&json!({ "name": name })).await
    }

    /// Creates a session as `body` describes it.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn create_session_from(&self, body: &Value) -> anyhow::Result<Session> {
        let session = self.post("/v1/sessions", body).created().await?;
        serde_json::from_value(session).context("unexpected session")
    }

    /// A session as the database has it.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn session(&self, id: &str) -> anyhow::Result<Session> {
        self.get(&format!("/v1/sessions/{id}")).ok().await?.json()
    }

    /// A session as its holder sees it.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn state(&self, id: &str) -> anyhow::Result<SessionState> {
        self.get(&format!("/v1/sessions/{id}/status")).ok().await?.json()
    }

    /// The QR code of a session; waits for it for up to `wait`.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn qr(&self, id: &str, wait: Duration) -> anyhow::Result<String> {
        let qr: Value = self
            .get(&format!("/v1/sessions/{id}/qr"))
            .header("accept", "application/json")
            .prefer_wait(wait)
            .ok()
            .await?
            .json()?;
        text_of(&qr, "code")
    }

    /// A code with which the phone `number` links the session.
    ///
    /// # Errors
    /// When the gateway or WhatsApp refuses.
    pub async fn pairing_code(&self, id: &str, number: &str) -> anyhow::Result<String> {
        let code: Value = self
            .post(&format!("/v1/sessions/{id}/pairing-code"), &json!({ "phone": number }))
            .ok()
            .await?
            .json()?;
        text_of(&code, "code")
    }

    /// Accepts a text for sending; does not wait for WhatsApp.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn send_text(&self, session: &str, to: &str, text: &str) -> anyhow::Result<SentMessage> {
        self.text(session, to, text).send().await?.expect(202)?.json()
    }

    /// Sends a text and waits until WhatsApp's server has it.
    ///
    /// # Errors
    /// When the gateway refuses, or it takes longer than `wait`.
    pub async fn send_text_and_wait(
        &self,
        session: &str,
        to: &str,
        text: &str,
        wait: Duration,
    ) -> anyhow::Result<SentMessage> {
        let sent: SentMessage = self.text(session, to, text).prefer_wait(wait).ok().await?.json()?;
        // Whoever is quick has received it before the answer is written.
        ensure!(
            ["sent", "delivered", "read"].contains(&sent.status.as_str()),
            "it is not sent after {wait:?}: {sent:?}"
        );
        Ok(sent)
    }

    /// The request that sends a text.
    pub fn text(&self, session: &str, to: &str, text: &str) -> Request {
        let body = json!({ "to": to, "type": "text", "text": { "body": text } });
        self.post(&format!("/v1/sessions/{session}/messages"), &body)
    }

    /// A session's messages, the latest first.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn messages(&self, session: &str) -> anyhow::Result<Vec<shared::message::Message>> {
        let mut page: Value = self
            .get(&format!("/v1/sessions/{session}/messages?limit=100"))
            .ok()
            .await?
            .json()?;
        serde_json::from_value(page["data"].take()).context("unexpected messages")
    }

    /// Every event of the tenant that is kept, in order.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn events(&self) -> anyhow::Result<Vec<shared::event::Envelope>> {
        let mut events = Vec::new();
        let mut path = "/v1/events?limit=100".to_owned();
        loop {
            let mut page: Value = self.get(&path).ok().await?.json()?;
            let data: Vec<shared::event::Envelope> =
                serde_json::from_value(page["data"].take()).context("unexpected events")?;
            let empty = data.is_empty();
            events.extend(data);
            let Some(cursor) = page["next_cursor"].as_str().filter(|_| !empty) else {
                return Ok(events);
            };
            path = format!("/v1/events?limit=100&cursor={cursor}");
        }
    }
}

fn text_of(value: &Value, field: &str) -> anyhow::Result<String> {
    let text = value[field]
        .as_str()
        .with_context(|| format!("no {field} in {value}"))?;
    Ok(text.to_owned())
}
