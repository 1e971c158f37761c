//! What Api Premium tells its webhooks: `{tipo, sessao, json}` with one of six `tipo`s, as a form (see [`super::form`]), as its server sent it. What stands
//! under `json` is what its clients know from the library that it wrapped (WPPConnect): messages, acknowledgements, the device and states in their words.

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::address::Party;
use crate::content::Content;
use crate::event::{Envelope, EventType, LinkCode, MessageStatusChanged, SessionStatusChanged};
use crate::ids::{EventId, SessionId, TenantId};
use crate::message::{Message, MessageStatus};
use crate::session::SessionStatus;

/// Why a session that is removed stops, as `session.status` says it.
pub const DELETED: &str = "deleted";

/// Where statuses are posted, which are no messages to this API.
const STATUSES: &str = "status@broadcast";

/// The last event of a session that is being removed, with the name that it is about to lose. It is planned for webhooks of this format alone and is no
/// part of the session's stream, so its number is 0.
#[must_use]
pub fn removal(tenant: TenantId, session: SessionId, name: &str, at: DateTime<Utc>) -> Envelope {
    Envelope {
        id: EventId::generate(),
        event_type: EventType::SessionStatus.as_str().to_owned(),
        timestamp: at,
        tenant_id: tenant,
        session_id: session,
        seq: 0,
        data: json!({ "status": SessionStatus::Stopped, "reason": DELETED, "name": name }),
    }
}

/// Whether anything is said about an event of one of its types.
pub(super) fn tells(envelope: &Envelope) -> bool {
    match envelope.event_type.as_str() {
        "message.received" | "message.sent" => envelope.data["chat"]["jid"] != STATUSES,
        // The removal is told once: by what the gateway plans when it is asked for, as long as the session has a name.
        "session.status" => !is_removal(envelope) || envelope.data["name"].is_string(),
        _ => true,
    }
}

fn is_removal(envelope: &Envelope) -> bool {
    envelope.data["reason"] == DELETED
}

