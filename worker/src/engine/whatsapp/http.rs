//! HTTP for the library: it fetches app-state snapshots and the like from hosts that WhatsApp's server names.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};

/// The most that one answer may hold: larger things are media, which do not come this way.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// One client for all sessions: connections to WhatsApp's hosts are shared.
static CLIENT: LazyLock<reqwest::Result<reqwest::Client>> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "the hosts are WhatsApp's, named over its authenticated connection"
    )]
    reqwest::Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(60))
        .build()
});

/// The library's HTTP client.
#[derive(Debug)]
pub(super) struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    pub(super) fn new() -> anyhow::Result<Self> {
        match &*CLIENT {
            Ok(client) => Ok(Self(client.clone())),
            Err(error) => Err(anyhow::anyhow!("cannot set up TLS: {error}")),
        }
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    /// Whatever the status, a completed exchange is `Ok`: the library tells expired links from dead hosts by it.
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let method = request.method.parse()?;
        let mut outgoing = self.0.request(method, &request.url);
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        if let Some(body) = request.body {
            outgoing = outgoing.body(body);
        }
        let mut answer = outgoing.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is too large");
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse {
            status_code: answer.status().as_u16(),
            body,
        })
    }
}
