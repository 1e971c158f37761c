//! Reading in the CRM's API: messages, chats, statistics, what is unread; and marking a chat as read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::chat::{Chat, ChatKind, LastMessage};
use shared::content::Content;
use shared::dialect::crm;
use shared::ids::{MediaId, MessageId, SessionId};
use shared::message::{Message, MessageStatus};
use shared::problem::Code;
use shared::store::chats::{ChatFilter, ListedChat};
use shared::store::dialect_numbers::NumberKind;
use shared::store::messages::MessageFilter;
use uuid::Uuid;

use super::asked::{Asked, Paging, address};
use super::shape::Known;
use super::{About, Client, Crm, done, ok};
use crate::api::chats::actions::read_chat;
use crate::api::chats::{self, ChatAddress};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{Permission, ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::sending::answer;
use crate::dialect::{Speech as _, files, words};
use crate::http::body::Submission;
use crate::http::prefer::Prefer;
use crate::problem::Problem;

/// How many messages and chats a page has if not said.
const USUAL_MESSAGES: i64 = 50;
const USUAL_CHATS: i64 = 20;
/// So many chats with something to read are listed, of all sessions.
const MOST_UNREAD: i64 = 1_000;
/// So many of the newest messages are counted by status.
const MOST_COUNTED: i64 = 10_000;
/// How long a mark waits for WhatsApp.
const PATIENCE: Duration = Duration::from_secs(10);

/// What messages are shown with.
#[derive(Debug)]
pub(super) struct Around {
    numbers: HashMap<Uuid, i64>,
    links: HashMap<Uuid, String>,
    account: Option<Party>,
}

/// The file of a message, where it has one here.
fn media_of(message: &Message) -> Option<MediaId> {
    Content::of_map(&message.content)?.media()?.media_id
}

impl Around {
    /// What these messages of a session need.
    pub(super) async fn of<P: Permission>(
        app: &App,
        call: &SessionCall<P>,
        known: &Known,
        messages: &[Message],
    ) -> Result<Self, Problem> {
        let files: Vec<MediaId> = messages.iter().filter_map(media_of).collect();
        let subjects: Vec<(Uuid, Option<SessionId>)> = messages
            .iter()
            .map(|message| (message.id.0, Some(message.session_id)))
            .collect();
        let (numbers, files) = promptly(async {
            let mut transaction = app.store().tenant(call.tenant.tenant).await?;
            let files = match files.is_empty() {
                true => Vec::new(),
                false => transaction.media_of_ids(&files).await?,
            };
            let numbers = transaction.dialect_numbers(NumberKind::Message, &subjects).await?;
            transaction.commit().await?;
            Ok((numbers, files))
        })
        .await?;
        let mut links = HashMap::new();
        for file in files {
            if let Some(link) = files::link(app, &file).await? {
                links.insert(file.id.0, link);
            }
        }
        Ok(Self {
            numbers,
            links,
            account: known.named.session.account.clone(),
        })
    }
}

/// A message of a session.
pub(super) fn shown(message: &Message, around: &Around) -> Value {
    let chat = crm::address(&message.chat);
    let to = match message.from_me {
        true => Some(chat.clone()),
        false => around.account.as_ref().map(crm::address),
    };
    let link = media_of(message).and_then(|media| around.links.get(&media.0));
    json!({
        "id": around.numbers.get(&message.id.0),
        "whatsappMessageId": message.wa_message_id,
        "chatId": chat,
        "from": crm::address(&message.from),
        "to": to,
        "fromMe": message.from_me,
        "body": crm::text(message),
        "type": crm::kind(message),
        "status": crm::status(message.status),
        "timestamp": shared::timestamp::text(message.timestamp),
        "mediaUrl": link,
        "hasReactions": !message.state.reactions.is_empty(),
    })
}

/// A page of a session's messages, newest first.
async fn page(
    app: &App,
    about: &About<ReadMessages>,
    filter: &MessageFilter,
    paging: Paging,
) -> Result<(Vec<Value>, Value), Problem> {
    let call = &about.call;
    let (total, messages) = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        let page = transaction.message_page(call.session, filter, paging.skip()).await?;
        let messages = match page.after() {
            Some(after) => {
                let after = Some(MessageId(after));
                transaction.messages(call.session, filter, after, paging.limit).await?
            }
            None => Vec::new(),
        };
        Ok((page.total, messages))
    })
    .await?;
    let known = Known::read(app, call).await?;
    let around = Around::of(app, call, &known, &messages).await?;
    let shown = messages.iter().map(|message| shown(message, &around)).collect();
    Ok((shown, paging.shown(total)))
}

