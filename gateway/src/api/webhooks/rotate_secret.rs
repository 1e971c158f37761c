//! `POST /v1/webhooks/{id}/rotate-secret`: a new secret; the old ones go on signing for a while, so that receivers can follow.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::ids::WebhookId;
use shared::store::TenantTransaction;
use shared::subject;
use utoipa::ToSchema;

use super::secret::WebhookSecret;
use super::{WebhookPath, WebhookSecretShown};
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::http::body::Submission;
use crate::http::checks::Checks;
use crate::http::path::Id;
use crate::http::timestamp::Timestamp;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// How long old secrets go on signing, in seconds: a day.
const DEFAULT_OVERLAP: u32 = 24 * 3_600;
/// The longest overlap, in seconds: a week.
const LONGEST_OVERLAP: u32 = 7 * 24 * 3_600;

/// How a secret is rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecret {
    /// The new secret: `whsec_` and 24 to 64 bytes in base64; absent: one is made.
    secret: Option<String>,
    /// Seconds for which the old secrets go on signing: 0 to a week; absent: a day.
    #[schema(default = 86400)]
    expire_old_after_seconds: Option<u32>,
}

/// A webhook with its new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RotatedSecret {
    #[serde(flatten)]
    webhook: WebhookSecretShown,
    /// Until when the old secrets sign as well.
    old_secrets_expire_at: Option<Timestamp>,
}

/// Give a webhook a new signing secret. The answer shows it, once.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/rotate-secret", tag = "webhooks", params(WebhookPath, IdempotencyHeader),
    request_body = Option<RotateSecret>,
    responses((status = 200, description = "The webhook with its new secret.", body = RotatedSecret)),
    extensions(("x-problems" = json!(["webhook_not_found"]))))]
pub(super) async fn rotate_webhook_secret(
    State(app): State<App>,
    call: TenantCall<WriteWebhooks>,
    Id(webhook): Id<WebhookId>,
    submission: Submission<RotateSecret>,
) -> Result<Answer, Problem> {
    let answer = promptly(rotate(&app, &call, webhook, submission)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(answer)
}

async fn rotate(
    app: &App,
    call: &TenantCall<WriteWebhooks>,
    webhook: WebhookId,
    submission: Submission<RotateSecret>,
) -> Result<Answer, Problem> {
    let Submission { body, idempotency } = submission;
    let overlap = body.expire_old_after_seconds.unwrap_or(DEFAULT_OVERLAP);
    let mut checks = Checks::new();
    checks.require(
        overlap <= LONGEST_OVERLAP,
        "expire_old_after_seconds",
        &format!("must be 0 to {LONGEST_OVERLAP}"),
    );
    let secret = WebhookSecret::given_or_fresh(body.secret, "secret", &mut checks);
    checks.finish()?;
    let mut work = match Work::begin(app, call.tenant, idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = replace(app, call, &mut work.transaction, webhook, overlap, &secret).await;
    work.settle(outcome).await
}

async fn replace(
    app: &App,
    call: &TenantCall<WriteWebhooks>,
    transaction: &mut TenantTransaction,
    webhook: WebhookId,
    overlap: u32,
    secret: &WebhookSecret,
) -> Result<Answer, Problem> {
    let found = transaction
        .lock_webhook(webhook, call.within())
        .await?
        .ok_or_else(super::not_found)?;
    let old_secrets_expire_at = transaction.expire_webhook_secrets(webhook, overlap).await?;
    secret.add(transaction, app.region_key(), webhook).await?;
    let rotated = RotatedSecret {
        webhook: WebhookSecretShown::new(found, secret),
        old_secrets_expire_at: old_secrets_expire_at.map(Timestamp),
    };
    Ok(Answer::json(StatusCode::OK, &rotated)?.showing_secret(true))
}
