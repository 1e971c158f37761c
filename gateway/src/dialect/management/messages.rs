//! Messages of the Management System: listed, read by number, sent, and sent as the answer of whoever gets a session's news.

use std::collections::HashMap;

use axum::extract::{Request, State};
use axum::response::Response;
use chrono::DateTime;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::dialect::{WebhookFormat, management, web};
use shared::ids::{MessageId, SessionId};
use shared::message::Message;
use shared::problem::Code;
use shared::store::TenantTransaction;
use shared::store::dialect_numbers::NumberKind;
use shared::store::messages::MessageFilter;
use uuid::Uuid;

use super::{About, Client, Named, data, done, number, shown_id};
use crate::app::App;
use crate::auth::permission::{ReadMessages, SendMessages};
use crate::database::promptly;
use crate::dialect::fields::Fields;
use crate::dialect::{sending, words};
use crate::http::parameters;
use crate::problem::Problem;

/// How many messages are listed when the client does not say.
const DEFAULT_LIMIT: i64 = 50;
/// The most that are listed at once.
const MOST_MESSAGES: i64 = 1_000;
/// So many of the newest messages can be left out at most: each is walked over.
const MOST_SKIPPED: i64 = 100_000;

/// Messages of one session as this API shows them, in their order. They and the session get numbers where they have none, so this belongs at the end of a
/// transaction that is committed.
async fn shown(
    transaction: &mut TenantTransaction,
    session: SessionId,
    messages: &[Message],
) -> Result<Vec<Value>, Problem> {
    let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
    let untold = transaction
        .untold_messages(WebhookFormat::Management, session, &ids)
        .await?;
    let session_number = transaction.session_number(session).await?;
    // In the order in which they came: the newest one stands first.
    let subjects: Vec<(Uuid, Option<SessionId>)> = ids.iter().rev().map(|id| (id.0, Some(session))).collect();
    let numbers = transaction.dialect_numbers(NumberKind::Message, &subjects).await?;
    Ok(messages
        .iter()
        .map(|message| {
            json!({
                "id": numbers.get(&message.id.0),
                "sessionId": session_number,
                "messageId": message.wa_message_id,
                "fromNumber": management::from(message),
                "toNumber": management::to(message),
                "contactName": management::contact_name(message),
                "groupId": management::group(message),
                "messageType": web::kind(message),
                "content": web::text(message),
                "timestamp": shared::timestamp::text(message.timestamp),
                "webhookSent": !untold.contains(&message.id.0),
                "createdAt": created_at(message),
            })
        })
        .collect())
}

/// When a message came into being here: its id says so.
fn created_at(message: &Message) -> String {
    let (seconds, nanoseconds) = message
        .id
        .0
        .get_timestamp()
        .map(|time| time.to_unix())
        .unwrap_or_default();
    let made = DateTime::from_timestamp(i64::try_from(seconds).unwrap_or_default(), nanoseconds);
    shared::timestamp::text(made.unwrap_or(message.timestamp))
}

/// A number of the query, from 0 on.
fn counted(asked: &HashMap<String, String>, name: &str, usual: i64) -> Result<i64, Problem> {
    let text = asked.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(usual) };
    number(text).ok_or_else(|| words::invalid(format!("{name} must be a number from 0 on")))
}

/// `GET /api/messages/session/:sessionId`: the newest first.
pub(super) async fn list(State(app): State<App>, about: About<ReadMessages>, uri: Uri) -> Result<Response, Problem> {
    let asked: HashMap<String, String> = parameters::pairs(&uri).collect();
    let limit = counted(&asked, "limit", DEFAULT_LIMIT)?.min(MOST_MESSAGES);
    let offset = counted(&asked, "offset", 0)?;
    if offset > MOST_SKIPPED {
        return Err(words::invalid(format!("offset must be at most {MOST_SKIPPED}")));
    }
    let phone = asked
        .get("phone")
        .map(|phone| phone.trim())
        .filter(|phone| !phone.is_empty());
    let chat: Option<Address> = phone
        .map(str::parse)
        .transpose()
        .map_err(|_| words::invalid("phone must be a phone number"))?;
    let filter = MessageFilter {
        chat,
        ..MessageFilter::default()
    };
    let session = about.call.session;
    let (total, messages) = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let page = transaction.message_page(session, &filter, offset).await?;
        let found = match page.after() {
            Some(after) if limit > 0 => {
                let after = Some(MessageId(after));
                transaction.messages(session, &filter, after, limit).await?
            }
            _ => Vec::new(),
        };
        let shown = shown(&mut transaction, session, &found).await?;
        transaction.commit().await?;
        Ok((page.total, shown))
    })
    .await?;
    let shown = json!({
        "messages": messages,
        "pagination": { "total": total, "limit": limit, "offset": offset },
    });
    Ok(data(StatusCode::OK, shown))
}

