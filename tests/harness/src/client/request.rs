//! One request to a gateway, built step by step.

use std::time::Duration;

use serde_json::Value;

use crate::http::Answer;

/// A request that is not sent yet.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request(reqwest::RequestBuilder);

impl Request {
    pub(super) fn new(request: reqwest::RequestBuilder) -> Self {
        Self(request)
    }

    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// Sets a body as it is.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header("content-type", content_type).body(body.into()))
    }

    /// Asks the gateway to wait for the outcome (RFC 7240), in whole seconds.
    pub fn prefer_wait(self, wait: Duration) -> Self {
        self.header("prefer", &format!("wait={}", wait.as_secs()))
    }

    /// Makes repeats of this request one.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sends it.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn send(self) -> anyhow::Result<Answer> {
        Answer::to(self.0).await
    }

    /// Sends it and expects 200.
    ///
    /// # Errors
    /// When the answer is another.
    pub async fn ok(self) -> anyhow::Result<Answer> {
        self.send().await?.expect(200)
    }

    /// Sends it and expects 201 with JSON.
    ///
    /// # Errors
    /// When the answer is another.
    pub async fn created(self) -> anyhow::Result<Value> {
        self.send().await?.expect(201)?.json()
    }
}
