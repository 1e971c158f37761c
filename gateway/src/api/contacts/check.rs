//! `POST …/contacts/check`: which numbers use WhatsApp. Asking too often gets accounts banned, so answers are kept and given again.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::address::{Address, Party};
use shared::query::contact::OnWhatsapp;
use shared::query::{ContactLookup, Lookup};
use utoipa::ToSchema;

use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::timestamp::Timestamp;
use crate::look_up::look_up;
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// The most numbers of one request.
const MOST: usize = 500;
/// How old an answer may be when the client does not say, in seconds: a day.
const DEFAULT_MAX_AGE: u32 = 86_400;
/// How old an answer may be at most, in seconds: as long as answers are kept.
const LONGEST_MAX_AGE: u32 = 30 * 86_400;

/// About whom is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckContacts {
    /// The people, 1 to 500: phone numbers in digits, `…@s.whatsapp.net`, `…@c.us` or `…@lid`.
    #[schema(example = json!(["15550001001", "+1 555 000 1002"]), min_items = 1, max_items = 500)]
    contacts: Vec<String>,
    /// How old an answer may be, in seconds; WhatsApp is asked where there is no younger one. 0: always. At most 30 days.
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    max_age: Option<u32>,
}

/// Whether somebody uses WhatsApp.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedContact {
    /// As it was asked for.
    #[schema(example = "+1 555 000 1002")]
    input: String,
    /// Whether they use WhatsApp.
    exists: bool,
    /// The ids under which WhatsApp knows them; a number may be written otherwise than it was asked for.
    #[serde(flatten)]
    contact: Party,
    /// Whether it is a business.
    is_business: bool,
    /// The name of a business that WhatsApp has verified.
    verified_name: Option<String>,
    /// When WhatsApp said so.
    checked_at: Timestamp,
}

/// The answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedContacts {
    /// One for each question, in order.
    data: Vec<CheckedContact>,
}

/// Find out who uses WhatsApp. Changes nothing; answers are kept for `max_age`, so the session need not be connected for what was asked before.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/contacts/check", tag = "contacts", params(SessionPath, IdempotencyHeader),
    request_body = CheckContacts,
    responses((status = 200, description = "The answers.", body = CheckedContacts)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started",
        "session_not_connected", "whatsapp_refused"]))))]
pub(crate) async fn check_contacts(
    State(app): State<App>,
    call: SessionCall<ReadSessions>,
    submission: Submission<CheckContacts>,
) -> Result<Json<CheckedContacts>, Problem> {
    let questions = check(&submission.body)?;
    let max_age = submission.body.max_age.unwrap_or(DEFAULT_MAX_AGE);
    let keys: Vec<String> = questions.iter().map(Address::to_string).collect();
    let kept = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.number_checks(call.session, &keys, max_age).await?)
    })
    .await?;
    let mut answers: HashMap<String, (OnWhatsapp, DateTime<Utc>)> = kept
        .into_iter()
        .map(|kept| (kept.number, (kept.found, kept.checked_at)))
        .collect();
    let mut open: Vec<Address> = Vec::new();
    for question in &questions {
        if !answers.contains_key(&question.to_string()) && !open.contains(question) {
            open.push(question.clone());
        }
    }
    if !open.is_empty() {
        let lookup = Lookup::Contact(ContactLookup::OnWhatsapp { contacts: open.clone() });
        let found: Vec<OnWhatsapp> = look_up(&app, &call, lookup).await?;
        let fresh: Vec<(String, OnWhatsapp)> = open.iter().map(Address::to_string).zip(found).collect();
        let asked: Vec<String> = fresh.iter().map(|(number, _)| number.clone()).collect();
        let kept = promptly(async {
            let mut transaction = app.store().tenant(call.tenant.tenant).await?;
            sessions::find(&mut transaction, call.session).await?;
            transaction.remember_number_checks(call.session, &fresh).await?;
            // Read again for the database's time: the same answer given later must say the same.
            let kept = transaction.number_checks(call.session, &asked, DEFAULT_MAX_AGE).await?;
            transaction.commit().await?;
            Ok(kept)
        })
        .await?;
        answers.extend(
            kept.into_iter()
                .map(|kept| (kept.number, (kept.found, kept.checked_at))),
        );
    }
    let data = submission
        .body
        .contacts
        .into_iter()
        .zip(questions)
        .map(|(input, question)| answer(input, &question, &answers))
        .collect::<Result<_, _>>()?;
    Ok(Json(CheckedContacts { data }))
}

fn answer(
    input: String,
    question: &Address,
    answers: &HashMap<String, (OnWhatsapp, DateTime<Utc>)>,
) -> Result<CheckedContact, Problem> {
    let (found, checked_at) = answers
        .get(&question.to_string())
        .ok_or_else(|| Problem::internal(anyhow::anyhow!("a look-up has fewer answers than questions")))?;
    let phone = found.phone.clone().map(Address::Phone);
    let lid = found.lid.clone().map(Address::Lid);
    let named = phone.as_ref().or(lid.as_ref()).unwrap_or(question);
    Ok(CheckedContact {
        input,
        exists: found.exists,
        contact: Party::new(named, lid.as_ref()),
        is_business: found.is_business,
        verified_name: found.verified_name.clone(),
        checked_at: (*checked_at).into(),
    })
}

fn check(request: &CheckContacts) -> Result<Vec<Address>, Problem> {
    let mut checks = Checks::new();
    checks.require(
        (1..=MOST).contains(&request.contacts.len()),
        "contacts",
        &format!("must have 1 to {MOST} entries"),
    );
    checks.require(
        request.max_age.is_none_or(|seconds| seconds <= LONGEST_MAX_AGE),
        "max_age",
        &format!("must be 0 to {LONGEST_MAX_AGE}"),
    );
    let mut people = Vec::with_capacity(request.contacts.len().min(MOST));
    for (index, contact) in request.contacts.iter().enumerate().take(MOST) {
        match contact.parse() {
            Ok(person @ (Address::Phone(_) | Address::Lid(_))) => people.push(person),
            Ok(_) | Err(_) => checks.require(false, &format!("contacts[{index}]"), "must be a person's address"),
        }
    }
    checks.finish()?;
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(contacts: &[&str], max_age: Option<u32>) -> CheckContacts {
        CheckContacts {
            contacts: contacts.iter().map(|contact| (*contact).to_owned()).collect(),
            max_age,
        }
    }

    #[test]
    fn only_people_can_be_asked_about_and_not_too_many_at_once() {
        let people = check(&request(&["+1 555 000 1001", "100000000001002@lid"], Some(0))).unwrap();
        assert_eq!(people[0], Address::Phone("15550001001".into()));
        assert!(people[1].lid().is_some());
        for (wrong, field) in [
            (request(&[], None), "contacts"),
            (request(&["15550001001"; 501], None), "contacts"),
            (
                request(&["15550001001", "120363021033254949@g.us"], None),
                "contacts[1]",
            ),
            (request(&["hello"], None), "contacts[0]"),
            (request(&["15550001001"], Some(LONGEST_MAX_AGE + 1)), "max_age"),
        ] {
            assert_eq!(check(&wrong).unwrap_err().errors()[0].field, field, "{wrong:?}");
        }
    }
}
