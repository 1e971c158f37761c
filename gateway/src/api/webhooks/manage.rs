//! Creating, listing, reading, changing and deleting webhooks.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use shared::dialect::WebhookFormat;
use shared::ids::{SessionId, WebhookId};
use shared::store::TenantTransaction;
use shared::store::webhooks::{DeliveryOrdering, Webhook, WebhookSettings};
use shared::subject;
use utoipa::ToSchema;
use uuid::Uuid;

use super::secret::WebhookSecret;
use super::{DialectWebhook, WebhookObject, WebhookPath, WebhookSecretShown, settings};
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::http::body::{Document, Submission};
use crate::http::checks::Checks;
use crate::http::page::{Cursor, Limit, Page};
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::idempotency::{Admission, Answer, Work};
use crate::openapi::IdempotencyHeader;
use crate::problem::Problem;

type Call = TenantCall<WriteWebhooks>;

/// A webhook to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWebhook {
    /// Where events are delivered: `https://`, a public address, port 443, 80 or 8443.
    #[schema(example = "https://shop.example/hooks/whatsapp")]
    url: String,
    /// Event types and families (`message.*`); absent: all.
    events: Option<Vec<String>>,
    /// Sessions; absent: all of the tenant's, also those to come.
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Vec<SessionId>>,
    /// The signing secret: `whsec_` and 24 to 64 bytes in base64; absent: one is made.
    secret: Option<String>,
    /// Headers that each request carries besides Rookery's.
    #[serde(default)]
    #[schema(required = false)]
    headers: BTreeMap<String, String>,
    /// Seconds before each further attempt, at most 20; absent: the standard schedule over three days.
    retry_schedule: Option<Vec<i32>>,
    /// Whether deliveries may overtake each other.
    #[serde(default = "unordered")]
    #[schema(required = false)]
    ordering: DeliveryOrdering,
    /// In whose words deliveries are written: Rookery's own, or those of a dialect, which speaks of fewer events.
    #[serde(default = "own_words")]
    #[schema(required = false)]
    format: WebhookFormat,
    /// Whether anything is delivered.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
}

fn unordered() -> DeliveryOrdering {
    DeliveryOrdering::None
}

fn own_words() -> WebhookFormat {
    WebhookFormat::Rookery
}

fn yes() -> bool {
    true
}

/// Create a webhook. The answer shows its signing secret, once.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", params(IdempotencyHeader), request_body = CreateWebhook,
    responses((status = 201, description = "The webhook with its secret.", body = WebhookSecretShown)),
    extensions(("x-problems" = json!(["url_forbidden"]))))]
