//! Sessions of the CRM's API.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::Utc;
use futures::future::join;
use http::StatusCode;
use serde_json::{Value, json};
use shared::address::Address;
use shared::command::Command;
use shared::problem::Code;
use shared::query::contact::{ContactDetails, Picture};
use shared::query::{ContactLookup, Lookup};
use shared::session::{SessionSettings, SessionStatus};
use shared::store::dialect_numbers::NumberKind;
use shared::store::sessions::{Metadata, SessionFilter};
use uuid::Uuid;

use super::asked::{Asked, address};
use super::shape::{self, EXPECTED_NUMBER, Known};
use super::{About, Client, Crm, done, frappe, ok};
use crate::api::sessions::create::CreateSession;
use crate::api::sessions::status::get_session_status;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadSessions, WriteSessions};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::sessions::{self, NamedSession};
use crate::dialect::{Speech as _, json as respond, words};
use crate::look_up::look_up;
use crate::problem::Problem;

/// How many sessions a page has if not said.
const USUAL_SESSIONS: i64 = 20;
/// How long creating a session and asking for its code wait for a code that is about to come.
const QR_PATIENCE: Duration = Duration::from_secs(10);
/// How long stopping waits until the connection is closed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The longest name of a session, in characters.
const LONGEST_NAME: usize = 100;

/// A `sessionId` for a client that has none, as this API made them: the name, the time and some chance.
fn made_name(session_name: Option<&str>) -> String {
    let letters: String = session_name
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    let stem = match letters.as_str() {
        "" => "session".to_owned(),
        letters => letters.to_ascii_lowercase(),
    };
    let millis = u64::try_from(Utc::now().timestamp_millis()).unwrap_or_default();
    let chance: u32 = rand::random();
    format!("{stem}_{}_{:0>6}", base36(millis), base36(u64::from(chance)))
}

fn base36(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = Vec::new();
    loop {
        let digit = usize::try_from(number % 36).unwrap_or_default();
        text.push(char::from(DIGITS[digit]));
        number /= 36;
        if number == 0 {
            break text.into_iter().rev().collect();
        }
    }
}

/// `POST /api/sessions`: creates and starts a session and waits a moment for its code.
pub(super) async fn create(State(app): State<App>, client: Client, request: Request) -> Result<Response, Problem> {
    let call = client.tenant::<WriteSessions>(&app).await?;
    let headers = request.headers().clone();
    let fields = Fields::read(&app, request).await?;
    let webhook = frappe::asked_for(&app, &headers, &fields)?;
    let session_name = fields.text("sessionName");
    let name = fields
        .text("sessionId")
        .unwrap_or_else(|| made_name(session_name.as_deref()));
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(words::invalid("sessionId debe tener entre 1 y 100 caracteres"));
    }
    let mut metadata = Metadata::new();
    if let Some(number) = fields.text("phoneNumber") {
        let Address::Phone(number) = address("phoneNumber", &number)? else {
            return Err(words::invalid("phoneNumber no es un número de teléfono"));
        };
        metadata.insert(EXPECTED_NUMBER.to_owned(), number);
    }
    let body = CreateSession::in_dialect(Crm::DIALECT, Some(name), SessionSettings::default(), true)
        .shown_as(session_name, metadata)
        .telling(webhook);
    let session = sessions::create_as(&app, call.clone(), body, None).await?;
    let call = call.on(session, &app)?;
    let link = match sessions::link_picture(&app, &call, QR_PATIENCE).await {
        Ok(link) => Some(link),
        // It will come; `status` and `qr` tell.
        Err(problem) if problem.code() == Code::QrNotAvailable => None,
        Err(problem) => return Err(problem),
    };
    let known = Known::read(&app, &call).await?;
    let data = json!({
        "id": known.number,
        "sessionId": known.name(),
        "status": if link.is_some() { "qr_code" } else { known.status() },
        "qrCode": link.map(|link| link.picture),
    });
    Ok(respond(StatusCode::CREATED, &json!({ "success": true, "data": data })))
}

/// The statuses that a word of this API means.
fn statuses(word: &str) -> Result<Vec<SessionStatus>, Problem> {
    let meant: Vec<SessionStatus> = SessionStatus::ALL
        .iter()
        .copied()
        .filter(|status| shape::status_word(*status) == word)
        .collect();
    if meant.is_empty() {
        return Err(words::invalid(
            "El parámetro status debe ser connected, disconnected, qr_code o connecting",
        ));
    }
    Ok(meant)
}

/// `GET /api/sessions`.
pub(super) async fn list(State(app): State<App>, client: Client, asked: Asked) -> Result<Response, Problem> {
    let call = client.tenant::<ReadSessions>(&app).await?;
    let paging = asked.paging(USUAL_SESSIONS)?;
    let filter = SessionFilter {
        statuses: asked.get("status").map(statuses).transpose()?.unwrap_or_default(),
        metadata: Metadata::new(),
        within: call.within().map(<[Uuid]>::to_vec),
    };
    let (total, known) = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let page = transaction.session_page(&filter, paging.skip()).await?;
        let found = match page.after() {
            Some(after) => transaction.sessions(&filter, Some(after), paging.limit).await?,
            None => Vec::new(),
        };
        let ids: Vec<_> = found.iter().map(|session| session.id).collect();
        let mut names = transaction.session_names(Crm::DIALECT, &ids).await?;
        let subjects: Vec<_> = ids.iter().map(|id| (id.uuid, Some(*id))).collect();
        let numbers = transaction.dialect_numbers(NumberKind::Session, &subjects).await?;
        transaction.commit().await?;
        let known: Vec<Known> = found
            .into_iter()
            .map(|session| Known {
                number: numbers.get(&session.id.uuid).copied().unwrap_or_default(),
                named: NamedSession {
                    name: names.remove(&session.id.uuid).unwrap_or_else(|| session.id.to_string()),
                    session,
                },
            })
            .collect();
        Ok((page.total, known))
    })
    .await?;
    let shown: Vec<Value> = known.iter().map(Known::shown).collect();
    Ok(ok(json!({ "sessions": shown, "pagination": paging.shown(total) })))
}

