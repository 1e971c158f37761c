//! Handing a message out: every device that the sender encrypted for gets one stanza with its own ciphertext.
//!
//! Sources: Baileys Utils/decode-wa-message.ts:106-262; wacore src/messages.rs:1059-1294. The sender's address is spelled
//! as the sender spelled the receiving device, and the other spelling comes beside it, so that receivers learn which
//! number belongs to which LID.

use std::sync::Arc;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::accounts::{Account, Spelling};
use crate::network::Network;
use crate::node::attribute_is;
use crate::people::blocking;

/// A message on its way, already encrypted for each device.
pub struct Envelope {
    /// Who sends it.
    pub author: Arc<Account>,
    /// From which device.
    pub author_device: u16,
    /// The push name that receivers see.
    pub author_name: String,
    /// The message's identifier.
    pub id: String,
    /// The person it is for, without device.
    pub chat: Jid,
    /// `text`, `media`, `reaction`, `poll`, …
    pub kind: String,
    /// For edits (`1`) and revocations (`7`, `8`).
    pub edit: Option<String>,
    /// `peer` for what an account's devices tell each other.
    pub category: Option<String>,
    /// The ciphertexts.
    pub parts: Vec<Part>,
    /// Whether it names one device in place of a person.
    pub targeted: bool,
    /// The sender's `<device-identity>`, needed beside first messages of companions.
    pub signed_identity: Option<Node>,
    /// Children that every copy carries.
    pub accompanying: Vec<Node>,
}

/// The ciphertext for one device.
pub struct Part {
    /// The device, as the sender spelled it.
    pub to: Jid,
    /// `<enc>` nodes.
    pub encrypted: Vec<Node>,
}

/// Hands every part to its device: into the mailbox of a companion, or to the phone.
pub fn deliver(network: &Arc<Network>, envelope: &Envelope) {
    let chat = network.accounts.find(&envelope.chat);
    for part in &envelope.parts {
        let Some(receiver) = network.accounts.find(&part.to) else {
            continue;
        };
        // Groups are no private matter: there, blocked people are read like others.
        if Spelling::of(&envelope.chat).is_some() && blocking::blocks(&receiver, envelope.author.number) {
            continue;
        }
        let Some(stanza) = stanza(envelope, &receiver, chat.as_deref(), part) else {
            continue;
        };
        hand_over(network, &receiver, part.to.device, stanza);
    }
}

/// Gives a stanza to one device. A device that does not exist gets nothing, like a companion that was just unlinked.
pub fn hand_over(network: &Arc<Network>, receiver: &Arc<Account>, device: u16, stanza: Node) {
    if device == 0 {
        crate::phone::receive::deliver(network, receiver, stanza);
        return;
    }
    if let Some(device) = receiver.state().device_mut(device) {
        device.deliver(stanza);
    }
}

fn stanza(envelope: &Envelope, receiver: &Account, chat: Option<&Account>, part: &Part) -> Option<Node> {
    let spelling = Spelling::of(&part.to)?;
    let mut builder = NodeBuilder::new("message")
        .attr("from", envelope.author.jid(spelling, envelope.author_device))
        .attr("id", envelope.id.as_str())
        .attr("type", envelope.kind.as_str())
        .attr("t", crate::clock::unix_seconds());
    if !envelope.author_name.is_empty() {
        builder = builder.attr("notify", envelope.author_name.as_str());
    }
    if let Some(edit) = &envelope.edit {
        builder = builder.attr("edit", edit.as_str());
    }
    if let Some(category) = &envelope.category {
        builder = builder.attr("category", category.as_str());
    }
    let to_oneself = receiver.number == envelope.author.number;
    builder = match (to_oneself, envelope.category.is_some()) {
        // History and keys are not recognised when a recipient is named.
        (true, true) => builder,
        (true, false) => name_recipient(builder, envelope, chat),
        (false, _) => name_sender(builder, envelope, spelling),
    };
    let mut children = part.encrypted.clone();
    let opens_session = children.iter().any(|enc| attribute_is(enc, "type", "pkmsg"));
    children.extend(envelope.signed_identity.clone().filter(|_| opens_session));
    children.extend(envelope.accompanying.iter().cloned());
    Some(builder.children(children).build())
}

