//! What people show as their status.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use wacore_binary::Jid;

use super::phones::{Answer, find_phone};
use super::problem::{Problem, read, read_address};
use crate::network::Network;
use crate::phone::plaintext::Content;
use crate::phone::send;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    to: Vec<String>,
    text: String,
}

/// `POST /phones/{number}/status`: shows a text to these people. Later messages to `status@broadcast`, such as taking the
/// text back, go to the same people.
pub(super) async fn post(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let new: New = read(&body)?;
    let account = find_phone(&network, &number)?;
    let find = |text: &String| {
        let jid = read_address(text)?;
        let person = network.accounts.find(&jid);
        person.ok_or_else(|| Problem::unknown_phone(text))
    };
    let audience = new.to.iter().map(find).collect::<Result<Vec<_>, Problem>>()?;
    account.phone().status_audience = audience;
    let id = send::send(&network, &account, &Jid::status_broadcast(), Content::Text(new.text))?;
    Ok(Json(json!({ "id": id })))
}
