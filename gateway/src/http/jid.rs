//! JIDs in paths. One that is not well formed, or is of another kind, names nothing, so it is answered like one that does not exist.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use shared::address::Address;
use shared::problem::Code;

use crate::http::checks::Checks;
use crate::problem::Problem;

/// The most people that one request may be about: as many as a group has places (WhatsApp's limit for groups).
const MOST_PEOPLE: usize = 1_024;

macro_rules! jids {
    ($($(#[$doc:meta])* $name:ident = $parameter:literal, $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Address);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                match taken(parts, state, $parameter).await? {
                    address @ Address::$kind(_) => Ok(Self(address)),
                    _ => Err(nothing()),
                }
            }
        }
    )*};
}

jids! {
    /// A group.
    GroupJid = "group_jid", Group;
    /// A community.
    CommunityJid = "community_jid", Group;
    /// A newsletter.
    NewsletterJid = "newsletter_jid", Newsletter;
}

fn nothing() -> Problem {
    Problem::new(Code::NotFoundOnWhatsapp, "The path names no such thing at WhatsApp.")
}

async fn taken<S: Send + Sync>(parts: &mut Parts, state: &S, parameter: &str) -> Result<Address, Problem> {
    let Path(parameters) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
        .await
        .map_err(|_| nothing())?;
    parameters
        .get(parameter)
        .and_then(|text| text.parse().ok())
        .ok_or_else(nothing)
}

/// The people whom a list names, each checked: 1 to 1,024 of them, or none where `least` is 0.
pub fn people(checks: &mut Checks, field: &str, texts: &[String], least: usize) -> Vec<Address> {
    checks.require(
        (least..=MOST_PEOPLE).contains(&texts.len()),
        field,
        &format!("must have {least} to {MOST_PEOPLE} entries"),
    );
    let mut people = Vec::with_capacity(texts.len().min(MOST_PEOPLE));
    for (index, text) in texts.iter().enumerate().take(MOST_PEOPLE) {
        match text.parse::<Address>() {
            Ok(person) if person.is_person() => {
                checks.require(
                    !people.contains(&person),
                    &format!("{field}[{index}]"),
                    "is named twice",
                );
                people.push(person);
            }
            _ => checks.require(false, &format!("{field}[{index}]"), "must be a person's address"),
        }
    }
    people
}

/// The groups that a list names, each checked.
pub fn groups(checks: &mut Checks, field: &str, texts: &[String]) -> Vec<Address> {
    checks.require((1..=100).contains(&texts.len()), field, "must have 1 to 100 entries");
    let mut groups = Vec::with_capacity(texts.len().min(100));
    for (index, text) in texts.iter().enumerate().take(100) {
        match text.parse::<Address>() {
            Ok(group @ Address::Group(_)) => groups.push(group),
            _ => checks.require(false, &format!("{field}[{index}]"), "must be a group's JID"),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_is_no_person_or_named_twice_is_pointed_out() {
        let mut checks = Checks::new();
        let texts = ["15550001001", "+1 555 000 1001", "1@g.us", "120363021033254949@g.us"].map(str::to_owned);
        let found = people(&mut checks, "participants", &texts, 1);
        assert_eq!(found.len(), 2);
        let problem = checks.finish().unwrap_err();
        let fields: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["participants[1]", "participants[2]", "participants[3]"]);
    }

    #[test]
    fn a_list_has_at_least_one_entry_and_not_too_many() {
        let mut checks = Checks::new();
        people(&mut checks, "none", &[], 1);
        people(&mut checks, "optional", &[], 0);
        let many: Vec<String> = (0..1_025).map(|number| format!("1555{number:07}")).collect();
        people(&mut checks, "many", &many, 1);
        let problem = checks.finish().unwrap_err();
        let fields: Vec<&str> = problem.errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["none", "many"]);
    }
}
