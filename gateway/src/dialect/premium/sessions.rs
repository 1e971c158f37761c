//! Sessions of Api Premium: opened by the name that stands in the path.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use shared::command::Command;
use shared::dialect::{premium, web};
use shared::problem::Code;
use shared::query::profile::ProfileDetails;
use shared::query::{Lookup, ProfileLookup};

use super::{About, Acting, Asked, Client, Premium, ok, tenant};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadSessions, WriteSessions, WriteWebhooks};
use crate::dialect::sessions::{self, NamedSession};
use crate::dialect::{Speech as _, client, json as respond, listed_routes, words};
use crate::http::accept;
use crate::look_up::look_up;
use crate::problem::Problem;

/// How long `qrcode` waits for a code that is about to come.
const QR_PATIENCE: Duration = Duration::from_secs(10);
/// How long `autenticacao` waits for the first code, or for a linked account's connection.
const OPENING_PATIENCE: Duration = Duration::from_secs(20);

/// A page for people. It loads nothing but what stands in it.
fn page(html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; img-src data:"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::OK, headers, html).into_response()
}

/// A text in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// `GET /rotas`: a page for people; a list for clients that want JSON.
pub(super) async fn routes(State(app): State<App>, client: Client, headers: HeaderMap) -> Result<Response, Problem> {
    const PAGE: &str = "text/html";
    tenant::<ReadSessions>(&client, &app).await?;
    let paths = listed_routes(Premium::DIALECT)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|path| *path != "/rotas")
        .map(|path| path.replace(":sessao", ":session"));
    if accept::preferred(&headers, &[PAGE, "application/json"]) == PAGE {
        let items: String = paths.map(|path| format!("<li>{}</li>\n", escaped(&path))).collect();
        return Ok(page(format!(
            "<!doctype html>\n<html lang=\"pt-BR\">\n<title>Rotas</title>\n<h1>Rotas</h1>\n<ul>\n{items}</ul>\n</html>\n"
        )));
    }
    let names: Vec<Value> = paths.map(|path| json!({ "name": path })).collect();
    Ok(ok(json!({ "names": names })))
}

/// `GET /sessions`: those that are started. Its server answered both with 400, which no client can have wanted.
pub(super) async fn list(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    let call = tenant::<ReadSessions>(&client, &app).await?;
    let found = sessions::list(&app, &call, Premium::DIALECT).await?;
    let names: Vec<String> = found
        .into_iter()
        .filter(NamedSession::is_started)
        .map(|named| named.name)
        .collect();
    if names.is_empty() {
        return Ok(ok(json!({ "message": "Ainda não foi sincronizado algum numero" })));
    }
    Ok(ok(json!({ "sessions": names })))
}

/// `GET /:sessao/autenticacao`: creates and starts the session, and sets where its news go. All of it may be repeated.
pub(super) async fn authenticate(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    // Who may not is told so as everywhere.
    tenant::<WriteSessions>(&client, &app).await?;
    match open(&app, &client, &name, &asked).await {
        Ok(message) => Ok(ok(json!({ "message": message }))),
        // Those that its clients have to act on, or we.
        Err(problem)
            if problem.code() == Code::Internal || matches!(problem.status().as_u16(), 401 | 403 | 429 | 503) =>
        {
            Err(problem)
        }
        Err(problem) => Ok(respond(
            StatusCode::OK,
            &json!({ "message": "Error", "erro": words::portuguese(&problem) }),
        )),
    }
}

