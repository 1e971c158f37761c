//! What happens around every request: its id, its line in the log, its metrics, its limits, and the rendering of problems.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shared::problem::Code;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::app::App;
use crate::dialect;
use crate::metrics;
use crate::problem::{self, Problem};

/// The header that carries a request's id both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A problem whose answer is written already, in a dialect's words; kept for the log.
#[derive(Debug, Clone)]
pub struct Told(pub Problem);

/// The routes of the API and of the dialects, as opposed to those that machines ask all day.
fn is_api(route: &str) -> bool {
    route.starts_with("/v1/") || route.starts_with("/compat/")
}

/// The outermost layer: gives the request an id, runs it, renders its problem, logs one line and counts it.
pub async fn observe(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    // The tenant and the session are recorded by whoever finds them out. Queries are never logged: they may hold phone numbers.
    let span = tracing::info_span!(
        "request",
        request.id = id,
        http.method = %method,
        http.route = route,
        tenant.id = tracing::field::Empty,
        session.id = tracing::field::Empty
    );
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let problem = render_problem(&mut response, &id);
    set_headers(&mut response, &id, &route);

    let duration = started.elapsed();
    metrics::request(method.as_str(), &route, response.status(), duration);
    let milliseconds = duration.as_secs_f64() * 1_000.0;
    span.in_scope(|| log(&route, response.status(), milliseconds, problem.as_ref()));
    response
}

/// The id that the client gave, if it can stand in a log line, or a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(sane)
        .map_or_else(|| format!("req_{}", Uuid::now_v7().simple()), str::to_owned)
}

/// Writes a problem's body, now that the request's id is known.
fn render_problem(response: &mut Response, id: &str) -> Option<Problem> {
    if let Some(Told(problem)) = response.extensions_mut().remove::<Told>() {
        return Some(problem);
    }
    let mut problem = response.extensions_mut().remove::<Problem>();
    if problem.is_none() && response.status() == StatusCode::NOT_FOUND {
        // From a service that does not know our problems (the documentation's files).
        problem = Some(Problem::not_found(Code::RouteNotFound));
    }
    if let Some(problem) = &problem {
        *response.body_mut() = Body::from(problem.render(id));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
    }
    problem
}

fn set_headers(response: &mut Response, id: &str, route: &str) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_api(route) {
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

fn log(route: &str, status: StatusCode, duration_ms: f64, problem: Option<&Problem>) {
    let status = status.as_u16();
    let Some(problem) = problem else {
        if is_api(route) {
            tracing::info!(http.status = status, duration_ms, "request");
        } else {
            // Machines ask for health and metrics all day.
            tracing::debug!(http.status = status, duration_ms, "request");
        }
        return;
    };
    let code = problem.code().as_str();
    match problem.cause() {
        Some(cause) if problem.code() == Code::Internal => {
            tracing::error!(
                http.status = status,
                duration_ms,
                code,
                cause = format!("{cause:#}"),
                "request failed"
            );
        }
        Some(cause) => {
            tracing::warn!(
                http.status = status,
                duration_ms,
                code,
                cause = format!("{cause:#}"),
                "request failed"
            );
        }
        None => tracing::info!(http.status = status, duration_ms, code, "request refused"),
    }
}

/// A handler's panic is a fault of ours like any other.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Problem::internal(anyhow::anyhow!("a handler panicked: {message}")).into_response()
}

/// Bounds how many requests of the API run at once, and for how long. One too many is refused at once, never queued.
pub async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Ok(_permit) = app.request_permits().try_acquire() else {
        return Problem::new(
            Code::Overloaded,
            "Too many requests are running. The request was not begun and may be repeated.",
        )
        .into_response();
    };
    let moves_file = request
        .extensions()
        .get::<MatchedPath>()
        .is_some_and(|route| route.as_str().starts_with("/v1/media") || dialect::moves_file(route.as_str()));
    let time = match moves_file {
        true => app.limits().media_time(),
        false => app.limits().request_time(),
    };
    match tokio::time::timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Code::Timeout,
            "The request took too long. Whether it took effect is unknown; with its Idempotency-Key it may be repeated.",
        )
        .into_response(),
    }
}

/// The answer where no route matches.
pub async fn route_not_found() -> Problem {
    Problem::not_found(Code::RouteNotFound)
}

/// The answer where a route matches and its method does not.
pub async fn method_not_allowed() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "The header Allow lists the methods of this route.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_is_replaced() {
        let id = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(text));
            request_id(&headers)
        };
        assert_eq!(id("4bf92f35-77b3.a:1_x"), "4bf92f35-77b3.a:1_x");
        for text in ["", "two words", "a\"b", "<script>"] {
            assert!(id(text).starts_with("req_"), "{text}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
