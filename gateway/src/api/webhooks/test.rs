//! `POST /v1/webhooks/{id}/test`: an event of no session, for one webhook, delivered like any other.

use axum::extract::State;
use chrono::Utc;
use http::StatusCode;
use serde::Serialize;
use shared::event::EventType;
use shared::event::tenant::TenantEvent;
use shared::ids::{DeliveryId, EventId, WebhookId};
use shared::store::TenantTransaction;
use shared::subject;
use utoipa::ToSchema;

use super::WebhookPath;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::path::Id;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

/// A test that is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestPlanned {
    /// The delivery; the webhook's deliveries tell what became of it.
    #[schema(value_type = String)]
    delivery_id: DeliveryId,
    /// The event.
    #[schema(value_type = String)]
    event_id: EventId,
}

/// Deliver an event of the type `webhook.test` to a webhook.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/test", tag = "webhooks", params(WebhookPath, IdempotencyHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 202, description = "The delivery is planned.", body = TestPlanned)),
    extensions(("x-problems" = json!(["webhook_not_found"]))))]
pub(super) async fn test_webhook(
    State(app): State<App>,
    call: TenantCall<WriteWebhooks>,
    Id(webhook): Id<WebhookId>,
    submission: Submission<Nothing>,
) -> Result<Answer, Problem> {
    let answer = promptly(plan(&app, &call, webhook, submission)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(answer)
}

async fn plan(
    app: &App,
    call: &TenantCall<WriteWebhooks>,
    webhook: WebhookId,
    submission: Submission<Nothing>,
) -> Result<Answer, Problem> {
    let mut work = match Work::begin(app, call.tenant, submission.idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = insert(app, call, &mut work.transaction, webhook).await;
    work.settle(outcome).await
}

async fn insert(
    app: &App,
    call: &TenantCall<WriteWebhooks>,
    transaction: &mut TenantTransaction,
    webhook: WebhookId,
) -> Result<Answer, Problem> {
    super::find(transaction, webhook, call.within()).await?;
    let data = serde_json::json!({ "webhook_id": webhook });
    let event = TenantEvent::new(app.region(), call.tenant, EventType::WebhookTest, Utc::now(), &data)
        .map_err(Problem::internal)?;
    let planned = TestPlanned {
        delivery_id: DeliveryId::generate(),
        event_id: event.id,
    };
    transaction
        .insert_test_delivery(webhook, planned.delivery_id, &event)
        .await?;
    Answer::json(StatusCode::ACCEPTED, &planned)
}