/// For the sender's own devices: the chat. The chat's other spelling goes into `peer_recipient_…` and never into
/// `sender_…`, or Baileys would take the sender's number for that of the recipient's LID
/// (Socket/messages-recv.ts, `handleMessage`).
fn name_recipient(builder: NodeBuilder, envelope: &Envelope, chat: Option<&Account>) -> NodeBuilder {
    let builder = builder.attr("recipient", &envelope.chat);
    match (chat, Spelling::of(&envelope.chat)) {
        (Some(chat), Some(Spelling::Number)) => builder.attr("peer_recipient_lid", chat.jid(Spelling::Lid, 0)),
        (Some(chat), Some(Spelling::Lid)) => builder.attr("peer_recipient_pn", chat.jid(Spelling::Number, 0)),
        _ => builder,
    }
}

fn name_sender(builder: NodeBuilder, envelope: &Envelope, spelling: Spelling) -> NodeBuilder {
    match spelling {
        Spelling::Number => builder.attr("sender_lid", envelope.author.jid(Spelling::Lid, 0)),
        Spelling::Lid => builder.attr("sender_pn", envelope.author.jid(Spelling::Number, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::directory::{Directory, NewAccount};
    use crate::keys::Seed;
    use crate::node::{address, attribute};

    fn people() -> (Arc<Account>, Arc<Account>) {
        let directory = Directory::default();
        let seed = Seed::new("fanout");
        let person = || directory.get_or_create(&seed, NewAccount::default());
        (person(), person())
    }

    fn envelope(author: &Arc<Account>, chat: Jid, kind: &'static str) -> Envelope {
        let enc = NodeBuilder::new("enc").attr("type", kind).bytes(*b"ciphertext").build();
        Envelope {
            author: Arc::clone(author),
            author_device: 2,
            author_name: "Ada".to_owned(),
            id: "ID".to_owned(),
            chat: chat.clone(),
            kind: "text".to_owned(),
            edit: None,
            category: None,
            parts: vec![Part {
                to: chat,
                encrypted: vec![enc],
            }],
            targeted: false,
            signed_identity: Some(crate::node::bytes_node("device-identity", *b"proof")),
            accompanying: Vec::new(),
        }
    }

    #[test]
    fn another_person_sees_the_sender_in_both_spellings() {
        let (author, receiver) = people();
        for (spelling, beside) in [(Spelling::Number, "sender_lid"), (Spelling::Lid, "sender_pn")] {
            let envelope = envelope(&author, receiver.jid(spelling, 0), "msg");
            let stanza = stanza(&envelope, &receiver, Some(&receiver), &envelope.parts[0]).unwrap();
            assert_eq!(address(&stanza, "from").unwrap(), author.jid(spelling, 2));
            assert!(attribute(&stanza, beside).is_some(), "{beside}");
            assert!(attribute(&stanza, "recipient").is_none());
        }
    }

    #[test]
    fn an_own_device_sees_the_chat_and_nothing_about_the_sender() {
        let (author, receiver) = people();
        let mut envelope = envelope(&author, receiver.jid(Spelling::Lid, 0), "msg");
        envelope.parts[0].to = author.jid(Spelling::Lid, 3);
        let stanza = stanza(&envelope, &author, Some(&receiver), &envelope.parts[0]).unwrap();
        assert_eq!(address(&stanza, "recipient").unwrap(), receiver.jid(Spelling::Lid, 0));
        assert_eq!(
            address(&stanza, "peer_recipient_pn").unwrap(),
            receiver.jid(Spelling::Number, 0)
        );
        assert!(attribute(&stanza, "sender_pn").is_none());
    }

    #[test]
    fn peers_are_told_no_recipient() {
        let (author, _) = people();
        let mut envelope = envelope(&author, author.jid(Spelling::Number, 0), "msg");
        envelope.category = Some("peer".to_owned());
        let stanza = stanza(&envelope, &author, Some(&author), &envelope.parts[0]).unwrap();
        assert!(attribute(&stanza, "recipient").is_none());
        assert!(attribute_is(&stanza, "category", "peer"));
    }

    #[test]
    fn the_proof_of_the_link_travels_with_first_messages_only() {
        let (author, receiver) = people();
        for (kind, proof) in [("pkmsg", true), ("msg", false)] {
            let envelope = envelope(&author, receiver.jid(Spelling::Number, 0), kind);
            let stanza = stanza(&envelope, &receiver, Some(&receiver), &envelope.parts[0]).unwrap();
            assert_eq!(
                crate::node::child(&stanza, "device-identity").is_some(),
                proof,
                "{kind}"
            );
        }
    }
}
