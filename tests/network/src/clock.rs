//! The time of day, in the forms that stanzas and answers need.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970: the `t` of every stanza.
pub fn unix_seconds() -> u64 {
    since_1970().as_secs()
}

/// Milliseconds since 1970.
pub fn unix_milliseconds() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
