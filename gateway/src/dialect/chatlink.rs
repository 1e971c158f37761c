//! ChatLink API: a small API in Spanish over Baileys. What its documentation leaves open is decided in `chatlink/README.md`.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::command::Command;
use shared::dialect::Dialect;
use shared::problem::Code;
use shared::store::sessions::Pairing;

use super::acting::{Acting, once};
use super::fields::Fields;
use super::sessions::{self, NamedSession};
use super::{Speech, json as respond, sending, words};
use crate::app::App;
use crate::auth;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadSessions, SendMessages, WriteSessions, WriteWebhooks};
use crate::database::promptly;
use crate::http::client_address::ClientAddress;
use crate::http::parameters;
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Chatlink;

/// How long starting and stopping wait for the session to have done so.
const PATIENCE: Duration = Duration::from_secs(5);

impl Speech for Chatlink {
    const DIALECT: Dialect = Dialect::Chatlink;

    /// `Authorization: Bearer TOKEN`, or `?token=TOKEN`.
    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers).or_else(|| {
            let token = parameters::pairs(&parts.uri).find(|(name, _)| name == "token");
            token
                .map(|(_, token)| token.trim().to_owned())
                .filter(|token| !token.is_empty())
                .map(SecretString::from)
        })
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        let status = match problem.code() {
            Code::ValidationFailed | Code::MalformedBody | Code::UrlForbidden | Code::NotOnWhatsapp => {
                StatusCode::BAD_REQUEST
            }
            _ => problem.status(),
        };
        (status, json!({ "error": words::spanish(problem) }))
    }
}

type Client = super::client::Client<Chatlink>;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/Login", post(login))
        .route("/api/NewSession", get(new_session))
        .route("/api/MySessions", get(my_sessions))
        .route("/api/Session/{session}", get(session).delete(delete))
        .route("/api/Session/{session}/Start", get(start))
        .route("/api/Session/{session}/Stop", get(stop))
        .route("/api/Session/{session}/SendMessage", post(send_message))
        .route("/api/Session/{session}/SetWebhook", post(set_webhook))
}

fn done() -> Response {
    respond(StatusCode::OK, &json!({ "status": "success" }))
}

/// The token lives as long as every login's: two days, which is what this API promises.
async fn login(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let email = required(&fields, &["Email", "email"])?;
    let password = SecretString::from(required(&fields, &["Password", "password"])?);
    let login = auth::login::log_in(&app, &email, &password, address).await?;
    let token = login.token.expose_secret();
    Ok(respond(StatusCode::OK, &json!({ "token": token })))
}

async fn new_session(State(app): State<App>, acting: Acting<Chatlink>, client: Client) -> Result<Response, Problem> {
    let session = once(|| async {
        let call = client.tenant::<WriteSessions>(&app).await?;
        let idempotency = Some(acting.idempotency.clone());
        // Its clients start a session themselves when somebody is there to scan.
        sessions::create(&app, call, Chatlink::DIALECT, None, false, idempotency).await
    })
    .await?;
    Ok(respond(StatusCode::OK, &json!({ "idSession": session })))
}

/// A session as both routes show it.
async fn shown<P: Permission>(app: &App, call: &SessionCall<P>, named: &NamedSession) -> Result<Value, Problem> {
    let webhook = sessions::webhook(app, &call.tenant, Chatlink::DIALECT, Some(call.session)).await?;
    let pairing: Option<Pairing> = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.pairing(call.session).await?)
    })
    .await?;
    let code = pairing.and_then(|pairing| pairing.qr).map(|(code, _)| code);
    Ok(json!({
        "idSession": named.name,
        "hasCredentials": named.session.account.is_some(),
        "Webhook": webhook.map(|webhook| webhook.settings.url),
        "DownloadMedia": named.session.settings.media.download,
        "isRunning": named.is_started(),
        "qr": code.unwrap_or_default(),
        "isConnected": named.is_connected(),
    }))
}

async fn my_sessions(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    // A QR code links an account: who may not link sees none.
    let call = client.tenant::<WriteSessions>(&app).await?;
    let found = sessions::list(&app, &call, Chatlink::DIALECT).await?;
    let mut list = Vec::with_capacity(found.len());
    for named in &found {
        let call = call.clone().on(named.session.id, &app)?;
        list.push(shown(&app, &call, named).await?);
    }
    Ok(respond(StatusCode::OK, &list.into()))
}

async fn session(State(app): State<App>, client: Client, Path(id): Path<String>) -> Result<Response, Problem> {
    let call = client.session::<WriteSessions>(&app, &id).await?;
    let named = sessions::read(&app, &call, Chatlink::DIALECT).await?;
    Ok(respond(StatusCode::OK, &shown(&app, &call, &named).await?))
}

async fn delete(State(app): State<App>, client: Client, Path(id): Path<String>) -> Result<Response, Problem> {
    let call = client.session::<WriteSessions>(&app, &id).await?;
    sessions::delete(&app, call).await?;
    Ok(done())
}

async fn start(
    State(app): State<App>,
    _acting: Acting<Chatlink>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    give(&app, &client, &id, Command::Start).await
}

async fn stop(
    State(app): State<App>,
    _acting: Acting<Chatlink>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    give(&app, &client, &id, Command::Stop).await
}

/// Starting what is started and stopping what is stopped changes nothing, so a repeat needs no memory.
async fn give(app: &App, client: &Client, id: &str, command: Command) -> Result<Response, Problem> {
    let call = client.session::<WriteSessions>(app, id).await?;
    let named = sessions::read(app, &call, Chatlink::DIALECT).await?;
    if named.is_started() != matches!(command, Command::Start) {
        sessions::give(app, &call, command, Some(PATIENCE)).await?;
    }
    Ok(done())
}

fn required(fields: &Fields, names: &[&str]) -> Result<String, Problem> {
    let name = names.first().copied().unwrap_or_default();
    fields
        .first(names)
        .ok_or_else(|| words::invalid(format!("El parámetro {name} es requerido")))
}

async fn send_message(
    State(app): State<App>,
    client: Client,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let call = client.session::<SendMessages>(&app, &id).await?;
    let fields = Fields::read(&app, request).await?;
    let to = required(&fields, &["To", "to"])?;
    let text = required(&fields, &["text", "Text"])?;
    let message = json!({ "to": to, "type": "text", "text": { "body": text } });
    let idempotency = sending::idempotency(&headers, uri.path(), &message)?;
    sending::send(&app, &call, &message, idempotency).await?;
    Ok(done())
}

async fn set_webhook(
    State(app): State<App>,
    client: Client,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = client.session::<WriteWebhooks>(&app, &id).await?;
    // The session must be there: a webhook names it.
    client.session::<ReadSessions>(&app, &id).await?;
    let fields = Fields::read(&app, request).await?;
    if !fields.has("Webhook") && !fields.has("webhook") {
        return Err(words::invalid("El parámetro Webhook es requerido"));
    }
    let url = fields.first(&["Webhook", "webhook"]);
    sessions::set_webhook(
        &app,
        &call.tenant,
        Chatlink::DIALECT,
        Some(call.session),
        url.as_deref(),
    )
    .await?;
    Ok(done())
}