pub(super) async fn create_webhook(
    State(app): State<App>,
    call: Call,
    submission: Submission<CreateWebhook>,
) -> Result<Answer, Problem> {
    let answer = promptly(create(&app, &call, submission)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(answer)
}

async fn create(app: &App, call: &Call, submission: Submission<CreateWebhook>) -> Result<Answer, Problem> {
    let Submission { body, idempotency } = submission;
    let settings = WebhookSettings {
        url: body.url,
        events: body.events,
        sessions: body.sessions,
        headers: body.headers,
        retry_schedule: body.retry_schedule,
        ordering: body.ordering,
        format: body.format,
        enabled: body.enabled,
    };
    let mut checks = Checks::new();
    settings::check(&settings, app.egress(), &mut checks);
    let secret = WebhookSecret::given_or_fresh(body.secret, "secret", &mut checks);
    checks.finish()?;
    let mut work = match Work::begin(app, call.tenant, idempotency, call.key()).await? {
        Admission::Fresh(work) => work,
        Admission::Replay(answer) => return Ok(answer),
    };
    let outcome = insert(app, call, &mut work.transaction, &settings, &secret).await;
    work.settle(outcome).await
}

async fn insert(
    app: &App,
    call: &Call,
    transaction: &mut TenantTransaction,
    settings: &WebhookSettings,
    secret: &WebhookSecret,
) -> Result<Answer, Problem> {
    settings::check_sessions(transaction, call, settings.sessions.as_deref()).await?;
    let shown = super::create_with_secret(app, transaction, settings, secret).await?;
    Ok(Answer::json(StatusCode::CREATED, &shown)?.showing_secret(true))
}

/// Sets the URL of the webhook that speaks in `format` of one session, or, with `None`, of all that the key may touch: creates, changes or, without
/// a URL, removes it. A dialect's clients know one webhook only.
///
/// # Errors
/// `url_forbidden`, `forbidden`, or the database's problem.
pub(crate) async fn set_in_format(
    app: &App,
    call: &Call,
    format: WebhookFormat,
    session: Option<SessionId>,
    url: Option<&str>,
) -> Result<(), Problem> {
    promptly(set(app, call, format, session, url)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(())
}

async fn set(
    app: &App,
    call: &Call,
    format: WebhookFormat,
    session: Option<SessionId>,
    url: Option<&str>,
) -> Result<(), Problem> {
    let mut transaction = app.store().tenant(call.tenant).await?;
    transaction.lock_webhooks_in_format(format).await?;
    let known = transaction.webhook_in_format(format, session, call.within()).await?;
    let Some(url) = url else {
        if let Some(known) = known {
            transaction.delete_webhook(known.id, call.within()).await?;
        }
        return Ok(transaction.commit().await?);
    };
    let types = format.event_types();
    let settings = WebhookSettings {
        url: url.to_owned(),
        events: types.map(|types| types.iter().map(ToString::to_string).collect()),
        sessions: session.map(|session| vec![session]),
        headers: BTreeMap::new(),
        retry_schedule: None,
        ordering: DeliveryOrdering::None,
        format,
        enabled: true,
    };
    let mut checks = Checks::new();
    settings::check(&settings, app.egress(), &mut checks);
    checks.finish()?;
    settings::check_sessions(&mut transaction, call, settings.sessions.as_deref()).await?;
    match known {
        Some(known) => {
            // What its owner has changed about it by the canonical API stays.
            let settings = WebhookSettings {
                url: settings.url,
                enabled: true,
                ..known.settings
            };
            transaction.update_webhook(known.id, &settings).await?;
        }
        None => {
            super::create_with_secret(app, &mut transaction, &settings, &WebhookSecret::generate()).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// Switches the webhook that speaks in `format` of one session on or off. One that is not there is made from `otherwise` when it is switched on;
/// answers whether there is one then.
///
/// # Errors
/// `url_forbidden`, `forbidden`, or the database's problem.
pub(crate) async fn switch_in_format(
    app: &App,
    call: &Call,
    format: WebhookFormat,
    session: SessionId,
    enabled: bool,
    otherwise: Option<DialectWebhook>,
) -> Result<bool, Problem> {
    let there = promptly(switch(app, call, format, session, enabled, otherwise)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(there)
}

async fn switch(
    app: &App,
    call: &Call,
    format: WebhookFormat,
    session: SessionId,
    enabled: bool,
    otherwise: Option<DialectWebhook>,
) -> Result<bool, Problem> {
    let mut transaction = app.store().tenant(call.tenant).await?;
    transaction.lock_webhooks_in_format(format).await?;
    settings::check_sessions(&mut transaction, call, Some(&[session])).await?;
    let known = transaction
        .webhook_in_format(format, Some(session), call.within())
        .await?;
    match (known, otherwise) {
        (Some(known), _) => {
            let settings = WebhookSettings {
                enabled,
                ..known.settings
            };
            transaction.update_webhook(known.id, &settings).await?;
        }
        (None, Some(webhook)) if enabled => {
            let mut checks = Checks::new();
            webhook.check(app, &mut checks);
            checks.finish()?;
            webhook.create(app, &mut transaction, session).await?;
        }
        (None, _) => return Ok(false),
    }
    transaction.commit().await?;
    Ok(true)
}

/// Which webhooks are listed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListWebhooks {
    /// How many at most: 1 to 100.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100, default = 50)]
    limit: Limit,
    /// Where to go on: `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Uuid>>,
}

/// List webhooks, newest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", params(ListWebhooks),
    responses((status = 200, description = "A page of webhooks.", body = Page<WebhookObject>)))]
pub(super) async fn list_webhooks(
    State(app): State<App>,
    call: Call,
    Parameters(list): Parameters<ListWebhooks>,
) -> Result<Json<Page<WebhookObject>>, Problem> {
    let after = list.cursor.map(|Cursor(id)| WebhookId(id));
    let rows = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction.webhooks(call.within(), after, list.limit.rows()).await?)
    })
    .await?;
    Ok(Json(Page::new(
        rows,
        list.limit,
        |webhook| webhook.id.0,
        WebhookObject::from,
    )))
}

