//! `Prefer: wait=N` (RFC 7240): how long a client would like us to wait for the outcome.
//!
//! A preference is a wish: what cannot be read is ignored, what is too long is shortened.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(30);

/// What the client prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefer {
    /// How long to wait for the outcome, at most [`LONGEST`]. `None`: not said.
    pub wait: Option<Duration>,
}

impl Prefer {
    fn read(headers: &HeaderMap) -> Self {
        let wait = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(wait_seconds);
        Self {
            wait: wait.map(|seconds| Duration::from_secs(seconds).min(LONGEST)),
        }
    }

    /// Says in the answer that the preference was honoured.
    pub fn applied(self, response: &mut Response) {
        let Some(wait) = self.wait else { return };
        if let Ok(value) = HeaderValue::from_str(&format!("wait={}", wait.as_secs())) {
            response.headers_mut().insert("preference-applied", value);
        }
    }
}

/// The seconds of one preference, if it is `wait`.
fn wait_seconds(preference: &str) -> Option<u64> {
    // Parameters after a semicolon belong to the preference and mean nothing to us.
    let preference = preference.split(';').next()?;
    let (name, value) = preference.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    value.trim().trim_matches('"').parse().ok()
}

impl<S: Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(values: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_static(value));
        }
        Prefer::read(&headers).wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_read_wherever_it_stands_and_never_exceeds_the_longest() {
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&["wait=5"]), Some(5));
        assert_eq!(wait(&["respond-async, WAIT = \"7\"; strict"]), Some(7));
        assert_eq!(wait(&["return=minimal", "wait=3"]), Some(3));
        assert_eq!(wait(&["wait=86400"]), Some(30));
    }

    #[test]
    fn nonsense_is_ignored() {
        for value in ["wait", "wait=", "wait=-1", "wait=soon", "waiting=5", ";;,="] {
            assert_eq!(wait(&[value]), None, "{value}");
        }
    }
}
