//! A phone receives: messages are decrypted and kept, receipts and typing are noted, retries are answered.

use std::sync::Arc;

use wacore_binary::{Jid, JidExt, Node};
use wacore_libsignal::protocol::SignalProtocolError;
use waproto::whatsapp::Message;

use super::inbox::ReceivedMessage;
use super::plaintext::{Content, unpad, unwrap_from_own_device};
use super::signal::CiphertextKind;
use super::{Held, PhoneKeys, group, kinds, media_retry, newsletter, peer, retry};
use crate::accounts::Account;
use crate::messages::receipt;
use crate::messages::shared::is_shared_chat;
use crate::network::Network;
use crate::node::{address, attribute, attribute_is, children, children_of, content};

/// Gives a stanza to an account's phone, if it has one; keeps it while the phone is out of reach.
pub fn deliver(network: &Arc<Network>, account: &Arc<Account>, stanza: Node) {
    if !account.state().has_phone {
        return;
    }
    let Some(Held::Incoming(stanza)) = super::hold_while_offline(network, account, Held::Incoming(stanza)) else {
        return;
    };
    match stanza.tag.as_ref() {
        "message" => message(network, account, &stanza),
        "receipt" if attribute_is(&stanza, "type", "retry") => retry::requested(network, account, stanza),
        "receipt" if attribute_is(&stanza, "type", "server-error") => media_retry::asked(network, account, stanza),
        "receipt" => note_receipt(account, &stanza),
        "chatstate" => note_typing(account, &stanza),
        _ => {}
    }
}

fn note_receipt(account: &Account, stanza: &Node) {
    let kind = attribute(stanza, "type");
    let kind = kind.as_deref().unwrap_or("delivered");
    let from = author_of(stanza);
    let mut phone = account.phone();
    for id in receipt::identifiers(stanza) {
        phone.inbox.add_receipt(id, from.to_string(), kind.to_owned());
    }
}

/// Who a stanza is from: in a chat with many, the one who wrote.
fn author_of(stanza: &Node) -> std::borrow::Cow<'_, str> {
    let participant = attribute(stanza, "participant");
    participant.or_else(|| attribute(stanza, "from")).unwrap_or_default()
}

fn note_typing(account: &Account, stanza: &Node) {
    let Some(state) = children(stanza).first() else {
        return;
    };
    let recording = attribute_is(state, "media", "audio");
    let state = if recording { "recording" } else { state.tag.as_ref() };
    let from = author_of(stanza);
    account.phone().inbox.add_typing(from.into_owned(), state.to_owned());
}

/// The sender of a message that a phone received.
pub(super) struct Sender {
    /// The person.
    pub(super) account: Arc<Account>,
    /// The device, as it was spelled.
    pub(super) jid: Jid,
}

fn message(network: &Arc<Network>, account: &Arc<Account>, stanza: &Node) {
    let Some(jid) = address(stanza, "from") else {
        return;
    };
    if jid.is_newsletter() {
        newsletter::received(account, stanza, &jid);
        return;
    }
    if is_shared_chat(&jid) {
        group::received(network, account, stanza, &jid);
        return;
    }
    let Some(sender) = network.accounts.find(&jid).map(|account| Sender { account, jid }) else {
        return;
    };
    for enc in children_of(stanza, "enc") {
        let kind = attribute(enc, "type");
        let Some((kind, bytes)) = kind.as_deref().and_then(CiphertextKind::parse).zip(content(enc)) else {
            continue;
        };
        match decrypt(network, account, &sender, kind, bytes) {
            Ok(Some(message)) => read(network, account, &sender, stanza, message),
            Ok(None) => tracing::warn!("a phone decrypted something that is not a message"),
            // The sender repeated itself; it was read the first time.
            Err(SignalProtocolError::DuplicatedMessage(..)) => {}
            Err(error) => {
                tracing::debug!(%error, "a phone cannot read a message and asks again");
                retry::ask_again(network, account, &sender.jid, stanza);
            }
        }
    }
}

fn decrypt(
    network: &Network,
    account: &Account,
    sender: &Sender,
    kind: CiphertextKind,
    bytes: &[u8],
) -> Result<Option<Message>, SignalProtocolError> {
    let keys = PhoneKeys::of(&network.seed, account);
    let device = sender.account.device_address(sender.jid.device);
    let plaintext = account.phone().signal.decrypt(&keys, device, kind, bytes)?;
    Ok(unpad(&plaintext))
}

fn read(network: &Arc<Network>, account: &Arc<Account>, sender: &Sender, stanza: &Node, message: Message) {
    let own = sender.account.number == account.number;
    // Baileys wraps also what is for its own phone only (Socket/messages-send.ts, `createParticipantNodes`).
    let (destination, message) = unwrap_from_own_device(message);
    if own && attribute_is(stanza, "category", "peer") {
        peer::requested(network, account, sender.jid.device, stanza, message);
        return;
    }
    let chat = destination.filter(|_| own).unwrap_or_else(|| sender.jid.to_non_ad());
    keep(account, sender, stanza, &chat, own, &message);
    if !own {
        acknowledge(network, account, &sender.jid, stanza);
    }
}

/// Puts a message into the inbox.
pub(super) fn keep(account: &Account, sender: &Sender, stanza: &Node, chat: &Jid, from_me: bool, message: &Message) {
    let id = attribute(stanza, "id").unwrap_or_default().into_owned();
    let (kind, text, target) = match Content::of(message) {
        None | Some(Content::Message(_)) => (kinds::name(message), None, None),
        Some(content) => {
            let kind = content.name();
            match content {
                Content::Text(text) => (kind, Some(text), None),
                Content::Reaction { id, emoji, .. } => (kind, Some(emoji), Some(id)),
                Content::Edit { id, text } => (kind, Some(text), Some(id)),
                Content::Revoke { id } => (kind, None, Some(id)),
                Content::Message(_) => (kind, None, None),
            }
        }
    };
    let mut phone = account.phone();
    let retries = phone.asked_again.remove(&id).unwrap_or(0);
    phone.inbox.add_message(ReceivedMessage {
        cursor: 0,
        id,
        from: sender.jid.to_string(),
        from_phone: sender.account.number.to_string(),
        from_lid: sender.account.lid.to_string(),
        chat: chat.to_string(),
        from_me,
        kind,
        text,
        target,
        stanza_type: attribute(stanza, "type").unwrap_or_default().into_owned(),
        timestamp: attribute(stanza, "t").and_then(|t| t.parse().ok()).unwrap_or(0),
        retries,
        encoded: buffa::Message::encode_to_vec(message),
        sender: sender.jid.clone(),
    });
}

/// Tells the author that the message has arrived, a moment later.
fn acknowledge(network: &Arc<Network>, account: &Arc<Account>, to: &Jid, stanza: &Node) {
    let id = attribute(stanza, "id").filter(|_| !network.config.silent_phones);
    let Some(id) = id.map(std::borrow::Cow::into_owned) else {
        return;
    };
    let (account, to) = (Arc::clone(account), to.clone());
    network
        .phone_clock
        .later(move |network| receipt::forward(network, &account, 0, &to, &[id], None));
}
