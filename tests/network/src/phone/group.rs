//! A phone in chats with many readers: groups, and status.
//!
//! It writes under a sender key of its own, which it gives to every device that lacks it, each time over the session with
//! that device; what it reads comes under the keys of others.

use std::sync::Arc;

use buffa::{Message as _, MessageField};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use wacore_libsignal::protocol::SignalProtocolError;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::SenderKeyDistributionMessage;

use super::outbox::Sent;
use super::plaintext::{Content, pad, unpad, unwrap_from_own_device};
use super::receive::{self, Sender};
use super::send::{self, Order};
use super::signal::{CiphertextKind, Outcome};
use super::{Phone, PhoneKeys, retry};
use crate::accounts::{Account, DeviceAddress, Spelling};
use crate::groups;
use crate::messages::fanout::Part;
use crate::messages::receipt;
use crate::messages::shared::{self, Audience, SharedMessage};
use crate::network::Network;
use crate::node::{address, attribute, children_of, content};
use crate::status;

/// The `edit` of a message that an admin takes back for somebody else (wacore src/types/message.rs, `EditAttribute`).
const ADMIN_REVOKE: &str = "8";

/// Whether a phone may send to this chat.
pub fn may_send(network: &Network, account: &Account, chat: &Jid) -> bool {
    status::is_status(chat) || groups::messages::may_send(network, chat, account)
}

/// How members are addressed in a chat, and who is in it: the members of a group, or whom this phone's status is for.
fn chat_of(network: &Network, account: &Arc<Account>, chat: &Jid) -> Option<(Spelling, Vec<Arc<Account>>)> {
    if status::is_status(chat) {
        let mut people = account.phone().status_audience.clone();
        people.push(Arc::clone(account));
        return Some((Spelling::Lid, people));
    }
    groups::messages::members_of(network, chat)
}

/// Encrypts and hands out what a phone was told to send to a chat.
pub fn carry_out(network: &Arc<Network>, account: &Arc<Account>, order: &Order) {
    let Some((spelling, people)) = chat_of(network, account, &order.to) else {
        return;
    };
    let (message, edit, author) = write(account, order);
    let sent = Sent {
        id: order.id.clone(),
        chat: order.to.clone(),
        message: Box::new(message),
        kind: order.content.stanza_type(),
        edit,
        peer: false,
    };
    // A reaction to a status is for its author alone.
    let to_author = author.filter(|_| status::is_status(&order.to) && sent.kind == "reaction");
    if let Some(author) = to_author.and_then(|author| network.accounts.find(&author)) {
        send_to_author(network, account, &sent, &author);
        return;
    }
    let devices = devices_of(account, &people, spelling);
    let Some((parts, enc)) = encrypt(network, account, &sent, &devices) else {
        tracing::warn!("a phone cannot encrypt for a chat");
        return;
    };
    hand_out(
        network,
        account,
        &sent,
        parts,
        Some(enc),
        spelling,
        Audience::People(people),
    );
}

/// The message; for what is about somebody else's message, with its author.
fn write(account: &Account, order: &Order) -> (Message, Option<&'static str>, Option<Jid>) {
    let mut message = order.content.to_message(&order.to);
    let mut edit = order.content.edit_attribute();
    let (Content::Reaction { id: target, .. } | Content::Revoke { id: target }) = &order.content else {
        return (message, edit, None);
    };
    let phone = account.phone();
    let Some(received) = phone.inbox.message(target).filter(|received| !received.from_me) else {
        return (message, edit, None);
    };
    let author = received.sender.to_non_ad();
    let key = if let Some(reaction) = message.reaction_message.as_option_mut() {
        reaction.key.as_option_mut()
    } else {
        edit = Some(ADMIN_REVOKE);
        let protocol = message.protocol_message.as_option_mut();
        protocol.and_then(|protocol| protocol.key.as_option_mut())
    };
    if let Some(key) = key {
        key.from_me = Some(false);
        key.participant = Some(author.to_string());
    }
    (message, edit, Some(author))
}

