//! What Api Premium's answers look like: chats, people and groups as venom showed them.

use serde_json::{Value, json};
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

pub(super) fn chat(chat: &Chat) -> Value {
    json!({
        "id": web::address(&chat.party),
        "name": chat.name.clone().unwrap_or_else(|| web::number(&chat.party)),
        "isGroup": web::is_group(&chat.party),
        "unreadCount": if chat.marked_unread && chat.unread_count == 0 { -1 } else { i64::from(chat.unread_count) },
        "archive": chat.archived,
        "pin": chat.pinned,
        "muteExpiration": chat.muted_until.map_or(0, |until| until.timestamp()),
        "t": chat.last_activity_at.timestamp(),
        "lastMessage": chat.last_message.as_ref().map(|last| json!({
            "id": last.wa_message_id,
            "body": last.summary,
            "fromMe": last.from_me,
            "ack": web::ack(last.status),
            "t": last.timestamp.timestamp(),
        })),
    })
}

pub(super) fn contact(contact: &Contact) -> Value {
    let name = contact.name.clone().or_else(|| contact.push_name.clone());
    json!({
        "id": web::address(&contact.party),
        "numero": contact.party.phone,
        "name": contact.name,
        "shortName": contact.first_name,
        "pushname": contact.push_name,
        "formattedName": name.unwrap_or_else(|| web::number(&contact.party)),
        "verifiedName": contact.verified_name,
        "isBusiness": contact.is_business,
        "isMyContact": contact.name.is_some(),
        "isBlocked": contact.is_blocked,
    })
}

pub(super) fn group(group: &Group) -> Value {
    json!({
        "id": group.jid,
        "name": group.subject,
        "isGroup": true,
        "desc": group.description,
        "owner": group.owner.as_ref().map(web::address),
        "size": group.size,
        "announce": group.announce,
        "isAdmin": group.role.is_some_and(|role| role != Role::Member),
        "creation": group.created_at.map(|made| made.timestamp()),
    })
}

pub(super) fn participant(participant: &Participant) -> Value {
    json!({
        "id": web::address(&participant.party),
        "numero": participant.party.phone,
        "isAdmin": participant.role != Role::Member,
        "isSuperAdmin": participant.role == Role::Owner,
    })
}
