//! Api Premium: an API in Portuguese, mostly of GET requests, over venom. What its documentation leaves open is decided in `premium/README.md`.

mod chats;
mod groups;
mod media;
mod people;
mod send;
mod sessions;
mod shape;

use std::collections::HashMap;
use std::convert::Infallible;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::address::Address;
use shared::dialect::Dialect;
use shared::problem::Code;

use super::{Speech, json as respond, words};
use crate::app::App;
use crate::auth::permission::Permission;
use crate::auth::{self, SessionCall};
use crate::http::parameters;
use crate::problem::Problem;

/// The dialect.
#[derive(Debug)]
pub struct Premium;

impl Speech for Premium {
    const DIALECT: Dialect = Dialect::Premium;

    /// `?token=`, the header `token`, or what HTTP knows: a bearer, or the password of a base address such as `https://token:KEY@host`, for clients that
    /// send the token on two routes only, as the documentation shows it.
    fn key(parts: &Parts) -> Option<SecretString> {
        auth::presented_key(&parts.headers)
            .or_else(|| secret(parts.headers.get("token")?.to_str().ok()?))
            .or_else(|| auth::basic_password(&parts.headers))
            .or_else(|| {
                let token = parameters::pairs(&parts.uri).find(|(name, _)| name == "token");
                secret(&token?.1)
            })
    }

    fn tell(problem: &Problem) -> (StatusCode, Value) {
        let status = match problem.code() {
            Code::ValidationFailed | Code::MalformedBody | Code::UrlForbidden => StatusCode::BAD_REQUEST,
            Code::NotOnWhatsapp => StatusCode::NOT_FOUND,
            _ => problem.status(),
        };
        (status, json!({ "status": false, "erro": words::portuguese(problem) }))
    }
}

fn secret(text: &str) -> Option<SecretString> {
    let text = text.trim();
    (!text.is_empty()).then(|| SecretString::from(text))
}

type Client = super::client::Client<Premium>;
type Acting = super::acting::Acting<Premium>;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/rotas", get(sessions::routes))
        .route("/sessions", get(sessions::list))
        .route("/{session}/autenticacao", get(sessions::authenticate))
        .route("/{session}/qrcode", get(sessions::qr))
        .route("/{session}/sair", get(sessions::leave))
        .route("/{session}/me", get(sessions::me))
        .route("/{session}/conexao", get(sessions::connection))
        .route("/{session}/conversas", get(chats::list))
        .route("/{session}/conversascommsgs", get(chats::list_with_messages))
        .route("/{session}/visualizar", get(chats::read))
        .route("/{session}/marcarnlido", get(chats::mark_unread))
        .route("/{session}/mensagens", get(chats::messages))
        .route("/{session}/mensagensgroup", get(chats::group_messages))
        .route("/{session}/carregarmaismensagens", get(chats::more_messages))
        .route("/{session}/todasmensagens", get(chats::all_messages))
        .route("/{session}/todoscontatos", get(people::list))
        .route("/{session}/novocontatovalidar", get(people::check))
        .route("/{session}/chatonline", get(people::online))
        .route("/{session}/status", get(people::about))
        .route("/{session}/foto", get(people::picture))
        .route("/{session}/novocontato", get(send::new_contact))
        .route("/{session}/enviarmsg", get(send::text))
        .route("/{session}/encaminharmsg", get(send::forward))
        .route("/{session}/enviarcontato", get(send::contact))
        .route("/{session}/desfile", post(media::decrypt))
        .route("/{session}/enviarimagem", post(media::image))
        .route("/{session}/enviardoc", post(media::document))
        .route("/{session}/enviaraudio", post(media::voice))
        .route("/{session}/grupos", get(groups::list))
        .route("/{session}/grupointegrantes", get(groups::members))
        .route("/{session}/grupoentrar", get(groups::join))
        .route("/{session}/gruposair", get(groups::leave))
}

