//! The receiver behind the sink: an HTTP server that keeps the latest webhooks in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde::Deserialize;
use sha2::Sha256;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Behaviour, Page, Received};

/// How many webhooks are kept; the oldest go first.
const KEPT: usize = 20_000;
/// The largest body that is taken: more than any event of ours.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// The longest a reader is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the sink knows.
struct Receivers {
    state: Mutex<Memory>,
    /// The latest cursor: wakes readers that wait.
    latest: watch::Sender<u64>,
}

#[derive(Default)]
struct Memory {
    webhooks: VecDeque<Received>,
    attempts: HashMap<(String, String), u32>,
    secrets: Vec<NamedSecret>,
    behaviours: Vec<Behaviour>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedSecret {
    /// The receiver; absent: all of them.
    name: Option<String>,
    secret: String,
}

#[derive(Deserialize)]
struct Look {
    name: Option<String>,
    #[serde(default)]
    after: u64,
    /// Seconds.
    #[serde(default)]
    wait: f64,
}

/// Serves until `stop` is cancelled.
///
/// # Errors
/// When the server fails.
pub async fn serve(listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router())
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// The sink's routes, with an empty memory.
fn router() -> Router {
    let receivers = Arc::new(Receivers {
        state: Mutex::default(),
        latest: watch::Sender::new(0),
    });
    Router::new()
        .route("/hooks/{name}", post(receive))
        .route("/webhooks", get(list))
        .route("/secrets", post(add_secret))
        .route("/behaviour", post(behave).delete(behave_well))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(receivers)
}

async fn receive(
    State(receivers): State<Arc<Receivers>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let behaviour = receivers.state.lock().next_behaviour(&name);
    let status = behaviour
        .status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::OK);
    let answered = (!behaviour.hang).then_some(status.as_u16());
    let cursor = receivers.state.lock().keep(&name, &headers, &body, answered);
    receivers.latest.send_replace(cursor);
    if behaviour.hang {
        // Until the sender gives up: the connection's end drops this future.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
    let mut response = (status, "received\n").into_response();
    for (name, value) in &behaviour.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn list(State(receivers): State<Arc<Receivers>>, Query(look): Query<Look>) -> Json<Page> {
    let mut latest = receivers.latest.subscribe();
    let wait = Duration::try_from_secs_f64(look.wait)
        .unwrap_or_default()
        .min(LONGEST_WAIT);
    let found = tokio::time::timeout(wait, async {
        loop {
            latest.borrow_and_update();
            let page = receivers.state.lock().page(&look);
            // An error means that the sink stops: answer with what there is.
            if !page.webhooks.is_empty() || latest.changed().await.is_err() {
                return page;
            }
        }
    })
    .await;
    Json(found.unwrap_or_else(|_| receivers.state.lock().page(&look)))
}

async fn add_secret(State(receivers): State<Arc<Receivers>>, Json(secret): Json<NamedSecret>) -> StatusCode {
    receivers.state.lock().secrets.push(secret);
    StatusCode::NO_CONTENT
}

async fn behave(State(receivers): State<Arc<Receivers>>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    let mut state = receivers.state.lock();
    // The latest word about a receiver counts.
    state.behaviours.retain(|other| other.name != behaviour.name);
    state.behaviours.push(behaviour);
    StatusCode::NO_CONTENT
}

async fn behave_well(State(receivers): State<Arc<Receivers>>) -> StatusCode {
    receivers.state.lock().behaviours.clear();
    StatusCode::NO_CONTENT
}

impl Memory {
    /// How the next request to `name` is answered; one that holds for a number of requests is used up.
    fn next_behaviour(&mut self, name: &str) -> Behaviour {
        let concerns = |behaviour: &Behaviour| behaviour.name.as_deref().is_none_or(|other| other == name);
        let Some(index) = self.behaviours.iter().rposition(concerns) else {
            return Behaviour::default();
        };
        let behaviour = self.behaviours[index].clone();
        match &mut self.behaviours[index].count {
            Some(count) if *count <= 1 => {
                self.behaviours.remove(index);
            }
            Some(count) => *count -= 1,
            None => {}
        }
        behaviour
    }

    /// Keeps a webhook, and returns its cursor.
    fn keep(&mut self, name: &str, headers: &HeaderMap, body: &[u8], answered: Option<u16>) -> u64 {
        let id = text_of(headers, "webhook-id");
        let attempts = self.attempts.entry((name.to_owned(), id)).or_default();
        *attempts += 1;
        let attempts = *attempts;
        let secrets: Vec<&str> = self
            .secrets
            .iter()
            .filter(|secret| secret.name.as_deref().is_none_or(|other| other == name))
            .map(|secret| secret.secret.as_str())
            .collect();
        let verification = verify(&secrets, headers, body);
        let cursor = self.webhooks.back().map_or(1, |last| last.cursor + 1);
        self.webhooks.push_back(Received {
            cursor,
            name: name.to_owned(),
            received_at: chrono::Utc::now(),
            headers: readable(headers),
            body: String::from_utf8_lossy(body).into_owned(),
            verified: verification.is_ok(),
            verification_error: verification.err(),
            legacy_verified: secrets
                .iter()
                .any(|secret| legacy_signature_is_right(secret, &text_of(headers, "x-webhook-signature"), body)),
            attempts,
            answered,
        });
        if self.webhooks.len() > KEPT {
            self.webhooks.pop_front();
        }
        cursor
    }

    fn page(&self, look: &Look) -> Page {
        let webhooks: Vec<Received> = self
            .webhooks
            .iter()
            .filter(|webhook| webhook.cursor > look.after)
            .filter(|webhook| look.name.as_ref().is_none_or(|name| *name == webhook.name))
            .cloned()
            .collect();
        let next = webhooks.last().map_or(look.after, |last| last.cursor);
        Page { webhooks, next }
    }
}

/// Asks the official library, with one secret after the other.
fn verify(secrets: &[&str], headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let mut failure = "no secret was named for this receiver".to_owned();
    for secret in secrets {
        match Webhook::new(secret).and_then(|webhook| webhook.verify(body, headers)) {
            Ok(()) => return Ok(()),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(failure)
}

/// `X-Webhook-Signature: sha256=<hex>`: HMAC-SHA256 over the body, keyed with the secret's text as receivers configure it.
pub(super) fn legacy_signature_is_right(secret: &str, given: &str, body: &[u8]) -> bool {
    let Some(signature) = given
        .strip_prefix("sha256=")
        .and_then(|digits| hex::decode(digits).ok())
    else {
        return false;
    };
    let Ok(mut code) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    code.update(body);
    code.verify_slice(&signature).is_ok()
}

fn text_of(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Answer, client};
    use crate::sink::Sink;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const DEADLINE: Duration = Duration::from_secs(10);

    async fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, CancellationToken::new()));
        Sink {
            base,
            http: client().unwrap(),
        }
    }

