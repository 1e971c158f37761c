//! What a logged-in device may say: this is where every stanza finds its handler.
//!
//! Handlers run on the connection's own task, answer with the stanzas to write back, and never wait.

use std::sync::Arc;

use wacore_binary::Node;

use crate::accounts::{Account, Device, DeviceAddress};
use crate::network::Network;
use crate::socket::SocketId;
use crate::{calls, iq, messages, presence};

/// A logged-in connection: which device of whom, over which socket.
pub struct Session {
    /// The account.
    pub account: Arc<Account>,
    /// The companion's number.
    pub device: u16,
    /// The connection.
    pub socket: SocketId,
}

impl Session {
    /// The device's address.
    pub fn address(&self) -> DeviceAddress {
        self.account.device_address(self.device)
    }

    /// Looks at or changes the device; `None` when it was unlinked meanwhile.
    pub fn with_device<T>(&self, work: impl FnOnce(&mut Device) -> T) -> Option<T> {
        self.account.state().device_mut(self.device).map(work)
    }

    /// The same, but only while this connection is the device's current one.
    pub fn with_live_device<T>(&self, work: impl FnOnce(&mut Device) -> T) -> Option<T> {
        self.account
            .state()
            .device_mut(self.device)
            .filter(|device| device.is_connected_by(self.socket))
            .map(work)
    }
}

/// Handles one stanza and answers with what to write back, in order.
pub fn handle(network: &Arc<Network>, session: &Session, stanza: &Node) -> Vec<Node> {
    match stanza.tag.as_ref() {
        "iq" => iq::handle(network, session, stanza),
        "message" => messages::accept::from_companion(network, session, stanza),
        "receipt" => messages::receipt::from_companion(network, session, stanza),
        "ack" => {
            messages::offline::acknowledged(session, stanza);
            Vec::new()
        }
        "call" => calls::from_companion(network, session, stanza),
        "presence" => presence::from_companion(network, session, stanza),
        "chatstate" => {
            presence::typing_from_companion(network, session, stanza);
            Vec::new()
        }
        // `ib` carries telemetry (`unified_session`) and requests for the next part of a backlog (`offline_batch`), which
        // was already sent whole; answers to our own `iq`s need no reaction after the login.
        _ => Vec::new(),
    }
}
