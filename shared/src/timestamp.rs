//! Times as everybody sees them: RFC 3339, UTC, always with milliseconds. For `#[serde(serialize_with = "…")]`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// The text of a time.
#[must_use]
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes a time.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// Writes a time that may be absent.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize_option<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_always_there_and_nothing_finer() {
        assert_eq!(
            text(DateTime::from_timestamp(0, 0).unwrap()),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            text(DateTime::from_timestamp(0, 123_456_789).unwrap()),
            "1970-01-01T00:00:00.123Z"
        );
    }
}
