//! Sessions of the Management System: created under a name for people, called by number, and with an address of their own for their news.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use shared::command::Command;
use shared::dialect::{Dialect, WebhookFormat};
use shared::ids::{SessionId, TenantId};
use shared::problem::Code;
use shared::qr;
use shared::session::{Goal, SessionSettings, SessionStatus};
use shared::store::TenantTransaction;
use shared::store::dialect_numbers::NumberKind;
use shared::store::sessions::{Metadata, Session, SessionFilter};
use uuid::Uuid;

use super::{About, Client, data, done};
use crate::api::sessions::create::CreateSession;
use crate::api::sessions::update::update_session;
use crate::api::webhooks::in_format;
use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::{ReadSessions, WriteSessions, WriteWebhooks};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::{sessions, words};
use crate::http::body::{self, Document};
use crate::http::checks::Checks;
use crate::problem::Problem;

/// It listed all sessions at once. So many, at most.
const MOST_SESSIONS: i64 = 1_000;
/// How long `qr` waits for a code that is about to come.
const QR_PATIENCE: Duration = Duration::from_secs(10);
/// How long `stop` waits until the connection is closed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// Under this name the client's number for its user is remembered with a session.
const USER_ID: &str = "user_id";

/// What a session is, in the words of this API.
pub(super) fn status_word(session: &Session) -> &'static str {
    match session.status {
        SessionStatus::Connected => "connected",
        SessionStatus::Starting | SessionStatus::Qr | SessionStatus::Passkey | SessionStatus::Connecting => {
            "connecting"
        }
        // Started, and no worker has taken it up yet.
        SessionStatus::Stopped if session.goal == Goal::Started => "connecting",
        SessionStatus::Stopped
        | SessionStatus::Disconnected
        | SessionStatus::LoggedOut
        | SessionStatus::Banned
        | SessionStatus::Failed => "disconnected",
    }
}

/// The client's number for the user whose session it is.
fn user_id(session: &Session) -> Option<i64> {
    session.metadata.get(USER_ID)?.parse().ok()
}

/// A session with what its clients know of it.
#[derive(Debug)]
struct Known {
    session: Session,
    number: Option<i64>,
    webhook_url: Option<String>,
}

impl Known {
    /// Sessions with their numbers, which are given now where there are none. For the end of a transaction that is committed.
    async fn of(transaction: &mut TenantTransaction, sessions: Vec<Session>) -> Result<Vec<Self>, Problem> {
        let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
        let mut addresses = transaction.session_addresses(WebhookFormat::Management, &ids).await?;
        let subjects: Vec<(Uuid, Option<SessionId>)> = ids.iter().map(|id| (id.uuid, Some(*id))).collect();
        let numbers = transaction.dialect_numbers(NumberKind::Session, &subjects).await?;
        Ok(sessions
            .into_iter()
            .map(|session| Self {
                number: numbers.get(&session.id.uuid).copied(),
                webhook_url: addresses.remove(&session.id.uuid).map(|webhook| webhook.settings.url),
                session,
            })
            .collect())
    }

    async fn read(app: &App, tenant: TenantId, session: SessionId) -> Result<Self, Problem> {
        promptly(async {
            let mut transaction = app.store().tenant(tenant).await?;
            let found = transaction.session(session).await?;
            let known = Self::of(&mut transaction, found.into_iter().collect()).await?.pop();
            transaction.commit().await?;
            known.ok_or_else(|| Problem::not_found(Code::SessionNotFound))
        })
        .await
    }

    fn shown(&self) -> Value {
        let session = &self.session;
        // An account is seen whenever something is heard of it.
        let last_seen = session.account.as_ref().and(session.last_event_at);
        json!({
            "id": self.number,
            "sessionName": session.name,
            "webhookUrl": self.webhook_url,
            "status": status_word(session),
            "lastSeen": last_seen.map(shared::timestamp::text),
            "createdAt": shared::timestamp::text(session.created_at),
            "updatedAt": shared::timestamp::text(session.updated_at),
            "userId": user_id(session),
        })
    }

    /// With what only creating and changing show.
    fn shown_whole(&self, qr_code: Option<String>) -> Value {
        let mut shown = self.shown();
        shown["qrCode"] = qr_code.into();
        // What keeps an account linked is told to nobody.
        shown["sessionData"] = Value::Null;
        shown
    }
}

/// `GET /api/sessions`: all that the key may touch, the first one first.
pub(super) async fn list(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    let call = client.tenant::<ReadSessions>(&app).await?;
    let filter = SessionFilter {
        within: call.within().map(<[Uuid]>::to_vec),
        ..SessionFilter::default()
    };
    let known = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let mut found = transaction.sessions(&filter, None, MOST_SESSIONS).await?;
        found.reverse();
        let known = Known::of(&mut transaction, found).await?;
        transaction.commit().await?;
        Ok(known)
    })
    .await?;
    let shown: Vec<Value> = known.iter().map(Known::shown).collect();
    Ok(data(StatusCode::OK, shown))
}

/// `GET /api/sessions/:id`.
pub(super) async fn read(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let known = Known::read(&app, about.call.tenant.tenant, about.call.session).await?;
    Ok(data(StatusCode::OK, known.shown()))
}

/// What a client says of a session's own address. `Some(None)`: it is to have none.
fn webhook_url(app: &App, fields: &Fields) -> Result<Option<Option<String>>, Problem> {
    let url = match fields.value("webhook_url") {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(None)),
        Some(Value::String(url)) => url.trim(),
        Some(_) => return Err(words::invalid("webhook_url must be a text")),
    };
    if url.is_empty() {
        return Ok(Some(None));
    }
    let mut checks = Checks::new();
    checks.url("webhook_url", url, app.egress());
    checks.finish()?;
    Ok(Some(Some(url.to_owned())))
}

