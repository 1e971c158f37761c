//! A request of a scenario and the answer that it expects.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use harness::http::{Answer, client};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::pattern::{Variables, compare, filled, filled_text, keep};
use crate::scene::PATIENCE;

/// Between two looks at something that is still to come.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);

/// A request and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// `METHOD PATH`, the path as the dialect's own clients know it, or a whole URL.
    ask: String,
    /// Headers instead of the scenario's.
    headers: Option<BTreeMap<String, String>>,
    /// A body of JSON.
    json: Option<Value>,
    /// A body that is a form.
    form: Option<BTreeMap<String, String>>,
    /// A body that is a form with files.
    multipart: Option<Vec<Part>>,
    /// The status of the answer.
    pub answer: u16,
    /// The JSON of the answer; absent: whatever it is.
    with: Option<Value>,
    /// The answer's bytes, in base64.
    bytes: Option<String>,
    /// Texts that the answer contains, whatever it is.
    #[serde(default)]
    contains: Vec<String>,
    /// Headers of the answer.
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    /// Where links in the answer lead: JSON pointers, and the bytes there in base64.
    #[serde(default)]
    links: BTreeMap<String, String>,
    /// What to keep of the answer: names and JSON pointers.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// Asks again until the answer is the expected one, for as long as anything may take.
    #[serde(default)]
    eventually: bool,
    /// Asks so often at the same time; every answer must be the expected one.
    #[serde(default = "once")]
    at_once: usize,
}

fn once() -> usize {
    1
}

/// A part of a form with files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    name: String,
    text: Option<String>,
    file_name: Option<String>,
    mime_type: Option<String>,
    base64: Option<String>,
}

/// What stands between the parts of a form.
const BOUNDARY: &str = "----rookery-scenario";

impl Ask {
    /// Whether it is a request for a route: `GET /api/qr/{sessionId}`, `GET /:sessao/me`.
    #[must_use]
    pub fn is_for(&self, route: &str) -> bool {
        let (Some((method, path)), Some((wanted, pattern))) = (self.ask.split_once(' '), route.split_once(' ')) else {
            return false;
        };
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let pattern: Vec<&str> = pattern.split('/').collect();
        let fits = |(pattern, part): (&&str, &&str)| pattern.starts_with([':', '{']) || pattern == part;
        method == wanted && pattern.len() == parts.len() && pattern.iter().zip(&parts).all(fits)
    }

    /// Asks, compares, keeps.
    ///
    /// # Errors
    /// When the answer is another than the expected one.
    pub(super) async fn told(
        &self,
        base: &str,
        headers: &BTreeMap<String, String>,
        variables: &mut Variables,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let asking = (0..self.at_once).map(|_| self.sent(base, headers, variables));
            let answers = try_join_all(asking).await?;
            let differences: Vec<anyhow::Error> = answers
                .iter()
                .filter_map(|answer| self.expect(answer, variables).err())
                .collect();
            if differences.is_empty() {
                let Some(answer) = answers.first() else { return Ok(()) };
                let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                follow(&self.links, &value).await?;
                return keep(&self.keep, &value, variables);
            }
            if !self.eventually || start.elapsed() > PATIENCE {
                bail!("{differences:#?}");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn sent(
        &self,
        base: &str,
        headers: &BTreeMap<String, String>,
        variables: &Variables,
    ) -> anyhow::Result<Answer> {
        let (method, path) = self.ask.split_once(' ').context("expected METHOD PATH")?;
        let method: Method = method.parse()?;
        let path = filled_text(path, variables);
        let url = match path.starts_with("http") {
            true => path,
            false => format!("{base}{path}"),
        };
        let mut request = client()?.request(method, url);
        for (name, value) in self.headers.as_ref().unwrap_or(headers) {
            request = request.header(name, filled_text(value, variables));
        }
        if let Some(body) = &self.json {
            request = request.json(&filled(body, variables));
        }
        if let Some(form) = &self.form {
            let pairs: Vec<(String, String)> = form
                .iter()
                .map(|(name, value)| (name.clone(), filled_text(value, variables)))
                .collect();
            let url = reqwest::Url::parse_with_params("http://form/", &pairs)?;
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(url.query().unwrap_or_default().to_owned());
        }
        if let Some(parts) = &self.multipart {
            let (kind, body) = multipart(parts, variables)?;
            request = request.header("content-type", kind).body(body);
        }
        Answer::to(request).await
    }

    fn expect(&self, answer: &Answer, variables: &Variables) -> anyhow::Result<()> {
        ensure!(answer.status == self.answer, "expected {}: {answer}", self.answer);
        for (name, value) in &self.answer_headers {
            let found = answer.header(name).unwrap_or_default();
            ensure!(found == value, "expected the header {name}: {value}, found '{found}'");
        }
        if let Some(wanted) = &self.bytes {
            ensure!(answer.body == STANDARD.decode(wanted)?, "other bytes: {answer}");
        }
        for text in &self.contains {
            let text = filled_text(text, variables);
            ensure!(answer.text().contains(&text), "expected '{text}' in {answer}");
        }
        if let Some(wanted) = &self.with {
            let found: Value = answer.json()?;
            if let Err(difference) = compare(&filled(wanted, variables), &found) {
                bail!("{}: {difference}\nin {found:#}", answer.request);
            }
        }
        Ok(())
    }
}

/// Follows links and compares what is there.
///
/// # Errors
/// When there is no link, or something else lies under it.
pub(super) async fn follow(links: &BTreeMap<String, String>, value: &Value) -> anyhow::Result<()> {
    for (pointer, bytes) in links {
        let link = value.pointer(pointer).and_then(Value::as_str);
        let link = link.with_context(|| format!("no link at {pointer} in {value}"))?;
        let found = Answer::to(client()?.get(link)).await?.expect(200)?;
        ensure!(
            found.body == STANDARD.decode(bytes)?,
            "the link at {pointer} leads to something else"
        );
    }
    Ok(())
}

/// The content type and the bytes of a form with files.
///
/// # Errors
/// When a part is neither text nor a file in base64.
pub fn multipart(parts: &[Part], variables: &Variables) -> anyhow::Result<(String, Vec<u8>)> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"", part.name).as_bytes(),
        );
        if let Some(name) = &part.file_name {
            body.extend_from_slice(format!("; filename=\"{name}\"").as_bytes());
        }
        if let Some(kind) = &part.mime_type {
            body.extend_from_slice(format!("\r\nContent-Type: {kind}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        match (&part.text, &part.base64) {
            (Some(text), None) => body.extend_from_slice(filled_text(text, variables).as_bytes()),
            (None, Some(file)) => body.extend_from_slice(&STANDARD.decode(file)?),
            _ => bail!("the part {} must have either text or base64", part.name),
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={BOUNDARY}"), body))
}
