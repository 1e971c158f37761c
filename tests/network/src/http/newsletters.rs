//! What people do with newsletters on their phones, and newsletters as the network sees them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use buffa::Message as _;
use serde::Deserialize;
use serde_json::{Value, json};
use waproto::whatsapp::Message;

use super::phones::{Answer, find_phone};
use super::problem::{Problem, read};
use crate::groups::Actor;
use crate::mex::GraphError;
use crate::network::Network;
use crate::newsletters::messages::{Written, from_phone};
use crate::newsletters::{NewsletterId, operations};
use crate::phone::plaintext::Content;

impl From<GraphError> for Problem {
    fn from(error: GraphError) -> Self {
        let (status, code) = match error.code {
            404 => (StatusCode::NOT_FOUND, "unknown_newsletter"),
            403 => (StatusCode::FORBIDDEN, "forbidden"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
        };
        Self::new(status, code, error.message)
    }
}

/// A newsletter's identifier, with or without `@newsletter`.
fn read_id(text: &str) -> Result<NewsletterId, Problem> {
    let digits = text.strip_suffix("@newsletter").unwrap_or(text);
    let id = digits.parse().ok().map(NewsletterId);
    id.ok_or_else(|| Problem::unreadable(format!("{text:?} is not the identifier of a newsletter")))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    #[serde(default)]
    description: String,
}

/// `POST /phones/{number}/newsletters`.
pub(super) async fn create(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let new: New = read(&body)?;
    let account = find_phone(&network, &number)?;
    let actor = Actor {
        network: &network,
        account: &account,
    };
    let mut table = network.newsletters.lock();
    let id = operations::create(actor, &mut table, &new.name, &new.description)?;
    let code = table.get(id).map(|newsletter| newsletter.invite_code.clone());
    Ok(Json(json!({ "id": id.jid().to_string(), "invite_code": code })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Following {
    follow: bool,
}

/// `POST /phones/{number}/newsletters/{id}/following`.
pub(super) async fn follow(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let wanted: Following = read(&body)?;
    let account = find_phone(&network, &number)?;
    let actor = Actor {
        network: &network,
        account: &account,
    };
    let id = read_id(&id)?;
    let mut table = network.newsletters.lock();
    if wanted.follow {
        operations::follow(actor, &mut table, id)?;
    } else {
        operations::unfollow(actor, &mut table, id)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reaction {
    server_id: u64,
    emoji: Option<String>,
}

/// `POST /phones/{number}/newsletters/{id}/reactions`.
pub(super) async fn react(
    State(network): State<Arc<Network>>,
    Path((number, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let wanted: Reaction = read(&body)?;
    let account = find_phone(&network, &number)?;
    let written = Written::Reaction {
        server_id: wanted.server_id,
        code: wanted.emoji,
    };
    let reaction = network.next_message_id();
    from_phone(&network, &account, read_id(&id)?, &reaction, written).ok_or(GraphError::NOT_FOUND)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /newsletters/{id}`: everything about a newsletter, its messages included.
pub(super) async fn describe(State(network): State<Arc<Network>>, Path(id): Path<String>) -> Answer<Value> {
    let table = network.newsletters.lock();
    let newsletter = table.get(read_id(&id)?).ok_or(GraphError::NOT_FOUND)?;
    let followers: Vec<Value> = newsletter
        .followers
        .iter()
        .map(|follower| {
            json!({
                "number": follower.account.number.to_string(),
                "role": follower.role.wire_name(),
                "muted": follower.muted,
            })
        })
        .collect();
    let messages: Vec<Value> = newsletter
        .posts
        .iter()
        .map(|post| {
            let message = Message::decode_from_slice(&post.plaintext).unwrap_or_default();
            let text = match Content::of(&message) {
                Some(Content::Text(text)) => Some(text),
                _ => None,
            };
            json!({
                "id": post.id,
                "server_id": post.server_id,
                "author": post.author.to_string(),
                "text": text,
                "reactions": post.counted_reactions(),
            })
        })
        .collect();
    Ok(Json(json!({
        "id": newsletter.id.jid().to_string(),
        "name": newsletter.name,
        "description": newsletter.description,
        "invite_code": newsletter.invite_code,
        "followers": followers,
        "messages": messages,
    })))
}
