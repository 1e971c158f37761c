//! What people do with their phones.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wacore_binary::Jid;
use wacore_binary::builder::NodeBuilder;

use super::problem::{Problem, read as read_body, read_address, read_number};
use crate::accounts::directory::NewAccount;
use crate::accounts::{Account, Spelling};
use crate::messages::receipt;
use crate::messages::shared::is_shared_chat;
use crate::network::Network;
use crate::pairing::{code, qr};
use crate::phone::inbox::Page;
use crate::phone::plaintext::Content;
use crate::phone::{self, send as sending};
use crate::{app_state, devices, node, presence as presences};

/// The longest a long-poll waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a handler answers with.
pub(super) type Answer<T> = Result<Json<T>, Problem>;

fn find(network: &Network, number: &str) -> Result<Arc<Account>, Problem> {
    let account = network.accounts.by_number(read_number(number)?);
    account.ok_or_else(|| Problem::unknown_phone(number))
}

/// A person that can pick up a phone: load accounts may have none.
pub(super) fn find_phone(network: &Network, number: &str) -> Result<Arc<Account>, Problem> {
    let account = find(network, number)?;
    if !account.state().has_phone {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "no_phone",
            "this account has no phone",
        ));
    }
    Ok(account)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPhone {
    number: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Person {
    number: String,
    lid: String,
}

/// `POST /phones`: a person with a phone. An existing number stays as it is.
pub(super) async fn create(State(network): State<Arc<Network>>, body: Bytes) -> Answer<Person> {
    let new: NewPhone = read_body(&body)?;
    let number = new.number.as_deref().map(read_number).transpose()?;
    let new = NewAccount {
        number,
        name: new.name,
        without_phone: false,
    };
    let account = network.accounts.get_or_create(&network.seed, new);
    Ok(Json(Person {
        number: account.number.to_string(),
        lid: account.lid.to_string(),
    }))
}

/// `GET /phones/{number}`: the person and the linked companions.
pub(super) async fn describe(State(network): State<Arc<Network>>, Path(number): Path<String>) -> Answer<Value> {
    let account = find(&network, &number)?;
    let state = account.state();
    let companions: Vec<Value> = state
        .devices
        .iter()
        .map(|device| {
            json!({
                "device": device.id,
                "key_index": device.key_index,
                "connected": device.live.is_some(),
                "socket": device.live.as_ref().map(|live| live.id),
                "unacknowledged": device.mailbox.len(),
                "pre_keys": device.keys.one_time.len(),
            })
        })
        .collect();
    Ok(Json(json!({
        "number": account.number.to_string(),
        "lid": account.lid.to_string(),
        "name": state.name,
        "phone": state.has_phone,
        "available": state.is_available(),
        "companions": companions,
    })))
}

#[derive(Debug, Serialize)]
pub(super) struct Linked {
    jid: String,
    lid: String,
    device: u16,
}

impl Linked {
    /// The names of a new companion.
    pub(super) fn new(account: &Account, device: u16) -> Self {
        Self {
            jid: account.jid(Spelling::Number, device).to_string(),
            lid: account.jid(Spelling::Lid, device).to_string(),
            device,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Scan {
    qr: String,
}

/// `POST /phones/{number}/scan`: answers once the companion has accepted.
pub(super) async fn scan(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Linked> {
    let scan: Scan = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let device = qr::scan(&network, &account, &scan.qr).await?;
    Ok(Json(Linked::new(&account, device)))
}

#[derive(Debug, Deserialize)]
pub(super) struct EnterCode {
    code: String,
}

/// `POST /phones/{number}/enter-code`: answers once the companion has accepted.
pub(super) async fn enter_code(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Linked> {
    let entered: EnterCode = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let device = code::enter(&network, &account, &entered.code).await?;
    Ok(Json(Linked::new(&account, device)))
}

#[derive(Debug, Deserialize)]
pub(super) struct NewMessage {
    to: String,
    #[serde(flatten)]
    content: NewContent,
}

/// What a phone can send; `type` decides. Later kinds become further variants.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum NewContent {
    Text {
        text: String,
    },
    Reaction {
        #[serde(alias = "target")]
        id: String,
        #[serde(alias = "text")]
        emoji: String,
        #[serde(default)]
        from_me: bool,
    },
    Edit {
        #[serde(alias = "target")]
        id: String,
        text: String,
    },
    Revoke {
        #[serde(alias = "target")]
        id: String,
    },
}

impl From<NewContent> for Content {
    fn from(content: NewContent) -> Self {
        match content {
            NewContent::Text { text } => Self::Text(text),
            NewContent::Reaction { id, emoji, from_me } => Self::Reaction { id, emoji, from_me },
            NewContent::Edit { id, text } => Self::Edit { id, text },
            NewContent::Revoke { id } => Self::Revoke { id },
        }
    }
}

/// `POST /phones/{number}/messages`: the phone sends something, end-to-end encrypted.
pub(super) async fn send(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let message: NewMessage = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let to = read_address(&message.to)?;
    let id = sending::send(&network, &account, &to, message.content.into())?;
    Ok(Json(json!({ "id": id })))
}

#[derive(Debug, Deserialize)]
pub(super) struct Poll {
    #[serde(default)]
    wait: f64,
    #[serde(default)]
    after: u64,
}

/// `GET /phones/{number}/messages`: what the phone has received after a cursor, waiting for it if asked to.
pub(super) async fn received(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    Query(poll): Query<Poll>,
) -> Answer<Page> {
    let account = find_phone(&network, &number)?;
    let wait = Duration::try_from_secs_f64(poll.wait)
        .unwrap_or_default()
        .min(LONGEST_WAIT);
    let deadline = tokio::time::Instant::now() + wait;
    let news = account.phone().inbox.news();
    loop {
        // Registered before looking, so that nothing can arrive unnoticed in between.
        let mut changed = std::pin::pin!(news.notified());
        changed.as_mut().enable();
        let page = account.phone().inbox.after(poll.after);
        if !page.is_empty() || tokio::time::timeout_at(deadline, changed).await.is_err() {
            return Ok(Json(page));
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    ids: Vec<String>,
    from: Option<String>,
}

/// `POST /phones/{number}/read`: the person reads messages; their author hears of it, and the own companions too.
pub(super) async fn read(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let read: Read = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    for ((chat, sender), ids) in &senders_of(&account, &read)? {
        receipt::forward_in_chat(&network, &account, 0, chat, Some(sender), ids, Some("read"));
    }
    Ok(Json(json!({ "read": read.ids.len() })))
}

/// A chat, and somebody who wrote in it.
type ChatAndSender = (Jid, Jid);

/// The messages grouped by who sent them where; `from` says it for messages that the phone does not know.
fn senders_of(account: &Account, read: &Read) -> Result<Vec<(ChatAndSender, Vec<String>)>, Problem> {
    let fallback = read.from.as_deref().map(read_address).transpose()?;
    let phone = account.phone();
    let mut senders: Vec<(ChatAndSender, Vec<String>)> = Vec::new();
    for id in &read.ids {
        // Chats of two are told by the sender's device, so that the receipt uses the same spelling.
        let known = phone.inbox.message(id).map(|message| {
            let chat = message.chat.parse().ok().filter(is_shared_chat);
            (chat.unwrap_or_else(|| message.sender.clone()), message.sender.clone())
        });
        let sender = known
            .or_else(|| fallback.clone().map(|from| (from.clone(), from)))
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    "unknown_message",
                    format!("the phone has no message {id}"),
                )
            })?;
        match senders.iter_mut().find(|(known, _)| *known == sender) {
            Some((_, ids)) => ids.push(id.clone()),
            None => senders.push((sender, vec![id.clone()])),
        }
    }
    Ok(senders)
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TypingState {
    Composing,
    Recording,
    Paused,
}

#[derive(Debug, Deserialize)]
pub(super) struct Typing {
    to: String,
    state: TypingState,
}

/// `POST /phones/{number}/typing`.
pub(super) async fn typing(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let typing: Typing = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let to = read_address(&typing.to)?;
    let state = match typing.state {
        TypingState::Composing => node::empty("composing"),
        TypingState::Recording => NodeBuilder::new("composing").attr("media", "audio").build(),
        TypingState::Paused => node::empty("paused"),
    };
    presences::pass_on_typing(&network, &account, &to, state);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum PresenceState {
    Available,
    Unavailable,
}

#[derive(Debug, Deserialize)]
pub(super) struct Presence {
    state: PresenceState,
}

/// `POST /phones/{number}/presence`.
pub(super) async fn presence(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let presence: Presence = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    presences::set_phone(&network, &account, presence.state == PresenceState::Available);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub(super) struct Profile {
    name: String,
}

/// `POST /phones/{number}/profile`: a new push name; companions read it from the app state.
pub(super) async fn profile(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let profile: Profile = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    account.state().name = profile.name;
    app_state::phone::write_push_name(&network, &account);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unlink {
    device: Option<u16>,
}

/// `POST /phones/{number}/unlink`: the person logs a companion out, or all of them.
pub(super) async fn unlink(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let wanted: Unlink = read_body(&body)?;
    let account = find(&network, &number)?;
    let companions: Vec<u16> = account.state().devices.iter().map(|device| device.id).collect();
    let unlinked: Vec<u16> = companions
        .into_iter()
        .filter(|device| wanted.device.is_none_or(|wanted| wanted == *device))
        .filter(|device| devices::unlink(&network, &account, *device))
        .collect();
    if unlinked.is_empty() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not_linked",
            "there is no such companion",
        ));
    }
    Ok(Json(json!({ "unlinked": unlinked })))
}

#[derive(Debug, Deserialize)]
pub(super) struct Online {
    online: bool,
}

/// `POST /phones/{number}/online`: a phone that is offline keeps what comes and what it is to send.
pub(super) async fn online(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let online: Online = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    phone::set_online(&network, &account, online.online);
    Ok(StatusCode::NO_CONTENT)
}
