//! Api Premium: an API in Portuguese, mostly of GET requests, over WPPConnect. Its documentation shows no answers: they are here as its server answered,
//! see `premium/README.md`.

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

use super::sessions::{self as sessions_of_all, NamedSession};
use super::{Speech, json as respond, words};
use crate::app::App;
use crate::auth::permission::Permission;
use crate::auth::{self, SessionCall, TenantCall};
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
        if let Some(error) = problem.errors().first()
            && let Some(Missing(complaint)) = Missing::of(&error.message)
        {
            if error.field == TOKEN {
                return (StatusCode::BAD_REQUEST, json!({ "message": "Requisição mal formada" }));
            }
            return (
                StatusCode::BAD_REQUEST,
                json!({ "success": false, "message": complaint, "erro": format!("O parâmetro {} é obrigatório", error.field) }),
            );
        }
        let clear = words::portuguese(problem);
        let status = match problem.code() {
            Code::Unauthorized => {
                return (
                    StatusCode::UNAUTHORIZED,
                    json!({ "message": "Token não correspondente" }),
                );
            }
            // Its clients look for this text, not for a status.
            Code::SessionNotFound | Code::SessionNotStarted => {
                return (StatusCode::OK, json!({ "message": "Esta sessão não está verificada." }));
            }
            Code::MalformedBody => {
                return (
                    StatusCode::BAD_REQUEST,
                    json!({ "success": false, "message": Missing::IN_POST, "erro": clear }),
                );
            }
            Code::Forbidden
            | Code::TenantSuspended
            | Code::RouteNotFound
            | Code::MethodNotAllowed
            | Code::BodyTooLarge
            | Code::MediaTooLarge => problem.status(),
            // Those that say when to come again.
            _ if matches!(
                problem.status(),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            ) =>
            {
                problem.status()
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, json!({ "message": "Algo deu errado!", "erro": clear }))
    }
}

/// The parameter that carries the credential.
const TOKEN: &str = "token";

/// What its server said of a request that lacks something.
#[derive(Debug, Clone, Copy)]
struct Missing(&'static str);

impl Missing {
    const IN_GET: &str = "Request incompleto, necessita revisão!";
    const IN_POST: &str = "Post incompleto, necessita revisão!";

    fn of(message: &str) -> Option<Self> {
        [Self::IN_GET, Self::IN_POST]
            .into_iter()
            .find(|text| *text == message)
            .map(Self)
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
        // Its documentation forgets it.
        .route("/{session}/conversasnlidas", get(chats::list_unread))
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

/// An answer is what came of the request, in no envelope.
fn ok(value: impl Into<Value>) -> Response {
    respond(StatusCode::OK, &value.into())
}

/// The caller on behalf of its tenant. Without a token the request is not even formed.
async fn tenant<P: Permission>(client: &Client, app: &App) -> Result<TenantCall<P>, Problem> {
    if client.is_anonymous() {
        return Err(missing(TOKEN));
    }
    client.tenant(app).await
}

/// As its server said of a session that is unknown, or of one without an account where it wanted one.
fn not_verified() -> Problem {
    Problem::not_found(Code::SessionNotFound)
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

    /// The chat that `numero` and `tipo` name: `group` (or `grupo`) means a group, everything else a person.
    fn chat_of_kind(&self) -> Result<Address, Problem> {
        match self.required("tipo")?.to_lowercase().as_str() {
            "group" | "grupo" => self.group(),
            _ => self.chat(),
        }
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
        if client.is_anonymous() {
            return Err(missing(TOKEN));
        }
        let call = client.session(app, &name).await?;
        Ok(Self { call, name, asked })
    }
}

impl<P: Permission> About<P> {
    /// The session, as long as an account is linked.
    async fn verified(&self, app: &App) -> Result<NamedSession, Problem> {
        let named = sessions_of_all::read(app, &self.call, Premium::DIALECT).await?;
        match named.session.account {
            Some(_) => Ok(named),
            None => Err(not_verified()),
        }
    }
}

fn missing(name: &str) -> Problem {
    Problem::field(name, Missing::IN_GET)
}

fn missing_in_post(name: &str) -> Problem {
    Problem::field(name, Missing::IN_POST)
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
    fn failures_are_told_as_its_server_told_them() {
        let told = |problem: &Problem| {
            let (status, value) = Premium::tell(problem);
            (status.as_u16(), value)
        };
        assert_eq!(
            told(&missing(TOKEN)),
            (400, json!({"message": "Requisição mal formada"}))
        );
        assert_eq!(
            told(&missing("msg")),
            (
                400,
                json!({"success": false, "message": "Request incompleto, necessita revisão!", "erro": "O parâmetro msg é obrigatório"})
            )
        );
        assert_eq!(
            told(&missing_in_post("doc")).1["message"],
            "Post incompleto, necessita revisão!"
        );
        assert_eq!(
            told(&not_verified()),
            (200, json!({"message": "Esta sessão não está verificada."}))
        );
        for (code, status) in [
            (Code::NotOnWhatsapp, 500),
            (Code::MessageNotFound, 500),
            (Code::SessionNotPaired, 500),
            (Code::Forbidden, 403),
            (Code::RateLimited, 429),
            (Code::Unavailable, 503),
            (Code::MediaTooLarge, 413),
        ] {
            let (found, value) = told(&Problem::new(code, ""));
            assert_eq!(
                (found, &value["message"]),
                (status, &json!("Algo deu errado!")),
                "{code}"
            );
            assert!(value["erro"].is_string());
        }
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
