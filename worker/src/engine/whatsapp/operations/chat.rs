//! Operations on chats.
//!
//! Marks are mutations of the app state: all of the account's devices see them. Each says up to which message it is meant, so that a message that arrives
//! meanwhile is not archived or deleted unseen (whatsapp-rust features/chat_actions.rs, `SyncActionMessageRange`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::address::Address;
use shared::chat::FOREVER;
use shared::content::MessageKey;
use shared::operation::ChatOperation;
use shared::operation::chat::{ChatMarks, ChatPoint, Typing};
use wacore_binary::JidExt as _;
use waproto::whatsapp::sync_action_value::SyncActionMessageRange;
use whatsapp_rust::features::{message_key, message_range};
use whatsapp_rust::{Client, Jid};

use super::{failed, jid};
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &ChatOperation) -> Result<Value, OperationError> {
    match operation {
        ChatOperation::Typing { chat, typing } => {
            let jid = jid(chat)?;
            let state = client.chatstate();
            match typing {
                Typing::Composing => state.send_composing(&jid).await,
                Typing::Recording => state.send_recording(&jid).await,
                Typing::Paused => state.send_paused(&jid).await,
            }
            .map_err(failed)?;
            Ok(Value::Null)
        }
        ChatOperation::Update { chat, marks, last } => update(client, chat, marks, last.as_ref()).await,
        ChatOperation::Read { chat, messages, last } => {
            let jid = jid(chat)?;
            tell_authors(client, &jid, messages).await?;
            let range = range(&jid, last.as_ref());
            client
                .chat_actions()
                .mark_chat_as_read(&jid, true, range)
                .await
                .map_err(failed)?;
            Ok(Value::Null)
        }
        ChatOperation::Clear { chat, last } => {
            let jid = jid(chat)?;
            let range = range(&jid, last.as_ref());
            client
                .chat_actions()
                .clear_chat(&jid, true, false, range)
                .await
                .map_err(failed)?;
            Ok(Value::Null)
        }
        ChatOperation::Delete { chat, last } => {
            let jid = jid(chat)?;
            let range = range(&jid, last.as_ref());
            client
                .chat_actions()
                .delete_chat(&jid, false, range)
                .await
                .map_err(failed)?;
            Ok(Value::Null)
        }
        ChatOperation::FetchHistory { chat, oldest, count } => {
            let jid = jid(chat)?;
            // Otherwise the answer would be acknowledged unread.
            client.set_skip_history_sync(false);
            let request = client
                .fetch_message_history(
                    &jid,
                    &oldest.key.wa_message_id,
                    oldest.key.from_me,
                    oldest.at.timestamp_millis(),
                    i32::try_from(*count).unwrap_or(i32::MAX),
                )
                .await
                .map_err(failed)?;
            Ok(json!({ "request_id": request }))
        }
    }
}

async fn update(
    client: &Arc<Client>,
    chat: &Address,
    marks: &ChatMarks,
    last: Option<&ChatPoint>,
) -> Result<Value, OperationError> {
    let jid = jid(chat)?;
    let actions = client.chat_actions();
    match marks.archived {
        Some(true) => actions.archive_chat(&jid, range(&jid, last)).await.map_err(failed)?,
        Some(false) => actions.unarchive_chat(&jid, range(&jid, last)).await.map_err(failed)?,
        None => {}
    }
    match marks.pinned {
        Some(true) => actions.pin_chat(&jid).await.map_err(failed)?,
        Some(false) => actions.unpin_chat(&jid).await.map_err(failed)?,
        None => {}
    }
    if let Some(mute) = &marks.muted {
        match mute.until {
            Some(until) if until >= FOREVER => actions.mute_chat(&jid).await,
            // A time that has passed while the command waited: nothing is muted any more.
            Some(until) if until > chrono::Utc::now() => actions.mute_chat_until(&jid, until.timestamp_millis()).await,
            Some(_) | None => actions.unmute_chat(&jid).await,
        }
        .map_err(failed)?;
    }
    if let Some(unread) = marks.marked_unread {
        let range = range(&jid, last);
        actions.mark_chat_as_read(&jid, !unread, range).await.map_err(failed)?;
    }
    if let Some(seconds) = marks.ephemeral {
        if jid.is_group() {
            client.groups().set_ephemeral(jid, seconds).await.map_err(failed)?;
        } else {
            client.set_chat_disappearing_timer(jid, seconds).await.map_err(failed)?;
        }
    }
    Ok(Value::Null)
}

/// Tells every author which of their messages were read. In a group a receipt names one author.
async fn tell_authors(client: &Arc<Client>, chat: &Jid, messages: &[MessageKey]) -> Result<(), OperationError> {
    let mut by_author: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for key in messages {
        let author = key.author.as_deref().filter(|_| chat.is_group());
        by_author.entry(author).or_default().push(&key.wa_message_id);
    }
    for (author, ids) in by_author {
        let author = author.and_then(|author| author.parse::<Jid>().ok());
        client.mark_as_read(chat, author.as_ref(), &ids).await.map_err(failed)?;
    }
    Ok(())
}

/// Up to which message an action is meant.
fn range(chat: &Jid, last: Option<&ChatPoint>) -> Option<SyncActionMessageRange> {
    let last = last?;
    let at = last.at.timestamp();
    let author = last
        .key
        .author
        .as_deref()
        .filter(|_| chat.is_group() && !last.key.from_me);
    let author = author.and_then(|author| author.parse::<Jid>().ok());
    let key = message_key(last.key.wa_message_id.clone(), chat, last.key.from_me, author.as_ref());
    Some(message_range(at, None, vec![(key, at)]))
}
