//! Whether a session's messages are told to the CRM's Frappe server: a webhook of the session in this dialect's words, switched on or off.

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::dialect::WebhookFormat;
use url::Url;

use super::shape::Known;
use super::{About, Crm, done, ok};
use crate::api::webhooks::{DialectWebhook, manage};
use crate::app::App;
use crate::auth::permission::{ReadSessions, WriteWebhooks};
use crate::dialect::fields::Fields;
use crate::dialect::{Speech as _, sessions, words};
use crate::problem::Problem;

/// The header with which Frappe's clients say who they are.
const ORIGIN: &str = "x-frappe-origin";
/// What `webhookEvents` calls messages that arrive, and everything.
const MESSAGES: [&str; 6] = ["message", "messages", "message.received", "messages.upsert", "all", "*"];

fn nowhere() -> Problem {
    words::invalid(
        "No hay URL de webhook: envíe webhookUrl al crear la sesión o configure ROOKERY_CRM_WEBHOOK_URL en el servidor",
    )
}

fn truth(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => Some(number.as_i64() == Some(1)),
        _ => None,
    }
}

/// The operator's webhook, as one of a session.
fn of_operator(app: &App) -> Option<DialectWebhook> {
    app.crm_webhook().map(|operator| DialectWebhook {
        format: WebhookFormat::Crm,
        url: operator.url.to_string(),
        secret: operator.secret.clone(),
        enabled: true,
    })
}

/// What signs a session's deliveries to `url` when its client names no secret: the operator's, but only where the operator's own deliveries go, because
/// whoever receives a signed message could pass it on as one of the operator's.
fn secret_for(app: &App, url: &str) -> Option<SecretString> {
    let operator = app.crm_webhook()?;
    let url: Url = url.parse().ok()?;
    (url.origin() == operator.url.origin())
        .then(|| operator.secret.clone())
        .flatten()
}

/// The webhook that a request to create a session asks for: by a URL of its own, or by saying that it comes from Frappe.
pub(super) fn asked_for(app: &App, headers: &HeaderMap, fields: &Fields) -> Result<Option<DialectWebhook>, Problem> {
    let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
    let from_frappe = [fields.value("fromFrappe"), fields.value("sendToFrappe")]
        .into_iter()
        .any(|value| truth(value) == Some(true))
        || origin.is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "1"));
    let secret = fields.text("webhookSecret").map(SecretString::from);
    let Some(url) = fields.text("webhookUrl") else {
        if !from_frappe {
            return Ok(None);
        }
        let mut webhook = of_operator(app).ok_or_else(nowhere)?;
        webhook.secret = secret.or(webhook.secret);
        return Ok(Some(webhook));
    };
    Ok(Some(DialectWebhook {
        format: WebhookFormat::Crm,
        secret: secret.or_else(|| secret_for(app, &url)),
        url,
        enabled: from_frappe || wants_messages(fields),
    }))
}

/// Whether `webhookEvents` names messages that arrive; without a list everything is meant.
fn wants_messages(fields: &Fields) -> bool {
    match fields.value("webhookEvents") {
        Some(Value::Array(events)) if !events.is_empty() => events
            .iter()
            .any(|event| event.as_str().is_some_and(|event| MESSAGES.contains(&event))),
        _ => true,
    }
}

/// `POST /api/sessions/{id}/frappe/configure`.
pub(super) async fn configure(
    State(app): State<App>,
    about: About<WriteWebhooks>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let Some(enabled) = truth(fields.value("sendToFrappe")) else {
        return Err(words::invalid("sendToFrappe debe ser true o false"));
    };
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    let (tenant, session) = (&about.call.tenant, about.call.session);
    let there = manage::switch_in_format(&app, tenant, WebhookFormat::Crm, session, enabled, of_operator(&app)).await?;
    if enabled && !there {
        return Err(nowhere());
    }
    let message = match enabled {
        true => "Integración con Frappe activada para la sesión",
        false => "Integración con Frappe desactivada para la sesión",
    };
    Ok(done(
        message,
        json!({ "sessionId": named.name, "sendToFrappe": enabled }),
    ))
}

/// `GET /api/sessions/{id}/frappe/status`.
pub(super) async fn status(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let known = Known::read(&app, &about.call).await?;
    let session = Some(about.call.session);
    let webhook = sessions::webhook(&app, &about.call.tenant, Crm::DIALECT, session).await?;
    Ok(ok(json!({
        "sessionId": known.name(),
        "sendToFrappe": webhook.is_some_and(|webhook| webhook.settings.enabled),
        "status": known.status(),
        "sessionName": known.named.session.name,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_the_documentation_mean_messages_and_others_do_not() {
        for (events, wanted) in [
            (json!(["message", "message_status"]), true),
            (json!(["message.received"]), true),
            (json!([]), true),
            (json!(["message_status"]), false),
        ] {
            let fields = Fields::of_json(&json!({ "webhookEvents": events }));
            assert_eq!(wants_messages(&fields), wanted, "{events}");
        }
        assert!(wants_messages(&Fields::of_json(&json!({}))));
    }

    #[test]
    fn truth_is_read_as_clients_write_it() {
        for (value, read) in [
            (json!(true), Some(true)),
            (json!("false"), Some(false)),
            (json!(1), Some(true)),
            (json!("quizás"), None),
            (json!(null), None),
        ] {
            assert_eq!(truth(Some(&value)), read, "{value}");
        }
    }
}
