//! What the account's other devices do with chats: archive, pin, mute, read, clear, delete.
//!
//! They tell it as app-state mutations (wacore/src/types/events.rs: `ArchiveUpdate` and its neighbours), reading also by receipts, and the timer of
//! disappearing messages by a message of its own.

use chrono::{DateTime, Utc};
use shared::chat::FOREVER;
use shared::store::read_model::ChatState;
use wacore::types::events::Event;
use wacore::types::message::MessageInfo;
use wacore::types::presence::ReceiptType;
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;
use whatsapp_rust::store::persistence_manager::PersistenceManager;

use super::super::foreign::foreign;
use super::{chat, person};
use crate::engine::{ChatEvent, EngineEvent};

/// Until when a chat is muted: WhatsApp counts in milliseconds, and -1 means for ever.
pub(super) fn muted_until(millis: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp_millis(millis) {
        Some(until) if millis > 0 => until.min(FOREVER),
        _ => FOREVER,
    }
}

/// What a mutation of the app state says about a chat; `None` for other events.
pub(super) fn of(event: &Event) -> Option<EngineEvent> {
    let (jid, state, at, silent) = match event {
        Event::ArchiveUpdate(update) => (
            &update.jid,
            ChatState::Archived(update.action.archived.unwrap_or_default()),
            update.timestamp,
            update.from_full_sync,
        ),
        Event::PinUpdate(update) => (
            &update.jid,
            ChatState::Pinned(update.action.pinned.unwrap_or_default().then_some(update.timestamp)),
            update.timestamp,
            update.from_full_sync,
        ),
        Event::MuteUpdate(update) => {
            let until = muted_until(update.action.mute_end_timestamp.unwrap_or(-1));
            (
                &update.jid,
                ChatState::Muted(update.action.muted.unwrap_or_default().then_some(until)),
                update.timestamp,
                update.from_full_sync,
            )
        }
        Event::MarkChatAsReadUpdate(update) => (
            &update.jid,
            if update.action.read.unwrap_or_default() {
                ChatState::Read
            } else {
                ChatState::MarkedUnread(true)
            },
            update.timestamp,
            update.from_full_sync,
        ),
        Event::ClearChatUpdate(update) => (&update.jid, ChatState::Cleared, update.timestamp, update.from_full_sync),
        Event::DeleteChatUpdate(update) => (&update.jid, ChatState::Deleted, update.timestamp, update.from_full_sync),
        _ => return None,
    };
    Some(EngineEvent::Chat(ChatEvent {
        chat: person(jid, None)?,
        state,
        at,
        silent,
    }))
}

/// What another device of the account has read. The library names the chat only where the receipt comes from it; WhatsApp's server sends it from the
/// account itself, and then the messages tell the chat.
pub(super) fn read_elsewhere(
    report: &wacore::types::events::Receipt,
    persistence: &PersistenceManager,
) -> Option<EngineEvent> {
    let own = {
        let device = persistence.get_device_snapshot();
        let is = |own: &Option<Jid>| {
            own.as_ref()
                .is_some_and(|own| own.user == report.source.sender.user && own.server == report.source.sender.server)
        };
        is(&device.pn) || is(&device.lid)
    };
    match report.r#type {
        ReceiptType::ReadSelf => {}
        ReceiptType::Read if own => {}
        _ => return None,
    }
    let ids: Vec<String> = report.message_ids.iter().map(|id| foreign(id)).collect();
    Some(EngineEvent::ReadElsewhere {
        chat: if own { None } else { person(&report.source.chat, None) },
        wa_message_ids: ids,
        at: report.timestamp,
    })
}

/// A new timer for disappearing messages (waproto: `ProtocolMessage.Type.EPHEMERAL_SETTING`).
pub(super) fn timer(message: &wa::Message, info: &MessageInfo) -> Option<EngineEvent> {
    let protocol = message.protocol_message.as_option()?;
    if protocol.r#type != Some(wa::message::protocol_message::Type::EPHEMERAL_SETTING) {
        return None;
    }
    Some(EngineEvent::Chat(ChatEvent {
        chat: chat(&info.source)?,
        state: ChatState::Ephemeral(protocol.ephemeral_expiration.unwrap_or_default()),
        at: info.timestamp,
        silent: false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn muted_for_ever_is_minus_one() {
        assert_eq!(muted_until(-1), FOREVER);
        assert_eq!(muted_until(i64::MAX), FOREVER);
        assert_eq!(
            muted_until(1_795_167_000_000),
            DateTime::from_timestamp(1_795_167_000, 0).unwrap()
        );
    }
}
