//! Settings that every client asks for after its login and that are the same for everybody here.
//!
//! Sources: Baileys Socket/chats.ts (`fetchProps`, `fetchPrivacySettings`, `fetchBlocklist`), Socket/messages-send.ts:228.
//! Changing them belongs to a later milestone and is answered as unknown until then.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::network::Network;
use crate::node::{empty, result};
use crate::stanza::Session;

/// The categories of privacy, all open. Without `readreceipts` Baileys would send `read-self` in place of `read`.
const PRIVACY: [(&str, &str); 8] = [
    ("readreceipts", "all"),
    ("last", "all"),
    ("online", "all"),
    ("profile", "all"),
    ("status", "all"),
    ("groupadd", "all"),
    ("calladd", "all"),
    ("messages", "all"),
];

/// Experiments and limits: none.
pub fn properties(iq: &Node) -> Node {
    let props = NodeBuilder::new("props")
        .attr("protocol", 1)
        .attr("hash", "rookery")
        .attr("refresh", 86_400)
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

/// Nobody is blocked.
pub fn block_list(iq: &Node) -> Node {
    result(iq).children([empty("list")]).build()
}

/// Who may see what: everybody everything. The child is mandatory for whatsapp-rust.
pub fn privacy(iq: &Node) -> Node {
    let categories = PRIVACY.map(|(name, value)| {
        NodeBuilder::new("category")
            .attr("name", name)
            .attr("value", value)
            .build()
    });
    let privacy = NodeBuilder::new("privacy").children(categories).build();
    result(iq).children([privacy]).build()
}