/// A word for a kind of message.
fn kind(word: &str) -> Result<String, Problem> {
    let valid = word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !valid {
        return Err(words::invalid("El parámetro type no es un tipo de mensaje"));
    }
    Ok(crm::own_kind(word).to_owned())
}

/// `GET /api/messages/{sessionId}`.
pub(super) async fn list(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let asked = &about.asked;
    let paging = asked.paging(USUAL_MESSAGES)?;
    let filter = MessageFilter {
        chat: asked.address("chatId")?,
        kind: asked.get("type").map(kind).transpose()?,
        from_me: asked.truth("fromMe")?,
        since: asked.since("startDate")?,
        until: asked.until("endDate")?,
        ..MessageFilter::default()
    };
    let (messages, pagination) = page(&app, &about, &filter, paging).await?;
    Ok(ok(json!({ "messages": messages, "pagination": pagination })))
}

/// The chat that the path names; one that is no address is nobody's.
fn chat_of<P>(about: &About<P>) -> Result<Address, Problem> {
    address("chatId", about.part("chat")).map_err(|_| Problem::not_found(Code::ChatNotFound))
}

async fn find<P: Permission>(app: &App, about: &About<P>, address: &Address) -> Result<Chat, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        chats::find(&mut transaction, about.call.session, address).await
    })
    .await
}

fn name_of(chat: &Chat) -> String {
    chat.name.clone().unwrap_or_else(|| crm::user(&chat.party))
}

/// `GET /api/messages/{sessionId}/{chatId}`.
pub(super) async fn of_chat(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let address = chat_of(&about)?;
    let paging = about.asked.paging(USUAL_MESSAGES)?;
    let chat = find(&app, &about, &address).await?;
    let filter = MessageFilter {
        chat: Some(address),
        ..MessageFilter::default()
    };
    let (messages, pagination) = page(&app, &about, &filter, paging).await?;
    Ok(ok(json!({
        "messages": messages,
        "pagination": pagination,
        "chatInfo": {
            "chatId": crm::address(&chat.party),
            "name": name_of(&chat),
            "isGroup": chat.kind == ChatKind::Group,
        },
    })))
}

fn last_message(last: &LastMessage) -> Value {
    json!({
        "body": last.summary.clone().unwrap_or_default(),
        "type": crm::shown_kind(&last.kind),
        "fromMe": last.from_me,
        "status": crm::status(last.status),
        "timestamp": last.timestamp.timestamp(),
    })
}

fn shown_chat(chat: &Chat, messages: i64) -> Value {
    let name = name_of(chat);
    json!({
        "chatId": crm::address(&chat.party),
        "name": name,
        "contactName": name,
        "isGroup": chat.kind == ChatKind::Group,
        "lastMessage": chat.last_message.as_ref().map(last_message),
        "unreadCount": chat.unread_count,
        "messageCount": messages,
        "totalMessages": messages,
        "archived": chat.archived,
        "pinned": chat.pinned,
        "isMuted": chat.muted_until.is_some(),
        "profilePicture": null,
    })
}

/// `GET /api/messages/{sessionId}/chats`: the last active ones first.
pub(super) async fn list_chats(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let paging = about.asked.paging(USUAL_CHATS)?;
    let (tenant, session) = (about.call.tenant.tenant, about.call.session);
    let (total, chats, counts) = promptly(async {
        let mut transaction = app.store().tenant(tenant).await?;
        let page = transaction.chat_page(session, paging.skip()).await?;
        let chats = match page.after() {
            Some(after) => {
                let filter = ChatFilter::default();
                transaction.chats(session, &filter, Some(after), paging.limit).await?
            }
            None => Vec::new(),
        };
        let jids: Vec<String> = chats.iter().map(|listed| listed.chat.party.jid.clone()).collect();
        let counts = transaction.message_totals_of_chats(session, &jids).await?;
        Ok((page.total, chats, counts))
    })
    .await?;
    let shown: Vec<Value> = chats
        .iter()
        .map(|ListedChat { chat, .. }| shown_chat(chat, counts.get(&chat.party.jid).copied().unwrap_or_default()))
        .collect();
    Ok(ok(json!({ "chats": shown, "pagination": paging.shown(total) })))
}

