//! A webhook's settings as they arrive from outside: checked against the egress policy and against what the caller's key may touch.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use shared::egress::Policy;
use shared::ids::SessionId;
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::webhooks::WebhookSettings;

use crate::api::sessions;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::http::checks::Checks;
use crate::problem::Problem;

/// The most sessions that a webhook may name.
const MOST_SESSIONS: usize = 1_000;
/// The most headers of its own.
const MOST_HEADERS: usize = 20;
/// The most attempts after the first one.
const MOST_RETRIES: usize = 20;
/// The longest pause before an attempt, in seconds: a week.
const LONGEST_PAUSE: i32 = 7 * 24 * 3_600;

/// Headers that belong to the connection or to Rookery.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// The beginnings of header names that belong to Rookery.
const RESERVED_PREFIXES: [&str; 4] = ["webhook-", "x-webhook-", "proxy-", "x-forwarded-"];

/// Checks everything that can be checked without the database.
pub(super) fn check(settings: &WebhookSettings, policy: &Policy, checks: &mut Checks) {
    checks.url("url", &settings.url, policy);
    if let Some(events) = &settings.events {
        checks.require(
            !events.is_empty(),
            "events",
            "must name at least one type; leave it out for all",
        );
        checks.event_types("events", events);
    }
    if let Some(sessions) = &settings.sessions {
        checks.require(
            (1..=MOST_SESSIONS).contains(&sessions.len()),
            "sessions",
            &format!("must name 1 to {MOST_SESSIONS} sessions; leave it out for all"),
        );
    }
    check_headers(&settings.headers, checks);
    if let Some(schedule) = &settings.retry_schedule {
        checks.require(
            schedule.len() <= MOST_RETRIES && schedule.iter().all(|pause| (1..=LONGEST_PAUSE).contains(pause)),
            "retry_schedule",
            &format!("must have at most {MOST_RETRIES} pauses of 1 to {LONGEST_PAUSE} seconds"),
        );
    }
}

fn check_headers(headers: &BTreeMap<String, String>, checks: &mut Checks) {
    checks.require(
        headers.len() <= MOST_HEADERS,
        "headers",
        &format!("must have at most {MOST_HEADERS} entries"),
    );
    for (name, value) in headers {
        let field = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        let reserved =
            RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
        checks.require(
            HeaderName::from_bytes(name.as_bytes()).is_ok() && name.len() <= 100,
            &field,
            "is no name of a header",
        );
        checks.require(!reserved, &field, "is a header that Rookery or the connection sets");
        checks.require(
            value.len() <= 2_000 && value.is_ascii() && HeaderValue::from_str(value).is_ok(),
            &field,
            "must have at most 2000 visible ASCII characters",
        );
    }
}

/// Checks that the sessions are the tenant's, and that a key that is restricted to sessions names only those.
pub(super) async fn check_sessions(
    transaction: &mut TenantTransaction,
    call: &TenantCall<WriteWebhooks>,
    sessions: Option<&[SessionId]>,
) -> Result<(), Problem> {
    let own = |sessions: &[SessionId]| sessions.iter().all(|session| call.may_touch(*session));
    if call.within().is_some() && !sessions.is_some_and(own) {
        return Err(Problem::new(
            Code::Forbidden,
            "The API key is restricted to certain sessions: name some of these in sessions.",
        ));
    }
    match sessions {
        Some(sessions) => sessions::require_known(transaction, "sessions", sessions).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use shared::config::EgressOptions;
    use shared::dialect::WebhookFormat;
    use shared::store::webhooks::DeliveryOrdering;

    use super::*;

    fn settings() -> WebhookSettings {
        WebhookSettings {
            url: "https://shop.example/hook".to_owned(),
            events: None,
            sessions: None,
            headers: BTreeMap::new(),
            retry_schedule: None,
            ordering: DeliveryOrdering::None,
            format: WebhookFormat::Rookery,
            enabled: true,
        }
    }

    fn refused(settings: &WebhookSettings) -> Option<Problem> {
        let policy = Policy::new(&EgressOptions {
            egress_allow: Vec::new(),
            egress_allow_http: false,
        });
        let mut checks = Checks::new();
        check(settings, &policy, &mut checks);
        checks.finish().err()
    }

    #[test]
    fn ordinary_settings_pass() {
        let mut settings = settings();
        settings.events = Some(vec!["message.*".into(), "session.status".into()]);
        settings.headers.insert("X-Shop".into(), "1".into());
        settings.headers.insert("Authorization".into(), "Bearer abc".into());
        settings.retry_schedule = Some(vec![5, 30, 120]);
        assert!(refused(&settings).is_none());
    }

    #[test]
    fn what_would_harm_is_refused_with_its_field() {
        let with_header = |name: &str, value: &str| WebhookSettings {
            headers: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..settings()
        };
        for (settings, field) in [
            (
                WebhookSettings {
                    url: "https://10.0.0.1/".into(),
                    ..settings()
                },
                "url",
            ),
            (
                WebhookSettings {
                    url: "http://shop.example/".into(),
                    ..settings()
                },
                "url",
            ),
            (
                WebhookSettings {
                    events: Some(vec![]),
                    ..settings()
                },
                "events",
            ),
            (
                WebhookSettings {
                    events: Some(vec!["nothing".into()]),
                    ..settings()
                },
                "events[0]",
            ),
            (
                WebhookSettings {
                    sessions: Some(vec![]),
                    ..settings()
                },
                "sessions",
            ),
            (
                WebhookSettings {
                    retry_schedule: Some(vec![0]),
                    ..settings()
                },
                "retry_schedule",
            ),
            (
                WebhookSettings {
                    retry_schedule: Some(vec![1; 21]),
                    ..settings()
                },
                "retry_schedule",
            ),
            (with_header("Host", "evil"), "headers.Host"),
            (with_header("Webhook-Signature", "v1,x"), "headers.Webhook-Signature"),
            (with_header("Transfer-Encoding", "chunked"), "headers.Transfer-Encoding"),
            (with_header("X-A", "line\r\nX-B: 1"), "headers.X-A"),
            (with_header("X A", "1"), "headers.X A"),
        ] {
            let problem = refused(&settings).unwrap();
            assert_eq!(problem.errors()[0].field, field, "{problem:?}");
        }
        let forbidden = refused(&WebhookSettings {
            url: "https://127.0.0.1/".into(),
            ..settings()
        });
        assert_eq!(forbidden.unwrap().code(), Code::UrlForbidden);
    }
}