/// Get a webhook.
#[utoipa::path(get, path = "/v1/webhooks/{webhook_id}", tag = "webhooks", params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookObject)),
    extensions(("x-problems" = json!(["webhook_not_found"]))))]
pub(super) async fn get_webhook(
    State(app): State<App>,
    call: Call,
    Id(webhook): Id<WebhookId>,
) -> Result<Json<WebhookObject>, Problem> {
    let webhook = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        super::find(&mut transaction, webhook, call.within()).await
    })
    .await?;
    Ok(Json(webhook.into()))
}

/// What is to change about a webhook. What is absent stays; null takes a field back to its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateWebhook {
    /// Where events are delivered.
    url: Option<String>,
    /// Event types and families; null: all.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Option<Vec<String>>>,
    /// Sessions; null: all of the tenant's.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Option<Vec<SessionId>>>,
    /// All headers of its own; null: none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    headers: Option<Option<BTreeMap<String, String>>>,
    /// Seconds before each further attempt; null: the standard schedule.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<i32>>)]
    retry_schedule: Option<Option<Vec<i32>>>,
    /// Whether deliveries may overtake each other.
    ordering: Option<DeliveryOrdering>,
    /// In whose words deliveries are written.
    format: Option<WebhookFormat>,
    /// Whether anything is delivered. True also clears the reason for which Rookery disabled it.
    enabled: Option<bool>,
}

/// Tells a field that is null from one that is absent.
fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

impl UpdateWebhook {
    fn apply(self, settings: &mut WebhookSettings) {
        if let Some(url) = self.url {
            settings.url = url;
        }
        if let Some(events) = self.events {
            settings.events = events;
        }
        if let Some(sessions) = self.sessions {
            settings.sessions = sessions;
        }
        if let Some(headers) = self.headers {
            settings.headers = headers.unwrap_or_default();
        }
        if let Some(retry_schedule) = self.retry_schedule {
            settings.retry_schedule = retry_schedule;
        }
        if let Some(ordering) = self.ordering {
            settings.ordering = ordering;
        }
        if let Some(format) = self.format {
            settings.format = format;
        }
        if let Some(enabled) = self.enabled {
            settings.enabled = enabled;
        }
    }
}

/// Change a webhook.
#[utoipa::path(patch, path = "/v1/webhooks/{webhook_id}", tag = "webhooks", params(WebhookPath), request_body = UpdateWebhook,
    responses((status = 200, description = "The changed webhook.", body = WebhookObject)),
    extensions(("x-problems" = json!(["webhook_not_found", "url_forbidden"]))))]
pub(super) async fn update_webhook(
    State(app): State<App>,
    call: Call,
    Id(webhook): Id<WebhookId>,
    Document(body): Document<UpdateWebhook>,
) -> Result<Json<WebhookObject>, Problem> {
    let webhook = promptly(update(&app, &call, webhook, body)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(Json(webhook.into()))
}

async fn update(app: &App, call: &Call, webhook: WebhookId, body: UpdateWebhook) -> Result<Webhook, Problem> {
    let mut transaction = app.store().tenant(call.tenant).await?;
    let current = transaction
        .lock_webhook(webhook, call.within())
        .await?
        .ok_or_else(super::not_found)?;
    let names_sessions = body.sessions.is_some();
    let mut settings = current.settings;
    body.apply(&mut settings);
    let mut checks = Checks::new();
    settings::check(&settings, app.egress(), &mut checks);
    checks.finish()?;
    if names_sessions {
        settings::check_sessions(&mut transaction, call, settings.sessions.as_deref()).await?;
    }
    let changed = transaction.update_webhook(webhook, &settings).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// Delete a webhook with its secrets and with what it still had to deliver.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook_id}", tag = "webhooks", params(WebhookPath),
    responses((status = 204, description = "The webhook is gone.")),
    extensions(("x-problems" = json!(["webhook_not_found"]))))]
pub(crate) async fn delete_webhook(
    State(app): State<App>,
    call: Call,
    Id(webhook): Id<WebhookId>,
) -> Result<StatusCode, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let found = transaction.delete_webhook(webhook, call.within()).await?;
        transaction.commit().await?;
        Ok(found)
    })
    .await?;
    if !found {
        return Err(super::not_found());
    }
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(StatusCode::NO_CONTENT)
}
