//! Plain HTTP to the parts of a stack: requests that say everything, answers that keep everything.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::wait::NotYet;

/// Longer than every long poll: a request that takes longer hangs.
const LONGEST_REQUEST: Duration = Duration::from_secs(70);

/// A client for the loopback interface. Cheap to clone.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn client() -> anyhow::Result<reqwest::Client> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the harness talks to its own servers on 127.0.0.1, which the egress policy exists to forbid"
    )]
    reqwest::Client::builder()
        .no_proxy()
        .timeout(LONGEST_REQUEST)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("cannot make an HTTP client")
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for error messages.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: bytes::Bytes,
}

impl Answer {
    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn to(request: reqwest::RequestBuilder) -> anyhow::Result<Self> {
        let (client, request) = request.build_split();
        let request = request.context("this is not a request")?;
        let name = format!("{} {}", request.method(), request.url());
        let response = client
            .execute(request)
            .await
            .with_context(|| format!("{name}: no answer"))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response
            .bytes()
            .await
            .with_context(|| format!("{name}: the answer broke off"))?;
        Ok(Self {
            request: name,
            status,
            headers,
            body,
        })
    }

    /// A header's value, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("unexpected body of {self}"))
    }

    /// The answer, if it has the expected status.
    ///
    /// # Errors
    /// When it has another: the text shows request, status and body.
    pub fn expect(self, status: u16) -> anyhow::Result<Self> {
        if self.status != status {
            bail!("expected {status}: {self}");
        }
        Ok(self)
    }

    /// The stable code of a problem (`application/problem+json`).
    ///
    /// # Errors
    /// When the answer is no problem.
    pub fn problem_code(&self) -> anyhow::Result<String> {
        let content_type = self.header("content-type").unwrap_or_default();
        if !content_type.starts_with("application/problem+json") {
            bail!("expected a problem, got {content_type}: {self}");
        }
        let problem: Value = self.json()?;
        match problem["code"].as_str() {
            Some(code) => Ok(code.to_owned()),
            None => bail!("a problem without a code: {self}"),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 2_000;
        let text = self.text();
        let shown: String = text.chars().take(SHOWN).collect();
        write!(formatter, "{} → {} {shown}", self.request, self.status)
    }
}

/// Whether a GET of the address answers with a success: for `/healthz` and `/readyz`.
///
/// # Errors
/// [`NotYet`] with the answer, or why there is none.
pub async fn answers_well(client: &reqwest::Client, url: &str) -> Result<(), NotYet> {
    let request = client.request(Method::GET, url).timeout(Duration::from_secs(2));
    let answer = Answer::to(request).await?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    Err(NotYet::because(answer))
}
