//! A phone sends: end-to-end encrypted to every device of the receiver and to the sender's own companions.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp::Message;

use super::outbox::Sent;
use super::plaintext::{Content, pad, wrap_for_own_devices};
use super::{Held, Phone, PhoneKeys, group, kinds, newsletter};
use crate::accounts::{Account, Spelling};
use crate::messages::fanout::{self, Envelope, Part};
use crate::messages::shared::is_shared_chat;
use crate::network::Network;
use crate::newsletters::NewsletterId;
use crate::people::tokens;
use crate::prekeys;

/// What a phone is told to send.
pub struct Order {
    /// The message's identifier.
    pub id: String,
    /// To whom.
    pub to: Jid,
    /// What.
    pub content: Content,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SendError {
    /// Nobody has this address, or it is a group's that the person may not write in.
    #[error("nobody on this network has the address {0}, or it is closed to this person")]
    Nobody(String),
    /// The account has no phone.
    #[error("this account has no phone")]
    NoPhone,
}

/// Sends, or keeps it until the phone is online; answers with the message's identifier.
///
/// # Errors
/// The receiver does not exist, or the account has no phone.
pub fn send(network: &Arc<Network>, account: &Arc<Account>, to: &Jid, content: Content) -> Result<String, SendError> {
    if !account.state().has_phone {
        return Err(SendError::NoPhone);
    }
    if !can_reach(network, account, to) {
        return Err(SendError::Nobody(to.to_string()));
    }
    let id = network.next_message_id();
    let order = Order {
        id: id.clone(),
        to: to.to_non_ad(),
        content,
    };
    if let Some(Held::Outgoing(order)) = super::hold_while_offline(network, account, Held::Outgoing(order)) {
        carry_out(network, account, &order);
    }
    Ok(id)
}

/// A person, a chat that the phone may write in, or a newsletter of its own.
fn can_reach(network: &Network, account: &Account, to: &Jid) -> bool {
    network.accounts.find(to).is_some()
        || group::may_send(network, account, to)
        || newsletter::may_write(network, account, to)
}

/// Encrypts and hands out what was ordered.
pub fn carry_out(network: &Arc<Network>, account: &Arc<Account>, order: &Order) {
    if let Some(id) = NewsletterId::of(&order.to) {
        newsletter::carry_out(network, account, id, order);
        return;
    }
    if is_shared_chat(&order.to) {
        group::carry_out(network, account, order);
        return;
    }
    let Some((receiver, spelling)) = network.accounts.find(&order.to).zip(Spelling::of(&order.to)) else {
        return;
    };
    let sent = Sent {
        id: order.id.clone(),
        chat: order.to.clone(),
        message: Box::new(order.content.to_message(&order.to)),
        kind: order.content.stanza_type(),
        edit: order.content.edit_attribute(),
        peer: false,
    };
    tokens::issue_from_phone(network, account, &receiver);
    let mut devices = companions(account, spelling);
    if receiver.number != account.number {
        devices.extend(companions(&receiver, spelling));
        if receiver.state().has_phone {
            devices.push(receiver.jid(spelling, 0));
        }
    }
    dispatch(network, account, &sent, &devices);
}

/// Encrypts a message for some devices, keeps it, and hands it out.
pub fn dispatch(network: &Arc<Network>, account: &Arc<Account>, sent: &Sent, devices: &[Jid]) {
    let parts = {
        let keys = PhoneKeys::of(&network.seed, account);
        let mut phone = account.phone();
        let parts = devices
            .iter()
            .filter_map(|device| {
                let enc = encrypt(network, account, &mut phone, &keys, sent, device)?;
                Some(Part {
                    to: device.clone(),
                    encrypted: vec![enc],
                })
            })
            .collect();
        phone.outbox.add(sent.clone());
        parts
    };
    fanout::deliver(network, &envelope(account, sent, parts, false));
}

/// The envelope of something that a phone sends.
pub fn envelope(account: &Arc<Account>, sent: &Sent, parts: Vec<Part>, targeted: bool) -> Envelope {
    Envelope {
        author: Arc::clone(account),
        author_device: 0,
        author_name: account.state().name.clone(),
        id: sent.id.clone(),
        chat: sent.chat.clone(),
        kind: sent.kind.to_owned(),
        edit: sent.edit.map(str::to_owned),
        category: sent.peer.then(|| "peer".to_owned()),
        parts,
        targeted,
        // A phone's identity needs no proof: it is the account's.
        signed_identity: None,
        accompanying: kinds::meta(&sent.message).into_iter().collect(),
    }
}

fn companions(account: &Account, spelling: Spelling) -> Vec<Jid> {
    let state = account.state();
    state
        .devices
        .iter()
        .map(|device| account.jid(spelling, device.id))
        .collect()
}

/// The `<enc>` for one device; opens a session from the device's published keys if there is none. `None` when that fails.
pub fn encrypt(
    network: &Network,
    account: &Account,
    phone: &mut Phone,
    keys: &PhoneKeys,
    sent: &Sent,
    to: &Jid,
) -> Option<Node> {
    let receiver = network.accounts.find(to)?;
    let device = receiver.device_address(to.device);
    if !phone.signal.has_session(device) {
        let bundle = prekeys::take_bundle(network, to)?;
        phone.signal.open(keys, device, &bundle).ok()?;
    }
    let own_device = receiver.number == account.number && !sent.peer;
    let message: Message = if own_device {
        wrap_for_own_devices((*sent.message).clone(), &sent.chat)
    } else {
        (*sent.message).clone()
    };
    match phone.signal.encrypt(keys, device, &pad(&message)) {
        Ok((kind, bytes)) => {
            let mut enc = NodeBuilder::new("enc").attr("v", "2").attr("type", kind.name());
            if let Some(media_type) = kinds::media_type(&sent.message) {
                enc = enc.attr("mediatype", media_type);
            }
            if kinds::hides_failure(&sent.message) {
                enc = enc.attr("decrypt-fail", "hide");
            }
            Some(enc.bytes(bytes).build())
        }
        Err(error) => {
            tracing::warn!(%error, "a phone cannot encrypt for a device");
            None
        }
    }
}