fn send_to_author(network: &Arc<Network>, account: &Arc<Account>, sent: &Sent, author: &Arc<Account>) {
    let people = [Arc::clone(author), Arc::clone(account)];
    let parts = {
        let keys = PhoneKeys::of(&network.seed, account);
        let mut phone = account.phone();
        phone.outbox.add(sent.clone());
        let devices = devices_of(account, &people, Spelling::Lid);
        let encrypted = devices.into_iter().filter_map(|to| {
            let enc = send::encrypt(network, account, &mut phone, &keys, sent, &to)?;
            Some(Part {
                to,
                encrypted: vec![enc],
            })
        });
        encrypted.collect()
    };
    let audience = Audience::People(people.to_vec());
    hand_out(network, account, sent, parts, None, Spelling::Lid, audience);
}

/// All devices of these people except this phone.
fn devices_of(own: &Account, people: &[Arc<Account>], spelling: Spelling) -> Vec<Jid> {
    let mut devices = Vec::new();
    for person in people {
        let state = person.state();
        devices.extend(state.devices.iter().map(|device| person.jid(spelling, device.id)));
        if state.has_phone && person.number != own.number {
            devices.push(person.jid(spelling, 0));
        }
    }
    devices
}

/// The ciphertext for all, and the key for each device that lacks it.
fn encrypt(network: &Network, account: &Account, sent: &Sent, devices: &[Jid]) -> Option<(Vec<Part>, Node)> {
    let keys = PhoneKeys::of(&network.seed, account);
    let (chat, own) = (sent.chat.to_string(), account.device_address(0));
    let addresses: Vec<(DeviceAddress, &Jid)> = devices
        .iter()
        .filter_map(|jid| Some((network.accounts.find(jid)?.device_address(jid.device), jid)))
        .collect();
    let present: Vec<DeviceAddress> = addresses.iter().map(|(device, _)| *device).collect();
    let mut phone = account.phone();
    let lacking = phone.sender_keys.lacking(&chat, own, &present);
    let distribution = Sent {
        message: Box::new(with_key(&mut phone, &sent.chat, own, Message::default()).ok()?),
        // Not wrapped for own devices: the key is for them as for all others.
        peer: true,
        ..sent.clone()
    };
    let mut parts = Vec::new();
    for (device, jid) in addresses.iter().filter(|(device, _)| lacking.contains(device)) {
        if let Some(enc) = send::encrypt(network, account, &mut phone, &keys, &distribution, jid) {
            phone.sender_keys.given(&chat, *device);
            parts.push(Part {
                to: (*jid).clone(),
                encrypted: vec![enc],
            });
        }
    }
    let bytes = phone.sender_keys.encrypt(&chat, own, &pad(&sent.message)).ok()?;
    phone.outbox.add(sent.clone());
    let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", "skmsg");
    Some((parts, enc.bytes(bytes).build()))
}

/// A message together with the key that a reader needs for all others.
pub fn with_key(phone: &mut Phone, chat: &Jid, own: DeviceAddress, message: Message) -> Outcome<Message> {
    let text = chat.to_string();
    let key = phone.sender_keys.distribution(&text, own)?;
    Ok(Message {
        sender_key_distribution_message: MessageField::some(SenderKeyDistributionMessage {
            group_id: Some(text),
            axolotl_sender_key_distribution_message: Some(key),
        }),
        ..message
    })
}

fn hand_out(
    network: &Arc<Network>,
    account: &Arc<Account>,
    sent: &Sent,
    parts: Vec<Part>,
    enc: Option<Node>,
    spelling: Spelling,
    audience: Audience,
) {
    let is_status = status::is_status(&sent.chat);
    let message = SharedMessage {
        envelope: send::envelope(account, sent, parts, false),
        spelling,
        names_mode: !is_status,
        shared: enc,
    };
    if is_status {
        shared::deliver(network, &message, &audience);
        return;
    }
    let only = match audience {
        // Members may have come or gone meanwhile; the group knows.
        Audience::People(_) => None,
        Audience::Devices(_) => Some(audience),
    };
    if !groups::messages::from_phone(network, &message, only) {
        tracing::debug!("a phone may no longer send to a group");
    }
}

