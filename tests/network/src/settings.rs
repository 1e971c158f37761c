//! Settings that every client asks for after its login: experiments and limits, and where media is.
//!
//! Sources: Baileys Socket/chats.ts (`fetchProps`); wacore src/iq/props.rs. What people set themselves is in
//! [`crate::people`].

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::network::Network;
use crate::node::{empty, result};
use crate::stanza::Session;

/// Experiments and limits: only those that make clients use privacy tokens.
pub fn properties(session: &Session, iq: &Node) -> Node {
    let properties = session.account.state().settings.tokens.properties();
    let props = NodeBuilder::new("props")
        .attr("protocol", 1)
        .attr("hash", "rookery")
        .attr("refresh", 86_400)
        .children(properties)
        .build();
    result(iq).children([props]).build()
}

/// Where media is uploaded and downloaded, and what lets the account's devices in. A port in `hostname` works in both clients;
/// the answer is good for as long as the real one (whatsapp-rust src/mediaconn.rs).
pub fn media_connection(network: &Network, session: &Session, iq: &Node) -> Node {
    let host = NodeBuilder::new("host")
        .attr("hostname", network.media.host())
        .attr("type", "primary")
        .attr("maxContentLengthBytes", crate::media::store::LARGEST)
        .children([empty("upload"), empty("download")])
        .build();
    let connection = NodeBuilder::new("media_conn")
        .attr("auth", network.media.authorization(session.account.number))
        .attr("ttl", 300)
        .attr("auth_ttl", 21_600)
        .attr("max_buckets", 12)
        .children([host])
        .build();
    result(iq).children([connection]).build()
}
