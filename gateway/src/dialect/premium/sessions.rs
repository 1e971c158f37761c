//! Sessions of Api Premium: opened by the name that stands in the path.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use shared::command::Command;
use shared::dialect::web;
use shared::problem::Code;
use shared::query::profile::ProfileDetails;
use shared::query::{Lookup, ProfileLookup};

use super::{About, Acting, Asked, Client, Premium, ok};
use crate::app::App;
use crate::auth::permission::{ReadSessions, WriteSessions, WriteWebhooks};
use crate::dialect::sessions::{self, NamedSession};
use crate::dialect::{Speech as _, client, json as respond, listed_routes};
use crate::look_up::look_up;
use crate::problem::Problem;

/// How long `qrcode` waits for a code that is about to come.
const QR_PATIENCE: Duration = Duration::from_secs(10);

/// `GET /rotas`.
pub(super) async fn routes(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    client.tenant::<ReadSessions>(&app).await?;
    let routes: Vec<Value> = listed_routes(Premium::DIALECT)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (method, route) = (words.next()?, words.next()?);
            let needs: Vec<&str> = words.next().unwrap_or_default().split(',').collect();
            Some(json!({ "rota": route, "metodo": method, "requisitos": needs }))
        })
        .collect();
    Ok(respond(StatusCode::OK, &json!({ "status": true, "json": routes })))
}

fn shown(named: &NamedSession) -> Value {
    json!({
        "sessao": named.name,
        "estado": web::state(named.session.status),
        "conectado": named.is_connected(),
        "numero": named.session.account.as_ref().map(web::number),
    })
}

/// `GET /sessions`.
pub(super) async fn list(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    let call = client.tenant::<ReadSessions>(&app).await?;
    let found = sessions::list(&app, &call, Premium::DIALECT).await?;
    let shown: Vec<Value> = found.iter().map(shown).collect();
    Ok(respond(StatusCode::OK, &json!({ "status": true, "json": shown })))
}

/// `GET /:sessao/autenticacao`: creates and starts the session, and sets where its news go. All of it may be repeated.
pub(super) async fn authenticate(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let call = client.tenant::<WriteSessions>(&app).await?;
    let mut known = client::find::<Premium, _>(&app, &call, &name).await?;
    if known.is_none() {
        let created = sessions::create(&app, call.clone(), Premium::DIALECT, Some(&name), true, None).await;
        known = match created {
            Ok(id) => Some(id),
            // Two requests for one name: the other one was first.
            Err(problem) if sessions::is_taken(&problem) => client::find::<Premium, _>(&app, &call, &name).await?,
            Err(problem) => return Err(problem),
        };
    }
    let session = known.ok_or_else(|| Problem::not_found(Code::SessionNotFound))?;
    if let Some(url) = asked.get("webhook") {
        let webhooks = client.tenant::<WriteWebhooks>(&app).await?;
        sessions::set_webhook(&app, &webhooks, Premium::DIALECT, Some(session), Some(url)).await?;
    }
    let call = call.on(session, &app)?;
    let named = sessions::read(&app, &call, Premium::DIALECT).await?;
    if !named.is_started() {
        sessions::give(&app, &call, Command::Start, None).await?;
    }
    Ok(ok(&name, shown(&sessions::read(&app, &call, Premium::DIALECT).await?)))
}

/// `GET /:sessao/qrcode`.
pub(super) async fn qr(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let link = sessions::link_picture(&app, &about.call, QR_PATIENCE).await?;
    Ok(about.ok(json!({ "qrcode": link.picture, "urlCode": link.code })))
}

/// `GET /:sessao/sair`: the account is unlinked and the session is gone with all its data.
pub(super) async fn leave(
    State(app): State<App>,
    _acting: Acting,
    about: About<WriteSessions>,
) -> Result<Response, Problem> {
    sessions::delete(&app, about.call.clone()).await?;
    Ok(about.ok("Sessão encerrada"))
}

/// `GET /:sessao/me`: the account. What only WhatsApp knows is there while the session is connected.
pub(super) async fn me(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Premium::DIALECT).await?;
    let Some(account) = &named.session.account else {
        return Err(Problem::not_found(Code::SessionNotPaired));
    };
    let details: Option<ProfileDetails> = match named.is_connected() {
        true => look_up(&app, &about.call, Lookup::Profile(ProfileLookup::Everything))
            .await
            .ok(),
        false => None,
    };
    let says = details.as_ref().and_then(|details| details.about.clone());
    let profile_name = details.and_then(|details| details.name);
    Ok(about.ok(json!({
        "wid": web::address(account),
        "numero": web::number(account),
        "lid": account.lid.as_ref().map(|lid| format!("{lid}@lid")),
        "pushname": profile_name.or_else(|| named.session.push_name.clone()),
        "status": says,
        "estado": web::state(named.session.status),
        "conectado": named.is_connected(),
        "conectadoDesde": named.session.connected_at.map(shared::timestamp::text),
    })))
}

/// `GET /:sessao/conexao`.
pub(super) async fn connection(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Premium::DIALECT).await?;
    Ok(about.ok(json!({ "conectado": named.is_connected(), "estado": web::state(named.session.status) })))
}
