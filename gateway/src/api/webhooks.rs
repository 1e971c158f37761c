//! `/v1/webhooks`: where a tenant's events are delivered, and operating the deliveries.

mod deliveries;
pub(crate) mod in_format;
pub(crate) mod manage;
mod replay;
mod rotate_secret;
mod secret;
mod settings;
mod test;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use shared::dialect::WebhookFormat;
use shared::ids::{SessionId, WebhookId};
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::webhooks::{DeliveryOrdering, Webhook, WebhookSettings};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::http::checks::Checks;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;
use secret::WebhookSecret;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(manage::create_webhook, manage::list_webhooks))
        .routes(routes!(
            manage::get_webhook,
            manage::update_webhook,
            manage::delete_webhook
        ))
        .routes(routes!(rotate_secret::rotate_webhook_secret))
        .routes(routes!(test::test_webhook))
        .routes(routes!(replay::replay_events))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::retry_delivery))
}

/// The path of everything about one webhook.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub struct WebhookPath {
    /// The webhook's id.
    #[param(example = "whk_06egk3n2g8v6f9d8h2q7c1t0b4")]
    #[expect(dead_code, reason = "documentation; the value is taken by its extractor")]
    webhook_id: String,
}

/// A webhook, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookObject {
    /// Its id.
    #[schema(value_type = String, example = "whk_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: WebhookId,
    /// Where events are delivered.
    #[schema(example = "https://shop.example/hooks/whatsapp")]
    url: String,
    /// Event types and families (`message.*`); null: all.
    events: Option<Vec<String>>,
    /// Sessions; null: all of the tenant's.
    #[schema(value_type = Option<Vec<String>>)]
    sessions: Option<Vec<SessionId>>,
    /// Headers that each request carries besides Rookery's.
    headers: BTreeMap<String, String>,
    /// Seconds before each further attempt; null: the standard schedule.
    retry_schedule: Option<Vec<i32>>,
    /// Whether deliveries may overtake each other.
    ordering: DeliveryOrdering,
    /// In whose words deliveries are written.
    format: WebhookFormat,
    /// Whether anything is delivered.
    enabled: bool,
    /// Why it was disabled, if Rookery did it.
    disabled_reason: Option<String>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
}

impl From<Webhook> for WebhookObject {
    fn from(webhook: Webhook) -> Self {
        let settings = webhook.settings;
        Self {
            id: webhook.id,
            url: settings.url,
            events: settings.events,
            sessions: settings.sessions,
            headers: settings.headers,
            retry_schedule: settings.retry_schedule,
            ordering: settings.ordering,
            format: settings.format,
            enabled: settings.enabled,
            disabled_reason: webhook.disabled_reason,
            created_at: webhook.created_at.into(),
            updated_at: webhook.updated_at.into(),
        }
    }
}

/// A webhook with the secret that signs its deliveries, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookSecretShown {
    #[serde(flatten)]
    webhook: WebhookObject,
    /// The signing secret, as Standard Webhooks writes it. It is shown once and cannot be had again; rotate it to get a new one.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
}

impl WebhookSecretShown {
    fn new(webhook: Webhook, secret: &WebhookSecret) -> Self {
        Self {
            webhook: webhook.into(),
            secret: secret.text().expose_secret().to_owned(),
        }
    }
}

/// Creates a webhook with its first secret.
async fn create_with_secret(
    app: &App,
    transaction: &mut TenantTransaction,
    settings: &WebhookSettings,
    secret: &WebhookSecret,
) -> Result<WebhookSecretShown, Problem> {
    let webhook = transaction.create_webhook(WebhookId::generate(), settings).await?;
    secret.add(transaction, app.region_key(), webhook.id).await?;
    Ok(WebhookSecretShown::new(webhook, secret))
}

/// Creates the webhook that was given with a new session, for that session alone.
pub(crate) async fn create_for_session(
    app: &App,
    transaction: &mut TenantTransaction,
    session: SessionId,
    url: String,
    events: Option<Vec<String>>,
) -> Result<WebhookSecretShown, Problem> {
    let settings = WebhookSettings {
        url,
        events,
        sessions: Some(vec![session]),
        headers: BTreeMap::new(),
        retry_schedule: None,
        ordering: DeliveryOrdering::None,
        format: WebhookFormat::Rookery,
        enabled: true,
    };
    create_with_secret(app, transaction, &settings, &WebhookSecret::generate()).await
}

/// A webhook of one session in a dialect's words, as that dialect's clients describe it.
#[derive(Debug, Clone)]
pub(crate) struct DialectWebhook {
    /// In whose words it speaks.
    pub(crate) format: WebhookFormat,
    /// Where it leads.
    pub(crate) url: String,
    /// What signs its deliveries; `None`: a secret is made.
    pub(crate) secret: Option<SecretString>,
    /// Whether anything is delivered.
    pub(crate) enabled: bool,
}

impl DialectWebhook {
    /// Checks everything that can be checked without the database.
    pub(crate) fn check(&self, app: &App, checks: &mut Checks) {
        checks.url("webhook.url", &self.url, app.egress());
        self.secret_to_add(checks);
    }

    fn secret_to_add(&self, checks: &mut Checks) -> WebhookSecret {
        match &self.secret {
            Some(secret) => WebhookSecret::chosen(secret.expose_secret(), "webhook.secret", checks),
            None => WebhookSecret::generate(),
        }
    }

    /// Creates it for a session.
    ///
    /// # Errors
    /// `validation_failed`, or the database's problem.
    pub(crate) async fn create(
        self,
        app: &App,
        transaction: &mut TenantTransaction,
        session: SessionId,
    ) -> Result<(), Problem> {
        let mut checks = Checks::new();
        let secret = self.secret_to_add(&mut checks);
        checks.finish()?;
        let types = self.format.event_types();
        let settings = WebhookSettings {
            url: self.url,
            events: types.map(|types| types.iter().map(ToString::to_string).collect()),
            sessions: Some(vec![session]),
            headers: BTreeMap::new(),
            retry_schedule: None,
            ordering: DeliveryOrdering::None,
            format: self.format,
            enabled: self.enabled,
        };
        create_with_secret(app, transaction, &settings, &secret).await?;
        Ok(())
    }
}

/// Reads one webhook that the caller may see.
async fn find(
    transaction: &mut TenantTransaction,
    webhook: WebhookId,
    within: Option<&[Uuid]>,
) -> Result<Webhook, Problem> {
    transaction.webhook(webhook, within).await?.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::not_found(Code::WebhookNotFound)
}