/// `PUT /api/messages/{sessionId}/{chatId}/read`.
pub(super) async fn mark_read(State(app): State<App>, about: About<SendMessages>) -> Result<Response, Problem> {
    let address = chat_of(&about)?;
    let chat = find(&app, &about, &address).await?;
    let submission = Submission {
        body: None,
        idempotency: None,
    };
    let prefer = Prefer { wait: Some(PATIENCE) };
    let read = read_chat(State(app), about.call, ChatAddress(address), prefer, submission).await?;
    let _: serde::de::IgnoredAny = answer(read).await?;
    Ok(done(
        "Mensajes marcados como leídos",
        json!({ "markedCount": chat.unread_count }),
    ))
}

/// `GET /api/messages/{sessionId}/stats`.
pub(super) async fn statistics(State(app): State<App>, about: About<ReadMessages>) -> Result<Response, Problem> {
    let filter = MessageFilter {
        since: about.asked.since("startDate")?,
        until: about.asked.until("endDate")?,
        ..MessageFilter::default()
    };
    let session = about.call.session;
    let (counts, statuses) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let counts = transaction.message_totals(session, filter.since, filter.until).await?;
        let statuses = transaction.message_statuses(session, &filter, MOST_COUNTED).await?;
        Ok((counts, statuses))
    })
    .await?;
    let (mut sent, mut received) = (0, 0);
    let mut by_kind: BTreeMap<&str, i64> = BTreeMap::new();
    for count in &counts {
        *(if count.from_me { &mut sent } else { &mut received }) += count.messages;
        *by_kind.entry(crm::shown_kind(&count.kind)).or_default() += count.messages;
    }
    let mut by_status: BTreeMap<&str, i64> = MessageStatus::ALL
        .iter()
        .map(|status| (crm::status(*status), 0))
        .collect();
    for status in MessageStatus::ALL {
        let count = statuses.get(status.as_str()).copied().unwrap_or_default();
        *by_status.entry(crm::status(*status)).or_default() += count;
    }
    Ok(ok(json!({
        "stats": {
            "total": sent + received,
            "sent": sent,
            "received": received,
            "byType": by_kind,
            "byStatus": by_status,
        },
    })))
}

/// `GET /api/messages/unread`: the chats of all sessions in which something waits to be read.
pub(super) async fn unread(State(app): State<App>, client: Client, _asked: Asked) -> Result<Response, Problem> {
    let call = client.tenant::<ReadMessages>(&app).await?;
    let (chats, names) = promptly(async {
        let mut transaction = app.store().tenant(call.tenant).await?;
        let chats = transaction.unread_chats(call.within(), MOST_UNREAD).await?;
        let sessions: Vec<SessionId> = chats.iter().map(|listed| listed.chat.session_id).collect();
        let names = transaction.session_names(Crm::DIALECT, &sessions).await?;
        Ok((chats, names))
    })
    .await?;
    let shown: Vec<Value> = chats
        .iter()
        .map(|ListedChat { chat, .. }| {
            let session = names.get(&chat.session_id.uuid).cloned();
            json!({
                "sessionId": session.unwrap_or_else(|| chat.session_id.to_string()),
                "chatId": crm::address(&chat.party),
                "chatName": name_of(chat),
                "unreadCount": chat.unread_count,
                "lastMessage": chat.last_message.as_ref().map(|last| json!({
                    "content": last.summary.clone().unwrap_or_default(),
                    "timestamp": shared::timestamp::text(last.timestamp),
                })),
            })
        })
        .collect();
    let total: u64 = chats.iter().map(|listed| u64::from(listed.chat.unread_count)).sum();
    Ok(ok(json!({ "unreadMessages": shown, "totalUnread": total })))
}
