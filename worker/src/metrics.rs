//! Every metric of the worker, by name.

use metrics::{counter, gauge, histogram};

/// Sessions that this worker holds.
pub fn sessions_held(count: usize) {
    gauge!("rookery_worker_sessions_held").set(count as f64);
}

/// Sessions claimed.
pub fn sessions_claimed(count: usize) {
    counter!("rookery_worker_sessions_claimed_total").increment(count as u64);
}

/// Claims that ended because another worker took over.
pub fn claim_lost() {
    counter!("rookery_worker_claims_lost_total").increment(1);
}

/// Sessions that ended with a panic.
pub fn session_panicked() {
    counter!("rookery_worker_session_panics_total").increment(1);
}

/// How long a heartbeat took.
pub fn heartbeat(took: std::time::Duration) {
    histogram!("rookery_worker_heartbeat_seconds").record(took.as_secs_f64());
}

/// Heartbeats that failed.
pub fn heartbeat_failed() {
    counter!("rookery_worker_heartbeat_failures_total").increment(1);
}

/// Events stored.
pub fn events_recorded(count: usize) {
    counter!("rookery_worker_events_recorded_total").increment(count as u64);
}

/// Facts that the database refused: always a bug.
pub fn record_failed() {
    counter!("rookery_worker_record_failures_total").increment(1);
}

/// Events that the broker has acknowledged.
pub fn events_published(count: usize) {
    counter!("rookery_worker_events_published_total").increment(count as u64);
}

/// Commands that came over the broker, by what was done with them.
pub fn command_received(what: &'static str) {
    counter!("rookery_worker_commands_received_total", "result" => what).increment(1);
}

/// Messages written to the socket.
pub fn message_written(took: std::time::Duration) {
    histogram!("rookery_worker_message_write_seconds").record(took.as_secs_f64());
}