/// The bodies of a delivery, in the order in which they are sent.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Vec<Value> {
    let told = |kind: &str, news: Value| json!({ "tipo": kind, "sessao": around.session, "json": news });
    match envelope.event_type.as_str() {
        // Whoever wrote it: its server told the account's own messages too, from the phone and from the API.
        "message.received" | "message.sent" => serde_json::from_value(envelope.data.clone())
            .map(|message: Message| told("recebendoMensagem", self::message(&message, around)))
            .into_iter()
            .collect(),
        "message.status" => acknowledged(envelope, around)
            .map(|news| told("atualizarMensagem", news))
            .into_iter()
            .collect(),
        "session.status" => state_changed(envelope, around)
            .into_iter()
            .map(|(kind, news)| told(kind, news))
            .collect(),
        "session.qr" => code_shown(envelope, around)
            .map(|news| told("qrcode", news))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

fn code_shown(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let code = LinkCode::deserialize(&envelope.data).ok()?;
    let picture = around.picture.as_ref()?;
    Some(json!({ "qrCode": code.code, "qrCodeB64": format!("data:image/png;base64,{picture}") }))
}

/// How far an own message has come: the message in short, its id in parts.
fn acknowledged(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let changed = MessageStatusChanged::deserialize(&envelope.data).ok()?;
    let message = around.message.as_ref().filter(|message| message.from_me)?;
    let whole = self::message(message, around);
    let mut news = json!({ "id": web::message_key(message), "ack": web::ack(changed.status) });
    for field in [
        "body",
        "type",
        "t",
        "notifyName",
        "from",
        "to",
        "author",
        "self",
        "isNewMsg",
        "isForwarded",
        "mentionedJidList",
    ] {
        news[field] = whole[field].clone();
    }
    Some(news)
}

fn state_changed(envelope: &Envelope, around: &Surroundings) -> Vec<(&'static str, Value)> {
    if is_removal(envelope) {
        return vec![("AlterarStatusNumero", json!({ "message": "deletado" }))];
    }
    let Ok(changed) = SessionStatusChanged::deserialize(&envelope.data) else {
        return Vec::new();
    };
    let state = ("statusMudou", json!({ "message": web::state(changed.status) }));
    let unusable = |message: &str| {
        (
            "AlterarStatusNumero",
            json!({ "message": message, "motivo": changed.reason }),
        )
    };
    match changed.status {
        SessionStatus::Connected => {
            let account = changed.account.as_ref().or(around.account.as_ref());
            let device = account.map(|account| device(account, around.account_name.as_deref(), true));
            let active = device.map(|device| ("ativandoSincronizacao", device));
            active.into_iter().chain([state]).collect()
        }
        // Its server forgot a session that was unlinked, and said "deletado"; ours can be linked again.
        SessionStatus::LoggedOut => vec![unusable("desconectado"), state],
        SessionStatus::Banned => vec![unusable("banido"), state],
        SessionStatus::Stopped
        | SessionStatus::Failed
        | SessionStatus::Starting
        | SessionStatus::Qr
        | SessionStatus::Passkey
        | SessionStatus::Connecting
        | SessionStatus::Disconnected => vec![state],
    }
}

/// The linked account, as WPPConnect shows the device that it runs on.
#[must_use]
pub fn device(account: &Party, name: Option<&str>, connected: bool) -> Value {
    json!({
        "id": web::address(account),
        "wid": web::wid(account),
        "me": web::wid(account),
        "lid": account.lid.as_ref().map(|lid| format!("{}@lid", lid.trim_end_matches("@lid"))),
        "connected": connected,
        "pushname": name,
        // A linked device does not learn what the phone is.
        "platform": null,
        "battery": null,
        "plugged": null,
    })
}

/// A person as WPPConnect shows contacts: as far as a message knows its author.
fn sender(message: &Message) -> Value {
    let name = message.details.from_name.clone();
    json!({
        "id": web::wid(&message.from),
        "pushname": name,
        "formattedName": name.clone().unwrap_or_else(|| web::number(&message.from)),
        "isMe": message.from_me,
        "isUser": true,
        "isWAContact": true,
        "isBusiness": message.details.business_name.is_some(),
        "verifiedName": message.details.business_name,
    })
}

/// A message as this API writes it.
#[must_use]
pub fn message(message: &Message, around: &Surroundings) -> Value {
    let account = around.account.as_ref().map(web::address);
    let chat = web::address(&message.chat);
    let group = web::is_group(&message.chat);
    let (from, to) = match message.from_me {
        // The event knows the account too: a session that is unlinked since has none.
        true => (
            account.or_else(|| Some(web::address(&message.from))),
            Some(chat.clone()),
        ),
        false => (Some(chat.clone()), account),
    };
    let content = Content::of_map(&message.content);
    let media = content.as_ref().and_then(Content::media);
    let mut body = json!({
        "id": web::message_id(message),
        "body": web::text(message),
        "content": web::text(message),
        "type": web::kind(message),
        "t": message.timestamp.timestamp(),
        "timestamp": message.timestamp.timestamp(),
        "from": from,
        "to": to,
        "author": group.then(|| web::address(&message.from)),
        "self": if message.from_me { "out" } else { "in" },
        "fromMe": message.from_me,
        "ack": web::ack(message.status),
        "isNewMsg": message.status == MessageStatus::Received,
        "isGroupMsg": group,
        "isMedia": media.is_some(),
        "isMMS": media.is_some(),
        "isForwarded": message.details.forwarding_score > 0,
        "notifyName": message.details.from_name,
        "chatId": chat,
        "sender": sender(message),
        "quotedMsgId": message.context.as_ref().map(|context| context.wa_message_id.clone()),
        "mentionedJidList": message.details.mentions.iter().map(web::address).collect::<Vec<_>>(),
    });
    if let Some(media) = media {
        body["mimetype"] = media.mime_type.clone().into();
        body["size"] = media.size.into();
        body["caption"] = media.caption.clone().into();
        body["filename"] = media.file_name.clone().into();
        body["duration"] = media.seconds.into();
        // What `desfile` asks for: the file in our storage.
        body["mediaKey"] = media.media_id.map(|id| id.to_string()).into();
    }
    if let Some(Content::Location(place)) = &content {
        body["lat"] = place.latitude.into();
        body["lng"] = place.longitude.into();
        body["loc"] = place.name.clone().into();
    }
    body
}
