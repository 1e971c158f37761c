//! The words of WhatsApp's older web clients (whatsapp-web.js, venom, WPPConnect), which several dialects hand on to their clients.
//!
//! Public interface of whatsapp-web.js 1.26 (`MessageTypes`, `WAState`, `MessageAck`, `id._serialized`) and of WPPConnect 1.30; nothing of either is
//! needed or contained here.

use serde_json::{Value, json};

use crate::address::Party;
use crate::content::{Content, Media};
use crate::message::{Message, MessageStatus};
use crate::session::SessionStatus;

/// How those clients write an address: people as `…@c.us` where the number is known, everything else as WhatsApp does.
#[must_use]
pub fn address(party: &Party) -> String {
    match &party.phone {
        Some(phone) => format!("{phone}@c.us"),
        None => party.jid.replace("@s.whatsapp.net", "@c.us"),
    }
}

/// The number in digits where it is known, else the digits of the other id.
#[must_use]
pub fn number(party: &Party) -> String {
    match &party.phone {
        Some(phone) => phone.clone(),
        None => party.jid.split('@').next().unwrap_or_default().to_owned(),
    }
}

/// An address in parts: `{server, user, _serialized}`.
#[must_use]
pub fn wid(party: &Party) -> Value {
    wid_of(&address(party))
}

/// [`wid`] of an address that is written as [`address`] writes it.
#[must_use]
pub fn wid_of(address: &str) -> Value {
    let (user, server) = address.split_once('@').unwrap_or((address, ""));
    json!({ "server": server, "user": user, "_serialized": address })
}

/// Whether a conversation is a group.
#[must_use]
pub fn is_group(party: &Party) -> bool {
    party.jid.ends_with("@g.us")
}

/// A message's id as one text: `false_5491123456789@c.us_3EB0…`, in groups with the author behind it.
#[must_use]
pub fn message_id(message: &Message) -> String {
    let (from_me, chat, id) = (message.from_me, address(&message.chat), &message.wa_message_id);
    if is_group(&message.chat) {
        return format!("{from_me}_{chat}_{id}_{}", address(&message.from));
    }
    format!("{from_me}_{chat}_{id}")
}

/// A message's id in parts; [`message_id`] is what stands under `_serialized`.
#[must_use]
pub fn message_key(message: &Message) -> Value {
    json!({
        "fromMe": message.from_me,
        "remote": address(&message.chat),
        "id": message.wa_message_id,
        "participant": is_group(&message.chat).then(|| address(&message.from)),
        "_serialized": message_id(message),
    })
}

/// WhatsApp's own id in what [`message_id`] has made, or in a text that is nothing else.
#[must_use]
pub fn wa_message_id(text: &str) -> &str {
    match text.split_once('_') {
        Some(("true" | "false", rest)) => rest.split('_').nth(1).unwrap_or_default(),
        _ => text,
    }
}

/// The name of a message's kind.
#[must_use]
pub fn kind(message: &Message) -> &'static str {
    if message.state.revoked_at.is_some() {
        return "revoked";
    }
    match Content::of_map(&message.content) {
        Some(Content::Text(_)) => "chat",
        Some(Content::Image(_)) => "image",
        Some(Content::Video(_)) => "video",
        Some(Content::Audio(Media { voice: true, .. })) => "ptt",
        Some(Content::Audio(_)) => "audio",
        Some(Content::Document(_)) => "document",
        Some(Content::Sticker(_)) => "sticker",
        Some(Content::Location(_) | Content::LiveLocation(_)) => "location",
        Some(Content::Contacts(contacts)) if contacts.contacts.len() > 1 => "multi_vcard",
        Some(Content::Contacts(_)) => "vcard",
        Some(Content::Poll(_)) => "poll_creation",
        Some(Content::Event(_)) => "event_creation",
        Some(Content::List(_)) => "list",
        Some(Content::ListReply(_)) => "list_response",
        Some(Content::Buttons(_)) => "buttons",
        Some(Content::ButtonsReply(_)) => "buttons_response",
        Some(Content::GroupInvite(_)) => "groups_v4_invite",
        Some(Content::Reaction(_)) => "reaction",
        _ => "unknown",
    }
}

/// What a message says as one text: the text, the caption, the card, the question.
#[must_use]
pub fn text(message: &Message) -> String {
    match Content::of_map(&message.content) {
        // The name of a file is not what it says.
        Some(content) if content.media().is_some() => content
            .media()
            .and_then(|media| media.caption.clone())
            .unwrap_or_default(),
        Some(Content::Contacts(contacts)) => {
            let cards: Vec<String> = contacts.contacts.into_iter().filter_map(|card| card.vcard).collect();
            cards.join("\n")
        }
        Some(content) => content.summary().unwrap_or_default().to_owned(),
        None => String::new(),
    }
}

/// How far a message has come: -1 failed, 0 pending, 1 server, 2 device, 3 read, 4 played.
#[must_use]
pub fn ack(status: MessageStatus) -> i8 {
    match status {
        MessageStatus::Failed => -1,
        MessageStatus::Queued => 0,
        MessageStatus::Sent | MessageStatus::Received => 1,
        MessageStatus::Delivered => 2,
        MessageStatus::Read => 3,
        MessageStatus::Played => 4,
    }
}

/// The state of a connection.
#[must_use]
pub fn state(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Connected => "CONNECTED",
        SessionStatus::Starting | SessionStatus::Connecting => "OPENING",
        SessionStatus::Qr | SessionStatus::Passkey => "UNPAIRED_IDLE",
        SessionStatus::LoggedOut => "UNPAIRED",
        SessionStatus::Disconnected => "TIMEOUT",
        SessionStatus::Banned => "TOS_BLOCK",
        SessionStatus::Stopped | SessionStatus::Failed => "CLOSED",
    }
}
