//! Retries on the phone's side: asking for what it could not read, and encrypting again for those who ask it.
//!
//! The first request carries no keys and the further ones do, as Baileys does it (Socket/messages-recv.ts,
//! `sendRetryRequest`).

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::{PhoneKeys, group, send};
use crate::accounts::{Account, DeviceAddress};
use crate::keys::public_bytes;
use crate::messages::fanout::{self, Part};
use crate::messages::shared::is_shared_chat;
use crate::network::Network;
use crate::node::{address, attribute, big_endian, bytes_node, child, child_array, child_content, three_bytes};
use crate::prekeys::{Bundle, read_one_time, read_signed_pre_key, take_bundle};

/// After this many requests the phone gives a message up, like the clients do.
const MOST_REQUESTS: u32 = 5;

/// Asks the sending device to encrypt a message again, a moment later.
pub fn ask_again(network: &Arc<Network>, account: &Arc<Account>, to: &Jid, stanza: &Node) {
    let Some(id) = attribute(stanza, "id").map(std::borrow::Cow::into_owned) else {
        return;
    };
    let count = {
        let mut phone = account.phone();
        let count = phone.asked_again.entry(id.clone()).or_default();
        *count += 1;
        *count
    };
    if count > MOST_REQUESTS {
        tracing::warn!(id, "a phone gives up a message that it cannot read");
        return;
    }
    let recipient = address(stanza, "recipient");
    let chat = address(stanza, "from").filter(is_shared_chat);
    let (account, to) = (Arc::clone(account), to.clone());
    network.phone_clock.later(move |network| {
        let mut request = request(network, &account, &id, count);
        if let Some(recipient) = recipient {
            request.attrs.insert("recipient", recipient);
        }
        if let Some(chat) = chat {
            request.attrs.insert("to", chat);
        }
        crate::messages::retry::pass_on(network, &account, 0, &to, &request);
    });
}

fn request(network: &Network, account: &Account, id: &str, count: u32) -> Node {
    let keys = PhoneKeys::of(&network.seed, account);
    let retry = NodeBuilder::new("retry")
        .attr("count", count)
        .attr("id", id)
        .attr("t", crate::clock::unix_seconds())
        .attr("v", 1)
        .attr("error", 0)
        .build();
    let mut children = vec![retry, bytes_node("registration", keys.registration_id.to_be_bytes())];
    if count > 1 {
        children.push(own_keys(&keys));
    }
    NodeBuilder::new("receipt")
        .attr("id", id)
        .attr("type", "retry")
        .children(children)
        .build()
}

fn own_keys(keys: &PhoneKeys) -> Node {
    let signed = keys.published_pre_key();
    let signed = NodeBuilder::new("skey")
        .children([
            bytes_node("id", three_bytes(signed.id)),
            bytes_node("value", signed.public),
            bytes_node("signature", signed.signature),
        ])
        .build();
    NodeBuilder::new("keys")
        .children([
            bytes_node("type", [5]),
            bytes_node("identity", public_bytes(&keys.identity)),
            signed,
        ])
        .build()
}

/// A device could not read something that this phone sent: a moment later it gets it again, over a fresh session.
pub fn requested(network: &Arc<Network>, account: &Arc<Account>, request: Node) {
    let account = Arc::clone(account);
    network.phone_clock.later(move |network| {
        if encrypt_again(network, &account, &request).is_none() {
            tracing::debug!("a phone was asked for a message that it cannot send again");
        }
    });
}

fn encrypt_again(network: &Arc<Network>, account: &Arc<Account>, request: &Node) -> Option<()> {
    let asker = address(request, "participant").or_else(|| address(request, "from"))?;
    let id = attribute(request, "id")?;
    let device = network.accounts.find(&asker)?.device_address(asker.device);
    let bundle = read_bundle(request).or_else(|| take_bundle(network, &asker))?;
    let (sent, mut enc) = {
        let keys = PhoneKeys::of(&network.seed, account);
        let mut phone = account.phone();
        let mut sent = phone.outbox.find(&id)?.clone();
        if is_shared_chat(&sent.chat) {
            // Whoever could not read may lack the key too.
            *sent.message = group::with_key(&mut phone, &sent.chat, account.device_address(0), *sent.message).ok()?;
        }
        renew_session(&mut phone.signal, &keys, device, &bundle)?;
        let enc = send::encrypt(network, account, &mut phone, &keys, &sent, &asker)?;
        (sent, enc)
    };
    let count = child(request, "retry").and_then(|retry| attribute(retry, "count"));
    enc.attrs.insert("count", count.as_deref().unwrap_or("1"));
    if is_shared_chat(&sent.chat) {
        group::send_again(network, account, &sent, &asker, enc);
        return Some(());
    }
    let parts = vec![Part {
        to: asker,
        encrypted: vec![enc],
    }];
    fanout::deliver(network, &send::envelope(account, &sent, parts, true));
    Some(())
}

fn renew_session(
    signal: &mut super::SignalState,
    keys: &PhoneKeys,
    device: DeviceAddress,
    bundle: &Bundle,
) -> Option<()> {
    signal.forget(device);
    signal.open(keys, device, bundle).ok()
}

/// The asker's keys, if the request carries them.
fn read_bundle(request: &Node) -> Option<Bundle> {
    let keys = child(request, "keys")?;
    Some(Bundle {
        registration_id: big_endian(child_content(request, "registration")?)?,
        identity: child_array(keys, "identity")?,
        signed_pre_key: read_signed_pre_key(child(keys, "skey")?)?,
        one_time: child(keys, "key").and_then(read_one_time),
        signed_identity: None,
    })
}
