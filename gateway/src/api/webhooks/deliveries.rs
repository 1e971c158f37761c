//! `/v1/webhooks/{id}/deliveries`: what was delivered, what the receiver said, and trying again.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::ids::{DeliveryId, EventId, SessionId, WebhookId};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::webhooks::deliveries::{Attempt, Delivery, DeliveryStatus};
use shared::subject;
use utoipa::ToSchema;
use uuid::Uuid;

use super::WebhookPath;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::http::body::{Nothing, Submission};
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::http::timestamp::Timestamp;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

type Call = TenantCall<WriteWebhooks>;

/// One event for one webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryObject {
    /// Its id.
    #[schema(value_type = String, example = "dlv_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: DeliveryId,
    /// The webhook.
    #[schema(value_type = String)]
    webhook_id: WebhookId,
    /// The event: also the `webhook-id` of every attempt.
    #[schema(value_type = String)]
    event_id: EventId,
    /// The session that the event is about.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// The event's type.
    event_type: String,
    /// How far it has come.
    status: DeliveryStatus,
    /// When the next attempt is due; null when there will be none.
    due_at: Option<Timestamp>,
    /// The receiver's last HTTP status.
    last_status_code: Option<i32>,
    /// The last failure's class.
    last_error: Option<String>,
    /// When it was planned.
    created_at: Timestamp,
    /// When it ended.
    finished_at: Option<Timestamp>,
    /// Every attempt, oldest first.
    attempts: Vec<AttemptObject>,
}

/// One HTTP request to the receiver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct AttemptObject {
    /// Its number within the delivery, from 1.
    number: i32,
    /// When it began.
    started_at: Timestamp,
    /// How long it took, in milliseconds.
    duration_ms: i32,
    /// The receiver's HTTP status.
    status_code: Option<i32>,
    /// The class of the failure: dns, forbidden_address, connect, tls, timeout, response, status.
    error: Option<String>,
    /// The first 1,024 characters of the receiver's answer.
    response: Option<String>,
}

impl From<Attempt> for AttemptObject {
    fn from(attempt: Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at.into(),
            duration_ms: attempt.duration_ms,
            status_code: attempt.status_code,
            error: attempt.error,
            response: attempt.response,
        }
    }
}

impl From<Delivery> for DeliveryObject {
    fn from(delivery: Delivery) -> Self {
        let pending = delivery.status == DeliveryStatus::Pending;
        Self {
            id: delivery.id,
            webhook_id: delivery.webhook,
            event_id: delivery.event,
            session_id: delivery.session,
            event_type: delivery.event_type,
            status: delivery.status,
            due_at: pending.then_some(Timestamp(delivery.due_at)),
            last_status_code: delivery.last_status_code,
            last_error: delivery.last_error,
            created_at: delivery.created_at.into(),
            finished_at: delivery.finished_at.map(Timestamp),
            attempts: delivery.attempts.into_iter().map(AttemptObject::from).collect(),
        }
    }
}

/// Which deliveries are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListDeliveries {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
    /// Only deliveries with this status.
    status: Option<DeliveryStatus>,
}

/// List a webhook's deliveries with their attempts, newest first. Finished ones are kept for a week.
#[utoipa::path(get, path = "/v1/webhooks/{webhook_id}/deliveries", tag = "webhooks", params(WebhookPath, ListDeliveries),
    responses((status = 200, description = "A page of deliveries.", body = Page<DeliveryObject>)),
    extensions(("x-problems" = json!(["webhook_not_found"]))))]
pub(super) async fn list_deliveries(
    State(app): State<App>,
    call: Call,
    Id(webhook): Id<WebhookId>,
    Parameters(list): Parameters<ListDeliveries>,
) -> Result<Json<Page<DeliveryObject>>, Problem> {
    let after = list.cursor.map(|Cursor(id)| DeliveryId(id));
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        super::find(&mut transaction, webhook, call.within()).await?;
        Ok(transaction
            .deliveries(webhook, list.status, after, list.limit.rows())
            .await?)
    })
    .await?;
    Ok(Json(Page::new(
        rows,
        list.limit,
        |delivery| delivery.id.0,
        DeliveryObject::from,
    )))
}

/// Try a delivery again now, whatever became of it.
#[utoipa::path(post, path = "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry", tag = "webhooks",
    params(WebhookPath, ("delivery_id" = String, Path, description = "The delivery's id."), IdempotencyHeader),
    request_body(content = Option<Nothing>, description = "Nothing, or an empty object."),
    responses((status = 202, description = "The delivery is due now.", body = DeliveryObject)),
    extensions(("x-problems" = json!(["webhook_not_found", "delivery_not_found"]))))]
pub(super) async fn retry_delivery(
    State(app): State<App>,
    call: Call,
    Id(webhook): Id<WebhookId>,
    Id(delivery): Id<DeliveryId>,
    submission: Submission<Nothing>,
) -> Result<Answer, Problem> {
    let answer = promptly(retry(&app, &call, webhook, delivery, submission)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(answer)
}

async fn retry(
    app: &App,
    call: &Call,
    webhook: WebhookId,
    delivery: DeliveryId,
    submission: Submission<Nothing>,
) -> Result<Answer, Problem> {
    let mut work = match Work::begin(app, call.tenant, submission.idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = make_due(&mut work.transaction, call, webhook, delivery).await;
    work.settle(outcome).await
}

async fn make_due(
    transaction: &mut TenantTransaction,
    call: &Call,
    webhook: WebhookId,
    delivery: DeliveryId,
) -> Result<Answer, Problem> {
    super::find(transaction, webhook, call.within()).await?;
    let retried = transaction
        .retry_delivery(webhook, delivery)
        .await?
        .ok_or_else(|| Problem::not_found(Code::DeliveryNotFound))?;
    Answer::json(StatusCode::ACCEPTED, &DeliveryObject::from(retried))
}
