//! What came of one request, and what follows from it. Pure: no network, no clock, no randomness.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use shared::store::deliveries::{Attempt, Settlement};

use crate::schedule::Schedule;

/// As much of a receiver's answer is kept for its owner to look at, in bytes.
pub(crate) const KEPT_RESPONSE: usize = 8 * 1024;

/// The class of a failure. All that a tenant learns of it: details could tell about our network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The host's name has no address.
    Dns,
    /// The URL is not one that may be reached, or its name leads to a forbidden address.
    ForbiddenAddress,
    /// No connection.
    Connect,
    /// No secure connection.
    Tls,
    /// No complete answer in time.
    Timeout,
    /// The connection broke, or what came was not HTTP.
    Response,
    /// The answer was not a success (2xx).
    Status,
    /// Our own fault: no signing secret could be opened, or the request could not be built. Nothing was sent.
    Signing,
    /// Our own fault too: something that the webhook's format shows could not be read. Nothing was sent.
    Translation,
}

impl Failure {
    /// The stable word that deliveries and attempts are stored with.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::ForbiddenAddress => "forbidden_address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Response => "response",
            Self::Status => "status",
            Self::Signing => "signing",
            Self::Translation => "translation",
        }
    }

    /// Whether the endpoint answered nonetheless: what the breaker wants to know.
    pub(crate) fn answered(self) -> bool {
        match self {
            Self::Status | Self::Response => true,
            // Nothing was sent, so nothing is known about the endpoint.
            Self::Signing | Self::Translation => true,
            Self::Dns | Self::ForbiddenAddress | Self::Connect | Self::Tls | Self::Timeout => false,
        }
    }
}

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// When it began.
    pub(crate) started_at: DateTime<Utc>,
    /// How long it took.
    pub(crate) duration: Duration,
    /// The status, if one came.
    pub(crate) status: Option<StatusCode>,
    /// Why it was no success; `None`: it was.
    pub(crate) failure: Option<Failure>,
    /// How long the receiver wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// The first bytes of the body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Nothing was sent: there was nothing to say, or something could not be read.
    pub(crate) fn unsent(failure: Option<Failure>) -> Self {
        Self {
            started_at: Utc::now(),
            duration: Duration::ZERO,
            status: None,
            failure,
            retry_after: None,
            body: Vec::new(),
        }
    }

    /// What becomes of the delivery that had `earlier` attempts before this one. `random` is uniform in 0..1.
    pub(crate) fn settlement(&self, schedule: &Schedule, earlier: usize, random: f64) -> Settlement {
        if self.failure.is_none() {
            return Settlement::Succeeded;
        }
        if self.status == Some(StatusCode::GONE) {
            return Settlement::Gone;
        }
        let throttled = matches!(
            self.status,
            Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        );
        let retry_after = self.retry_after.filter(|_| throttled);
        schedule
            .delay(earlier, random, retry_after)
            .map_or(Settlement::Failed, Settlement::Retry)
    }

    /// The attempt as it is written down.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            started_at: self.started_at,
            duration: self.duration,
            status_code: self.status.map(|status| status.as_u16()),
            error: self.failure.map(Failure::as_str),
            response: self.status.map(|_| readable(&self.body)),
        }
    }
}

/// A body as text for people: no control characters except line breaks and tabs, at most [`KEPT_RESPONSE`] bytes.
fn readable(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(KEPT_RESPONSE)]);
    let mut kept = String::with_capacity(text.len().min(KEPT_RESPONSE));
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            continue;
        }
        if kept.len() + character.len_utf8() > KEPT_RESPONSE {
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer {
            started_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            duration: Duration::from_millis(12),
            status: Some(status),
            failure: (!status.is_success()).then_some(Failure::Status),
            retry_after: None,
            body: Vec::new(),
        }
    }

    fn no_answer(failure: Failure) -> Answer {
        Answer {
            status: None,
            failure: Some(failure),
            ..answer(500)
        }
    }

    fn retried_after(settlement: Settlement) -> u64 {
        match settlement {
            Settlement::Retry(delay) => (delay + Duration::from_millis(500)).as_secs(),
            other => panic!("expected a retry, got {other:?}"),
        }
    }

    #[test]
    fn only_2xx_is_a_success_and_410_ends_everything() {
        let schedule = Schedule::from_seconds(&[5, 30]);
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(
                answer(status).settlement(&schedule, 0, 0.5),
                Settlement::Succeeded,
                "{status}"
            );
        }
        for status in [300, 301, 302, 307, 400, 401, 404, 429, 500, 502, 503, 504] {
            assert_eq!(
                retried_after(answer(status).settlement(&schedule, 0, 0.5)),
                5,
                "{status}"
            );
            assert_eq!(
                answer(status).settlement(&schedule, 2, 0.5),
                Settlement::Failed,
                "{status}"
            );
        }
        assert_eq!(answer(410).settlement(&schedule, 0, 0.5), Settlement::Gone);
    }

    #[test]
    fn every_other_failure_is_tried_again_until_the_schedule_is_exhausted() {
        let schedule = Schedule::from_seconds(&[5, 30]);
        for failure in [
            Failure::Dns,
            Failure::ForbiddenAddress,
            Failure::Connect,
            Failure::Tls,
            Failure::Timeout,
            Failure::Response,
            Failure::Signing,
        ] {
            let answer = no_answer(failure);
            assert_eq!(retried_after(answer.settlement(&schedule, 1, 0.5)), 30, "{failure:?}");
            assert_eq!(answer.settlement(&schedule, 2, 0.5), Settlement::Failed, "{failure:?}");
        }
    }

    #[test]
    fn an_answer_that_never_ends_is_no_success_although_its_status_was() {
        let endless = Answer {
            failure: Some(Failure::Timeout),
            ..answer(200)
        };
        assert_eq!(
            retried_after(endless.settlement(&Schedule::from_seconds(&[5]), 0, 0.5)),
            5
        );
    }

    #[test]
    fn retry_after_counts_for_429_and_503_only() {
        let schedule = Schedule::from_seconds(&[5]);
        let asking = |status| Answer {
            retry_after: Some(Duration::from_secs(100)),
            ..answer(status)
        };
        for (status, seconds) in [(429, 100), (503, 100), (500, 5), (302, 5)] {
            let delay = retried_after(asking(status).settlement(&schedule, 0, 0.0));
            let expected = if seconds == 5 { 4 } else { seconds };
            assert_eq!(delay, expected, "{status}");
        }
    }

    #[test]
    fn a_kept_response_is_short_readable_text() {
        let kept = |body: &[u8]| {
            let answer = Answer {
                body: body.to_vec(),
                ..answer(500)
            };
            answer.attempt().response.unwrap()
        };
        assert_eq!(kept(b"bad\0 \x1b[31mnews\r\n\ttwice\x7f"), "bad [31mnews\n\ttwice");
        assert_eq!(kept(&[b'x'; 70_000]).len(), KEPT_RESPONSE);
        let invalid = kept(&[0xff; 70_000]);
        assert!(invalid.len() <= KEPT_RESPONSE, "{}", invalid.len());
        assert!(
            invalid
                .chars()
                .all(|character| character == char::REPLACEMENT_CHARACTER)
        );
        let wide = kept("é".repeat(10_000).as_bytes());
        assert!(wide.len() <= KEPT_RESPONSE && wide.starts_with("éé"));
        assert_eq!(no_answer(Failure::Connect).attempt().response, None);
    }
}
