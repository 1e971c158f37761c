//! Contacts of the CRM's API: the people whom a session knows, and what WhatsApp says of one of them.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::dialect::crm;
use shared::problem::Code;
use shared::query::contact::{BusinessProfile, ContactDetails, Picture};
use shared::query::{ContactLookup, Lookup};
use shared::store::TenantTransaction;
use shared::store::contacts::{Contact, ContactFilter};
use shared::store::groups::GroupFilter;

use super::{About, Crm, ok};
use crate::api::contacts::check::check_contacts;
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::dialect::{Speech as _, sessions, words};
use crate::http::body::{self, Submission};
use crate::http::checks::Checks;
use crate::look_up::look_up;
use crate::problem::Problem;

/// How many people a page has if not said.
const USUAL_CONTACTS: i64 = 50;
/// So many people are listed where no page is asked for.
const MOST_CONTACTS: i64 = 5_000;
/// How old WhatsApp's word that a number does not use it may be, in seconds: as long as it is kept.
const LONGEST_MEMORY: u32 = 30 * 86_400;

type Call = SessionCall<ReadSessions>;

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/sessions/{session}/contacts", get(of_session))
        .route("/api/contacts/{session}", get(list))
        .route("/api/contacts/{session}/search/{number}", get(search))
        .route("/api/contacts/{session}/info/{contact}", get(info))
        .route("/api/contacts/{session}/stats", get(statistics))
}

/// What a person is called in the three ways in which this API knows names. Every one falls back on the next best, at last on the number.
struct Names {
    name: String,
    verified: String,
    notify: String,
}

impl Names {
    fn of(party: &Party, known: Option<&Contact>, verified: Option<&str>) -> Self {
        let own = known.and_then(|contact| contact.push_name.as_deref());
        let saved = known.and_then(|contact| contact.name.as_deref());
        let verified = verified.or_else(|| known.and_then(|contact| contact.verified_name.as_deref()));
        let number = crm::user(party);
        let first = |names: [Option<&str>; 3]| names.into_iter().flatten().next().unwrap_or(&number).to_owned();
        Self {
            name: first([saved, own, verified]),
            verified: first([verified, saved, own]),
            notify: first([own, saved, verified]),
        }
    }
}

/// A person in a list.
fn shown(contact: &Contact, on_whatsapp: bool) -> Value {
    let names = Names::of(&contact.party, Some(contact), None);
    json!({
        "id": crm::address(&contact.party),
        "name": names.name,
        "verifiedName": names.verified,
        "notify": names.notify,
        "imgUrl": null,
        "isUser": true,
        "isGroup": false,
        "isWAContact": on_whatsapp,
    })
}

/// A page of people as they are shown, and how many there are.
async fn page(
    transaction: &mut TenantTransaction,
    call: &Call,
    filter: &ContactFilter,
    limit: i64,
) -> Result<(Vec<Value>, i64), Problem> {
    let total = transaction.count_contacts(call.session, filter).await?;
    let found = transaction.contacts(call.session, filter, None, limit).await?;
    let ids: Vec<String> = found.iter().map(|contact| contact.party.jid.clone()).collect();
    let checks = transaction.number_checks(call.session, &ids, LONGEST_MEMORY).await?;
    let unknown = |contact: &Contact| {
        checks
            .iter()
            .any(|check| check.number == contact.party.jid && !check.found.exists)
    };
    let shown = found.iter().map(|contact| shown(contact, !unknown(contact))).collect();
    Ok((shown, total))
}

/// `GET /api/sessions/{id}/contacts`: all at once. `source` tells whether WhatsApp keeps them current right now.
async fn of_session(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Crm::DIALECT).await?;
    let (shown, total) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        page(&mut transaction, &about.call, &ContactFilter::default(), MOST_CONTACTS).await
    })
    .await?;
    let source = if named.is_connected() { "whatsapp" } else { "database" };
    Ok(ok(json!({ "contacts": shown, "total": total, "source": source })))
}

/// `GET /api/contacts/{sessionId}`.
async fn list(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let paging = about.asked.paging(USUAL_CONTACTS)?;
    let search = about.asked.get("search");
    if let Some(search) = search {
        let mut checks = Checks::new();
        checks.text("search", search, 1..=100);
        checks.finish()?;
    }
    let filter = ContactFilter {
        search: search.map(str::to_owned),
        skip: paging.skip(),
        ..ContactFilter::default()
    };
    let (shown, total) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        page(&mut transaction, &about.call, &filter, paging.limit).await
    })
    .await?;
    Ok(ok(json!({
        "contacts": shown,
        "pagination": paging.shown(total),
        "search": search,
    })))
}

