//! Webhooks that clients of the Management System register for a session.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use shared::dialect::{WebhookFormat, management};
use shared::ids::{SessionId, WebhookId};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::dialect_numbers::NumberKind;
use shared::store::webhooks::Webhook;
use uuid::Uuid;

use super::{About, Client, Named, data, done, number, shown_id};
use crate::api::webhooks::in_format::{self, MOST_REGISTERED, Registration};
use crate::api::webhooks::manage;
use crate::app::App;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::words;
use crate::http::path::Id;
use crate::problem::Problem;

/// The events of a webhook whose client names none.
const USUAL_EVENT: &str = "message";

/// Webhooks of a session as this API shows them. They and the session get numbers where they have none, so this belongs at the end of a transaction that is
/// committed. Secrets are sealed and cannot be shown.
async fn shown(
    transaction: &mut TenantTransaction,
    session: SessionId,
    webhooks: &[Webhook],
) -> Result<Vec<Value>, Problem> {
    let session_number = transaction.session_number(session).await?;
    let subjects: Vec<(Uuid, Option<SessionId>)> =
        webhooks.iter().map(|webhook| (webhook.id.0, Some(session))).collect();
    let numbers = transaction.dialect_numbers(NumberKind::Webhook, &subjects).await?;
    Ok(webhooks
        .iter()
        .map(|webhook| {
            json!({
                "id": numbers.get(&webhook.id.0),
                "sessionId": session_number,
                "url": webhook.settings.url,
                "secret": null,
                "events": management::event_words(webhook.settings.events.as_deref()),
                "active": webhook.settings.enabled,
                "createdAt": shared::timestamp::text(webhook.created_at),
            })
        })
        .collect())
}

/// The types of events that a client wants, by this API's words for them.
fn event_types(fields: &Fields) -> Result<Vec<String>, Problem> {
    let invalid = || words::invalid("events must be a list of message and status");
    let words: Vec<String> = match fields.value("events") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text
            .split(',')
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect(),
        Some(list) => serde_json::from_value(list.clone()).map_err(|_| invalid())?,
    };
    if words.is_empty() {
        return management::event_types(&[USUAL_EVENT.to_owned()]).ok_or_else(invalid);
    }
    management::event_types(&words).ok_or_else(invalid)
}

/// `POST /api/webhook/:sessionId/register`: a new webhook, or the one for this URL with a new secret and events.
pub(super) async fn register(
    State(app): State<App>,
    about: About<WriteWebhooks>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let Some(url) = fields.text("url") else {
        return Err(words::invalid("Webhook URL is required"));
    };
    let session = about.call.session;
    let registration = Registration {
        format: WebhookFormat::Management,
        session,
        url: url.trim().to_owned(),
        events: event_types(&fields)?,
        secret: fields.text("secret"),
    };
    let (webhook, is_new) = in_format::register(&app, &about.call.tenant, &registration).await?;
    let mut answer = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let shown = shown(&mut transaction, session, &[webhook]).await?.pop();
        transaction.commit().await?;
        Ok(shown.unwrap_or_default())
    })
    .await?;
    answer["secret"] = registration.secret.into();
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(data(status, answer))
}

/// `GET /api/webhook/:sessionId`.
pub(super) async fn list(State(app): State<App>, about: About<WriteWebhooks>) -> Result<Response, Problem> {
    let (call, session) = (&about.call.tenant, about.call.session);
    let webhooks = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let found = transaction
            .registered_webhooks(WebhookFormat::Management, session, call.within(), MOST_REGISTERED)
            .await?;
        let shown = shown(&mut transaction, session, &found).await?;
        transaction.commit().await?;
        Ok(shown)
    })
    .await?;
    Ok(data(StatusCode::OK, webhooks))
}

/// `DELETE /api/webhook/:id`.
pub(super) async fn delete(State(app): State<App>, client: Client, Named(id): Named) -> Result<Response, Problem> {
    let call = client.tenant::<WriteWebhooks>(&app).await?;
    let not_found = || {
        Problem::new(
            Code::WebhookNotFound,
            format!("Webhook with ID {} not found", shown_id(&id)),
        )
    };
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let webhook = match (id.parse::<WebhookId>().ok(), number(&id)) {
            (Some(webhook), _) => Some(webhook),
            (None, Some(number)) => {
                let numbered = transaction.numbered(NumberKind::Webhook, number).await?;
                numbered.map(|numbered| WebhookId(numbered.subject))
            }
            (None, None) => None,
        };
        match webhook {
            Some(webhook) => Ok(transaction.webhook(webhook, call.within()).await?),
            None => Ok(None),
        }
    })
    .await?;
    let webhook = found
        .filter(|webhook| webhook.settings.format == WebhookFormat::Management)
        .ok_or_else(not_found)?;
    let deleted = manage::delete_webhook(State(app.clone()), call, Id(webhook.id)).await;
    deleted.map_err(|problem| match problem.code() {
        Code::WebhookNotFound => not_found(),
        _ => problem,
    })?;
    Ok(done(format!("Webhook {} deleted successfully", shown_id(&id))))
}
