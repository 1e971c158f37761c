//! User synchronisation: who is on WhatsApp, under which LID, and with which devices.
//!
//! Sources: Baileys Socket/socket.ts:264-345, WAUSync/*, Utils/signal.ts:202; wacore src/iq/usync.rs:727-734 and
//! src/adv.rs:117-146. Three rules keep clients sending: a user with companions must come with a signed list of key
//! indexes (whatsapp-rust drops the user otherwise), every companion must carry its `key-index` (Baileys drops the device
//! otherwise), and no device may be listed whose bundle cannot be served.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::accounts::{Account, Number, Spelling};
use crate::devices;
use crate::network::Network;
use crate::node::{address, attribute, child, children, content, empty, error, result};
use crate::people::{pictures, profile};
use crate::stanza::Session;

/// Answers `iq usync`.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let Some(usync) = child(iq, "usync") else {
        return error(iq, 400, "bad-request");
    };
    let Some((query, list)) = child(usync, "query").zip(child(usync, "list")) else {
        return error(iq, 400, "bad-request");
    };
    let protocols = Protocols::of(query);
    let users = children(list)
        .iter()
        .filter_map(|user| answer_user(network, session, protocols, user));
    let answer = NodeBuilder::new("usync")
        .attr("sid", attribute(usync, "sid").unwrap_or_default().as_ref())
        .attr("mode", attribute(usync, "mode").unwrap_or_default().as_ref())
        .attr("context", attribute(usync, "context").unwrap_or_default().as_ref())
        .attr("index", "0")
        .attr("last", "true")
        .children([
            NodeBuilder::new("result")
                .children(protocols.names().map(empty))
                .build(),
            NodeBuilder::new("list").children(users).build(),
        ])
        .build();
    result(iq).children([answer]).build()
}

/// What a request wants to know about each user.
#[derive(Clone, Copy, Debug)]
struct Protocols {
    devices: bool,
    lid: bool,
    contact: bool,
    status: bool,
    business: bool,
    picture: bool,
    disappearing_mode: bool,
}

impl Protocols {
    fn of(query: &Node) -> Self {
        let wants = |tag| child(query, tag).is_some();
        Self {
            devices: wants("devices"),
            lid: wants("lid"),
            contact: wants("contact"),
            status: wants("status"),
            business: wants("business"),
            picture: wants("picture"),
            disappearing_mode: wants("disappearing_mode"),
        }
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let wanted = [
            (self.devices, "devices"),
            (self.lid, "lid"),
            (self.contact, "contact"),
            (self.status, "status"),
            (self.business, "business"),
            (self.picture, "picture"),
            (self.disappearing_mode, "disappearing_mode"),
        ];
        wanted.into_iter().filter_map(|(wanted, name)| wanted.then_some(name))
    }
}

/// A user is asked for by address, or by a number inside `<contact>` (`onWhatsApp`).
fn answer_user(network: &Arc<Network>, session: &Session, protocols: Protocols, user: &Node) -> Option<Node> {
    let asked = match address(user, "jid") {
        Some(jid) => jid,
        None => contact_address(user)?,
    };
    let builder = NodeBuilder::new("user").attr("jid", asked.to_non_ad());
    let Some(account) = network.accounts.find(&asked) else {
        return Some(builder.children(unknown_user(protocols)).build());
    };
    let mut answers = Vec::new();
    if protocols.devices {
        watch(&account, session.account.number);
        answers.push(devices::list(&account));
    }
    if protocols.lid {
        let lid = account.jid(Spelling::Lid, 0);
        answers.push(NodeBuilder::new("lid").attr("val", lid).build());
    }
    if protocols.contact {
        answers.push(NodeBuilder::new("contact").attr("type", "in").build());
    }
    let viewer = &session.account;
    if protocols.status {
        answers.push(profile::about_node(network, &account, viewer));
    }
    if protocols.business {
        answers.extend(profile::business_node(&account));
    }
    if protocols.picture {
        answers.extend(pictures::picture_node(network, &account, viewer));
    }
    if protocols.disappearing_mode {
        let timer = account.state().settings.disappearing;
        answers.push(timer.to_node());
    }
    let number = account.jid(Spelling::Number, 0);
    Some(builder.attr("pn_jid", number).children(answers).build())
}

fn contact_address(user: &Node) -> Option<Jid> {
    let text = std::str::from_utf8(content(child(user, "contact")?)?).ok()?;
    let number = Number::parse(text.trim_start_matches('+'))?;
    Some(Jid::pn(number.to_string()))
}

fn unknown_user(protocols: Protocols) -> Vec<Node> {
    let mut answers = Vec::new();
    if protocols.contact {
        answers.push(NodeBuilder::new("contact").attr("type", "out").build());
    }
    answers
}

/// Whoever asked for a list of devices must hear when it changes: clients cache it for minutes.
fn watch(account: &Account, watcher: Number) {
    if watcher != account.number {
        account.state().watchers.insert(watcher);
    }
}
