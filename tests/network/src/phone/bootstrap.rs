//! What a phone sends to a companion that logs in for the first time: the app-state key and the history.
//!
//! Without the key whatsapp-rust never finishes its first login when there is app state to read (src/client/node_io.rs:1324);
//! without the history Baileys holds its events back for 20 seconds (Socket/chats.ts:1375-1430).

use std::io::Write as _;
use std::sync::Arc;

use buffa::{Message as _, MessageField};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use wacore_binary::Jid;
use waproto::whatsapp::history_sync::HistorySyncType;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId, AppStateSyncKeyShare,
    HistorySyncNotification, HistorySyncType as NotificationType, ProtocolMessage,
};
use waproto::whatsapp::{HistorySync, Message};

use super::outbox::Sent;
use super::{Held, send};
use crate::accounts::{Account, Spelling};
use crate::app_state;
use crate::network::Network;

/// Sends keys and history to a companion a moment later, or when the phone is online again.
pub fn schedule(network: &Arc<Network>, account: &Arc<Account>, device: u16) {
    if !account.state().has_phone || super::hold_while_offline(network, account, Held::Bootstrap(device)).is_none() {
        return;
    }
    let account = Arc::clone(account);
    network.phone_clock.later(move |network| {
        send_to_peer(network, &account, device, key_share(network, &account));
        let history = account.phone().history.clone();
        for part in history.for_new_companion(network, &account) {
            send_to_peer(network, &account, device, history_message(&part, None));
        }
    });
}

/// Sends something to one own companion that is not part of any chat.
pub fn send_to_peer(network: &Arc<Network>, account: &Arc<Account>, device: u16, message: Message) {
    let sent = Sent {
        id: network.next_message_id(),
        chat: account.jid(Spelling::Number, 0),
        message: Box::new(message),
        kind: "text",
        edit: None,
        peer: true,
    };
    let to: Jid = account.jid(Spelling::Number, device);
    send::dispatch(network, account, &sent, &[to]);
}

/// The account's app-state key. whatsapp-rust requires the fingerprint (src/message/special.rs:76-89).
pub fn key_share(network: &Network, account: &Account) -> Message {
    let key = app_state::phone::key(&network.seed, account);
    let device_indexes: Vec<u32> = {
        let state = account.state();
        std::iter::once(0)
            .chain(state.devices.iter().map(|device| device.key_index))
            .collect()
    };
    let shared = AppStateSyncKey {
        key_id: MessageField::some(AppStateSyncKeyId {
            key_id: Some(key.id.to_vec()),
        }),
        key_data: MessageField::some(AppStateSyncKeyData {
            key_data: Some(key.bytes.to_vec()),
            fingerprint: MessageField::some(AppStateSyncKeyFingerprint {
                raw_id: Some(account.raw_id),
                current_index: device_indexes.last().copied(),
                device_indexes,
            }),
            timestamp: Some(i64::try_from(crate::clock::unix_milliseconds()).unwrap_or(i64::MAX)),
        }),
    };
    protocol(ProtocolMessage {
        r#type: Some(ProtocolType::APP_STATE_SYNC_KEY_SHARE),
        app_state_sync_key_share: MessageField::some(AppStateSyncKeyShare { keys: vec![shared] }),
        ..Default::default()
    })
}

/// A part of the history as a message to a companion; `request` names the companion's request that it answers.
///
/// The part always rides inside the message, whatever its size: both clients read it there whatever its kind
/// (Baileys Utils/history.ts:142-155; whatsapp-rust src/history_sync.rs:306-309).
pub fn history_message(part: &HistorySync, request: Option<&str>) -> Message {
    let bytes = part.encode_to_vec();
    protocol(ProtocolMessage {
        r#type: Some(ProtocolType::HISTORY_SYNC_NOTIFICATION),
        history_sync_notification: MessageField::some(HistorySyncNotification {
            sync_type: Some(notification_type(part.sync_type)),
            chunk_order: part.chunk_order,
            progress: part.progress,
            initial_hist_bootstrap_inline_payload: Some(compress(&bytes)),
            peer_data_request_session_id: request.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn notification_type(kind: HistorySyncType) -> NotificationType {
    match kind {
        HistorySyncType::INITIAL_BOOTSTRAP => NotificationType::INITIAL_BOOTSTRAP,
        HistorySyncType::INITIAL_STATUS_V3 => NotificationType::INITIAL_STATUS_V3,
        HistorySyncType::FULL => NotificationType::FULL,
        HistorySyncType::RECENT => NotificationType::RECENT,
        HistorySyncType::PUSH_NAME => NotificationType::PUSH_NAME,
        HistorySyncType::NON_BLOCKING_DATA => NotificationType::NON_BLOCKING_DATA,
        HistorySyncType::ON_DEMAND => NotificationType::ON_DEMAND,
    }
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("invariant: writing to memory cannot fail")
}

fn protocol(message: ProtocolMessage) -> Message {
    Message {
        protocol_message: MessageField::some(message),
        ..Default::default()
    }
}
