//! Webhooks of one session in a dialect's words, where its clients know more than one: those that they register, and the session's own address.

use std::collections::BTreeMap;

use shared::dialect::WebhookFormat;
use shared::ids::{SessionId, WebhookId};
use shared::store::TenantTransaction;
use shared::store::webhooks::{DeliveryOrdering, Webhook, WebhookSettings};
use shared::subject;

use super::secret::WebhookSecret;
use super::settings;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::WriteWebhooks;
use crate::database::promptly;
use crate::http::checks::Checks;
use crate::problem::Problem;

type Call = TenantCall<WriteWebhooks>;

/// The most webhooks that a dialect's clients may register for one session, and that are listed.
pub(crate) const MOST_REGISTERED: i64 = 100;

/// A webhook that a dialect's client registers for a session.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// In whose words its deliveries are written.
    pub(crate) format: WebhookFormat,
    /// The session.
    pub(crate) session: SessionId,
    /// Where they go.
    pub(crate) url: String,
    /// The types of its events.
    pub(crate) events: Vec<String>,
    /// The signing secret that the client has chosen; `None`: one is made that nobody is told, or the known one stays.
    pub(crate) secret: Option<String>,
}

/// Registers a webhook, or changes and enables the one that is registered for this session and URL already. Answers whether it is a new one.
///
/// # Errors
/// `url_forbidden`, `validation_failed`, `forbidden`, or the database's problem.
pub(crate) async fn register(app: &App, call: &Call, registration: &Registration) -> Result<(Webhook, bool), Problem> {
    let registered = promptly(register_now(app, call, registration)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(registered)
}

async fn register_now(app: &App, call: &Call, registration: &Registration) -> Result<(Webhook, bool), Problem> {
    let format = registration.format;
    let wanted = settings_of(
        format,
        registration.session,
        &registration.url,
        registration.events.clone(),
    );
    let mut checks = Checks::new();
    settings::check(&wanted, app.egress(), &mut checks);
    let secret = registration
        .secret
        .as_deref()
        .map(|text| WebhookSecret::chosen(text, "secret", &mut checks));
    checks.finish()?;
    let mut transaction = app.store().tenant(call.tenant).await?;
    // Two equal requests register one webhook.
    transaction.lock_webhooks_in_format(format).await?;
    settings::check_sessions(&mut transaction, call, wanted.sessions.as_deref()).await?;
    let registered = transaction
        .registered_webhooks(format, registration.session, call.within(), MOST_REGISTERED)
        .await?;
    let count = registered.len();
    let known = registered.into_iter().find(|known| known.settings.url == wanted.url);
    let is_new = known.is_none();
    let webhook = match known {
        Some(known) => {
            // What its owner has changed about it by the canonical API stays.
            let settings = WebhookSettings {
                events: wanted.events,
                enabled: true,
                ..known.settings
            };
            if let Some(secret) = &secret {
                transaction.expire_webhook_secrets(known.id, 0).await?;
                secret.add(&mut transaction, app.region_key(), known.id).await?;
            }
            transaction.update_webhook(known.id, &settings).await?
        }
        None => {
            let mut checks = Checks::new();
            let room = i64::try_from(count).is_ok_and(|count| count < MOST_REGISTERED);
            checks.require(room, "url", "is one too many: a session has at most 100 webhooks");
            checks.finish()?;
            create(app, &mut transaction, &wanted, secret).await?
        }
    };
    transaction.commit().await?;
    Ok((webhook, is_new))
}

/// Sets a session's own address: creates, changes or, without a URL, removes that webhook.
///
/// # Errors
/// `url_forbidden`, `forbidden`, or the database's problem.
pub(crate) async fn set_session_address(
    app: &App,
    call: &Call,
    format: WebhookFormat,
    session: SessionId,
    url: Option<&str>,
) -> Result<(), Problem> {
    promptly(set_now(app, call, format, session, url)).await?;
    app.relay().hint(subject::webhook_hint(app.region()));
    Ok(())
}

async fn set_now(
    app: &App,
    call: &Call,
    format: WebhookFormat,
    session: SessionId,
    url: Option<&str>,
) -> Result<(), Problem> {
    let types = format.event_types().unwrap_or_default();
    let wanted = url.map(|url| settings_of(format, session, url, types.iter().map(ToString::to_string).collect()));
    if let Some(wanted) = &wanted {
        let mut checks = Checks::new();
        settings::check(wanted, app.egress(), &mut checks);
        checks.finish()?;
    }
    let mut transaction = app.store().tenant(call.tenant).await?;
    transaction.lock_webhooks_in_format(format).await?;
    let known = transaction
        .session_addresses(format, &[session])
        .await?
        .remove(&session.uuid);
    match (known, wanted) {
        (None, None) => {}
        (Some(known), None) => {
            transaction.delete_webhook(known.id, call.within()).await?;
        }
        (Some(known), Some(wanted)) => {
            let settings = WebhookSettings {
                url: wanted.url,
                enabled: true,
                ..known.settings
            };
            transaction.update_webhook(known.id, &settings).await?;
        }
        (None, Some(wanted)) => {
            settings::check_sessions(&mut transaction, call, wanted.sessions.as_deref()).await?;
            let webhook = create(app, &mut transaction, &wanted, None).await?;
            transaction.mark_session_address(webhook.id).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// Creates a webhook with the secret that was chosen, or with a fresh one.
async fn create(
    app: &App,
    transaction: &mut TenantTransaction,
    wanted: &WebhookSettings,
    secret: Option<WebhookSecret>,
) -> Result<Webhook, Problem> {
    let webhook = transaction.create_webhook(WebhookId::generate(), wanted).await?;
    let secret = secret.unwrap_or_else(WebhookSecret::generate);
    secret.add(transaction, app.region_key(), webhook.id).await?;
    Ok(webhook)
}

fn settings_of(format: WebhookFormat, session: SessionId, url: &str, events: Vec<String>) -> WebhookSettings {
    WebhookSettings {
        url: url.to_owned(),
        events: Some(events),
        sessions: Some(vec![session]),
        headers: BTreeMap::new(),
        retry_schedule: None,
        ordering: DeliveryOrdering::None,
        format,
        enabled: true,
    }
}
