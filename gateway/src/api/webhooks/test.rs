//! `POST /v1/webhooks/{id}/test`: an event of no session, for one webhook, delivered like any other.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use shared::event::{Envelope, EventType};
use shared::ids::{DeliveryId, EventId, Region, SessionId, TenantId, WebhookId};
use shared::store::TenantTransaction;
use shared::store::webhooks::deliveries::TestEvent;
use shared::subject;
use utoipa::ToSchema;
use uuid::Uuid;

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
    let planned = TestPlanned {
        delivery_id: DeliveryId::generate(),
        event_id: EventId::generate(),
    };
    let event = test_event(planned.event_id, call.tenant, app.region(), webhook, Utc::now())?;
    transaction
        .insert_test_delivery(webhook, planned.delivery_id, &event)
        .await?;
    Answer::json(StatusCode::ACCEPTED, &planned)
}

/// The envelope of a test: shaped like every other, of the session with the nil UUID, with the number 0.
fn test_event(
    id: EventId,
    tenant: TenantId,
    region: Region,
    webhook: WebhookId,
    timestamp: DateTime<Utc>,
) -> Result<TestEvent, Problem> {
    let event_type = EventType::WebhookTest.as_str();
    let envelope = Envelope {
        id,
        event_type: event_type.to_owned(),
        timestamp,
        tenant_id: tenant,
        session_id: SessionId::new(region, Uuid::nil()),
        seq: 0,
        data: serde_json::json!({ "webhook_id": webhook }),
    };
    Ok(TestEvent {
        event: id,
        event_type,
        body: serde_json::to_string(&envelope).map_err(Problem::internal)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_looks_like_any_other_event() {
        let webhook = WebhookId::generate();
        let region = "eu1".parse().unwrap();
        let event = test_event(EventId::generate(), TenantId::generate(), region, webhook, Utc::now()).unwrap();
        let envelope: Envelope = serde_json::from_str(&event.body).unwrap();
        assert_eq!(envelope.id, event.event);
        assert_eq!((envelope.event_type.as_str(), envelope.seq), ("webhook.test", 0));
        assert_eq!(envelope.session_id.uuid, Uuid::nil());
        assert_eq!(envelope.data["webhook_id"], webhook.to_string());
    }
}
