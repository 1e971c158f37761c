//! Requests and answers: every `iq` of a logged-in device is answered, an unknown one with error 501.
//!
//! Silence would cost a client up to 75 seconds, and Baileys its keep-alive, which counts any inbound stanza
//! (Baileys Socket/socket.ts:688-718).

use std::sync::Arc;

use wacore_binary::Node;

use crate::network::Network;
use crate::node::{attribute, attribute_is, child, error, result};
use crate::stanza::Session;
use crate::{app_state, devices, groups, messages, mex, newsletters, people, prekeys, settings, usync};

/// Answers one request.
pub fn handle(network: &Arc<Network>, session: &Session, iq: &Node) -> Vec<Node> {
    if attribute_is(iq, "type", "result") || attribute_is(iq, "type", "error") {
        return Vec::new();
    }
    let setting = attribute_is(iq, "type", "set");
    let namespace = attribute(iq, "xmlns");
    let answer = match (namespace.as_deref().unwrap_or_default(), setting) {
        ("passive", true) if child(iq, "active").is_some() => return messages::offline::activate(network, session, iq),
        ("passive", true) => result(iq).build(),
        ("encrypt", false) => prekeys::get(network, session, iq),
        ("encrypt", true) => prekeys::set(session, iq),
        ("usync", _) => usync::answer(network, session, iq),
        ("w:sync:app:state", _) => app_state::answer(network, session, iq),
        ("md", true) => return devices::answer(network, session, iq),
        ("w:mex", _) => mex::answer(network, session, iq),
        ("newsletter", _) => newsletters::request::answer(network, session, iq),
        ("w:g2", _) => groups::request::answer(network, session, iq),
        ("abt", _) => settings::properties(session, iq),
        ("w:m", _) => settings::media_connection(network, session, iq),
        ("status", true)
        | ("w:biz", false)
        | ("w:profile:picture" | "privacy" | "blocklist" | "disappearing_mode", _) => {
            people::answer(network, session, iq)
        }
        // Pings, telemetry and "I am up to date".
        ("w:p" | "w:stats" | "urn:xmpp:whatsapp:dirty", _) => result(iq).build(),
        (unknown, _) => {
            tracing::debug!(namespace = unknown, "an iq that this network does not know");
            error(iq, 501, "feature-not-implemented")
        }
    };
    vec![answer]
}