/// The person that a part of the path names.
fn person(about: &About<ReadSessions>, part: &str) -> Result<Address, Problem> {
    match about.part(part).parse::<Address>() {
        Ok(person) if person.is_person() => Ok(person),
        _ => Err(words::invalid(
            "El contacto debe ser un número con código de país o un JID de persona",
        )),
    }
}

async fn known(app: &App, call: &Call, person: &Address) -> Result<Option<Contact>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.contact(call.session, person).await?)
    })
    .await
}

/// What WhatsApp says; `None` where it cannot be asked right now.
fn if_reachable<T>(said: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match said {
        Ok(said) => Ok(Some(said)),
        Err(problem) => match problem.code() {
            Code::SessionNotPaired | Code::SessionNotStarted | Code::SessionNotConnected | Code::Timeout => Ok(None),
            _ => Err(problem),
        },
    }
}

/// What WhatsApp says of a number.
struct Checked {
    exists: bool,
    party: Party,
    verified_name: Option<String>,
}

async fn check(app: &App, call: &Call, person: &Address) -> Result<Checked, Problem> {
    let question = json!({ "contacts": [person] });
    let submission = Submission {
        body: body::parse(question.to_string().as_bytes())?,
        idempotency: None,
    };
    let answers = check_contacts(State(app.clone()), call.clone(), submission).await?;
    let answers = serde_json::to_value(&answers.0).map_err(Problem::internal)?;
    let found = &answers["data"][0];
    let text = |name: &str| found[name].as_str().map(str::to_owned);
    Ok(Checked {
        exists: found["exists"] == true,
        party: Party {
            jid: text("jid").unwrap_or_else(|| person.to_string()),
            phone: text("phone"),
            lid: text("lid"),
        },
        verified_name: text("verified_name"),
    })
}

/// Where the person's picture is; `None` also where it is hidden or cannot be asked for right now.
async fn picture(app: &App, call: &Call, person: &Address) -> Result<Option<String>, Problem> {
    let lookup = Lookup::Contact(ContactLookup::Picture {
        contact: person.clone(),
        preview: false,
    });
    match if_reachable(look_up::<_, Option<Picture>>(app, call, lookup).await) {
        Ok(found) => Ok(found.flatten().map(|picture| picture.url)),
        Err(problem) if problem.code() == Code::Internal => Err(problem),
        Err(_) => Ok(None),
    }
}

/// `GET /api/contacts/{sessionId}/search/{phoneNumber}`: WhatsApp is asked whether it is a user. One who is none is no failure in this API.
async fn search(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let person = person(&about, "number")?;
    let row = known(&app, &about.call, &person).await?;
    let checked = match (check(&app, &about.call, &person).await, &row) {
        (Ok(checked), _) => Some(checked),
        (Err(problem), None) => return Err(problem),
        // Who is known is found also while WhatsApp cannot be asked.
        (Err(problem), Some(_)) => if_reachable(Err(problem))?,
    };
    if checked.as_ref().is_some_and(|checked| !checked.exists) {
        return Ok(ok(json!({ "contact": null, "message": "Contacto no encontrado" })));
    }
    let verified = checked.as_ref().and_then(|checked| checked.verified_name.clone());
    let party = match (checked, &row) {
        (Some(checked), _) => checked.party,
        (None, Some(row)) => row.party.clone(),
        (None, None) => Party::new(&person, None),
    };
    let names = Names::of(&party, row.as_ref(), verified.as_deref());
    Ok(ok(json!({ "contact": {
        "id": crm::address(&party),
        "name": names.name,
        "verifiedName": names.verified,
        "imgUrl": picture(&app, &about.call, &person).await?,
        "isUser": true,
        "isGroup": false,
    } })))
}

/// `GET /api/contacts/{sessionId}/info/{contactId}`: as WhatsApp shows the person now, or as known where it cannot be asked.
async fn info(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let contact = person(&about, "contact")?;
    let row = known(&app, &about.call, &contact).await?;
    if row.is_none() && !check(&app, &about.call, &contact).await?.exists {
        return Err(Problem::not_found(Code::ContactNotFound));
    }
    let lookup = Lookup::Contact(ContactLookup::Details {
        contact: contact.clone(),
    });
    let details = if_reachable(look_up::<_, ContactDetails>(&app, &about.call, lookup).await)?;
    let Some(details) = details else {
        let row = row.ok_or_else(|| Problem::not_found(Code::ContactNotFound))?;
        let names = Names::of(&row.party, Some(&row), None);
        let about = row.about.clone();
        return Ok(informed(&row.party, &names, Some(&row), about, Shown::default()));
    };
    let picture = match &details.picture_id {
        Some(_) => picture(&app, &about.call, &contact).await?,
        None => None,
    };
    let business = match details.is_business {
        true => business(&app, &about.call, &contact).await?,
        false => None,
    };
    let names = Names::of(&details.contact, row.as_ref(), details.verified_name.as_deref());
    Ok(informed(
        &details.contact,
        &names,
        row.as_ref(),
        details.about,
        Shown { picture, business },
    ))
}

