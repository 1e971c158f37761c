//! Giving a phone a history, before its companions are linked.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use buffa::{Message as _, MessageField};
use serde::Deserialize;
use waproto::whatsapp::web_message_info::Status;
use waproto::whatsapp::{Conversation, Message, MessageKey, WebMessageInfo};

use super::people::decode;
use super::phones::find_phone;
use super::problem::{Problem, read as read_body, read_address};
use crate::accounts::Spelling;
use crate::network::Network;
use crate::phone::history::{Chat, History, Parts};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHistory {
    #[serde(default)]
    chats: Vec<NewChat>,
    #[serde(default)]
    push_names: Vec<NewName>,
    initial: Option<usize>,
    unasked: Option<usize>,
    part_size: Option<usize>,
    inline: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewName {
    who: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChat {
    id: String,
    name: Option<String>,
    unread: Option<u32>,
    #[serde(default)]
    marked_as_unread: bool,
    #[serde(default)]
    archived: bool,
    pinned: Option<u32>,
    muted_until: Option<u64>,
    disappearing_seconds: Option<u32>,
    #[serde(default)]
    messages: Vec<NewMessage>,
}

/// A text, or a protobuf message in base64: the content (`message`) or everything (`info`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    id: Option<String>,
    #[serde(default)]
    from_me: bool,
    sender: Option<String>,
    text: Option<String>,
    message: Option<String>,
    info: Option<String>,
    timestamp: Option<u64>,
    status: Option<NewStatus>,
    #[serde(default)]
    starred: bool,
    push_name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NewStatus {
    Sent,
    Delivered,
    Read,
    Played,
}

/// `POST /phones/{number}/history`: replaces the phone's history.
pub(super) async fn give(
    State(network): State<Arc<Network>>,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let new: NewHistory = read_body(&body)?;
    let account = find_phone(&network, &number)?;
    let usual = Parts::default();
    let history = History {
        chats: new
            .chats
            .into_iter()
            .map(|chat| read_chat(&network, chat))
            .collect::<Result<_, _>>()?,
        names: new
            .push_names
            .into_iter()
            .map(|name| Ok((read_address(&name.who)?.to_string(), name.name)))
            .collect::<Result<_, Problem>>()?,
        parts: Parts {
            initial: new.initial.unwrap_or(usual.initial),
            unasked: new.unasked.unwrap_or(usual.unasked),
            size: new.part_size.unwrap_or(usual.size),
            inline: new.inline.unwrap_or(usual.inline),
        },
    };
    account.phone().history = history;
    Ok(StatusCode::NO_CONTENT)
}

fn read_chat(network: &Network, new: NewChat) -> Result<Chat, Problem> {
    let jid = read_address(&new.id)?.to_non_ad();
    let person = network.accounts.find(&jid);
    let id = jid.to_string();
    let mut messages = new
        .messages
        .into_iter()
        .map(|message| read_message(network, &id, message))
        .collect::<Result<Vec<_>, _>>()?;
    messages.sort_by_key(|message| message.message_timestamp);
    let last = messages.last().and_then(|message| message.message_timestamp);
    let spelled = |spelling| person.as_ref().map(|person| person.jid(spelling, 0).to_string());
    let conversation = Conversation {
        name: new.name,
        unread_count: new.unread,
        marked_as_unread: Some(new.marked_as_unread),
        archived: Some(new.archived),
        pinned: new.pinned,
        mute_end_time: new.muted_until,
        ephemeral_expiration: new.disappearing_seconds,
        conversation_timestamp: last,
        last_msg_timestamp: last,
        pn_jid: spelled(Spelling::Number).filter(|jid| *jid != id),
        lid_jid: spelled(Spelling::Lid).filter(|jid| *jid != id),
        id,
        ..Default::default()
    };
    Ok(Chat {
        conversation: Box::new(conversation),
        messages,
    })
}

fn read_message(network: &Network, chat: &str, new: NewMessage) -> Result<WebMessageInfo, Problem> {
    if let Some(info) = &new.info {
        return WebMessageInfo::decode_from_slice(&decode(info)?)
            .map_err(|_| Problem::unreadable("this is not a WebMessageInfo"));
    }
    let content = match (&new.text, &new.message) {
        (Some(text), None) => Message {
            conversation: Some(text.clone()),
            ..Default::default()
        },
        (None, Some(message)) => {
            Message::decode_from_slice(&decode(message)?).map_err(|_| Problem::unreadable("this is not a Message"))?
        }
        _ => return Err(Problem::unreadable("a message needs either text, message or info")),
    };
    let participant = new
        .sender
        .as_deref()
        .map(read_address)
        .transpose()?
        .map(|sender| sender.to_non_ad().to_string());
    Ok(WebMessageInfo {
        key: MessageField::some(MessageKey {
            remote_jid: Some(chat.to_owned()),
            from_me: Some(new.from_me),
            id: Some(new.id.unwrap_or_else(|| network.next_message_id())),
            participant: participant.clone(),
        }),
        message: MessageField::some(content),
        message_timestamp: Some(new.timestamp.unwrap_or_else(crate::clock::unix_seconds)),
        participant,
        status: new.status.map(|status| match status {
            NewStatus::Sent => Status::SERVER_ACK,
            NewStatus::Delivered => Status::DELIVERY_ACK,
            NewStatus::Read => Status::READ,
            NewStatus::Played => Status::PLAYED,
        }),
        starred: new.starred.then_some(true),
        push_name: new.push_name,
        ..Default::default()
    })
}
