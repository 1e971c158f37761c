//! GET requests that act. The web promises that a GET changes nothing, so browsers prefetch and proxies repeat; these dialects break that promise, and
//! here is what keeps it harmless: a repeat within [`WINDOW`] is the same request and gets the same answer, and whoever only prefetches is refused.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use shared::problem::Code;

use super::Speech;
use super::patience::look_for;
use crate::app::App;
use crate::idempotency::Idempotency;
use crate::problem::Problem;

/// A repeat of a GET that acts is the same request for so long.
pub const WINDOW: Duration = Duration::from_secs(2);
/// How long a repeat waits for the answer to the first one.
const PATIENCE: Duration = Duration::from_secs(15);

/// A request that acts although it is a GET, and is no prefetching.
#[derive(Debug, Clone)]
pub struct Acting<S> {
    /// What makes repeats one.
    pub idempotency: Idempotency,
    speech: std::marker::PhantomData<fn() -> S>,
}

impl<S: Speech> FromRequestParts<App> for Acting<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        if parts.method == Method::HEAD {
            return Err(Problem::new(
                Code::MethodNotAllowed,
                "This route acts: it answers no HEAD.",
            ));
        }
        if is_prefetch(&parts.headers) {
            return Err(Problem::new(
                Code::Forbidden,
                "This route acts, so it is not prefetched. Nothing was done.",
            ));
        }
        // Without the dialect's prefix: the same through every door.
        let uri = parts.uri.to_string();
        let mut digest = Sha256::new();
        let key = S::key(parts);
        let key = key.as_ref().map_or("", |key| key.expose_secret());
        for part in [S::DIALECT.as_str(), parts.method.as_str(), key, &uri] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let fingerprint: [u8; 32] = digest.finalize().into();
        let digits: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            idempotency: Idempotency {
                key: format!("get:{digits}"),
                fingerprint,
                window: Some(WINDOW),
            },
            speech: std::marker::PhantomData,
        })
    }
}

/// Browsers say so in one of these: `Sec-Purpose: prefetch;prerender` (Fetch standard), `Purpose: prefetch` (older Chrome and Safari),
/// `X-Moz: prefetch` (older Firefox), `X-Purpose: preview` (Safari's top sites).
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz", "x-purpose"].iter().any(|name| {
        headers
            .get_all(*name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| {
                let value = value.to_ascii_lowercase();
                ["prefetch", "prerender", "preview"]
                    .iter()
                    .any(|word| value.contains(word))
            })
    })
}

/// Does `work` once: while the first of two equal requests is still at it, the second waits for its answer.
///
/// # Errors
/// The work's problem.
pub async fn once<T, F>(work: impl Fn() -> F) -> Result<T, Problem>
where
    F: Future<Output = Result<T, Problem>>,
{
    let first = look_for(PATIENCE, || async {
        match work().await {
            Err(problem) if problem.code() == Code::IdempotencyInProgress => Ok(None),
            other => other.map(Some),
        }
    });
    match first.await? {
        Some(answer) => Ok(answer),
        // It is told that the first one is still at it.
        None => work().await,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_browsers_way_to_say_prefetch_is_understood() {
        for (name, value) in [
            ("purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert!(is_prefetch(&headers), "{name}: {value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        assert!(!is_prefetch(&headers));
    }
}