    async fn deliver(sink: &Sink, name: &str, secret: &str, body: &str) -> Answer {
        let now = chrono::Utc::now().timestamp();
        let signature = Webhook::new(secret)
            .unwrap()
            .sign("evt_1", now, body.as_bytes())
            .unwrap();
        let request = client()
            .unwrap()
            .post(sink.url(name))
            .header("webhook-id", "evt_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .body(body.to_owned());
        Answer::to(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_right_signature_is_told_from_a_wrong_one() {
        let sink = start().await;
        sink.expect_secret("shop", SECRET).await.unwrap();
        deliver(&sink, "shop", SECRET, r#"{"type":"message.received"}"#).await;
        deliver(&sink, "shop", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "{}").await;
        deliver(&sink, "other", SECRET, "{}").await;
        let page = sink.received("shop", 0, Duration::ZERO).await.unwrap();
        let outcomes: Vec<(bool, u32)> = page.webhooks.iter().map(|one| (one.verified, one.attempts)).collect();
        assert_eq!(outcomes, [(true, 1), (false, 2)]);
        assert_eq!(page.webhooks[0].event_type(), "message.received");
        assert!(!page.webhooks[0].legacy_verified, "the older header was not even there");
        let other = sink.received("other", 0, Duration::ZERO).await.unwrap();
        assert!(!other.webhooks[0].verified, "the secret was named for another receiver");
    }

    #[tokio::test]
    async fn a_reader_waits_for_what_comes_later() {
        let sink = start().await;
        let reader = tokio::spawn({
            let sink = sink.clone();
            async move { sink.first("shop", DEADLINE, |webhook| webhook.body == "second").await }
        });
        deliver(&sink, "shop", SECRET, "first").await;
        deliver(&sink, "shop", SECRET, "second").await;
        assert_eq!(reader.await.unwrap().unwrap().cursor, 2);
    }

    #[tokio::test]
    async fn a_receiver_fails_as_often_as_it_is_told() {
        let sink = start().await;
        let failing = Behaviour {
            name: Some("shop".to_owned()),
            status: Some(503),
            count: Some(2),
            headers: BTreeMap::from([("retry-after".to_owned(), "1".to_owned())]),
            ..Behaviour::default()
        };
        sink.behave(&failing).await.unwrap();
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(deliver(&sink, "shop", SECRET, "{}").await.status);
        }
        assert_eq!(statuses, [503, 503, 200]);
        assert_eq!(deliver(&sink, "other", SECRET, "{}").await.status, 200);
    }

    #[tokio::test]
    async fn the_older_signature_is_checked_too() {
        let sink = start().await;
        sink.expect_secret("old", SECRET).await.unwrap();
        let mut code = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        code.update(b"{}");
        let signature = format!("sha256={}", hex::encode(code.finalize().into_bytes()));
        let request = client()
            .unwrap()
            .post(sink.url("old"))
            .header("X-Webhook-Signature", signature)
            .body("{}");
        Answer::to(request).await.unwrap().expect(200).unwrap();
        let page = sink.received("old", 0, DEADLINE).await.unwrap();
        assert!(page.webhooks[0].legacy_verified);
        assert_eq!(
            page.webhooks[0].verification_error.as_deref(),
            Some("missing header id"),
            "it is no Standard Webhook"
        );
    }
}
