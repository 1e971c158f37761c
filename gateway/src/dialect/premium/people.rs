//! People of Api Premium: contacts, numbers, presence, abouts and pictures.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use serde_json::{Value, json};
use shared::address::Party;
use shared::dialect::web;
use shared::operation::{ContactOperation, Operation};
use shared::problem::Code;
use shared::query::Lookup;
use shared::query::contact::{ContactDetails, ContactLookup, Picture};
use shared::store::contacts::{Contact, ContactFilter};

use super::{About, ok, shape};
use crate::api::contacts::check::check_contacts;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadSessions, WriteSessions};
use crate::database::promptly;
use crate::dialect::patience::look_for;
use crate::dialect::words;
use crate::http::body::{self, Submission};
use crate::http::prefer::Prefer;
use crate::look_up::look_up;
use crate::operate::operate;
use crate::problem::Problem;

/// The older API listed all contacts at once. So many, at most.
const MOST_CONTACTS: i64 = 5_000;
/// How long WhatsApp may take to tell somebody's presence after we have asked for it.
const PRESENCE_PATIENCE: Duration = Duration::from_secs(3);

/// Everybody whom the session knows.
pub(super) async fn all<P: Permission>(app: &App, call: &SessionCall<P>) -> Result<Vec<Contact>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction
            .contacts(call.session, &ContactFilter::default(), None, MOST_CONTACTS)
            .await?)
    })
    .await
}

/// `GET /:sessao/todoscontatos`.
pub(super) async fn list(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    about.verified(&app).await?;
    let shown: Vec<Value> = all(&app, &about.call).await?.iter().map(shape::contact).collect();
    Ok(ok(shown))
}

/// A number that uses WhatsApp, as WPPConnect shows its profile. One that does not is a failure, as it was there.
pub(super) async fn checked(app: &App, call: SessionCall<ReadSessions>, number: &str) -> Result<Value, Problem> {
    let person = match super::address(number)? {
        person if person.is_person() => person.to_string(),
        _ => return Err(words::invalid("O número não é de uma pessoa")),
    };
    let question = body::parse(json!({ "contacts": [person] }).to_string().as_bytes())?;
    let submission = Submission {
        body: question,
        idempotency: None,
    };
    let answers = check_contacts(State(app.clone()), call, submission).await?;
    let answers = serde_json::to_value(&answers.0).map_err(Problem::internal)?;
    let found = &answers["data"][0];
    if found["exists"] != true {
        return Err(Problem::not_found(Code::NotOnWhatsapp));
    }
    let number = found["phone"].as_str().map(str::to_owned);
    let id = match (&number, found["jid"].as_str()) {
        (Some(number), _) => format!("{number}@c.us"),
        (None, jid) => jid.unwrap_or_default().replace("@s.whatsapp.net", "@c.us"),
    };
    Ok(json!({
        "id": web::wid_of(&id),
        "numberExists": true,
        "canReceiveMessage": true,
        "isBusiness": found["is_business"] == true,
        "status": 200,
    }))
}

/// `GET /:sessao/novocontatovalidar`.
pub(super) async fn check(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let checked = checked(&app, about.call.clone(), about.asked.required("numero")?).await?;
    Ok(ok(checked))
}

/// `GET /:sessao/chatonline`: asks WhatsApp for the person's presence and waits a moment for it.
pub(super) async fn online(State(app): State<App>, about: About<WriteSessions>) -> Result<Response, Problem> {
    let person = about.asked.chat()?;
    let asked_at = Utc::now();
    let submission = Submission {
        body: Operation::Contact(ContactOperation::SubscribePresence {
            contact: person.clone(),
        }),
        idempotency: None,
    };
    operate(
        &app,
        &about.call,
        Prefer {
            wait: Some(PRESENCE_PATIENCE),
        },
        submission,
    )
    .await?;
    let contact = || {
        promptly(async {
            let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
            Ok(transaction.contact(about.call.session, &person).await?)
        })
    };
    let told = look_for(PRESENCE_PATIENCE, || async {
        let known = contact().await?;
        Ok(known.filter(|contact| contact.presence_at.is_some_and(|told| told >= asked_at)))
    });
    // What was told before is better than nothing.
    let known = match told.await? {
        Some(contact) => Some(contact),
        None => contact().await?,
    };
    let presence = known.and_then(|contact| contact.presence);
    Ok(ok(presence.as_deref() == Some("available")))
}

/// `GET /:sessao/status`: the about.
pub(super) async fn about(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let contact = about.asked.chat()?;
    let details: ContactDetails =
        look_up(&app, &about.call, Lookup::Contact(ContactLookup::Details { contact })).await?;
    Ok(ok(
        json!({ "id": web::address(&details.contact), "status": details.about }),
    ))
}

/// `GET /:sessao/foto`: where the picture is, of a person or of a group. One that is hidden or that nobody has set is no failure: its fields are null.
pub(super) async fn picture(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let contact = about.asked.chat_of_kind()?;
    let id = web::wid(&Party::new(&contact, None));
    let lookup = Lookup::Contact(ContactLookup::Picture {
        contact,
        preview: false,
    });
    let found: Option<Picture> = match look_up(&app, &about.call, lookup).await {
        Err(problem) if problem.code() == Code::NotFoundOnWhatsapp => None,
        other => other?,
    };
    let (url, tag) = found.map(|picture| (picture.url, picture.id)).unzip();
    Ok(ok(
        json!({ "id": id, "eurl": url, "img": url, "imgFull": url, "raw": null, "tag": tag }),
    ))
}
