//! One attempt at a receiver: one request or a few, under one deadline that covers everything from the look-up of the name to the last byte of the answer.
//!
//! The receiver is a stranger: its address is checked before every request, redirects are not followed, its answer is read up to a limit and
//! kept up to a smaller one, and only the class of a failure is told. No database, no retries.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use shared::egress::{Forbidden, Policy, Unresolved};
use shared::store::deliveries::Target;

use crate::answer::{Answer, Failure, KEPT_RESPONSE};
use crate::keyring::Keyring;
use crate::request::{self, Subject};
use crate::schedule;
use crate::translation::Body;

/// The answer is read up to here, in bytes. Then the connection is closed, which is the only thing an endless body understands.
const READ_RESPONSE: usize = 64 * 1024;

/// Sends requests to receivers.
#[derive(Debug)]
pub(crate) struct Sender {
    policy: Policy,
    client: reqwest::Client,
    timeout: Duration,
    keyring: Keyring,
}

/// What has come of an answer so far; what it has when time is up is kept.
#[derive(Debug, Default)]
struct Received {
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Sender {
    /// A sender whose attempts take at most `timeout` each, `connect_timeout` of it for connecting.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub(crate) fn new(
        policy: Policy,
        timeout: Duration,
        connect_timeout: Duration,
        keyring: Keyring,
    ) -> reqwest::Result<Self> {
        let client = policy.http_client(connect_timeout)?;
        Ok(Self {
            policy,
            client,
            timeout,
            keyring,
        })
    }

    /// Makes one request, or several for a format that says several things of one event: one after another, under one deadline (that of the webhook's format,
    /// where it has one), until one is not
    /// taken. The answer is the last one's. Always ends in time, and never fails: whatever happens is an answer.
    pub(crate) async fn attempt(&self, target: &Target, subject: Subject<'_>, bodies: &[Body]) -> Answer {
        let started_at = Utc::now();
        let clock = Instant::now();
        let mut received = Received::default();
        let exchanges = async {
            for (part, body) in bodies.iter().enumerate() {
                let subject = Subject { part, ..subject };
                received = Received::default();
                self.exchange(target, subject, body, started_at.timestamp(), &mut received)
                    .await?;
                if !received.status.is_some_and(|status| status.is_success()) {
                    break;
                }
            }
            Ok(())
        };
        // Never longer than usual: the lease of the delivery is made for that.
        let patience = target.format.patience().unwrap_or(self.timeout).min(self.timeout);
        let outcome = tokio::time::timeout(patience, exchanges).await;
        let failure = outcome.unwrap_or(Err(Failure::Timeout)).err();
        let refused = received.status.filter(|status| !status.is_success());
        Answer {
            started_at,
            duration: clock.elapsed(),
            status: received.status,
            // A status that is no success says more than a body that could not be read.
            failure: refused.map(|_| Failure::Status).or(failure),
            retry_after: received.retry_after,
            body: received.body,
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        subject: Subject<'_>,
        body: &Body,
        timestamp: i64,
        received: &mut Received,
    ) -> Result<(), Failure> {
        let url = self
            .policy
            .check_url(&target.url)
            .map_err(|_| Failure::ForbiddenAddress)?;
        let secrets: Vec<Arc<_>> = self.keyring.secrets(target);
        let mut headers =
            request::headers(subject, timestamp, body, &secrets, &target.headers).map_err(|_| Failure::Signing)?;
        if let Some(newest) = secrets.first().filter(|_| target.format.tells_secret()) {
            request::tell_secret(&mut headers, newest);
        }
        let request = self.client.post(url).headers(headers).body(body.bytes.clone());
        let mut response = request.send().await.map_err(|error| classify(&error))?;
        received.status = Some(response.status());
        received.retry_after = retry_after(response.headers());
        let mut read = 0;
        while read < READ_RESPONSE {
            let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? else {
                break;
            };
            read += chunk.len();
            let room = KEPT_RESPONSE - received.body.len();
            received.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(())
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    schedule::parse_retry_after(text, Utc::now())
}

/// The class of a failure, by the types among its causes and never by their texts.
fn classify(error: &reqwest::Error) -> Failure {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<Forbidden>() {
            return Failure::ForbiddenAddress;
        }
        if error.is::<Unresolved>() {
            return Failure::Dns;
        }
        if is_tls(error) {
            return Failure::Tls;
        }
        cause = error.source();
    }
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Connect
    } else {
        Failure::Response
    }
}

/// Looks into an I/O error itself, because it hides the error that it was made from: its `source` is the source of that one.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| is_tls(inner))
}