/// The name that a client gives a session; `None`: it gives none.
fn session_name(fields: &Fields) -> Result<Option<String>, Problem> {
    match fields.value("session_name") {
        Some(Value::Array(_) | Value::Object(_) | Value::Bool(_)) => Err(words::invalid("session_name must be a text")),
        _ => Ok(fields.text("session_name")),
    }
}

/// The number of the user whose session it is, also where it is written as a text. 0 is none, as its server had it.
fn given_user_id(fields: &Fields) -> Result<Option<i64>, Problem> {
    let number = match fields.value(USER_ID) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match number {
        Some(0) => Ok(None),
        Some(number) if number > 0 => Ok(Some(number)),
        _ => Err(words::invalid("user_id must be a number")),
    }
}

/// Refuses a name that this user has given to another session already.
async fn require_free_name(
    app: &App,
    call: &TenantCall<WriteSessions>,
    name: &str,
    owner: &Metadata,
) -> Result<(), Problem> {
    let filter = SessionFilter {
        metadata: owner.clone(),
        ..SessionFilter::default()
    };
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        Ok(transaction.sessions(&filter, None, MOST_SESSIONS).await?)
    })
    .await?;
    match found.iter().any(|session| session.name == name) {
        true => Err(words::invalid(format!(
            "Session with name {name} already exists for this user"
        ))),
        false => Ok(()),
    }
}

/// `POST /api/sessions`: creates a session, which is not started by that.
pub(super) async fn create(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let call = client.tenant::<WriteSessions>(&app).await?;
    let fields = Fields::read(&app, request).await?;
    let (Some(name), Some(user)) = (session_name(&fields)?, given_user_id(&fields)?) else {
        return Err(words::invalid("Session name and user ID are required"));
    };
    // Everything that can be refused is, before anything is made.
    let url = webhook_url(&app, &fields)?.flatten();
    let webhooks = match url {
        Some(_) => Some(client.tenant::<WriteWebhooks>(&app).await?),
        None => None,
    };
    let owner = Metadata::from([(USER_ID.to_owned(), user.to_string())]);
    require_free_name(&app, &call, &name, &owner).await?;
    let body = CreateSession::in_dialect(Dialect::Management, None, SessionSettings::default(), false)
        .shown_as(Some(name), owner);
    let tenant = call.tenant;
    let session = sessions::create_as(&app, call, body, None).await?;
    if let (Some(webhooks), Some(url)) = (webhooks, url) {
        in_format::set_session_address(&app, &webhooks, WebhookFormat::Management, session, Some(&url)).await?;
    }
    let known = Known::read(&app, tenant, session).await?;
    Ok(data(StatusCode::CREATED, known.shown_whole(None)))
}

/// `PUT /api/sessions/:id`: changes what is given, and nothing else.
pub(super) async fn update(
    State(app): State<App>,
    about: About<WriteSessions>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let name = session_name(&fields)?;
    let url = webhook_url(&app, &fields)?;
    let webhooks = match url {
        Some(_) => Some(about.client.tenant::<WriteWebhooks>(&app).await?),
        None => None,
    };
    // Also without a name: a session whose address has changed has been changed.
    let change = match name {
        Some(name) => json!({ "name": name }),
        None => json!({}),
    };
    let change = body::parse(change.to_string().as_bytes())?;
    let _ = update_session(State(app.clone()), about.call.clone(), Document(change)).await?;
    let (tenant, session) = (about.call.tenant.tenant, about.call.session);
    if let (Some(webhooks), Some(url)) = (webhooks, url) {
        in_format::set_session_address(&app, &webhooks, WebhookFormat::Management, session, url.as_deref()).await?;
    }
    let pairing = promptly(async {
        let mut transaction = app.store().tenant(tenant).await?;
        Ok(transaction.pairing(session).await?)
    })
    .await?;
    let code = pairing.and_then(|pairing| pairing.qr).map(|(code, _)| code);
    let picture = code.map(|code| qr::png(&code)).transpose().map_err(Problem::internal)?;
    let picture = picture.map(|png| format!("data:image/png;base64,{}", STANDARD.encode(png)));
    let known = Known::read(&app, tenant, session).await?;
    Ok(data(StatusCode::OK, known.shown_whole(picture)))
}

/// `DELETE /api/sessions/:id`: the account is unlinked, and everything of the session is gone.
pub(super) async fn delete(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    sessions::delete(&app, about.call.clone()).await?;
    Ok(done(format!("Session {} deleted successfully", about.shown_id())))
}

/// `POST /api/sessions/:id/start`.
pub(super) async fn start(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    sessions::give(&app, &about.call, Command::Start, None).await?;
    Ok(done(format!("Session {} started successfully", about.shown_id())))
}

/// `POST /api/sessions/:id/stop`: the connection is closed, the account stays linked.
pub(super) async fn stop(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    sessions::give(&app, &about.call, Command::Stop, Some(STOP_PATIENCE)).await?;
    Ok(done(format!("Session {} stopped successfully", about.shown_id())))
}

/// `GET /api/sessions/:id/qr`: the code, as soon as there is one; null where none will come.
pub(super) async fn qr(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let code = match sessions::link_picture(&app, &about.call, QR_PATIENCE).await {
        Ok(link) => Some(link.picture),
        Err(problem) => match problem.code() {
            Code::SessionAlreadyPaired | Code::SessionNotStarted | Code::QrNotAvailable => None,
            _ => return Err(problem),
        },
    };
    let known = Known::read(&app, about.call.tenant.tenant, about.call.session).await?;
    let shown = json!({ "qr_code": code, "status": status_word(&known.session) });
    Ok(data(StatusCode::OK, shown))
}
