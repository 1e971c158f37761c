//! `PATCH …/profile`: name, about, privacy and the timer of new chats, in one operation.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::address::Address;
use shared::operation::ProfileOperation;
use shared::operation::profile::{PrivacyCategory, PrivacyChange, PrivacyValue};
use utoipa::ToSchema;

use super::give;
use crate::api::sessions::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::http::body::Document;
use crate::http::checks::Checks;
use crate::http::prefer::Prefer;
use crate::openapi::PreferHeader;
use crate::operate::{OperationAccepted, OperationDone};
use crate::problem::Problem;

/// The longest name, in characters: WhatsApp's own limit.
const LONGEST_NAME: usize = 25;
/// The longest about, likewise.
const LONGEST_ABOUT: usize = 139;
/// The timers that WhatsApp's apps offer: off, a day, a week, 90 days.
const TIMERS: [u32; 4] = [0, 86_400, 604_800, 7_776_000];
/// The most exceptions of one request.
const MOST_EXCEPTIONS: usize = 500;

/// What is to change. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateProfile {
    /// The name that contacts see: 1 to 25 characters.
    #[schema(required = false, example = "Front desk")]
    name: Option<String>,
    /// The about: up to 139 characters; empty: none.
    #[schema(required = false, example = "We answer from 9 to 18")]
    about: Option<String>,
    /// Who may see and do what, by category: `last_seen`, `picture`, `about`, `group_add` (`all`, `contacts`, `contact_blacklist`, `none`), `online`
    /// (`all`, `match_last_seen`), `read_receipts` (`all`, `none`), `call_add` (`all`, `known`, `contacts`), `messages` (`all`, `contacts`),
    /// `defense` (`off`, `on_standard`).
    #[serde(default)]
    #[schema(required = false, value_type = std::collections::HashMap<String, String>, example = json!({"last_seen": "contacts"}))]
    privacy: BTreeMap<String, String>,
    /// For categories whose value is `contact_blacklist`: whom they leave out.
    #[serde(default)]
    #[schema(required = false, value_type = std::collections::HashMap<String, PrivacyExceptions>)]
    privacy_exceptions: BTreeMap<String, PrivacyExceptions>,
    /// Seconds after which messages of new chats disappear: 0 (never), 86400, 604800 or 7776000.
    #[schema(required = false, example = 604_800)]
    default_disappearing_timer: Option<u32>,
}

/// Changes to a category's exceptions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivacyExceptions {
    /// Who becomes an exception.
    #[serde(default)]
    #[schema(required = false)]
    exclude: Vec<String>,
    /// Who is none any more.
    #[serde(default)]
    #[schema(required = false)]
    include: Vec<String>,
}

