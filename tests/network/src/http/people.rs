//! What people tell about themselves, whom they block, what they change in their app state, and their history.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::phones::{Answer, find, find_phone};
use super::problem::{Problem, read as read_body, read_address, read_number};
use crate::accounts::Account;
use crate::app_state::changes::{Action, Change};
use crate::app_state::{self, reading};
use crate::network::Network;
use crate::people::privacy::{self, Refusal};
use crate::people::profile::Business;
use crate::people::{blocking, disappearing, pictures, profile};

/// A field that is there with `null` is something else than one that is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProfile {
    name: Option<String>,
    about: Option<String>,
    #[serde(default, deserialize_with = "present")]
    picture: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    business: Option<Option<Business>>,
}

/// `POST /phones/{number}/profile`: what is given changes, `null` removes. Companions read the name from the app state.
pub(super) async fn change_profile(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let new: NewProfile = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let picture = new
        .picture
        .map(|picture| picture.map(|picture| decode(&picture)).transpose())
        .transpose()?;
    if let Some(name) = new.name {
        account.state().name = name;
        app_state::phone::write_push_name(&network, &account);
    }
    if let Some(about) = new.about {
        profile::change_about(&network, &account, &about);
    }
    if let Some(picture) = picture {
        pictures::change(&network, &account, picture);
    }
    if let Some(business) = new.business {
        account.state().settings.business = business;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    BASE64
        .decode(text)
        .map_err(|_| Problem::unreadable("something that should be base64 is not"))
}

/// `GET /phones/{number}/profile`: everything the server keeps about the person.
pub(super) async fn describe(State(network): State<Arc<Network>>, Path(number): Path<String>) -> Answer<Value> {
    let account = find(&network, &number)?;
    let contacts: serde_json::Map<String, Value> = reading::contacts(&network, &account)
        .into_iter()
        .map(|(number, name)| (number.to_string(), Value::String(name)))
        .collect();
    let picture = network.pictures.current(&pictures::owner_key(&account));
    let state = account.state();
    let settings = &state.settings;
    let categories: serde_json::Map<String, Value> = settings
        .privacy
        .values()
        .map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())))
        .collect();
    let blocked: Vec<String> = settings.blocked.numbers().map(|number| number.to_string()).collect();
    Ok(Json(json!({
        "name": state.name,
        "about": settings.about.text,
        "picture": picture.map(|picture| json!({
            "id": picture.id.to_string(),
            "data": BASE64.encode(picture.bytes.as_slice()),
        })),
        "business": settings.business,
        "privacy": categories,
        "blocked": blocked,
        "disappearing_seconds": settings.disappearing.seconds,
        "contacts": contacts,
        "restricted": settings.tokens.restricted,
        "tokens_issued_to": settings.tokens.holders().map(|number| number.to_string()).collect::<Vec<_>>(),
    })))
}

/// `GET /pictures/{id}/{kind}`: a profile picture's bytes. This is where the addresses in the protocol lead.
pub(super) async fn picture(
    State(network): State<Arc<Network>>,
    Path((id, _kind)): Path<(u64, String)>,
) -> Result<impl IntoResponse, Problem> {
    let gone = || Problem::new(StatusCode::NOT_FOUND, "no_such_picture", "this picture is nobody's");
    let picture = network.pictures.by_id(id).ok_or_else(gone)?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], picture.bytes.to_vec()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPrivacy {
    category: String,
    value: String,
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

/// `POST /phones/{number}/privacy`: one category's new value, with people to put on its list or take off it.
pub(super) async fn change_privacy(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let new: NewPrivacy = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let people = |numbers: &[String]| {
        numbers
            .iter()
            .map(|number| read_number(number))
            .collect::<Result<Vec<_>, _>>()
    };
    let change = privacy::Change {
        add: people(&new.add)?,
        remove: people(&new.remove)?,
        category: new.category,
        value: new.value,
        known_list: None,
    };
    match privacy::apply(&network, &account, None, &change) {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(Refusal::Unknown | Refusal::Conflict) => Err(Problem::unreadable("there is no such category or value")),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    who: String,
    blocked: bool,
}

/// `POST /phones/{number}/block`: blocks or unblocks somebody.
pub(super) async fn block(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let block: Block = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let who = read_address(&block.who)?;
    let blocked = network
        .accounts
        .find(&who)
        .ok_or_else(|| Problem::unknown_phone(&block.who))?;
    blocking::change(&network, &account, None, &blocked, block.blocked);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timer {
    seconds: u32,
}

/// `POST /phones/{number}/disappearing`: the timer for new chats.
pub(super) async fn default_timer(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let timer: Timer = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    disappearing::change(&network, &account, None, timer.seconds);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokens {
    restricted: bool,
    #[serde(default = "yes")]
    accepts_trusted: bool,
    #[serde(default = "yes")]
    accepts_salted: bool,
}

fn yes() -> bool {
    true
}

/// `POST /phones/{number}/privacy-tokens`: whether strangers can write to this account, and with which tokens.
pub(super) async fn change_tokens(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let new: NewTokens = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let mut state = account.state();
    let tokens = &mut state.settings.tokens;
    tokens.restricted = new.restricted;
    tokens.accepts_trusted = new.accepts_trusted;
    tokens.accepts_salted = new.accepts_salted;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /phones/{number}/app-state`: the phone changes something and its companions hear of it.
pub(super) async fn change_app_state(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let action: Action = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    if let Action::PushName { name } = &action {
        account.state().name.clone_from(name);
    }
    let change = Change::from(action);
    let missing = || Problem::new(StatusCode::NOT_FOUND, "not_there", "there is nothing to remove");
    let version = app_state::phone::write(&network, &account, &change).ok_or_else(missing)?;
    Ok(Json(
        json!({ "collection": change.collection, "version": version, "index": change.index }),
    ))
}

#[derive(Debug, Deserialize)]
pub(super) struct Looking {
    collection: Option<String>,
    #[serde(default)]
    after: u64,
}

/// `GET /phones/{number}/app-state?collection=&after=`: all changes as the phone reads them, and what is in force.
pub(super) async fn app_state(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    Query(looking): Query<Looking>,
) -> Answer<Value> {
    let account = find_phone(&network, &number)?;
    let mutations = changes(&network, &account, &looking);
    let present = reading::present(&mutations);
    Ok(Json(json!({ "mutations": mutations, "present": present })))
}

fn changes(network: &Network, account: &Account, looking: &Looking) -> Vec<reading::Mutation> {
    match &looking.collection {
        Some(collection) => reading::mutations_of(network, account, collection, looking.after),
        None => reading::mutations(network, account),
    }
}
