//! What the server puts on the wire, seen by a bare companion.

mod delivery;
mod groups;
mod keys;
mod login;

use network::node::children;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::companion::Credentials;
use crate::world::World;

pub(crate) fn usync(protocols: &[&'static str], users: Vec<Node>) -> Node {
    let query = protocols.iter().map(|tag| NodeBuilder::new(tag).build());
    NodeBuilder::new("usync")
        .attr("mode", "query")
        .attr("context", "message")
        .attr("sid", "1")
        .children([
            NodeBuilder::new("query").children(query).build(),
            NodeBuilder::new("list").children(users).build(),
        ])
        .build()
}

pub(crate) fn user(jid: Jid) -> Node {
    NodeBuilder::new("user").attr("jid", jid).build()
}

pub(crate) fn listed(answer: &Node) -> &[Node] {
    children(answer.get_optional_child_by_tag(&["usync", "list"]).unwrap())
}

/// A message to somebody's phone whose ciphertext nobody can read: enough for a server that reads none.
pub(crate) fn message(id: &str, to: &Jid) -> Node {
    let enc = NodeBuilder::new("enc")
        .attr("v", "2")
        .attr("type", "msg")
        .bytes(*b"opaque")
        .build();
    let to_device = NodeBuilder::new("to").attr("jid", to).children([enc]).build();
    let participants = NodeBuilder::new("participants").children([to_device]).build();
    NodeBuilder::new("message")
        .attr("to", to.to_non_ad())
        .attr("id", id)
        .attr("type", "text")
        .children([participants])
        .build()
}

pub(crate) async fn two_companions(world: &World) -> (Credentials, Credentials) {
    let mut accounts = Credentials::provision(world, 2).await;
    let second = accounts.pop().unwrap();
    (accounts.pop().unwrap(), second)
}

pub(crate) fn companion_of(credentials: &Credentials) -> Jid {
    Jid::pn_device(credentials.person.number.as_str(), 1)
}
