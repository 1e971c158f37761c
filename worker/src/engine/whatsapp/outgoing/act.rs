//! Outgoing messages that change another one: reactions, edits, deletions, pins, votes and answers.

use std::sync::Arc;

use buffa::MessageField;
use chrono::Utc;
use shared::command::SendMessage;
use shared::content::{Content, Edit, EventResponse, MessageKey, Pin, PollVote};
use wacore::proto_helpers::{build_keep_in_chat_message, build_reaction_message};
use wacore::types::message::AddressingMode;
use wacore::{event, poll};
use wacore_binary::JidExt as _;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::event_response_message::EventResponseType;
use whatsapp_rust::{Client, Jid};

use super::super::secrets::{self, Parent};
use super::{body, context};
use crate::engine::SendError;

/// How long WhatsApp pins a message when nothing else is said: a week (WhatsApp's own default).
const PINNED_FOR: u32 = 604_800;

/// The message that does what `message` says to another one in `chat`.
pub(super) async fn of(client: &Arc<Client>, chat: &Jid, message: &SendMessage) -> Result<wa::Message, SendError> {
    let now = Utc::now().timestamp_millis();
    Ok(match &message.content {
        Content::Reaction(reaction) => {
            let key = key(client, chat, &reaction.message).await?;
            build_reaction_message(key, reaction.emoji.clone(), now)
        }
        Content::Edit(edit) => {
            let mut edited = edited(edit)?;
            if let Some(context) = context::of(message, &[]) {
                use wacore::proto_helpers::MessageExt as _;
                edited.set_context_info(context);
            }
            let key = key(client, chat, &edit.message).await?;
            protocol(wa::message::ProtocolMessage {
                key: MessageField::some(key),
                r#type: Some(wa::message::protocol_message::Type::MESSAGE_EDIT),
                edited_message: MessageField::some(edited),
                timestamp_ms: Some(now),
                ..Default::default()
            })
        }
        Content::Revoke(revoke) => {
            let mut key = key(client, chat, &revoke.message).await?;
            if revoke.message.from_me {
                // An own message is named by `from_me` alone (whatsapp-rust/src/send/actions.rs, `revoke_message_inner`).
                key.participant = None;
            }
            protocol(wa::message::ProtocolMessage {
                key: MessageField::some(key),
                r#type: Some(wa::message::protocol_message::Type::REVOKE),
                ..Default::default()
            })
        }
        Content::Pin(pin) => pinned(key(client, chat, &pin.message).await?, pin, now),
        Content::Keep(keep) => build_keep_in_chat_message(key(client, chat, &keep.message).await?, keep.kept, now),
        Content::PollVote(vote) => voted(client, chat, vote, now).await?,
        Content::EventResponse(response) => responded(client, chat, response, now).await?,
        other => {
            return Err(SendError::Refused(format!("{} changes no message", other.kind())));
        }
    })
}

fn protocol(protocol: wa::message::ProtocolMessage) -> wa::Message {
    wa::Message {
        protocol_message: MessageField::some(protocol),
        ..Default::default()
    }
}

/// The new content: a text, or media of which only the caption counts.
fn edited(edit: &Edit) -> Result<wa::Message, SendError> {
    body::of(&edit.content, None).map_err(SendError::Refused)
}

