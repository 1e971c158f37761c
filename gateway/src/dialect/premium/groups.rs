//! Groups of Api Premium.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use shared::group::Group;
use shared::operation::{GroupOperation, Operation};

use super::{About, Acting, shape};
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
        shown.extend(page.data.iter().map(shape::group));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(about.ok(shown))
}

/// `GET /:sessao/grupointegrantes`: as WhatsApp has them now.
pub(super) async fn members(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let group = GroupJid(about.asked.group()?);
    let fresh = parameters::parse(pairs([("refresh", "true")]))?;
    let group: Group = get_group(State(app.clone()), about.call.clone(), group, Parameters(fresh))
        .await?
        .0;
    let members: Vec<Value> = group.participants.iter().map(shape::participant).collect();
    Ok(about.ok(members))
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
    Ok(about.ok(json!({ "entrou": joined["outcome"] == "joined", "grupo": joined["jid"] })))
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
    Ok(about.ok(json!({ "saiu": true, "grupo": group.to_string() })))
}
