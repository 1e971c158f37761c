//! Conversations of Api Premium: reading them, and marking them.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use shared::address::Address;
use shared::message::Message;
use shared::problem::Code;
use shared::store::chats::{ChatFilter, ListedChat};
use shared::store::messages::MessageFilter;
use tokio::time::Instant;

use super::shape::{self, around};
use super::{Acting, Asked, Client, Premium, ok};
use crate::api::chats::actions::{fetch_history, read_chat};
use crate::api::chats::update::update_chat;
use crate::api::chats::{ChatAddress, find};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::Speech as _;
use crate::dialect::sending::answer;
use crate::dialect::sessions::{self, NamedSession};
use crate::http::body::{self, Document, Submission};
use crate::http::prefer::Prefer;
use crate::problem::Problem;

/// The older API listed all chats at once. So many, at most.
const MOST_CHATS: i64 = 1_000;
/// So many chats are listed with messages, and so many messages of each.
const MOST_CHATS_WITH_MESSAGES: i64 = 100;
const FEW_MESSAGES: i64 = 10;
/// The latest messages of a conversation.
const LATEST_MESSAGES: i64 = 50;
/// All of them, at most.
const MOST_MESSAGES: i64 = 5_000;
/// How many older messages the phone is asked for, and how long its answer is waited for.
const MORE_MESSAGES: u32 = 50;
const HISTORY_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long a mark waits for WhatsApp.
const PATIENCE: Duration = Duration::from_secs(10);

async fn chats<P: Permission>(app: &App, call: &SessionCall<P>, limit: i64) -> Result<Vec<ListedChat>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction
            .chats(call.session, &ChatFilter::default(), None, limit)
            .await?)
    })
    .await
}

/// A chat's messages, newest first.
async fn messages_of<P: Permission>(
    app: &App,
    call: &SessionCall<P>,
    chat: &Address,
    limit: i64,
) -> Result<Vec<Message>, Problem> {
    let filter = MessageFilter {
        chat: Some(chat.clone()),
        ..MessageFilter::default()
    };
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.messages(call.session, &filter, None, limit).await?)
    })
    .await
}

async fn open(app: &App, client: &Client, name: &str) -> Result<(SessionCall<ReadMessages>, NamedSession), Problem> {
    let call = client.session::<ReadMessages>(app, name).await?;
    let named = sessions::read(app, &call, Premium::DIALECT).await?;
    Ok((call, named))
}

/// `GET /:sessao/conversas`.
pub(super) async fn list(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let (call, _) = open(&app, &client, &name).await?;
    let found = chats(&app, &call, MOST_CHATS).await?;
    let shown: Vec<Value> = found.iter().map(|listed| shape::chat(&listed.chat)).collect();
    Ok(ok(&name, shown))
}

/// `GET /:sessao/conversascommsgs`.
pub(super) async fn list_with_messages(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let (call, named) = open(&app, &client, &name).await?;
    let around = around(&named);
    let mut shown = Vec::new();
    for ListedChat { chat, .. } in chats(&app, &call, MOST_CHATS_WITH_MESSAGES).await? {
        let mut value = shape::chat(&chat);
        let messages = match chat.party.jid.parse() {
            Ok(address) => messages_of(&app, &call, &address, FEW_MESSAGES).await?,
            Err(_) => Vec::new(),
        };
        value["msgs"] = shape::messages(&messages, &around);
        shown.push(value);
    }
    Ok(ok(&name, shown))
}

/// A conversation and its messages.
async fn conversation(
    app: &App,
    call: &SessionCall<ReadMessages>,
    named: &NamedSession,
    address: &Address,
    limit: i64,
) -> Result<Value, Problem> {
    let chat = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        find(&mut transaction, call.session, address).await
    })
    .await?;
    let messages = messages_of(app, call, address, limit).await?;
    let mut value = shape::chat(&chat);
    value["msgs"] = shape::messages(&messages, &around(named));
    Ok(value)
}

/// `GET /:sessao/mensagens`.
pub(super) async fn messages(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (call, named) = open(&app, &client, &name).await?;
    let chat = asked.chat()?;
    Ok(ok(
        &name,
        conversation(&app, &call, &named, &chat, LATEST_MESSAGES).await?,
    ))
}

/// `GET /:sessao/mensagensgroup`.
pub(super) async fn group_messages(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (call, named) = open(&app, &client, &name).await?;
    let chat = asked.group()?;
    Ok(ok(
        &name,
        conversation(&app, &call, &named, &chat, LATEST_MESSAGES).await?,
    ))
}

/// `GET /:sessao/todasmensagens`.
pub(super) async fn all_messages(
    State(app): State<App>,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (call, named) = open(&app, &client, &name).await?;
    let found = messages_of(&app, &call, &asked.chat()?, MOST_MESSAGES).await?;
    Ok(ok(&name, shape::messages(&found, &around(&named))))
}

/// `GET /:sessao/carregarmaismensagens`: what is stored, and what the phone adds to it in time.
pub(super) async fn more_messages(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (call, named) = open(&app, &client, &name).await?;
    let group = asked
        .get("tipo")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("grupo") || kind.eq_ignore_ascii_case("group"));
    let chat = if group { asked.group()? } else { asked.chat()? };
    let before = messages_of(&app, &call, &chat, MOST_MESSAGES).await?;
    let asking = client.session::<SendMessages>(&app, &name).await?;
    if ask_the_phone(&app, asking, &chat).await? {
        let deadline = Instant::now() + HISTORY_PATIENCE;
        while messages_of(&app, &call, &chat, MOST_MESSAGES).await?.len() <= before.len() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    let found = messages_of(&app, &call, &chat, MOST_MESSAGES).await?;
    Ok(ok(&name, shape::messages(&found, &around(&named))))
}

/// Whether the phone was asked for older messages. A phone that cannot be asked right now adds nothing, which is no failure here.
async fn ask_the_phone(app: &App, call: SessionCall<SendMessages>, chat: &Address) -> Result<bool, Problem> {
    let body = body::parse(json!({ "count": MORE_MESSAGES }).to_string().as_bytes())?;
    let submission = Submission {
        body: Some(body),
        idempotency: None,
    };
    let prefer = Prefer { wait: Some(PATIENCE) };
    match fetch_history(State(app.clone()), call, ChatAddress(chat.clone()), prefer, submission).await {
        Ok(_) => Ok(true),
        Err(problem) if problem.status().is_server_error() && problem.code() == Code::Internal => Err(problem),
        Err(_) => Ok(false),
    }
}

/// `GET /:sessao/visualizar`.
pub(super) async fn read(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let call = client.session::<SendMessages>(&app, &name).await?;
    let chat = ChatAddress(asked.chat()?);
    let submission = Submission {
        body: None,
        idempotency: None,
    };
    let prefer = Prefer { wait: Some(PATIENCE) };
    let _: Value = answer(read_chat(State(app.clone()), call, chat, prefer, submission).await?).await?;
    Ok(ok(&name, "Conversa visualizada"))
}

/// `GET /:sessao/marcarnlido`.
pub(super) async fn mark_unread(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let call = client.session::<SendMessages>(&app, &name).await?;
    let chat = ChatAddress(asked.chat()?);
    let marks = body::parse(json!({ "marked_unread": true }).to_string().as_bytes())?;
    let prefer = Prefer { wait: Some(PATIENCE) };
    let _: Value = answer(update_chat(State(app.clone()), call, chat, prefer, Document(marks)).await?).await?;
    Ok(ok(&name, "Conversa marcada como não lida"))
}
