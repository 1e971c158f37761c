//! Disappearing messages: the timer for new chats, which the server keeps for each account. The timer of a single chat is
//! a message between the people in it, and that of a group belongs to the group.
//!
//! Sources: wacore src/iq/privacy.rs (`SetDefaultDisappearingModeSpec`), src/stanza/notification.rs
//! (`parse_disappearing_mode`); Baileys Socket/messages-recv.ts (`account_sync`), WAUSync/Protocols.

use std::sync::Arc;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::{audience, sync_account};
use crate::accounts::{Account, Spelling};
use crate::network::Network;
use crate::node::{attribute, child, error, result};
use crate::stanza::Session;

/// The timer for new chats.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultTimer {
    /// How long messages last, in seconds; 0 means for ever.
    pub seconds: u32,
    /// When it was set, in seconds since 1970.
    pub since: u64,
}

impl DefaultTimer {
    /// `<disappearing_mode>`, in notifications and usync answers alike.
    pub fn to_node(self) -> Node {
        NodeBuilder::new("disappearing_mode")
            .attr("duration", self.seconds)
            .attr("t", self.since)
            .build()
    }
}

/// Answers `iq disappearing_mode set`.
pub fn set(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let seconds = child(iq, "disappearing_mode").and_then(|mode| attribute(mode, "duration")?.parse().ok());
    let Some(seconds) = seconds else {
        return error(iq, 400, "bad-request");
    };
    change(network, &session.account, Some(session.device), seconds);
    result(iq).build()
}

/// Sets the timer; the account's other companions hear of it, and people who know the account.
pub fn change(network: &Network, account: &Account, by: Option<u16>, seconds: u32) {
    let timer = DefaultTimer {
        seconds,
        since: crate::clock::unix_seconds(),
    };
    account.state().settings.disappearing = timer;
    sync_account(network, account, by, timer.to_node());
    let notification = network
        .notification("disappearing_mode", account.jid(Spelling::Number, 0))
        .children([timer.to_node()])
        .build();
    for listener in audience(network, account, "online") {
        for device in &mut listener.state().devices {
            device.deliver(notification.clone());
        }
    }
}
