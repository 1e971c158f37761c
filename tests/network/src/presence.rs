//! Who is available, and who is typing. Both are worth nothing later, so they are sent to connected devices only; a network
//! can be told to keep typing for a few seconds.
//!
//! Sources: Baileys Socket/chats.ts (`sendPresenceUpdate`, `handlePresenceUpdate`); wacore src/iq/presence. Baileys never
//! says that it goes away, so the server does it when a connection ends.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::accounts::{Account, AccountState, DeviceAddress, Spelling};
use crate::network::Network;
use crate::node::{address, attribute, children};
use crate::people::{blocking, privacy, tokens};
use crate::stanza::Session;

/// Handles `<presence>` of a companion.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node) -> Vec<Node> {
    if let Some(name) = attribute(stanza, "name") {
        session.account.state().name = name.into_owned();
    }
    match attribute(stanza, "type").as_deref() {
        Some("available") => set_companion(network, session, true),
        Some("unavailable") => set_companion(network, session, false),
        Some("subscribe") => return subscribe(network, session, stanza).into_iter().collect(),
        Some("unsubscribe") => unsubscribe(network, session, stanza),
        // Without a type it only tells a name.
        _ => {}
    }
    Vec::new()
}

fn set_companion(network: &Network, session: &Session, available: bool) {
    change(network, &session.account, |state| {
        let live = state.device_mut(session.device).and_then(|device| device.live.as_mut());
        if let Some(live) = live.filter(|live| live.id == session.socket) {
            live.available = available;
        }
    });
}

/// The phone comes into view or goes out of it.
pub fn set_phone(network: &Network, account: &Account, available: bool) {
    change(network, account, |state| state.phone_available = available);
}

/// A companion's connection has ended and is already forgotten.
pub fn companion_left(network: &Network, account: &Account) {
    let gone = {
        let mut state = account.state();
        let gone = !state.is_available() && !state.subscribers.is_empty();
        if gone {
            state.last_seen = crate::clock::unix_seconds();
        }
        gone
    };
    if gone {
        tell_subscribers(network, account);
    }
}

/// Changes something about an account's availability and tells the subscribers if it made a difference.
fn change(network: &Network, account: &Account, work: impl FnOnce(&mut AccountState)) {
    let changed = {
        let mut state = account.state();
        let before = state.is_available();
        work(&mut state);
        let after = state.is_available();
        if before && !after {
            state.last_seen = crate::clock::unix_seconds();
        }
        before != after
    };
    if changed {
        tell_subscribers(network, account);
    }
}

/// Tells everybody who subscribed to an account's presence how it is now, as far as they may know.
pub fn tell_subscribers(network: &Network, account: &Account) {
    let subscribers = account.state().subscribers.clone();
    for (subscriber, spelling) in subscribers {
        if let Some(receiver) = network.accounts.by_number(subscriber.number)
            && let presence = presence_of(network, account, spelling, &receiver)
            && let Some(device) = receiver.state().device(subscriber.device)
        {
            device.send_transient(presence);
        }
    }
}

/// How a person appears to another one. Who may not know when somebody was last seen gets `last="deny"`; who may not even
/// know whether somebody is there never sees the person available.
fn presence_of(network: &Network, account: &Account, spelling: Spelling, viewer: &Account) -> Node {
    let last_allowed = privacy::allows(network, account, "last", viewer);
    let state = account.state();
    let settings = &state.settings;
    let online_allowed = !settings.blocked.contains(viewer.number)
        && (last_allowed || settings.privacy.value("online") != "match_last_seen");
    let builder = NodeBuilder::new("presence").attr("from", account.jid(spelling, 0));
    if state.is_available() && online_allowed {
        return builder.attr("type", "available").build();
    }
    let builder = builder.attr("type", "unavailable");
    match state.last_seen {
        seconds if last_allowed && seconds > 0 => builder.attr("last", seconds).build(),
        _ => builder.attr("last", "deny").build(),
    }
}

/// Answers with the present state at once; a person who does not exist is never available.
fn subscribe(network: &Network, session: &Session, stanza: &Node) -> Option<Node> {
    let to = address(stanza, "to")?;
    let spelling = Spelling::of(&to)?;
    let Some(account) = network.accounts.find(&to) else {
        let builder = NodeBuilder::new("presence")
            .attr("from", to)
            .attr("type", "unavailable");
        return Some(builder.attr("last", "deny").build());
    };
    // A restricted account stays silent towards those who hold no token of it.
    if !tokens::admits(network, &session.account, &account, stanza) {
        return None;
    }
    let subscriber = (session.address(), spelling);
    {
        let mut state = account.state();
        if !state.subscribers.contains(&subscriber) {
            state.subscribers.push(subscriber);
        }
    }
    Some(presence_of(network, &account, spelling, &session.account))
}

fn unsubscribe(network: &Network, session: &Session, stanza: &Node) {
    let account = address(stanza, "to").and_then(|to| network.accounts.find(&to));
    if let Some(account) = account {
        let gone: DeviceAddress = session.address();
        account
            .state()
            .subscribers
            .retain(|(subscriber, _)| *subscriber != gone);
    }
}

/// Passes on that a companion is typing, or has stopped.
pub fn typing_from_companion(network: &Arc<Network>, session: &Session, stanza: &Node) {
    if let Some((to, state)) = address(stanza, "to").zip(children(stanza).first()) {
        pass_on_typing(network, &session.account, &to, state.clone());
    }
}

/// Passes on `<composing/>`, `<composing media="audio"/>` or `<paused/>` to all devices of a person, or of a
/// group's members.
pub fn pass_on_typing(network: &Arc<Network>, author: &Account, to: &Jid, state: Node) {
    if crate::groups::is_group(to) {
        crate::groups::messages::pass_on_typing(network, author, to, &state);
        return;
    }
    let Some((receiver, spelling)) = network.accounts.find(to).zip(Spelling::of(to)) else {
        return;
    };
    if blocking::blocks(&receiver, author.number) {
        return;
    }
    let typing = NodeBuilder::new("chatstate")
        .attr("from", author.jid(spelling, 0))
        .children([state])
        .build();
    for device in &mut receiver.state().devices {
        device.send_or_hold(typing.clone(), network.config.typing_lifetime);
    }
    crate::phone::receive::deliver(network, &receiver, typing);
}
