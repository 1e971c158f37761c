//! HTTP for the library: it fetches app-state snapshots and the like from hosts that WhatsApp's server names.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use wacore::net::{HttpClient, HttpRequest, HttpResponse};

use crate::engine::MediaError;

/// The most that one answer may hold: larger things are media, which do not come this way.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// How long a media server may be silent within a transfer. A transfer as a whole takes as long as it takes.
const SILENCE: Duration = Duration::from_secs(30);

/// One client for all sessions: connections to WhatsApp's hosts are shared.
static CLIENT: LazyLock<anyhow::Result<reqwest::Client>> =
    LazyLock::new(|| Ok(builder()?.timeout(Duration::from_secs(60)).build()?));

/// The same for files.
static MEDIA_CLIENT: LazyLock<anyhow::Result<reqwest::Client>> =
    LazyLock::new(|| Ok(builder()?.read_timeout(SILENCE).build()?));

fn builder() -> anyhow::Result<reqwest::ClientBuilder> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the hosts are WhatsApp's, named over its authenticated connection"
    )]
    let builder = reqwest::Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10));
    trust_simulation(builder)
}

/// The simulated network's media servers have certificates of its own.
#[cfg(feature = "simulated")]
fn trust_simulation(builder: reqwest::ClientBuilder) -> anyhow::Result<reqwest::ClientBuilder> {
    let Some(path) = std::env::var_os("ROOKERY_SIMULATED_MEDIA_CA") else {
        return Ok(builder);
    };
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(path)?)?;
    Ok(builder.tls_certs_merge([certificate]))
}

#[cfg(not(feature = "simulated"))]
#[expect(clippy::unnecessary_wraps, reason = "the simulated one may fail")]
fn trust_simulation(builder: reqwest::ClientBuilder) -> anyhow::Result<reqwest::ClientBuilder> {
    Ok(builder)
}

/// The client for files. Everything it is given leads to hosts that WhatsApp's server has named.
pub(super) fn media_client() -> Result<&'static reqwest::Client, MediaError> {
    MEDIA_CLIENT
        .as_ref()
        .map_err(|error| MediaError::Failed(format!("cannot set up TLS: {error:#}")))
}

/// The library's HTTP client.
#[derive(Debug)]
pub(super) struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    pub(super) fn new() -> anyhow::Result<Self> {
        match &*CLIENT {
            Ok(client) => Ok(Self(client.clone())),
            Err(error) => Err(anyhow::anyhow!("cannot set up TLS: {error:#}")),
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
