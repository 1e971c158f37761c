//! Messages for many: one ciphertext under the sender's key for all devices, and beside it that key for each device that
//! does not have it yet. Groups and status work like this.
//!
//! Each device gets one stanza: first the key that was encrypted for it, then the ciphertext for all, because a client
//! that cannot read the second asks for it again at once. Sources: Baileys Utils/decode-wa-message.ts:106-262; wacore
//! src/messages.rs:1059-1294, src/send/group.rs, src/send/status.rs.

use std::collections::HashMap;
use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::fanout::{Envelope, hand_over};
use crate::accounts::{Account, DeviceAddress, Spelling};
use crate::groups::describe::addressing_mode;
use crate::network::Network;
use crate::node::attribute_is;

/// A message for many on its way.
pub struct SharedMessage {
    /// Who sends it, in which chat, and the ciphertexts for single devices.
    pub envelope: Envelope,
    /// How the sender is addressed in the chat.
    pub spelling: Spelling,
    /// Whether the chat has a mode of addressing: groups have one, status has none.
    pub names_mode: bool,
    /// The ciphertext for all. A message that was encrypted anew for one device has none.
    pub shared: Option<Node>,
}

/// Who gets a message.
pub enum Audience {
    /// All devices of these people, except the sending one.
    People(Vec<Arc<Account>>),
    /// Devices that asked for it again.
    Devices(Vec<DeviceAddress>),
}

/// Hands a message to its audience.
pub fn deliver(network: &Arc<Network>, message: &SharedMessage, audience: &Audience) {
    let mut own_parts: HashMap<DeviceAddress, &[Node]> = HashMap::new();
    for part in &message.envelope.parts {
        if let Some(account) = network.accounts.find(&part.to) {
            own_parts.insert(account.device_address(part.to.device), &part.encrypted);
        }
    }
    let envelope = &message.envelope;
    let author = envelope.author.device_address(envelope.author_device);
    let give = |account: &Arc<Account>, device: DeviceAddress| {
        let own = own_parts.get(&device).copied().unwrap_or_default();
        if device != author
            && let Some(stanza) = stanza(message, own)
        {
            hand_over(network, account, device.device, stanza);
        }
    };
    match audience {
        Audience::People(people) => {
            for account in people {
                let companions: Vec<u16> = account.state().devices.iter().map(|device| device.id).collect();
                for device in companions.into_iter().chain([0]) {
                    give(account, account.device_address(device));
                }
            }
        }
        Audience::Devices(devices) => {
            for device in devices {
                if let Some(account) = network.accounts.by_number(device.number) {
                    give(&account, *device);
                }
            }
        }
    }
}

fn stanza(message: &SharedMessage, own: &[Node]) -> Option<Node> {
    let encrypted: Vec<Node> = own.iter().chain(&message.shared).cloned().collect();
    if encrypted.is_empty() {
        return None;
    }
    let envelope = &message.envelope;
    let author = |spelling| envelope.author.jid(spelling, envelope.author_device);
    let person = |spelling| envelope.author.jid(spelling, 0);
    let mut builder = NodeBuilder::new("message")
        .attr("from", &envelope.chat)
        .attr("participant", author(message.spelling))
        .attr("id", envelope.id.as_str())
        .attr("type", envelope.kind.as_str())
        .attr("t", crate::clock::unix_seconds());
    builder = match message.spelling {
        Spelling::Lid => builder.attr("participant_pn", person(Spelling::Number)),
        Spelling::Number => builder.attr("participant_lid", person(Spelling::Lid)),
    };
    if message.names_mode {
        builder = builder.attr("addressing_mode", addressing_mode(message.spelling));
    }
    if !envelope.author_name.is_empty() {
        builder = builder.attr("notify", envelope.author_name.as_str());
    }
    if let Some(edit) = &envelope.edit {
        builder = builder.attr("edit", edit.as_str());
    }
    let opens_session = encrypted.iter().any(|enc| attribute_is(enc, "type", "pkmsg"));
    let mut children = encrypted;
    children.extend(envelope.signed_identity.clone().filter(|_| opens_session));
    children.extend(envelope.accompanying.iter().cloned());
    Some(builder.children(children).build())
}

/// The address of a chat that is no person's.
pub fn is_shared_chat(jid: &Jid) -> bool {
    crate::groups::is_group(jid) || crate::status::is_status(jid)
}
