//! Reading and building binary nodes, the XML-like trees that WhatsApp speaks.
//!
//! One trap is handled here once: strings that are not in the token dictionary arrive as bytes, so content is read through
//! [`content`] and never by its representation. Replies are built by hand all over this crate and not with the client
//! library's reply types, because code shared with a client hides the mistakes both share.

use std::borrow::Cow;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent};

/// The address that stands for the server itself. Pairing stanzas must carry exactly this as `from`
/// (whatsapp-rust src/pair.rs:61).
pub const SERVER: &str = "s.whatsapp.net";

/// An attribute as text.
pub fn attribute<'a>(node: &'a Node, name: &str) -> Option<Cow<'a, str>> {
    Some(node.attrs.get(name)?.as_str())
}

/// Whether an attribute is there and has this value.
pub fn attribute_is(node: &Node, name: &str, value: &str) -> bool {
    node.attrs.get(name).is_some_and(|found| *found == value)
}

/// An attribute as an address; `None` when it is missing or malformed.
pub fn address(node: &Node, name: &str) -> Option<Jid> {
    node.attrs.get(name)?.to_jid()
}

/// The child with this tag, if any.
pub fn child<'a>(node: &'a Node, tag: &str) -> Option<&'a Node> {
    node.get_optional_child(tag)
}

/// All children, or none when the content is not a list.
pub fn children(node: &Node) -> &[Node] {
    node.children().unwrap_or_default()
}

/// All children with this tag.
pub fn children_of<'a>(node: &'a Node, tag: &'a str) -> impl Iterator<Item = &'a Node> {
    children(node).iter().filter(move |candidate| candidate.tag == tag)
}

/// The content as bytes, whether it was sent as bytes or as a dictionary string.
pub fn content(node: &Node) -> Option<&[u8]> {
    match node.content.as_ref()? {
        NodeContent::Bytes(bytes) => Some(bytes),
        NodeContent::String(text) => Some(text.as_bytes()),
        NodeContent::Nodes(_) => None,
    }
}

/// The content of a child as bytes.
pub fn child_content<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    content(child(node, tag)?)
}

/// The content of a child as exactly `N` bytes.
pub fn child_array<const N: usize>(node: &Node, tag: &str) -> Option<[u8; N]> {
    child_content(node, tag)?.try_into().ok()
}

/// Big-endian bytes, at most four of them, as a number: key identifiers have three, registration identifiers four.
pub fn big_endian(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 4 {
        return None;
    }
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// The last three bytes of a number, big-endian: how key identifiers are written.
pub fn three_bytes(number: u32) -> [u8; 3] {
    let bytes = number.to_be_bytes();
    [bytes[1], bytes[2], bytes[3]]
}

/// The beginning of a successful answer to an `iq`.
pub fn result(iq: &Node) -> NodeBuilder {
    answer(iq, "result")
}

/// A refusal of an `iq`. Clients read the code from `<error code text/>` (Baileys WABinary/generic-utils.ts).
pub fn error(iq: &Node, code: u16, text: &'static str) -> Node {
    let error = NodeBuilder::new("error").attr("code", code).attr("text", text).build();
    answer(iq, "error").children([error]).build()
}

fn answer(iq: &Node, kind: &'static str) -> NodeBuilder {
    let builder = NodeBuilder::new("iq").attr("from", SERVER).attr("type", kind);
    match attribute(iq, "id") {
        Some(id) => builder.attr("id", id.as_ref()),
        None => builder,
    }
}

/// A node with bytes as content.
pub fn bytes_node(tag: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(bytes).build()
}

/// A node without attributes and content.
pub fn empty(tag: &'static str) -> Node {
    NodeBuilder::new(tag).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_same_whether_sent_as_text_or_as_bytes() {
        let text = NodeBuilder::new("ref").string_content("result").build();
        let bytes = bytes_node("ref", *b"result");
        assert_eq!(content(&text), content(&bytes));
        let sent = wacore_binary::marshal(&text).unwrap();
        let received = wacore_binary::marshal::unmarshal_ref(&sent[1..]).unwrap().to_owned();
        assert_eq!(content(&received), Some(&b"result"[..]));
    }

    #[test]
    fn numbers_are_big_endian() {
        assert_eq!(big_endian(&[0, 1, 2]), Some(258));
        assert_eq!(big_endian(&three_bytes(70_000)), Some(70_000));
        assert_eq!(big_endian(&[]), None);
        assert_eq!(big_endian(&[0; 5]), None);
    }

    #[test]
    fn an_answer_repeats_the_identifier_and_comes_from_the_server() {
        let iq = NodeBuilder::new("iq").attr("id", "77.1").build();
        let refused = error(&iq, 501, "feature-not-implemented");
        assert!(attribute_is(&refused, "id", "77.1"));
        assert!(attribute_is(&refused, "from", SERVER));
        assert!(attribute_is(child(&refused, "error").unwrap(), "code", "501"));
    }
}
