//! What Api Premium's answers look like: chats, people and groups as WPPConnect showed them.

use serde_json::{Value, json};
use shared::address::Party;
use shared::chat::Chat;
use shared::dialect::{premium, web};
use shared::group::{Group, Participant, Role};
use shared::message::Message;
use shared::store::contacts::Contact;

use crate::dialect::sessions::NamedSession;

pub(super) use shared::dialect::Surroundings;

/// What messages are shown with.
pub(super) fn around(named: &NamedSession) -> Surroundings {
    Surroundings {
        session: named.name.clone(),
        account: named.session.account.clone(),
        account_name: named.session.push_name.clone(),
        ..Surroundings::default()
    }
}

pub(super) fn message(message: &Message, around: &Surroundings) -> Value {
    premium::message(message, around)
}

/// Messages, oldest first.
pub(super) fn messages(newest_first: &[Message], around: &Surroundings) -> Value {
    newest_first
        .iter()
        .rev()
        .map(|one| message(one, around))
        .collect::<Vec<Value>>()
        .into()
}

/// What is the same for every conversation.
fn conversation(party: &Party, name: &str) -> Value {
    let group = web::is_group(party);
    let id = web::wid(party);
    json!({
        "id": id,
        "name": name,
        "kind": if group { "group" } else { "chat" },
        "isGroup": group,
        "isUser": !group,
        "isBroadcast": false,
        "isReadOnly": false,
        "unreadCount": 0,
        "archive": false,
        "pin": 0,
        "muteExpiration": 0,
        "t": 0,
        "contact": { "id": id, "name": name, "formattedName": name, "isUser": !group },
        "groupMetadata": null,
        "lastMessage": null,
    })
}

pub(super) fn chat(chat: &Chat) -> Value {
    let name = chat.name.clone().unwrap_or_else(|| web::number(&chat.party));
    let mut value = conversation(&chat.party, &name);
    let unread = i64::from(chat.unread_count);
    // As WhatsApp's web client counts a chat that is only marked as unread.
    value["unreadCount"] = if chat.marked_unread && unread == 0 { -1 } else { unread }.into();
    value["archive"] = chat.archived.into();
    value["pin"] = chat.pinned_at.map_or(0, |at| at.timestamp()).into();
    value["muteExpiration"] = chat.muted_until.map_or(0, |until| until.timestamp()).into();
    value["t"] = chat.last_activity_at.timestamp().into();
    value["lastMessage"] = match &chat.last_message {
        None => Value::Null,
        Some(last) => json!({
            "id": last.wa_message_id,
            "body": last.summary,
            "fromMe": last.from_me,
            "ack": web::ack(last.status),
            "t": last.timestamp.timestamp(),
        }),
    };
    value
}

pub(super) fn contact(contact: &Contact) -> Value {
    let name = contact.name.clone().or_else(|| contact.push_name.clone());
    let mut value = person(&contact.party, name);
    value["name"] = contact.name.clone().into();
    value["shortName"] = contact.first_name.clone().into();
    value["pushname"] = contact.push_name.clone().into();
    value["verifiedName"] = contact.verified_name.clone().into();
    value["isBusiness"] = contact.is_business.into();
    value["isMyContact"] = contact.name.is_some().into();
    value["isBlocked"] = contact.is_blocked.into();
    value
}

/// Somebody of whom no more is known than a name.
fn person(party: &Party, name: Option<String>) -> Value {
    json!({
        "id": web::wid(party),
        "type": "in",
        "name": null,
        "shortName": null,
        "pushname": null,
        "formattedName": name.unwrap_or_else(|| web::number(party)),
        "verifiedName": null,
        "isBusiness": false,
        "isMyContact": false,
        "isBlocked": false,
        "isUser": true,
        "isWAContact": true,
    })
}

/// A group is a chat with metadata. `known`: the chat, as far as there is one.
pub(super) fn group(group: &Group, known: Option<&Chat>) -> Value {
    let party = Party {
        jid: group.jid.clone(),
        phone: None,
        lid: None,
    };
    let mut value = known.map_or_else(|| conversation(&party, &group.subject), chat);
    value["name"] = group.subject.clone().into();
    value["groupMetadata"] = json!({
        "id": web::wid(&party),
        "subject": group.subject,
        "desc": group.description,
        "owner": group.owner.as_ref().map(web::wid),
        "creation": group.created_at.map(|made| made.timestamp()),
        "announce": group.announce,
        "restrict": group.locked,
        "size": group.size,
        "isAdmin": group.role.is_some_and(|role| role != Role::Member),
    });
    value
}

/// A member is a person. `known`: as far as the session knows them.
pub(super) fn participant(participant: &Participant, known: Option<&Contact>) -> Value {
    let mut value = known.map_or_else(|| person(&participant.party, None), contact);
    value["isAdmin"] = (participant.role != Role::Member).into();
    value["isSuperAdmin"] = (participant.role == Role::Owner).into();
    value
}