/// Its answers look as its webhooks do: the session and, under `json`, what came of the request.
fn ok(session: &str, value: impl Into<Value>) -> Response {
    let json: Value = value.into();
    respond(
        StatusCode::OK,
        &json!({ "status": true, "sessao": session, "json": json }),
    )
}

/// What stands in the query.
#[derive(Debug, Default)]
struct Asked(HashMap<String, String>);

impl FromRequestParts<App> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Infallible> {
        Ok(Self(parameters::pairs(&parts.uri).collect()))
    }
}

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| missing(name))
    }

    /// The chat that `numero` names: a person or a group.
    fn chat(&self) -> Result<Address, Problem> {
        address(self.required("numero")?)
    }

    /// The group that `numero` names, with or without `@g.us`.
    fn group(&self) -> Result<Address, Problem> {
        group(self.required("numero")?)
    }
}

/// A request about one session, by somebody who may do `P` with it.
#[derive(Debug)]
struct About<P> {
    call: SessionCall<P>,
    /// What its clients call the session.
    name: String,
    asked: Asked,
}

impl<P: Permission> FromRequestParts<App> for About<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(client) = Client::from_request_parts(parts, app).await;
        let Ok(asked) = Asked::from_request_parts(parts, app).await;
        let name = Path::<String>::from_request_parts(parts, app).await;
        // A name that is no text is nobody's.
        let Path(name) = name.map_err(|_| Problem::not_found(Code::SessionNotFound))?;
        let call = client.session(app, &name).await?;
        Ok(Self { call, name, asked })
    }
}

impl<P> About<P> {
    /// The answer to it.
    fn ok(&self, value: impl Into<Value>) -> Response {
        ok(&self.name, value)
    }
}

fn missing(name: &str) -> Problem {
    words::invalid(format!("O parâmetro {name} é obrigatório"))
}

fn address(text: &str) -> Result<Address, Problem> {
    // Groups of old have the number of their maker and a hyphen.
    let group_of_old = !text.contains('@') && text.contains('-') && !text.contains(' ');
    if group_of_old {
        return group(text);
    }
    text.parse().map_err(|_| Problem::field("to", "is no address"))
}

fn group(text: &str) -> Result<Address, Problem> {
    let whole = if text.contains('@') {
        text.to_owned()
    } else {
        format!("{text}@g.us")
    };
    match whole.parse() {
        Ok(group @ Address::Group(_)) => Ok(group),
        _ => Err(words::invalid("O número não é de um grupo")),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn key(uri: &str, header: Option<(&str, &str)>) -> Option<String> {
        let mut request = Request::get(uri);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Premium::key(&parts).map(|key| key.expose_secret().to_owned())
    }

    #[test]
    fn the_token_is_found_wherever_its_clients_can_put_it() {
        assert_eq!(key("/rotas?token=rk_1", None).as_deref(), Some("rk_1"));
        assert_eq!(key("/rotas", Some(("token", "rk_1"))).as_deref(), Some("rk_1"));
        assert_eq!(
            key("/rotas", Some(("authorization", "Bearer rk_1"))).as_deref(),
            Some("rk_1")
        );
        // token:rk_1 and rk_1: as a base address with credentials makes it.
        for basic in ["Basic dG9rZW46cmtfMQ==", "Basic cmtfMTo="] {
            assert_eq!(key("/x/me", Some(("authorization", basic))).as_deref(), Some("rk_1"));
        }
        assert_eq!(key("/x/me?token=", None), None);
    }

    #[test]
    fn a_number_is_a_person_or_a_group() {
        assert!(matches!(address("5511999999999"), Ok(Address::Phone(_))));
        assert!(matches!(address("5511999999999@c.us"), Ok(Address::Phone(_))));
        assert!(matches!(address("5511999999999-1400000000"), Ok(Address::Group(_))));
        assert!(matches!(group("120363021033254949"), Ok(Address::Group(_))));
        assert!(address("ninguém").is_err() && group("5511999999999@c.us").is_err());
    }
}
