//! People of Api Premium: contacts, numbers, presence, abouts and pictures.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use serde_json::{Value, json};
use shared::address::Address;
use shared::dialect::web;
use shared::operation::{ContactOperation, Operation};
use shared::problem::Code;
use shared::query::Lookup;
use shared::query::contact::{ContactDetails, ContactLookup, Picture};
use shared::store::contacts::ContactFilter;

use super::{About, shape};
use crate::api::contacts::check::check_contacts;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadSessions, WriteSessions};
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

/// `GET /:sessao/todoscontatos`.
pub(super) async fn list(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let found = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        Ok(transaction
            .contacts(about.call.session, &ContactFilter::default(), None, MOST_CONTACTS)
            .await?)
    })
    .await?;
    let shown: Vec<Value> = found.iter().map(shape::contact).collect();
    Ok(about.ok(shown))
}

/// Whether a number uses WhatsApp, as venom said it.
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
    let exists = found["exists"] == true;
    let number = found["phone"].as_str().map(str::to_owned);
    let id = match (&number, found["jid"].as_str()) {
        (Some(number), _) => format!("{number}@c.us"),
        (None, jid) => jid.unwrap_or_default().replace("@s.whatsapp.net", "@c.us"),
    };
    Ok(json!({
        "id": id,
        "numero": number,
        "numberExists": exists,
        "canReceiveMessage": exists,
        "isBusiness": found["is_business"],
        "status": if exists { 200 } else { 404 },
    }))
}

/// `GET /:sessao/novocontatovalidar`.
pub(super) async fn check(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let checked = checked(&app, about.call.clone(), about.asked.required("numero")?).await?;
    Ok(about.ok(checked))
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
    let presence = known.as_ref().and_then(|contact| contact.presence.clone());
    let last_seen = known.and_then(|contact| contact.last_seen);
    Ok(about.ok(json!({
        "numero": web::number(&shared::address::Party::new(&person, None)),
        "online": presence.as_deref() == Some("available"),
        "vistoPorUltimo": last_seen.map(shared::timestamp::text),
    })))
}

/// `GET /:sessao/status`: the about.
pub(super) async fn about(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let contact = about.asked.chat()?;
    let details: ContactDetails =
        look_up(&app, &about.call, Lookup::Contact(ContactLookup::Details { contact })).await?;
    Ok(about.ok(json!({ "id": web::address(&details.contact), "status": details.about })))
}

/// `GET /:sessao/foto`: where the picture is; `tipo` may ask for the small one.
pub(super) async fn picture(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let contact: Address = match about.asked.get("tipo").map(str::to_lowercase).as_deref() {
        Some("grupo" | "group") => about.asked.group()?,
        _ => about.asked.chat()?,
    };
    let preview = about
        .asked
        .get("tipo")
        .is_some_and(|kind| matches!(kind.to_lowercase().as_str(), "preview" | "mini" | "pequena" | "thumb"));
    let lookup = Lookup::Contact(ContactLookup::Picture { contact, preview });
    let found: Option<Picture> = match look_up(&app, &about.call, lookup).await {
        Err(problem) if problem.code() == Code::NotFoundOnWhatsapp => None,
        other => other?,
    };
    // A hidden picture is no failure: venom answered an empty address.
    Ok(about.ok(json!({ "url": found.map(|picture| picture.url) })))
}
