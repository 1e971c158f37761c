//! What companions ask their own phone for: the app-state key, messages that they could not read, and older history.
//!
//! Sources: Baileys Socket/messages-recv.ts, `requestPlaceholderResend` and `fetchMessageHistory`; whatsapp-rust src/pdo.rs.

use std::sync::Arc;

use buffa::{Message as _, MessageField};
use wacore_binary::Node;
use waproto::whatsapp::message::peer_data_operation_request_message::HistorySyncOnDemandRequest;
use waproto::whatsapp::message::peer_data_operation_request_response_message::PeerDataOperationResult;
use waproto::whatsapp::message::peer_data_operation_request_response_message::peer_data_operation_result::PlaceholderMessageResendResponse;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp::message::{
    PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage, PeerDataOperationRequestType,
    ProtocolMessage,
};
use waproto::whatsapp::{Message, MessageKey, WebMessageInfo};

use super::bootstrap::{key_share, send_history, send_to_peer};
use crate::accounts::Account;
use crate::network::Network;
use crate::node::attribute;

/// Answers a companion's request a moment later. A request for the history of a chat that the phone does not have stays
/// without an answer.
pub fn requested(network: &Arc<Network>, account: &Arc<Account>, device: u16, stanza: &Node, message: Message) {
    let Some(protocol) = message.protocol_message.into_option() else {
        return;
    };
    let answer = if protocol.app_state_sync_key_request.is_set() {
        Some(key_share(network, account))
    } else {
        let id = attribute(stanza, "id").unwrap_or_default();
        let request = protocol.peer_data_operation_request_message.into_option();
        request.and_then(|request| match request.history_sync_on_demand_request.as_option() {
            Some(wanted) => {
                older_history(network, account, device, &id, wanted);
                None
            }
            None => resend(account, &id, &request),
        })
    };
    let Some(answer) = answer else {
        return;
    };
    let account = Arc::clone(account);
    network
        .phone_clock
        .later(move |network| send_to_peer(network, &account, device, answer));
}

/// Sends the messages of a chat before the oldest one that the companion has, a moment later.
fn older_history(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    request_id: &str,
    wanted: &HistorySyncOnDemandRequest,
) {
    let history = account.phone().history.clone();
    let Some(part) = history.on_demand(network, wanted) else {
        return;
    };
    let (account, request_id) = (Arc::clone(account), request_id.to_owned());
    network.phone_clock.later(move |network| {
        let network = Arc::clone(network);
        tokio::spawn(async move { send_history(&network, &account, device, vec![part], Some(&request_id)).await });
    });
}

/// The messages that the companion could not read, as far as the phone has them.
fn resend(account: &Account, request_id: &str, request: &PeerDataOperationRequestMessage) -> Option<Message> {
    let wanted = &request.placeholder_message_resend_request;
    let results: Vec<PeerDataOperationResult> = wanted
        .iter()
        .filter_map(|wanted| wanted.message_key.as_option())
        .filter_map(|key| found(account, key))
        .map(|info| PeerDataOperationResult {
            placeholder_message_resend_response: MessageField::some(PlaceholderMessageResendResponse {
                web_message_info_bytes: Some(info.encode_to_vec()),
            }),
            ..Default::default()
        })
        .collect();
    if results.is_empty() {
        return None;
    }
    Some(Message {
        protocol_message: MessageField::some(ProtocolMessage {
            r#type: Some(ProtocolType::PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE),
            peer_data_operation_request_response_message: MessageField::some(PeerDataOperationRequestResponseMessage {
                peer_data_operation_request_type: Some(PeerDataOperationRequestType::PLACEHOLDER_MESSAGE_RESEND),
                stanza_id: Some(request_id.to_owned()),
                peer_data_operation_result: results,
            }),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn found(account: &Account, key: &MessageKey) -> Option<WebMessageInfo> {
    let phone = account.phone();
    let received = phone.inbox.message(key.id.as_deref()?)?;
    Some(WebMessageInfo {
        key: MessageField::some(key.clone()),
        message: MessageField::some(Message::decode_from_slice(&received.encoded).ok()?),
        message_timestamp: Some(received.timestamp),
        ..Default::default()
    })
}