async fn open(app: &App, client: &Client, name: &str, asked: &Asked) -> Result<&'static str, Problem> {
    let call = client.tenant::<WriteSessions>(app).await?;
    let mut known = client::find::<Premium, _>(app, &call, name).await?;
    let mut running = false;
    if let Some(session) = known {
        let call = call.clone().on(session, app)?;
        running = sessions::read(app, &call, Premium::DIALECT).await?.is_started();
    } else {
        let created = sessions::create(app, call.clone(), Premium::DIALECT, Some(name), true, None).await;
        known = match created {
            Ok(id) => Some(id),
            // Two requests for one name: the other one was first.
            Err(problem) if sessions::is_taken(&problem) => {
                running = true;
                client::find::<Premium, _>(app, &call, name).await?
            }
            Err(problem) => return Err(problem),
        };
    }
    let session = known.ok_or_else(|| Problem::not_found(Code::SessionNotFound))?;
    if let Some(url) = asked.get("webhook") {
        let webhooks = client.tenant::<WriteWebhooks>(app).await?;
        sessions::set_webhook(app, &webhooks, Premium::DIALECT, Some(session), Some(url)).await?;
    }
    if running {
        return Ok("Autenticado ou em processo de autenticação.");
    }
    let call = call.on(session, app)?;
    if !sessions::read(app, &call, Premium::DIALECT).await?.is_started() {
        sessions::give(app, &call, Command::Start, None).await?;
    }
    opened(app, &call).await
}

/// What has come of opening a session: a code to scan, or a connection without one.
async fn opened(app: &App, call: &SessionCall<WriteSessions>) -> Result<&'static str, Problem> {
    match sessions::link_picture(app, call, OPENING_PATIENCE).await {
        Ok(_) => Ok("Autenticando, leia o qrcode."),
        Err(problem) if problem.code() == Code::SessionAlreadyPaired => Ok("Autenticado"),
        Err(problem) => Err(problem),
    }
}

/// `GET /:sessao/qrcode`: as text, as a `data:` URL or as a page.
pub(super) async fn qr(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let told = |message: &str| Ok(ok(json!({ "message": message })));
    let link = match sessions::link_picture(&app, &about.call, QR_PATIENCE).await {
        Ok(link) => link,
        Err(problem) if problem.code() == Code::SessionAlreadyPaired => return told("Sessão autenticada"),
        Err(problem) if matches!(problem.code(), Code::QrNotAvailable | Code::SessionNotStarted) => {
            return told("Qrcode não encontrado");
        }
        Err(problem) => return Err(problem),
    };
    if about.asked.get("base64") == Some("true") {
        return Ok(ok(json!({ "qrcode": link.picture })));
    }
    if about.asked.get("img").is_some() {
        return Ok(page(format!(
            "<img src=\"{}\" width=\"250\" height=\"250\" alt=\"QR\">",
            escaped(&link.picture)
        )));
    }
    Ok(ok(json!({ "qrcode": link.code })))
}

/// `GET /:sessao/sair`: the account is unlinked and the session is gone with all its data. One that is not there has been left already.
pub(super) async fn leave(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let call = tenant::<WriteSessions>(&client, &app).await?;
    if let Some(session) = client::find::<Premium, _>(&app, &call, &name).await? {
        sessions::delete(&app, call.on(session, &app)?).await?;
    }
    Ok(ok(json!({ "retorno": "Saiu com Sucesso" })))
}

/// `GET /:sessao/me`: the account. What only WhatsApp knows is there while the session is connected.
pub(super) async fn me(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let named = about.verified(&app).await?;
    let Some(account) = &named.session.account else {
        return Err(super::not_verified());
    };
    let details: Option<ProfileDetails> = match named.is_connected() {
        true => look_up(&app, &about.call, Lookup::Profile(ProfileLookup::Everything))
            .await
            .ok(),
        false => None,
    };
    let says = details.as_ref().and_then(|details| details.about.clone());
    let name = details
        .and_then(|details| details.name)
        .or_else(|| named.session.push_name.clone());
    let mut device = premium::device(account, name.as_deref(), named.is_connected());
    device["status"] = says.into();
    Ok(ok(device))
}

/// `GET /:sessao/conexao`: the state of the connection, a word of WhatsApp's web client.
pub(super) async fn connection(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let named = about.verified(&app).await?;
    Ok(ok(json!({ "message": web::state(named.session.status) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_texts_as_they_are() {
        assert_eq!(escaped("/:session/<script>\"&"), "/:session/&lt;script&gt;&quot;&amp;");
    }
}