async fn business(app: &App, call: &Call, contact: &Address) -> Result<Option<BusinessProfile>, Problem> {
    let lookup = Lookup::Contact(ContactLookup::BusinessProfile {
        contact: contact.clone(),
    });
    match look_up::<_, Option<BusinessProfile>>(app, call, lookup).await {
        Err(problem) if problem.code() == Code::NotFoundOnWhatsapp => Ok(None),
        other => Ok(if_reachable(other)?.flatten()),
    }
}

/// What only WhatsApp can show of a person.
#[derive(Debug, Default)]
struct Shown {
    picture: Option<String>,
    business: Option<BusinessProfile>,
}

fn informed(party: &Party, names: &Names, known: Option<&Contact>, about: Option<String>, shown: Shown) -> Response {
    let last_seen = known.and_then(|contact| contact.last_seen);
    ok(json!({ "contact": {
        "id": crm::address(party),
        "name": names.name,
        "verifiedName": names.verified,
        "imgUrl": shown.picture,
        "businessProfile": shown.business.map(|business| json!({
            "description": business.description,
            "website": business.websites.first(),
            "email": business.email,
            "address": business.address,
        })),
        "status": about.filter(|about| !about.is_empty()),
        "lastSeen": last_seen.map(shared::timestamp::text),
    } }))
}

/// `GET /api/contacts/{sessionId}/stats`.
async fn statistics(State(app): State<App>, about: About<ReadSessions>) -> Result<Response, Problem> {
    let (people, groups) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let people = transaction.contact_statistics(about.call.session).await?;
        let groups = transaction
            .count_groups(about.call.session, &GroupFilter::default())
            .await?;
        Ok((people, groups))
    })
    .await?;
    Ok(ok(json!({ "stats": {
        "total": people.people + groups,
        "users": people.people,
        "groups": groups,
        "wAContacts": people.on_whatsapp,
        "withNames": people.named,
        "withProfilePics": people.with_picture,
    } })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_known_is_the_next_best_one_and_at_last_the_number() {
        let party = Party::new(&Address::Phone("34657032985".into()), None);
        let mut contact = Contact {
            id: uuid::Uuid::nil(),
            party: party.clone(),
            name: None,
            first_name: None,
            push_name: None,
            verified_name: None,
            is_business: false,
            about: None,
            picture_id: None,
            is_blocked: false,
            presence: None,
            presence_at: None,
            last_seen: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        };
        let names = |contact: &Contact, verified| {
            let names = Names::of(&party, Some(contact), verified);
            [names.name, names.verified, names.notify]
        };
        assert_eq!(names(&contact, None), ["34657032985"; 3]);
        // As the documentation shows it.
        assert_eq!(
            shown(&contact, true),
            json!({
                "id": "34657032985@s.whatsapp.net",
                "name": "34657032985",
                "verifiedName": "34657032985",
                "notify": "34657032985",
                "imgUrl": null,
                "isUser": true,
                "isGroup": false,
                "isWAContact": true,
            })
        );
        contact.push_name = Some("Abel".into());
        assert_eq!(names(&contact, None), ["Abel"; 3]);
        contact.name = Some("Abel Ramos".into());
        assert_eq!(names(&contact, None), ["Abel Ramos", "Abel Ramos", "Abel"]);
        assert_eq!(
            names(&contact, Some("Ramos S.L.")),
            ["Abel Ramos", "Ramos S.L.", "Abel"]
        );
    }

    #[test]
    fn only_that_whatsapp_cannot_be_asked_is_no_failure() {
        for (code, reachable) in [
            (Code::SessionNotConnected, Ok(None)),
            (Code::SessionNotPaired, Ok(None)),
            (Code::WhatsappRefused, Err(Code::WhatsappRefused)),
        ] {
            let said: Result<(), Problem> = Err(Problem::new(code, "away"));
            assert_eq!(if_reachable(said).map_err(|problem| problem.code()), reachable);
        }
        assert_eq!(if_reachable(Ok(7)).unwrap(), Some(7));
    }
}