/// Change the account's profile and privacy settings.
#[utoipa::path(patch, path = "/v1/sessions/{session_id}/profile", tag = "profile", params(SessionPath, PreferHeader), request_body = UpdateProfile,
    responses((status = 200, description = "It is done.", body = OperationDone),
              (status = 202, description = "It has not ended in time (20 s, or as `Prefer: wait` says).", body = OperationAccepted)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_not_paired", "session_not_started", "whatsapp_refused"]))))]
pub(super) async fn update_profile(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    prefer: Prefer,
    Document(body): Document<UpdateProfile>,
) -> Result<Response, Problem> {
    give(&app, &call, prefer, check(body)?).await
}

fn check(request: UpdateProfile) -> Result<ProfileOperation, Problem> {
    let mut checks = Checks::new();
    if let Some(name) = &request.name {
        checks.text("name", name, 1..=LONGEST_NAME);
        checks.require(!name.trim().is_empty(), "name", "must not be blank");
    }
    if let Some(about) = &request.about {
        checks.text("about", about, 0..=LONGEST_ABOUT);
    }
    if let Some(timer) = request.default_disappearing_timer {
        let known = TIMERS.contains(&timer);
        checks.require(
            known,
            "default_disappearing_timer",
            "must be 0, 86400, 604800 or 7776000",
        );
    }
    let mut privacy = Vec::with_capacity(request.privacy.len().min(PrivacyCategory::ALL.len()));
    for (category, value) in &request.privacy {
        privacy.extend(setting(&mut checks, category, value));
    }
    for (category, exceptions) in request.privacy_exceptions {
        let field = format!("privacy_exceptions.{category}");
        let change = privacy.iter_mut().find(|change: &&mut PrivacyChange| {
            change.category.as_str() == category && change.value == PrivacyValue::ContactBlacklist
        });
        let Some(change) = change else {
            checks.require(
                false,
                &field,
                "goes with a category that privacy sets to contact_blacklist",
            );
            continue;
        };
        change.exclude = people(&mut checks, &format!("{field}.exclude"), &exceptions.exclude);
        change.include = people(&mut checks, &format!("{field}.include"), &exceptions.include);
    }
    let nothing = request.name.is_none()
        && request.about.is_none()
        && request.privacy.is_empty()
        && request.default_disappearing_timer.is_none();
    checks.require(!nothing, "", "must name something to change");
    checks.finish()?;
    Ok(ProfileOperation::Update {
        name: request.name,
        about: request.about,
        privacy,
        default_disappearing_timer: request.default_disappearing_timer,
    })
}

fn setting(checks: &mut Checks, category: &str, value: &str) -> Option<PrivacyChange> {
    let field = format!("privacy.{category}");
    let Ok(category) = category.parse::<PrivacyCategory>() else {
        let all: Vec<&str> = PrivacyCategory::ALL.iter().map(|category| category.as_str()).collect();
        checks.require(false, &field, &format!("is no category: there are {}", all.join(", ")));
        return None;
    };
    let value = category.values().iter().find(|known| known.as_str() == value).copied();
    if value.is_none() {
        let all: Vec<&str> = category.values().iter().map(|value| value.as_str()).collect();
        checks.require(false, &field, &format!("must be one of {}", all.join(", ")));
    }
    Some(PrivacyChange {
        category,
        value: value?,
        exclude: Vec::new(),
        include: Vec::new(),
    })
}

fn people(checks: &mut Checks, field: &str, texts: &[String]) -> Vec<Address> {
    checks.require(
        texts.len() <= MOST_EXCEPTIONS,
        field,
        &format!("must have at most {MOST_EXCEPTIONS} entries"),
    );
    let mut people = Vec::new();
    for (index, text) in texts.iter().enumerate().take(MOST_EXCEPTIONS) {
        match text.parse() {
            Ok(person @ (Address::Phone(_) | Address::Lid(_))) => people.push(person),
            Ok(_) | Err(_) => checks.require(false, &format!("{field}[{index}]"), "must be a person's address"),
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::parse;

    #[test]
    fn everything_goes_into_one_operation() {
        let body = r#"{"name": "Front desk", "about": "", "default_disappearing_timer": 86400,
            "privacy": {"last_seen": "contact_blacklist", "calls": "all", "online": "match_last_seen"},
            "privacy_exceptions": {"last_seen": {"exclude": ["15550001001"], "include": ["100000000001002@lid"]}}}"#;
        let problem = check(parse(body.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(problem.errors()[0].field, "privacy.calls");
        let body = body.replace("\"calls\"", "\"call_add\"");
        let ProfileOperation::Update {
            name, about, privacy, ..
        } = check(parse(body.as_bytes()).unwrap()).unwrap()
        else {
            panic!("a profile is updated");
        };
        assert_eq!((name.as_deref(), about.as_deref()), (Some("Front desk"), Some("")));
        let last_seen = privacy
            .iter()
            .find(|change| change.category == PrivacyCategory::LastSeen)
            .unwrap();
        assert_eq!(last_seen.exclude, [Address::Phone("15550001001".into())]);
        assert_eq!(last_seen.include, [Address::Lid("100000000001002".into())]);
        assert_eq!(privacy.len(), 3);
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (body, field) in [
            ("{}", ""),
            (r#"{"name": ""}"#, "name"),
            (r#"{"name": "   "}"#, "name"),
            (r#"{"name": "abcdefghijklmnopqrstuvwxyz"}"#, "name"),
            (r#"{"about": "a\u0000"}"#, "about"),
            (r#"{"default_disappearing_timer": 60}"#, "default_disappearing_timer"),
            (r#"{"privacy": {"online": "none"}}"#, "privacy.online"),
            (r#"{"privacy": {"read_receipts": "contacts"}}"#, "privacy.read_receipts"),
            (
                r#"{"privacy": {"about": "all"}, "privacy_exceptions": {"about": {"exclude": ["15550001001"]}}}"#,
                "privacy_exceptions.about",
            ),
            (
                r#"{"privacy": {"about": "contact_blacklist"}, "privacy_exceptions": {"about": {"exclude": ["1@g.us"]}}}"#,
                "privacy_exceptions.about.exclude[0]",
            ),
        ] {
            let problem = check(parse(body.as_bytes()).unwrap()).unwrap_err();
            assert_eq!(problem.errors()[0].field, field, "{body}: {problem:?}");
        }
    }
}
