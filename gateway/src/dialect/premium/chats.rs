//! Conversations of Api Premium: reading them, and marking them.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::address::Address;
use shared::chat::Chat;
use shared::message::Message;
use shared::problem::Code;
use shared::store::chats::{ChatFilter, ListedChat};
use shared::store::messages::MessageFilter;

use super::shape::{self, around};
use super::{About, Acting, Client, Premium, ok};
use crate::api::chats::actions::{fetch_history, read_chat};
use crate::api::chats::update::update_chat;
use crate::api::chats::{ChatAddress, find};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::Speech as _;
use crate::dialect::patience::look_for;
use crate::dialect::sending::answer;
use crate::dialect::sessions;
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

/// All conversations of a session.
pub(super) async fn all<P: Permission>(app: &App, call: &SessionCall<P>) -> Result<Vec<Chat>, Problem> {
    let found = chats(app, call, MOST_CHATS).await?;
    Ok(found.into_iter().map(|listed| listed.chat).collect())
}

/// `GET /:sessao/conversas`.
pub(super) async fn list(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    about.verified(&app).await?;
    let found = all(&app, &about.call).await?;
    Ok(ok(found.iter().map(shape::chat).collect::<Vec<Value>>()))
}

/// `GET /:sessao/conversasnlidas`: those with messages to read.
pub(super) async fn list_unread(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    about.verified(&app).await?;
    let found = all(&app, &about.call).await?;
    let unread = found.iter().filter(|chat| chat.unread_count > 0);
    Ok(ok(unread.map(shape::chat).collect::<Vec<Value>>()))
}

/// `GET /:sessao/conversascommsgs`.
pub(super) async fn list_with_messages(
    State(app): State<App>,
    about: About<ReadMessages>,
) -> Result<Response, Problem> {
    let around = around(&about.verified(&app).await?);
    let mut shown = Vec::new();
    for ListedChat { chat, .. } in chats(&app, &about.call, MOST_CHATS_WITH_MESSAGES).await? {
        let mut value = shape::chat(&chat);
        let messages = match chat.party.jid.parse() {
            Ok(address) => messages_of(&app, &about.call, &address, FEW_MESSAGES).await?,
            Err(_) => Vec::new(),
        };
        value["msgs"] = shape::messages(&messages, &around);
        shown.push(value);
    }
    Ok(ok(shown))
}

/// The latest messages of a conversation, which is marked as seen.
async fn latest(
    app: &App,
    client: &Client,
    about: &About<ReadMessages>,
    address: &Address,
) -> Result<Response, Problem> {
    let named = sessions::read(app, &about.call, Premium::DIALECT).await?;
    let chat = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        find(&mut transaction, about.call.session, address).await
    })
    .await?;
    if chat.unread_count > 0 || chat.marked_unread {
        see(app, client, about, address).await?;
    }
    let messages = messages_of(app, &about.call, address, LATEST_MESSAGES).await?;
    Ok(ok(shape::messages(&messages, &around(&named))))
}

/// Marks a conversation as seen, some time soon. Where that is not possible right now, or not allowed to the key, its messages are shown all the same.
async fn see(app: &App, client: &Client, about: &About<ReadMessages>, address: &Address) -> Result<(), Problem> {
    let marked = async {
        let call = client.session::<SendMessages>(app, &about.name).await?;
        let submission = Submission {
            body: None,
            idempotency: None,
        };
        let chat = ChatAddress(address.clone());
        read_chat(State(app.clone()), call, chat, Prefer { wait: None }, submission).await
    };
    match marked.await {
        Err(problem) if problem.code() == Code::Internal => Err(problem),
        _ => Ok(()),
    }
}

/// `GET /:sessao/mensagens`. It acts, since it marks: it is not prefetched.
pub(super) async fn messages(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    about: About<ReadMessages>,
) -> Result<Response, Problem> {
    latest(&app, &client, &about, &about.asked.chat()?).await
}

/// `GET /:sessao/mensagensgroup`. It acts, as `mensagens` does.
pub(super) async fn group_messages(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    about: About<ReadMessages>,
) -> Result<Response, Problem> {
    latest(&app, &client, &about, &about.asked.group()?).await
}

/// `GET /:sessao/todasmensagens`.
pub(super) async fn all_messages(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Premium::DIALECT).await?;
    let found = messages_of(&app, &about.call, &about.asked.chat()?, MOST_MESSAGES).await?;
    Ok(ok(shape::messages(&found, &around(&named))))
}

/// `GET /:sessao/carregarmaismensagens`: what is stored, and what the phone adds to it in time.
pub(super) async fn more_messages(
    State(app): State<App>,
    _acting: Acting,
    client: Client,
    about: About<ReadMessages>,
) -> Result<Response, Problem> {
    let named = sessions::read(&app, &about.call, Premium::DIALECT).await?;
    let chat = about.asked.chat_of_kind()?;
    let known = messages_of(&app, &about.call, &chat, MOST_MESSAGES).await?;
    let asking = client.session::<SendMessages>(&app, &about.name).await?;
    if ask_the_phone(&app, asking, &chat).await? {
        let oldest = known.iter().map(|message| message.timestamp).min();
        look_for(HISTORY_PATIENCE, || older(&app, &about.call, &chat, oldest)).await?;
    }
    let found = messages_of(&app, &about.call, &chat, MOST_MESSAGES).await?;
    Ok(ok(shape::messages(&found, &around(&named))))
}

/// A message that was written before this time.
async fn older(
    app: &App,
    call: &SessionCall<ReadMessages>,
    chat: &Address,
    before: Option<DateTime<Utc>>,
) -> Result<Option<Message>, Problem> {
    let filter = MessageFilter {
        chat: Some(chat.clone()),
        until: before,
        ..MessageFilter::default()
    };
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.messages(call.session, &filter, None, 1).await?.pop())
    })
    .await
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
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let chat = ChatAddress(about.asked.chat()?);
    let submission = Submission {
        body: None,
        idempotency: None,
    };
    let prefer = Prefer { wait: Some(PATIENCE) };
    let _: Value = answer(read_chat(State(app.clone()), about.call.clone(), chat, prefer, submission).await?).await?;
    Ok(ok("ok"))
}

/// `GET /:sessao/marcarnlido`.
pub(super) async fn mark_unread(
    State(app): State<App>,
    _acting: Acting,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let chat = ChatAddress(about.asked.chat()?);
    let marks = body::parse(json!({ "marked_unread": true }).to_string().as_bytes())?;
    let prefer = Prefer { wait: Some(PATIENCE) };
    let _: Value =
        answer(update_chat(State(app.clone()), about.call.clone(), chat, prefer, Document(marks)).await?).await?;
    Ok(ok("ok"))
}