fn pinned(key: wa::MessageKey, pin: &Pin, now: i64) -> wa::Message {
    use wa::message::pin_in_chat_message::Type;
    let (kind, seconds) = if pin.pinned {
        (Type::PIN_FOR_ALL, pin.seconds.unwrap_or(PINNED_FOR))
    } else {
        (Type::UNPIN_FOR_ALL, 0)
    };
    wa::Message {
        pin_in_chat_message: MessageField::some(wa::message::PinInChatMessage {
            key: MessageField::some(key),
            r#type: Some(kind),
            sender_timestamp_ms: Some(now),
        }),
        message_context_info: MessageField::some(wa::MessageContextInfo {
            message_add_on_duration_in_secs: Some(seconds),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn voted(client: &Arc<Client>, chat: &Jid, vote: &PollVote, now: i64) -> Result<wa::Message, SendError> {
    let parent = parent(client, chat, &vote.message).await?;
    let hashes: Vec<Vec<u8>> = vote
        .options
        .iter()
        .map(|option| poll::compute_option_hash(option).to_vec())
        .collect();
    let voter = voter(client, &parent.author)?;
    let (payload, iv) = poll::encrypt_poll_vote_with_secret(
        &hashes,
        &parent.secret,
        &vote.message.wa_message_id,
        &parent.author.to_non_ad_string(),
        &voter.to_non_ad_string(),
    )
    .map_err(|error| SendError::Refused(error.to_string()))?;
    Ok(wa::Message {
        poll_update_message: MessageField::some(wa::message::PollUpdateMessage {
            poll_creation_message_key: MessageField::some(key(client, chat, &vote.message).await?),
            vote: MessageField::some(wa::message::PollEncValue {
                enc_payload: Some(payload),
                enc_iv: Some(iv.to_vec()),
            }),
            sender_timestamp_ms: Some(now),
            ..Default::default()
        }),
        ..Default::default()
    })
}

async fn responded(
    client: &Arc<Client>,
    chat: &Jid,
    response: &EventResponse,
    now: i64,
) -> Result<wa::Message, SendError> {
    let parent = parent(client, chat, &response.message).await?;
    let answer = wa::message::EventResponseMessage {
        response: Some(match response.response.as_str() {
            "going" => EventResponseType::GOING,
            "not_going" => EventResponseType::NOT_GOING,
            _ => EventResponseType::MAYBE,
        }),
        timestamp_ms: Some(now),
        extra_guest_count: i32::try_from(response.extra_guests).ok().filter(|count| *count > 0),
    };
    let voter = voter(client, &parent.author)?;
    let (payload, iv) = event::encrypt_event_response_with_secret(
        &answer,
        &parent.secret,
        &response.message.wa_message_id,
        &parent.author.to_non_ad_string(),
        &voter.to_non_ad_string(),
    )
    .map_err(|error| SendError::Refused(error.to_string()))?;
    Ok(wa::Message {
        enc_event_response_message: MessageField::some(wa::message::EncEventResponseMessage {
            event_creation_message_key: MessageField::some(key(client, chat, &response.message).await?),
            enc_payload: Some(payload),
            enc_iv: Some(iv.to_vec()),
        }),
        ..Default::default()
    })
}

async fn parent(client: &Arc<Client>, chat: &Jid, key: &MessageKey) -> Result<Parent, SendError> {
    let author = key.author.as_deref().and_then(|author| author.parse().ok());
    secrets::parent(client, chat, author.as_ref(), key.from_me, &key.wa_message_id)
        .await
        .ok_or_else(|| {
            SendError::Refused(
                "the secret of the message is not known: it was received before the session was linked".into(),
            )
        })
}

/// The account's own id in the namespace of the poll's author: the key of the encryption depends on it.
fn voter(client: &Arc<Client>, author: &Jid) -> Result<Jid, SendError> {
    let lid = if author.is_lid() { client.lid() } else { None };
    lid.or_else(|| client.pn()).ok_or(SendError::NotConnected)
}

/// The library's key of another message. In a group it names the author, by the ids that the group uses.
async fn key(client: &Arc<Client>, chat: &Jid, key: &MessageKey) -> Result<wa::MessageKey, SendError> {
    let participant = if chat.is_group() {
        let author = if key.from_me {
            client.pn()
        } else {
            key.author.as_deref().and_then(|author| author.parse::<Jid>().ok())
        };
        match author {
            Some(author) => Some(in_group(client, chat, author).await?),
            None => None,
        }
    } else {
        None
    };
    Ok(wa::MessageKey {
        remote_jid: Some(chat.to_string()),
        from_me: Some(key.from_me),
        id: Some(key.wa_message_id.clone()),
        participant,
    })
}

/// A person as the group names people: by LID or by phone number.
async fn in_group(client: &Arc<Client>, group: &Jid, person: Jid) -> Result<String, SendError> {
    let failed = |error: String| SendError::Failed(error);
    let info = client
        .groups()
        .query_info(group)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let by_lid = info.addressing_mode == AddressingMode::Lid;
    if by_lid == person.is_lid() {
        return Ok(person.to_non_ad_string());
    }
    let entry = client
        .get_lid_pn_entry(&person)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(match entry {
        Some(entry) if by_lid => format!("{}@lid", entry.lid),
        Some(entry) => format!("{}@s.whatsapp.net", entry.phone_number),
        None => person.to_non_ad_string(),
    })
}
