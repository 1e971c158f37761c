//! `POST /v1/webhooks/{id}/replay`: stored events once more, by time.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::ids::{SessionId, WebhookId};
use shared::store::TenantTransaction;
use shared::store::webhooks::deliveries::Replay;
use shared::subject;
use utoipa::ToSchema;

use super::WebhookPath;
use crate::api::sessions;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::path::Id;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// The most events of one replay.
const MOST_EVENTS: i64 = 10_000;

/// Which events are delivered again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    /// Events recorded at or after this time.
    since: DateTime<Utc>,
    /// Events recorded before this time.
    until: DateTime<Utc>,
    /// Only events of these sessions, among those of the webhook.
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Vec<SessionId>>,
    /// Only events of these types and families, among those of the webhook.
    types: Option<Vec<String>>,
}

/// What a replay began.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayPlanned {
    /// How many events are delivered again.
    count: u64,
}

/// Deliver stored events again: those that match the webhook's own filters, whatever became of them. Events are kept for a week; at most 10,000
/// are taken at once, the oldest first.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/replay", tag = "webhooks", params(WebhookPath, IdempotencyHeader),
    request_body = ReplayRequest,
    responses((status = 202, description = "The deliveries are planned.", body = ReplayPlanned)),
    extensions(("x-problems" = json!(["webhook_not_found"]))))]
pub(super) async fn replay_events(
    State(app): State<App>,
    call: TenantCall<WriteWebhooks>,
    Id(webhook): Id<WebhookId>,
    submission: Submission<ReplayRequest>,
) -> Result<Answer, Problem> {
    check(&submission.body)?;
    let answer = promptly(plan(&app, &call, webhook, submission)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(answer)
}

fn check(body: &ReplayRequest) -> Result<(), Problem> {
    let mut checks = Checks::new();
    checks.time("since", body.since);
    checks.time("until", body.until);
    checks.require(body.since < body.until, "until", "must be later than since");
    checks.event_types("types", body.types.as_deref().unwrap_or_default());
    checks.finish()
}

async fn plan(
    app: &App,
    call: &TenantCall<WriteWebhooks>,
    webhook: WebhookId,
    submission: Submission<ReplayRequest>,
) -> Result<Answer, Problem> {
    let mut work = match Work::begin(app, call.tenant, submission.idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = insert(call, &mut work.transaction, webhook, submission.body).await;
    work.settle(outcome).await
}

async fn insert(
    call: &TenantCall<WriteWebhooks>,
    transaction: &mut TenantTransaction,
    webhook: WebhookId,
    body: ReplayRequest,
) -> Result<Answer, Problem> {
    super::find(transaction, webhook, call.within()).await?;
    if let Some(sessions) = &body.sessions {
        sessions::require_known(transaction, "sessions", sessions).await?;
    }
    let replay = Replay {
        since: body.since,
        until: body.until,
        sessions: body
            .sessions
            .map(|sessions| sessions.into_iter().map(|session| session.uuid).collect()),
        types: body.types.unwrap_or_default(),
        limit: MOST_EVENTS,
    };
    let count = transaction.replay_events(webhook, &replay).await?;
    Answer::json(StatusCode::ACCEPTED, &ReplayPlanned { count })
}
