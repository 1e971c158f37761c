//! What a phone sends to a companion that logs in for the first time: the app-state key and the history.
//!
//! Without the key whatsapp-rust never finishes its first login when there is app state to read (src/client/node_io.rs:1324);
//! without the history Baileys holds its events back for 20 seconds (Socket/chats.ts:1375-1430).

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
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

use super::media::{self, PhoneMediaError};
use super::outbox::Sent;
use super::{Held, send};
use crate::accounts::{Account, Spelling};
use crate::app_state;
use crate::media::cipher::MediaKind;
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
        let parts = history.for_new_companion(network, &account);
        let network = Arc::clone(network);
        tokio::spawn(async move { send_history(&network, &account, device, parts, None).await });
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

/// Sends parts of the history to a companion, in order; `request` names the companion's request that they answer.
pub async fn send_history(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    parts: Vec<HistorySync>,
    request: Option<&str>,
) {
    let inline = account.phone().history.parts.inline;
    for part in parts {
        match history_message(network, account, &part, inline, request).await {
            Ok(message) => send_to_peer(network, account, device, message),
            Err(error) => tracing::warn!(%error, "a part of a history cannot be uploaded"),
        }
    }
}

/// A part of the history as a message. Up to `inline` compressed bytes ride inside it, more go through the media store
/// (Baileys Utils/history.ts:142-155; whatsapp-rust src/history_sync.rs:306-330).
async fn history_message(
    network: &Network,
    account: &Account,
    part: &HistorySync,
    inline: usize,
    request: Option<&str>,
) -> Result<Message, PhoneMediaError> {
    let bytes = compress(&part.encode_to_vec());
    let mut notification = HistorySyncNotification {
        sync_type: Some(notification_type(part.sync_type)),
        chunk_order: part.chunk_order,
        progress: part.progress,
        peer_data_request_session_id: request.map(str::to_owned),
        ..Default::default()
    };
    if bytes.len() <= inline {
        notification.initial_hist_bootstrap_inline_payload = Some(bytes);
    } else {
        let file = media::upload(network, account, MediaKind::History, bytes.into()).await?;
        let decode = |text: &str| BASE64.decode(text).ok();
        notification.file_sha256 = decode(&file.file_sha256);
        notification.file_enc_sha256 = decode(&file.file_enc_sha256);
        notification.media_key = decode(&file.media_key);
        notification.file_length = Some(file.file_length);
        notification.direct_path = Some(file.direct_path);
    }
    Ok(protocol(ProtocolMessage {
        r#type: Some(ProtocolType::HISTORY_SYNC_NOTIFICATION),
        history_sync_notification: MessageField::some(notification),
        ..Default::default()
    }))
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
