//! `GET /v1/sessions/{id}/qr`: the code that links an account, as JSON, PNG or SVG.
//!
//! WhatsApp renews the code every 20 to 60 seconds; the holder writes each one into the session's row. A client that asks before there is one may
//! wait (`Prefer: wait`): the session's events wake it, and it looks at the row every second anyway.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use shared::ids::{SessionId, TenantId};
use shared::problem::Code;
use shared::qr;
use shared::session::Goal;
use shared::store::sessions::Pairing;
use shared::subject;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::SessionPath;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::WriteSessions;
use crate::bell::Bell;
use crate::database::promptly;
use crate::http::accept;
use crate::http::prefer::Prefer;
use crate::http::timestamp::Timestamp;
use crate::openapi::PreferHeader;
use crate::problem::Problem;

const JSON: &str = "application/json";
const PNG: &str = "image/png";
const SVG: &str = "image/svg+xml";

/// How often the row is looked at without a wake-up.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A code that links an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Qr {
    /// What to show as a QR code.
    pub(crate) code: String,
    /// When it stops working; there will be another one then.
    #[schema(value_type = Timestamp)]
    #[serde(serialize_with = "shared::timestamp::serialize")]
    pub(crate) expires_at: DateTime<Utc>,
}

/// Get the QR code that links an account: on the phone, WhatsApp → Linked devices → Link a device.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/qr", tag = "sessions", params(SessionPath, PreferHeader),
    responses((status = 200, description = "The code, in the form that `Accept` asks for.",
        content((Qr = "application/json"), (String = "image/png"), (String = "image/svg+xml")))),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "session_already_paired", "session_not_started", "qr_not_available"]))))]
pub(super) async fn get_session_qr(
    State(app): State<App>,
    call: SessionCall<WriteSessions>,
    prefer: Prefer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = accept::preferred(&headers, &[JSON, PNG, SVG]);
    let patience = prefer.wait.unwrap_or_default();
    let qr = wait_for_qr(&app, call.tenant.tenant, call.session, patience).await?;
    let mut response = render(&qr, form)?;
    prefer.applied(&mut response);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The code that links an account, as soon as there is one.
///
/// # Errors
/// [`Code::SessionAlreadyPaired`], [`Code::SessionNotStarted`], or [`Code::QrNotAvailable`] when there is none within `patience`.
pub(crate) async fn wait_for_qr(
    app: &App,
    tenant: TenantId,
    session: SessionId,
    patience: Duration,
) -> Result<Qr, Problem> {
    let deadline = Instant::now() + patience;
    let mut bell = None;
    loop {
        let pairing = look(app, tenant, session).await?;
        let missing = match qr_of(pairing) {
            Ok(qr) => return Ok(qr),
            Err(problem) if problem.code() == Code::QrNotAvailable => problem,
            Err(problem) => return Err(problem),
        };
        if Instant::now() >= deadline {
            return Err(missing);
        }
        if bell.is_none() {
            // Hung after the first look, so look again at once: what happened in between rang nothing.
            bell = Some(Bell::hang(app.broker(), subject::event(tenant, session, "session.*")).await);
            continue;
        }
        let next_look = deadline.min(Instant::now() + LOOK_INTERVAL);
        tokio::select! {
            () = ring(bell.as_ref()) => {}
            () = tokio::time::sleep_until(next_look) => {}
            () = app.shutdown().soft().cancelled() => return Err(missing),
        }
    }
}

async fn ring(bell: Option<&Bell>) {
    match bell {
        Some(bell) => bell.rung().await,
        None => std::future::pending().await,
    }
}

async fn look(app: &App, tenant: TenantId, session: SessionId) -> Result<Pairing, Problem> {
    let pairing = promptly(async {
        let mut transaction = app.store().tenant(tenant).await?;
        Ok(transaction.pairing(session).await?)
    })
    .await?;
    pairing.ok_or_else(|| Problem::not_found(Code::SessionNotFound))
}

/// The code, or why there is none.
fn qr_of(pairing: Pairing) -> Result<Qr, Problem> {
    if pairing.paired {
        return Err(Problem::new(
            Code::SessionAlreadyPaired,
            "An account is linked to the session. Log the session out to link another one.",
        ));
    }
    if pairing.goal != Goal::Started {
        return Err(Problem::new(
            Code::SessionNotStarted,
            "A QR code is made while the session is started.",
        ));
    }
    match pairing.qr {
        Some((code, expires_at)) => Ok(Qr { code, expires_at }),
        None => Err(Problem::new(
            Code::QrNotAvailable,
            match pairing.reason {
                Some(reason) => format!("The session is {} ({reason}) and has no QR code.", pairing.status),
                None => format!("The session is {} and has no QR code yet.", pairing.status),
            },
        )),
    }
}

fn render(code: &Qr, form: &str) -> Result<Response, Problem> {
    match form {
        PNG => Ok(([(CONTENT_TYPE, PNG)], qr::png(&code.code).map_err(Problem::internal)?).into_response()),
        SVG => Ok(([(CONTENT_TYPE, SVG)], qr::svg(&code.code).map_err(Problem::internal)?).into_response()),
        _ => Ok(Json(code).into_response()),
    }
}

#[cfg(test)]
mod tests {
    use shared::session::SessionStatus;

    use super::*;

    fn pairing() -> Pairing {
        Pairing {
            status: SessionStatus::Qr,
            reason: None,
            goal: Goal::Started,
            paired: false,
            qr: Some(("2@abc,def,ghi".to_owned(), Utc::now())),
        }
    }

    #[test]
    fn a_code_is_shown_only_while_it_can_link() {
        assert!(qr_of(pairing()).is_ok());
        for (pairing, code) in [
            (
                Pairing {
                    paired: true,
                    ..pairing()
                },
                Code::SessionAlreadyPaired,
            ),
            (
                Pairing {
                    goal: Goal::Stopped,
                    ..pairing()
                },
                Code::SessionNotStarted,
            ),
            (
                Pairing {
                    goal: Goal::LoggingOut,
                    ..pairing()
                },
                Code::SessionNotStarted,
            ),
            (Pairing { qr: None, ..pairing() }, Code::QrNotAvailable),
        ] {
            assert_eq!(qr_of(pairing).unwrap_err().code(), code);
        }
    }

    #[test]
    fn an_expiry_has_milliseconds() {
        let qr = Qr {
            code: "2@x".into(),
            expires_at: DateTime::from_timestamp(1_795_167_000, 0).unwrap(),
        };
        assert!(serde_json::to_string(&qr).unwrap().contains(".000Z"));
    }
}