/// Hands a message that was encrypted anew to the device that asked for it.
pub fn send_again(network: &Arc<Network>, account: &Arc<Account>, sent: &Sent, asker: &Jid, enc: Node) {
    let Some((device, spelling)) = network
        .accounts
        .find(asker)
        .map(|person| person.device_address(asker.device))
        .zip(Spelling::of(asker))
    else {
        return;
    };
    let parts = vec![Part {
        to: asker.clone(),
        encrypted: vec![enc],
    }];
    let audience = Audience::Devices(vec![device]);
    hand_out(network, account, sent, parts, None, spelling, audience);
}

/// Reads a message that came to a chat.
pub fn received(network: &Arc<Network>, account: &Arc<Account>, stanza: &Node, chat: &Jid) {
    let Some(jid) = address(stanza, "participant") else {
        return;
    };
    let Some(sender) = network.accounts.find(&jid).map(|account| Sender { account, jid }) else {
        return;
    };
    for enc in children_of(stanza, "enc") {
        match decrypt(network, account, &sender, chat, enc) {
            Ok(Some(message)) => read(network, account, &sender, stanza, chat, message),
            Ok(None) => tracing::warn!("a phone decrypted something that is not a message"),
            Err(SignalProtocolError::DuplicatedMessage(..)) => {}
            Err(error) => {
                tracing::debug!(%error, "a phone cannot read a message in a group and asks again");
                retry::ask_again(network, account, &sender.jid, stanza);
                return;
            }
        }
    }
}

fn decrypt(
    network: &Network,
    account: &Account,
    sender: &Sender,
    chat: &Jid,
    enc: &Node,
) -> Result<Option<Message>, SignalProtocolError> {
    let (kind, bytes) = (
        attribute(enc, "type").unwrap_or_default(),
        content(enc).unwrap_or_default(),
    );
    let device = sender.account.device_address(sender.jid.device);
    let keys = PhoneKeys::of(&network.seed, account);
    let mut phone = account.phone();
    let plaintext = match CiphertextKind::parse(&kind) {
        Some(kind) => phone.signal.decrypt(&keys, device, kind, bytes)?,
        None => phone.sender_keys.decrypt(&chat.to_string(), device, bytes)?,
    };
    let message = unpad(&plaintext);
    let key = message
        .as_ref()
        .and_then(|message| message.sender_key_distribution_message.as_option())
        .and_then(|key| key.axolotl_sender_key_distribution_message.as_deref());
    if let Some(key) = key {
        phone.sender_keys.learn(&chat.to_string(), device, key)?;
    }
    Ok(message)
}

fn read(
    network: &Arc<Network>,
    account: &Arc<Account>,
    sender: &Sender,
    stanza: &Node,
    chat: &Jid,
    mut message: Message,
) {
    message.sender_key_distribution_message = MessageField::none();
    let only_context = Message {
        message_context_info: MessageField::none(),
        ..message.clone()
    };
    if only_context.encode_to_vec().is_empty() {
        return;
    }
    let own = sender.account.number == account.number;
    let (_, message) = unwrap_from_own_device(message);
    receive::keep(account, sender, stanza, chat, own, &message);
    if !own {
        acknowledge(network, account, sender, stanza, chat);
    }
}

/// Tells the author that the message has arrived, a moment later.
fn acknowledge(network: &Arc<Network>, account: &Arc<Account>, sender: &Sender, stanza: &Node, chat: &Jid) {
    let id = attribute(stanza, "id").filter(|_| !network.config.silent_phones);
    let Some(id) = id.map(std::borrow::Cow::into_owned) else {
        return;
    };
    let (account, chat, author) = (Arc::clone(account), chat.clone(), sender.jid.clone());
    network.phone_clock.later(move |network| {
        receipt::forward_in_chat(network, &account, 0, &chat, Some(&author), &[id], None);
    });
}