/// `GET /api/messages/:id`.
pub(super) async fn read(State(app): State<App>, client: Client, Named(id): Named) -> Result<Response, Problem> {
    let call = client.tenant::<ReadMessages>(&app).await?;
    let found = promptly(async {
        let Some(number) = number(&id) else { return Ok(None) };
        let mut transaction = app.store().tenant(call.tenant).await?;
        let Some(numbered) = transaction.numbered(NumberKind::Message, number).await? else {
            return Ok(None);
        };
        let Some(session) = numbered.session.filter(|session| call.may_touch(*session)) else {
            return Ok(None);
        };
        // One that is being removed has no messages any more.
        if transaction.session(session).await?.is_none() {
            return Ok(None);
        }
        let Some(message) = transaction.message(session, MessageId(numbered.subject)).await? else {
            return Ok(None);
        };
        let shown = shown(&mut transaction, session, &[message]).await?.pop();
        transaction.commit().await?;
        Ok(shown)
    })
    .await?;
    match found {
        Some(shown) => Ok(data(StatusCode::OK, shown)),
        None => Err(Problem::new(
            Code::MessageNotFound,
            format!("Message with ID {} not found", shown_id(&id)),
        )),
    }
}

/// Sends a message and shows it.
async fn give(
    app: &App,
    about: &About<SendMessages>,
    (headers, path): (&HeaderMap, &str),
    message: &Value,
) -> Result<Value, Problem> {
    let idempotency = sending::idempotency(headers, path, message)?;
    let sent = sending::send(app, &about.call, message, idempotency).await;
    let sent = sent.map_err(|problem| match problem.code() {
        Code::SessionNotPaired | Code::SessionNotStarted | Code::SessionNotConnected => {
            Problem::new(problem.code(), format!("Session {} is not connected", about.shown_id()))
        }
        _ => problem,
    })?;
    promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let shown = shown(&mut transaction, about.call.session, &[sent]).await?.pop();
        transaction.commit().await?;
        Ok(shown.unwrap_or_default())
    })
    .await
}

/// `POST /api/messages/session/:sessionId/send`.
pub(super) async fn send(
    State(app): State<App>,
    about: About<SendMessages>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let (Some(to), Some(text)) = (fields.text("to"), fields.text("message")) else {
        return Err(words::invalid("Recipient (to) and message are required"));
    };
    let message = json!({ "to": to, "type": "text", "text": { "body": text } });
    let shown = give(&app, &about, (&headers, uri.path()), &message).await?;
    Ok(data(StatusCode::OK, shown))
}

/// Whether a conversation is that of an address.
fn is_chat_of(chat: &Party, address: &Address) -> bool {
    let same = |own: Option<&str>, other: Option<&str>| own.is_some() && own == other;
    chat.jid == address.to_string()
        || same(chat.phone.as_deref(), address.phone())
        || same(chat.lid.as_deref(), address.lid())
}

/// The message that an answer quotes: the one that is named, if it is known in the conversation to which the answer goes.
async fn quoted(
    app: &App,
    about: &About<SendMessages>,
    named: Option<String>,
    to: &str,
) -> Result<Option<MessageId>, Problem> {
    let (Some(named), Ok(to)) = (named, to.parse::<Address>()) else {
        return Ok(None);
    };
    let session = about.call.session;
    let message = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        let id = web::wa_message_id(named.trim());
        match transaction.message_of_whatsapp(session, id).await? {
            Some(message) => Ok(transaction.message(session, message).await?),
            None => Ok(None),
        }
    })
    .await?;
    let message = message.filter(|message| is_chat_of(&message.chat, &to));
    Ok(message.map(|message| message.id))
}

/// `POST /api/webhook/:sessionId`: what a receiver of news answers, on a way of its own. Without an answer to send it is only taken note of.
pub(super) async fn reply(
    State(app): State<App>,
    about: About<SendMessages>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(&app, request).await?;
    let (Some(to), Some(text)) = (fields.text("reply_to"), fields.text("reply_message")) else {
        return Ok(done("Webhook received"));
    };
    let quoted = quoted(&app, &about, fields.text("message_id"), &to).await?;
    let mut message = json!({ "to": to, "type": "text", "text": { "body": text } });
    if let Some(quoted) = quoted {
        message["context"] = json!({ "message_id": quoted });
    }
    let shown = give(&app, &about, (&headers, uri.path()), &message).await?;
    let answer = json!({ "message": "Reply sent successfully", "sentMessage": shown });
    Ok(data(StatusCode::OK, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_to_the_conversation_of_what_it_quotes() {
        let chat = Party {
            jid: "100000000000001@lid".into(),
            phone: Some("5491123456789".into()),
            lid: Some("100000000000001".into()),
        };
        for (address, same) in [
            ("5491123456789@c.us", true),
            ("5491123456789", true),
            ("100000000000001@lid", true),
            ("5491123456780", false),
            ("120363021033254949@g.us", false),
        ] {
            assert_eq!(is_chat_of(&chat, &address.parse().unwrap()), same, "{address}");
        }
    }

    #[test]
    fn limits_are_numbers_or_left_out() {
        let asked = |value: &str| HashMap::from([("limit".to_owned(), value.to_owned())]);
        assert_eq!(counted(&asked("7"), "limit", 50).unwrap(), 7);
        assert_eq!(counted(&asked(""), "limit", 50).unwrap(), 50);
        assert_eq!(counted(&HashMap::new(), "limit", 50).unwrap(), 50);
        for nonsense in ["-1", "many", "1.5"] {
            let problem = counted(&asked(nonsense), "limit", 50).unwrap_err();
            assert_eq!(problem.detail(), "limit must be a number from 0 on");
        }
    }
}
