//! Every metric of the dispatcher, and nothing but metrics. No label ever names a tenant, a webhook or a host.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const EVENTS: &str = "rookery_dispatcher_events_total";
const DEAD_LETTERS: &str = "rookery_dispatcher_dead_letters_total";
const RECORDED: &str = "rookery_dispatcher_deliveries_recorded_total";
const PARKED: &str = "rookery_dispatcher_deliveries_parked_total";
const ABANDONED: &str = "rookery_dispatcher_deliveries_abandoned_total";
const ATTEMPTS: &str = "rookery_dispatcher_attempts_total";
const ATTEMPT_DURATION: &str = "rookery_dispatcher_attempt_duration_seconds";
const LAG: &str = "rookery_dispatcher_lag_seconds";
const IN_FLIGHT: &str = "rookery_dispatcher_attempts_in_flight";

/// How an attempt was settled, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Succeeded,
    /// It will be tried again.
    Retried,
    /// It will not be tried again.
    Failed,
    /// The lease had run out: somebody else settles it.
    Fenced,
}

/// Gives every metric its description.
pub(crate) fn describe() {
    describe_counter!(EVENTS, "Events read from the broker");
    describe_counter!(DEAD_LETTERS, "Events that could not be decoded and were put aside");
    describe_counter!(RECORDED, "Deliveries recorded: one event for one webhook");
    describe_counter!(
        PARKED,
        "Deliveries that could not be attempted at once and wait as rows"
    );
    describe_counter!(
        ABANDONED,
        "Deliveries given up because their webhook is disabled or gone"
    );
    describe_counter!(ATTEMPTS, "Requests to webhooks, by outcome and by class of failure");
    describe_histogram!(ATTEMPT_DURATION, Unit::Seconds, "Time of one request to a webhook");
    describe_histogram!(
        LAG,
        Unit::Seconds,
        "Time from recording an event to its successful delivery"
    );
    describe_gauge!(IN_FLIGHT, "Requests to webhooks that are under way");
}

/// Events were read from the broker.
pub(crate) fn events(count: usize) {
    counter!(EVENTS).increment(count as u64);
}

/// An event could not be decoded.
pub(crate) fn dead_letter() {
    counter!(DEAD_LETTERS).increment(1);
}

/// Deliveries were recorded, some of them parked.
pub(crate) fn recorded(new: usize, parked: usize) {
    counter!(RECORDED).increment(new as u64);
    counter!(PARKED).increment(parked as u64);
}

/// Deliveries were given up without an attempt.
pub(crate) fn abandoned(count: u64) {
    counter!(ABANDONED).increment(count);
}

/// An attempt was settled.
pub(crate) fn attempt(outcome: Outcome, error: Option<&'static str>, duration: Duration) {
    let outcome = match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Retried => "retried",
        Outcome::Failed => "failed",
        Outcome::Fenced => "fenced",
    };
    counter!(ATTEMPTS, "outcome" => outcome, "error" => error.unwrap_or("none")).increment(1);
    histogram!(ATTEMPT_DURATION).record(duration);
}

/// A delivery succeeded so long after its event was recorded.
pub(crate) fn lag(lag: Duration) {
    histogram!(LAG).record(lag);
}

/// So many attempts are under way.
pub(crate) fn in_flight(count: usize) {
    gauge!(IN_FLIGHT).set(count as f64);
}
