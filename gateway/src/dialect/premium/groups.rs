//! Groups of Api Premium.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use shared::chat::Chat;
use shared::dialect::web;
use shared::group::Group;
use shared::operation::{GroupOperation, Operation};
use shared::store::contacts::Contact;

use super::{About, Acting, chats, ok, people, shape};
use crate::api::groups::invites::join_group;
use crate::api::groups::list::{get_group, list_groups};
use crate::app::App;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::dialect::acting::once;
use crate::dialect::sending::answer;
use crate::http::body::{self, Submission};
use crate::http::jid::GroupJid;
use crate::http::parameters::{self, Parameters};
use crate::http::prefer::Prefer;
use crate::operate::operate;
use crate::problem::Problem;

/// How long joining and leaving wait for WhatsApp.
const PATIENCE: Duration = Duration::from_secs(15);
/// The older API listed all groups at once. So many pages of a hundred, at most.
const MOST_PAGES: usize = 20;

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> impl Iterator<Item = (String, String)> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
}

/// `GET /:sessao/grupos`.
pub(super) async fn list(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let chats = chats::all(&app, &about.call).await?;
    let chats: HashMap<&str, &Chat> = chats.iter().map(|chat| (chat.party.jid.as_str(), chat)).collect();
    let mut shown: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = match &cursor {
            None => parameters::parse(pairs([("limit", "100")]))?,
            Some(cursor) => parameters::parse(pairs([("limit", "100"), ("cursor", cursor)]))?,
        };
        let page = list_groups(State(app.clone()), about.call.clone(), Parameters(page))
            .await?
            .0;
        let groups = page.data.iter();
        shown.extend(groups.map(|group| shape::group(group, chats.get(group.jid.as_str()).copied())));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(ok(shown))
}

/// `GET /:sessao/grupointegrantes`: as WhatsApp has them now.
pub(super) async fn members(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let group = GroupJid(about.asked.group()?);
    let fresh = parameters::parse(pairs([("refresh", "true")]))?;
    let group: Group = get_group(State(app.clone()), about.call.clone(), group, Parameters(fresh))
        .await?
        .0;
    let people = people::all(&app, &about.call).await?;
    let people: HashMap<String, &Contact> = people
        .iter()
        .map(|person| (web::address(&person.party), person))
        .collect();
    let members: Vec<Value> = group
        .participants
        .iter()
        .map(|member| shape::participant(member, people.get(&web::address(&member.party)).copied()))
        .collect();
    Ok(ok(members))
}

/// `GET /:sessao/grupoentrar`.
pub(super) async fn join(
    State(app): State<App>,
    acting: Acting,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let link = about.asked.required("link")?;
    let joined: Value = once(|| async {
        let submission = Submission {
            body: body::parse(json!({ "code": link }).to_string().as_bytes())?,
            idempotency: Some(acting.idempotency.clone()),
        };
        let prefer = Prefer { wait: Some(PATIENCE) };
        answer(join_group(State(app.clone()), about.call.clone(), prefer, submission).await?).await
    })
    .await?;
    // 202: it waits for an administrator.
    let status = if joined["outcome"] == "joined" { 200 } else { 202 };
    Ok(ok(json!({ "id": joined["jid"], "status": status })))
}

/// `GET /:sessao/gruposair`.
pub(super) async fn leave(
    State(app): State<App>,
    acting: Acting,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let group = about.asked.group()?;
    let _: Value = once(|| async {
        let submission = Submission {
            body: Operation::Group(GroupOperation::Leave { group: group.clone() }),
            idempotency: Some(acting.idempotency.clone()),
        };
        answer(operate(&app, &about.call, Prefer { wait: Some(PATIENCE) }, submission).await?).await
    })
    .await?;
    Ok(ok(json!({ "id": group.to_string(), "status": 200 })))
}
