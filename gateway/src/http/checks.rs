//! Checks of values that have the right type: all that fail are reported at once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use shared::egress::Policy;
use shared::event::{EventType, filter_matches};
use shared::problem::Code;

use crate::problem::{FieldError, Problem};

/// The most entries of a session's metadata.
const METADATA_ENTRIES: usize = 50;

/// What was found wrong so far.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<FieldError>,
    forbidden_url: bool,
}

impl Checks {
    /// Nothing is wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports `message` for `field` unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.errors.push(FieldError {
                field: field.to_owned(),
                message: message.to_owned(),
            });
        }
    }

    /// A name for people: not empty, not long, on one line.
    pub fn name(&mut self, field: &str, name: &str) {
        let length = name.chars().count();
        self.require(
            (1..=100).contains(&length) && !name.chars().any(char::is_control) && !name.trim().is_empty(),
            field,
            "must have 1 to 100 characters, none of them a control character",
        );
    }

    /// A text of so many characters that the database can store.
    pub fn text(&mut self, field: &str, text: &str, characters: RangeInclusive<usize>) {
        let (least, most) = (*characters.start(), *characters.end());
        self.require(
            characters.contains(&text.chars().count()),
            field,
            &format!("must have {least} to {most} characters"),
        );
        self.require(!text.contains('\0'), field, "must not contain the character U+0000");
    }

    /// What a tenant remembers with a session: short texts under short keys, as Stripe has it.
    pub fn metadata(&mut self, metadata: &BTreeMap<String, String>) {
        self.require(
            metadata.len() <= METADATA_ENTRIES,
            "metadata",
            &format!("must have at most {METADATA_ENTRIES} entries"),
        );
        for (key, value) in metadata {
            self.require(
                (1..=40).contains(&key.chars().count())
                    && !key.chars().any(char::is_control)
                    && !key.contains(['[', ']']),
                "metadata",
                "keys must have 1 to 40 characters, none of them a bracket or a control character",
            );
            self.text(&format!("metadata.{key}"), value, 0..=500);
        }
    }

    /// A time that the database can store and that a person can mean.
    pub fn time(&mut self, field: &str, time: DateTime<Utc>) {
        let year = chrono::Datelike::year(&time);
        self.require((1970..10_000).contains(&year), field, "must be a time after 1970");
    }

    /// Types of events, families (`message.*`) and `*`, each known to this version.
    pub fn event_types(&mut self, field: &str, filters: &[String]) {
        self.require(filters.len() <= 100, field, "must have at most 100 entries");
        for (index, filter) in filters.iter().enumerate() {
            let known = EventType::ALL
                .iter()
                .any(|event_type| filter_matches(filter, event_type.as_str()));
            self.require(
                known,
                &format!("{field}[{index}]"),
                "is no event type, family (message.*) or * that this version knows",
            );
        }
    }

    /// A URL from outside that we are asked to call.
    pub fn url(&mut self, field: &str, url: &str, policy: &Policy) {
        if let Err(forbidden) = policy.check_url(url) {
            self.forbidden_url(field, &forbidden.to_string());
        }
    }

    /// A URL leads where Rookery does not go.
    pub fn forbidden_url(&mut self, field: &str, message: &str) {
        self.forbidden_url = true;
        self.require(false, field, message);
    }

    /// Whether everything held.
    ///
    /// # Errors
    /// One problem with every field that is wrong.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let code = if self.forbidden_url {
            Code::UrlForbidden
        } else {
            Code::ValidationFailed
        };
        Err(Problem::fields(code, self.errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let mut checks = Checks::new();
        checks.name("name", "");
        checks.text("text.body", "a\0b", 1..=10);
        checks.event_types("events", &["message.*".into(), "message.recieved".into(), "*".into()]);
        let problem = checks.finish().unwrap_err();
        let fields: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "text.body", "events[1]"]);
        assert_eq!(problem.code(), Code::ValidationFailed);
    }

    #[test]
    fn what_is_right_passes() {
        let mut checks = Checks::new();
        checks.name("name", "Shop 1 – Berlin");
        checks.text("text.body", "\u{1F426}", 1..=1);
        checks.metadata(&BTreeMap::from([("order".to_owned(), "1234".to_owned())]));
        checks.time("since", Utc::now());
        assert!(checks.finish().is_ok());
    }

    #[test]
    fn times_that_the_database_cannot_hold_are_refused() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let mut checks = Checks::new();
            checks.time("since", time);
            assert!(checks.finish().is_err(), "{time}");
        }
    }
}
