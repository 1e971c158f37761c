//! What Api Premium tells its webhooks: `{tipo, sessao, json}` with one of six `tipo`s. What stands under `json` is what its clients know from the
//! library that it wrapped (venom, WPPConnect): messages, acknowledgements and states in their words.

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Surroundings, web};
use crate::content::Content;
use crate::event::{Envelope, LinkCode, MessageStatusChanged, SessionStatusChanged};
use crate::message::{Message, MessageStatus};
use crate::session::SessionStatus;

/// The body of a delivery.
pub(super) fn webhook(envelope: &Envelope, around: &Surroundings) -> Option<Value> {
    let (kind, news) = match envelope.event_type.as_str() {
        "message.received" => {
            let message = around.arrived(envelope)?;
            ("recebendoMensagem", self::message(&message, around))
        }
        "message.status" => {
            let changed = MessageStatusChanged::deserialize(&envelope.data).ok()?;
            let message = around.message.as_ref().filter(|message| message.from_me)?;
            let mut news = self::message(message, around);
            news["ack"] = web::ack(changed.status).into();
            ("atualizarMensagem", news)
        }
        "session.status" => state_changed(envelope, around)?,
        "session.qr" => {
            let code = LinkCode::deserialize(&envelope.data).ok()?;
            let picture = around.picture.as_ref()?;
            (
                "qrcode",
                json!({ "qrcode": format!("data:image/png;base64,{picture}"), "urlCode": code.code }),
            )
        }
        "history.synced" => ("ativandoSincronizacao", envelope.data.clone()),
        _ => return None,
    };
    Some(json!({ "tipo": kind, "sessao": around.session, "json": news }))
}

fn state_changed(envelope: &Envelope, around: &Surroundings) -> Option<(&'static str, Value)> {
    let changed = SessionStatusChanged::deserialize(&envelope.data).ok()?;
    let state = web::state(changed.status);
    let number = changed.account.as_ref().or(around.account.as_ref()).map(web::number);
    Some(match changed.status {
        // The number is not to be used any more.
        SessionStatus::LoggedOut | SessionStatus::Banned | SessionStatus::Stopped | SessionStatus::Failed => (
            "AlterarStatusNumero",
            json!({ "numero": number, "status": state, "motivo": changed.reason }),
        ),
        // Linked, and about to fetch what the phone knows.
        SessionStatus::Connecting => ("ativandoSincronizacao", json!({ "numero": number, "status": state })),
        SessionStatus::Starting
        | SessionStatus::Qr
        | SessionStatus::Passkey
        | SessionStatus::Connected
        | SessionStatus::Disconnected => ("statusMudou", state.into()),
    })
}

/// A message as this API writes it.
#[must_use]
pub fn message(message: &Message, around: &Surroundings) -> Value {
    let account = around.account.as_ref().map(web::address);
    let chat = web::address(&message.chat);
    let group = web::is_group(&message.chat);
    let (from, to) = match message.from_me {
        true => (account.clone(), Some(chat.clone())),
        false => (Some(chat.clone()), account.clone()),
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
        "isForwarded": message.details.forwarding_score > 0,
        "notifyName": message.details.from_name,
        "chatId": chat,
        "sender": web::sender(message),
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
