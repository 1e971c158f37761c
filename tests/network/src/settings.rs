//! Settings that every client asks for after its login: experiments and limits.
//!
//! Sources: Baileys Socket/chats.ts (`fetchProps`); wacore src/iq/props.rs. What people set themselves is in
//! [`crate::people`].

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::node::result;
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