/// `GET /api/sessions/{id}`.
pub(super) async fn read(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let known = Known::read(&app, &about.call).await?;
    let mut session = known.shown();
    session["profile"] = Box::pin(profile(&app, &about.call, &known)).await;
    Ok(ok(json!({ "session": session })))
}

/// What the account shows of itself. What only WhatsApp knows is there while the session is connected; a failure to ask for it is none of this request.
async fn profile<P: Permission>(app: &App, call: &SessionCall<P>, known: &Known) -> Value {
    let session = &known.named.session;
    let own: Option<Address> = session.account.as_ref().and_then(|account| account.jid.parse().ok());
    let (details, picture) = match own.filter(|_| known.named.is_connected()) {
        None => (None, None),
        Some(contact) => {
            let picture = ContactLookup::Picture {
                contact: contact.clone(),
                preview: false,
            };
            let details = ContactLookup::Details { contact };
            let details = look_up::<_, ContactDetails>(app, call, Lookup::Contact(details));
            let picture = look_up::<_, Option<Picture>>(app, call, Lookup::Contact(picture));
            let (details, picture) = join(Box::pin(details), Box::pin(picture)).await;
            (details.ok(), picture.ok().flatten())
        }
    };
    json!({
        "name": session.push_name.clone().unwrap_or_default(),
        "about": details.as_ref().and_then(|details| details.about.clone()).unwrap_or_default(),
        "profilePictureUrl": picture.map(|picture| picture.url).unwrap_or_default(),
        "isBusiness": details.is_some_and(|details| details.is_business),
    })
}

/// `GET /api/sessions/{id}/status`: what the worker says that holds the session.
pub(super) async fn status(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let mut known = Known::read(&app, &about.call).await?;
    let live = get_session_status(State(app), about.call).await?;
    known.named.session.status = live.0.status;
    let last = live.0.last_event_at.map(|time| time.0);
    let mut shown = known.shown();
    shown["lastActivity"] = shared::timestamp::text(last.unwrap_or(known.named.session.updated_at)).into();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("sessionName");
    }
    Ok(ok(shown))
}

/// `GET /api/sessions/{id}/qr`.
pub(super) async fn qr(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let link = sessions::link_picture(&app, &about.call, QR_PATIENCE).await?;
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    Ok(ok(json!({
        "qrCode": link.picture,
        "sessionId": named.name,
        "expiresAt": shared::timestamp::text(link.expires_at),
        "status": "qr_code",
    })))
}

/// `POST /api/sessions/{id}/connect`.
pub(super) async fn connect(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    if named.is_connected() {
        let data = json!({ "sessionId": named.name, "status": "connected" });
        return Ok(done("La sesión ya está conectada", data));
    }
    sessions::give(&app, &about.call, Command::Start, None).await?;
    let data = json!({ "sessionId": named.name, "status": "connecting" });
    Ok(done("Sesión iniciada, generando QR o reconectando...", data))
}

/// `POST /api/sessions/{id}/disconnect`: its account stays linked.
pub(super) async fn disconnect(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    sessions::give(&app, &about.call, Command::Stop, Some(STOP_PATIENCE)).await?;
    let data = json!({ "sessionId": named.name, "status": "disconnected" });
    Ok(done("Sesión desconectada correctamente", data))
}

/// `POST /api/sessions/{id}/restart`.
pub(super) async fn restart(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    sessions::give(&app, &about.call, Command::Restart, None).await?;
    let data = json!({ "sessionId": named.name, "status": "connecting" });
    Ok(done("Sesión reiniciada, reconectando...", data))
}

/// `DELETE /api/sessions/{id}`.
pub(super) async fn delete(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    sessions::delete(&app, about.call).await?;
    Ok(done(
        "Sesión eliminada correctamente",
        json!({ "sessionId": named.name }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_name_tells_the_session_and_is_never_the_same() {
        let name = made_name(Some("Prueba 23!"));
        assert!(name.starts_with("prueba23_"), "{name}");
        assert_eq!(name.split('_').count(), 3);
        assert_ne!(made_name(None), made_name(None));
        assert!(made_name(Some("ñ")).starts_with("session_"));
        assert_eq!(base36(0), "0");
        assert_eq!(base36(36 * 36 + 35), "10z");
    }

    #[test]
    fn every_word_for_a_status_is_a_filter() {
        for word in ["connected", "disconnected", "qr_code", "connecting"] {
            assert!(!statuses(word).unwrap().is_empty());
        }
        assert!(statuses("dormida").is_err());
    }
}
