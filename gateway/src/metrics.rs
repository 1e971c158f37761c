//! The names of the gateway's metrics, and the only place that records them.

use std::time::Duration;

use http::StatusCode;

const REQUESTS: &str = "rookery_gateway_requests_total";
const REQUEST_SECONDS: &str = "rookery_gateway_request_seconds";
const RELAY_DROPPED: &str = "rookery_gateway_relay_dropped_total";
const EVENT_STREAMS: &str = "rookery_gateway_event_streams";

/// Describes every metric; once, at start.
pub fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests by method, route and status");
    metrics::describe_histogram!(
        REQUEST_SECONDS,
        metrics::Unit::Seconds,
        "Time from a request's head to its answer's head, by route; includes waits that clients asked for"
    );
    metrics::describe_counter!(
        RELAY_DROPPED,
        "Commands and hints that were not sent to the broker; their rows are found by the workers' sweep"
    );
    metrics::describe_gauge!(EVENT_STREAMS, "Clients that follow events live");
}

/// A request was answered.
pub fn request(method: &str, route: &str, status: StatusCode, duration: Duration) {
    metrics::counter!(
        REQUESTS,
        "method" => method_label(method),
        "route" => route.to_owned(),
        "status" => status.as_str().to_owned()
    )
    .increment(1);
    metrics::histogram!(REQUEST_SECONDS, "route" => route.to_owned()).record(duration.as_secs_f64());
}

/// Methods are free text; unknown ones share a label so that strangers cannot make metrics grow.
fn method_label(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "PUT" => "PUT",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The relay did not send something.
pub fn relay_dropped(why: &'static str) {
    metrics::counter!(RELAY_DROPPED, "why" => why).increment(1);
}

/// Counts a client that follows events, for as long as it lives.
#[derive(Debug)]
pub struct EventStreamGuard(());

impl EventStreamGuard {
    /// One more.
    #[must_use]
    pub fn enter() -> Self {
        metrics::gauge!(EVENT_STREAMS).increment(1.0);
        Self(())
    }
}

impl Drop for EventStreamGuard {
    fn drop(&mut self) {
        metrics::gauge!(EVENT_STREAMS).decrement(1.0);
    }
}
