//! Votes and responses to events by the HTTP interface.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use waproto::whatsapp::message::event_response_message::EventResponseType;

use super::phones::find_phone;
use super::problem::{Problem, read as read_body};
use crate::network::Network;
use crate::phone::plaintext::Content;
use crate::phone::secrets::{self, SecretError};
use crate::phone::send;

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        let (status, code) = match error {
            SecretError::Unknown => (StatusCode::NOT_FOUND, "unknown_message"),
            SecretError::Refused => (StatusCode::INTERNAL_SERVER_ERROR, "encryption_failed"),
        };
        Self::new(status, code, error.to_string())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    poll: String,
    options: Vec<String>,
}

/// `POST /phones/{number}/votes`: the phone votes; no options take the vote back.
pub(super) async fn vote(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let vote: Vote = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let (chat, message) = secrets::vote(&network, &account, &vote.poll, &vote.options)?;
    let id = send::send(&network, &account, &chat, Content::Message(Box::new(message)))?;
    Ok(Json(json!({ "id": id })))
}

/// `GET /phones/{number}/polls/{id}`: the votes that the phone has read.
pub(super) async fn votes(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = find_phone(&network, &number)?;
    Ok(Json(json!({ "votes": secrets::votes(&network, &account, &id)? })))
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Response {
    Going,
    NotGoing,
    Maybe,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventResponse {
    event: String,
    response: Response,
    extra_guests: Option<i32>,
}

/// `POST /phones/{number}/event-responses`: the phone says whether the person comes.
pub(super) async fn respond(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let answer: EventResponse = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let response = match answer.response {
        Response::Going => EventResponseType::GOING,
        Response::NotGoing => EventResponseType::NOT_GOING,
        Response::Maybe => EventResponseType::MAYBE,
    };
    let (chat, message) = secrets::respond(&network, &account, &answer.event, response, answer.extra_guests)?;
    let id = send::send(&network, &account, &chat, Content::Message(Box::new(message)))?;
    Ok(Json(json!({ "id": id })))
}

/// `GET /phones/{number}/events/{id}`: the responses that the phone has read.
pub(super) async fn responses(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = find_phone(&network, &number)?;
    Ok(Json(
        json!({ "responses": secrets::responses(&network, &account, &id)? }),
    ))
}
