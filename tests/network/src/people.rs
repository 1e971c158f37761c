//! What people tell about themselves and whom they let see it: about text, picture, business profile, privacy, blocked
//! people, disappearing messages and privacy tokens.
//!
//! The server keeps all of it and enforces it: who may not see something gets the same answer as if it did not exist, or
//! a 401 where the real server says so. Address books are not here: the server knows only what the account's devices
//! wrote into the app state, and that is where [`crate::app_state::reading`] finds them.

pub mod blocking;
pub mod disappearing;
pub mod pictures;
pub mod privacy;
pub mod profile;
pub mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;

use wacore_binary::Node;

use crate::accounts::{Account, Number, Spelling};
use crate::network::Network;
use crate::node::{attribute, child, error};
use crate::stanza::Session;

/// What the server keeps about one person; part of [`crate::accounts::AccountState`].
#[derive(Default)]
pub struct Settings {
    /// The text under the name.
    pub about: profile::About,
    /// What a business tells about itself; `None` for everybody else.
    pub business: Option<profile::Business>,
    /// Who may see and do what.
    pub privacy: privacy::Privacy,
    /// Whose messages are not wanted.
    pub blocked: blocking::BlockList,
    /// How long messages in new chats last.
    pub disappearing: disappearing::DefaultTimer,
    /// Who may write first.
    pub tokens: tokens::Tokens,
}

/// Answers the requests of this module: `status`, `w:profile:picture`, `w:biz`, `privacy`, `blocklist` and
/// `disappearing_mode`.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let setting = crate::node::attribute_is(iq, "type", "set");
    let namespace = attribute(iq, "xmlns");
    match (namespace.as_deref().unwrap_or_default(), setting) {
        ("status", true) => profile::set_about(network, session, iq),
        ("w:profile:picture", false) => pictures::get(network, session, iq),
        ("w:profile:picture", true) => pictures::set(network, session, iq),
        ("w:biz", false) => profile::business(network, iq),
        ("privacy", true) if child(iq, "tokens").is_some() => tokens::issue(network, session, iq),
        ("privacy", false) => privacy::get(session, iq),
        ("privacy", true) => privacy::set(network, session, iq),
        ("blocklist", false) => blocking::get(network, session, iq),
        ("blocklist", true) => blocking::set(network, session, iq),
        ("disappearing_mode", true) => disappearing::set(network, session, iq),
        _ => error(iq, 501, "feature-not-implemented"),
    }
}

/// The accounts that hear of a change of this person's profile: those who asked for the devices or subscribed to the
/// presence, as far as privacy lets them. Nobody knows whom the real server chooses; a stranger hears nothing here, unless
/// the network was started with everybody acquainted.
pub fn audience(network: &Network, account: &Account, category: &str) -> Vec<Arc<Account>> {
    let listeners: BTreeSet<Number> = if network.config.everybody_acquainted {
        network.accounts.all().iter().map(|other| other.number).collect()
    } else {
        let state = account.state();
        let subscribed = state.subscribers.iter().map(|(subscriber, _)| subscriber.number);
        state.watchers.iter().copied().chain(subscribed).collect()
    };
    listeners
        .into_iter()
        .filter(|number| *number != account.number)
        .filter_map(|number| network.accounts.by_number(number))
        .filter(|listener| privacy::allows(network, account, category, listener))
        .collect()
}

/// Hands a notification to all companions of the audience and of the account itself.
pub fn announce(network: &Network, account: &Account, category: &str, notification: &Node) {
    for listener in audience(network, account, category) {
        for device in &mut listener.state().devices {
            device.deliver(notification.clone());
        }
    }
    for device in &mut account.state().devices {
        device.deliver(notification.clone());
    }
}

/// Tells the account's companions, except the one that did it, about a setting that all of them share.
pub fn sync_account(network: &Network, account: &Account, except: Option<u16>, change: Node) {
    let notification = network
        .notification("account_sync", account.jid(Spelling::Number, 0))
        .children([change])
        .build();
    for device in &mut account.state().devices {
        if Some(device.id) != except {
            device.deliver(notification.clone());
        }
    }
}
