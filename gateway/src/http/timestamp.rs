//! Times as the API writes them: RFC 3339, UTC, milliseconds.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// A time in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-20T09:30:00.000Z")]
pub struct Timestamp(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shared::timestamp::serialize(&self.0, serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_milliseconds_also_when_they_are_zero() {
        let time = DateTime::from_timestamp(1_795_167_000, 0).unwrap();
        let text = serde_json::to_string(&Timestamp(time)).unwrap();
        assert!(text.ends_with(".000Z\""), "{text}");
    }
}
