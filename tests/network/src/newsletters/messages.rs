//! Messages of newsletters: accepted from those who may write, numbered, kept, and handed to everybody who follows.
//!
//! Forms (whatsapp-rust src/send/mod.rs:783-810, 978-1003, src/client/messaging.rs:340; Baileys Socket/messages-send.ts,
//! Socket/newsletter.ts): `<plaintext>` with a protobuf message; `edit="3"` with a new content or `edit="8"` with none for
//! the message with the same identifier; `<reaction code/>` with a `server_id`, without a code to take it back. Baileys
//! puts edits and revocations into a message of its own that names the other one, which is read the same way here.

use std::sync::Arc;

use buffa::Message as _;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::whatsapp::Message;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;

use super::{Newsletter, NewsletterId, Post, Table};
use crate::accounts::{Account, Number};
use crate::clock::unix_seconds;
use crate::messages::accept::{self, NOBODY, Verdict};
use crate::messages::fanout::hand_over;
use crate::network::Network;
use crate::node::{attribute, child, content};
use crate::stanza::Session;

/// The answer to those who may not write.
const FORBIDDEN: u16 = 403;
/// The `edit` of a new content.
const ADMIN_EDIT: &str = "3";
/// The `edit` of a message that is taken back.
const ADMIN_REVOKE: &str = "8";

/// What is written.
pub enum Written {
    /// A new message.
    New {
        /// The `type` of the stanza.
        kind: String,
        /// The content as protobuf.
        plaintext: Vec<u8>,
        /// The kind of medium.
        media_type: Option<String>,
    },
    /// Another content for the message with this identifier; `None` takes it back.
    Edit {
        /// The message.
        id: String,
        /// The new content as protobuf.
        plaintext: Option<Vec<u8>>,
    },
    /// A reaction; `None` takes it back.
    Reaction {
        /// The message's number.
        server_id: u64,
        /// The emoji.
        code: Option<String>,
    },
}

/// Who writes.
pub struct Writer<'a> {
    /// The person.
    pub account: &'a Arc<Account>,
    /// From which device; 0 is the phone.
    pub device: u16,
}

/// Accepts a companion's message or refuses it; answers with the acknowledgement.
pub fn from_companion(network: &Arc<Network>, session: &Session, stanza: &Node, id: &str, to: &Jid) -> Vec<Node> {
    let mut table = network.newsletters.lock();
    let Some(newsletter) = NewsletterId::of(to).and_then(|id| table.get_mut(id)) else {
        return accept::refuse(network, session, id, to, NOBODY);
    };
    let Some(written) = read(stanza, id) else {
        return accept::refuse(network, session, id, to, accept::MALFORMED);
    };
    if !is_allowed(newsletter, session.account.number, &written) {
        return accept::refuse(network, session, id, to, FORBIDDEN);
    }
    // An edit repeats the identifier of what it edits.
    let chat = match &written {
        Written::Edit { plaintext, .. } => format!("{to} {plaintext:?}"),
        _ => to.to_string(),
    };
    let mut envelope = accept::envelope(session, stanza, id, to, Vec::new(), false);
    let Some((verdict, _)) = accept::judge(network, session, &mut envelope, &chat) else {
        return Vec::new();
    };
    let server_id = if verdict == Verdict::Repeated {
        newsletter
            .posts
            .iter()
            .find(|post| post.id == id)
            .map(|post| post.server_id)
    } else {
        network.stats.message_accepted();
        let writer = Writer {
            account: &session.account,
            device: session.device,
        };
        write(network, newsletter, &writer, id, written)
    };
    let mut answers = accept::acknowledge(network, session, id, to);
    if let Some((answer, server_id)) = answers.first_mut().zip(server_id) {
        answer.attrs.insert("server_id", server_id);
    }
    answers
}

/// What a phone writes; the number of the message, or `None` when it may not.
pub fn from_phone(
    network: &Arc<Network>,
    account: &Arc<Account>,
    newsletter: NewsletterId,
    id: &str,
    written: Written,
) -> Option<u64> {
    let mut table = network.newsletters.lock();
    let newsletter = table.get_mut(newsletter)?;
    if !is_allowed(newsletter, account.number, &written) {
        return None;
    }
    write(network, newsletter, &Writer { account, device: 0 }, id, written)
}

/// Whether a person may write in a newsletter.
pub fn may_write(table: &Table, newsletter: &Jid, number: Number) -> bool {
    let newsletter = NewsletterId::of(newsletter).and_then(|id| table.get(id));
    newsletter.is_some_and(|newsletter| newsletter.may_write(number))
}

fn is_allowed(newsletter: &Newsletter, number: Number, written: &Written) -> bool {
    match written {
        Written::Reaction { .. } => newsletter.follower(number).is_some(),
        Written::New { .. } | Written::Edit { .. } => newsletter.may_write(number),
    }
}

fn read(stanza: &Node, id: &str) -> Option<Written> {
    if let Some(reaction) = child(stanza, "reaction") {
        let code = attribute(reaction, "code").filter(|code| !code.is_empty());
        return Some(Written::Reaction {
            server_id: attribute(stanza, "server_id")?.parse().ok()?,
            code: code.map(std::borrow::Cow::into_owned),
        });
    }
    let plaintext = child(stanza, "plaintext")?;
    let bytes = content(plaintext).unwrap_or_default().to_vec();
    match attribute(stanza, "edit").as_deref() {
        Some(ADMIN_REVOKE) => {
            return Some(Written::Edit {
                id: id.to_owned(),
                plaintext: None,
            });
        }
        Some(ADMIN_EDIT) => {
            return Some(Written::Edit {
                id: id.to_owned(),
                plaintext: Some(bytes),
            });
        }
        _ => {}
    }
    Some(read_edit(&bytes).unwrap_or_else(|| Written::New {
        kind: attribute(stanza, "type").map_or_else(|| "text".to_owned(), std::borrow::Cow::into_owned),
        media_type: attribute(plaintext, "mediatype").map(std::borrow::Cow::into_owned),
        plaintext: bytes,
    }))
}

/// A message that names another one which it changes.
pub fn read_edit(bytes: &[u8]) -> Option<Written> {
    let message = Message::decode_from_slice(bytes).ok()?;
    let wrapped = message.edited_message.message.as_option();
    let protocol = wrapped.unwrap_or(&message).protocol_message.as_option()?;
    let id = protocol.key.id.clone()?;
    match protocol.r#type {
        Some(ProtocolType::REVOKE) => Some(Written::Edit { id, plaintext: None }),
        Some(ProtocolType::MESSAGE_EDIT) => Some(Written::Edit {
            id,
            plaintext: Some(protocol.edited_message.encode_to_vec()),
        }),
        _ => None,
    }
}

fn write(
    network: &Arc<Network>,
    newsletter: &mut Newsletter,
    writer: &Writer<'_>,
    id: &str,
    written: Written,
) -> Option<u64> {
    match written {
        Written::New {
            kind,
            plaintext,
            media_type,
        } => {
            let post = Post {
                server_id: newsletter.next_server_id(),
                id: id.to_owned(),
                author: writer.account.number,
                at: unix_seconds(),
                kind,
                plaintext,
                media_type,
                reactions: std::collections::HashMap::new(),
            };
            let server_id = post.server_id;
            publish(network, newsletter, writer, &post, None);
            newsletter.posts.push(post);
            Some(server_id)
        }
        Written::Edit { id, plaintext } => {
            let post = newsletter.posts.iter_mut().find(|post| post.id == id)?;
            let edit = if plaintext.is_some() { ADMIN_EDIT } else { ADMIN_REVOKE };
            post.plaintext = plaintext.unwrap_or_default();
            let post = post.clone();
            publish(network, newsletter, writer, &post, Some(edit));
            Some(post.server_id)
        }
        Written::Reaction { server_id, code } => {
            let reactions = &mut newsletter.post_mut(server_id)?.reactions;
            match code {
                Some(code) => reactions.insert(writer.account.number, code),
                None => reactions.remove(&writer.account.number),
            };
            tell_live(network, newsletter, server_id);
            Some(server_id)
        }
    }
}

/// Hands a message to every device of everybody who follows, except the one that wrote it.
fn publish(
    network: &Arc<Network>,
    newsletter: &Newsletter,
    writer: &Writer<'_>,
    post: &Post,
    edit: Option<&'static str>,
) {
    let stanza = |own: bool| {
        let mut builder = NodeBuilder::new("message")
            .attr("from", newsletter.id.jid())
            .attr("id", post.id.as_str())
            .attr("server_id", post.server_id)
            .attr("type", post.kind.as_str())
            .attr("t", post.at);
        if let Some(edit) = edit {
            builder = builder.attr("edit", edit);
        }
        if own {
            builder = builder.attr("is_sender", "true");
        }
        builder.children([plaintext(post)]).build()
    };
    for account in newsletter.accounts() {
        let own = account.number == writer.account.number;
        let companions: Vec<u16> = account.state().devices.iter().map(|device| device.id).collect();
        for device in companions.into_iter().chain([0]) {
            if !(own && device == writer.device) {
                hand_over(network, &account, device, stanza(own));
            }
        }
    }
}

/// `<plaintext>` with the content.
pub(super) fn plaintext(post: &Post) -> Node {
    let builder = NodeBuilder::new("plaintext");
    let builder = match &post.media_type {
        Some(media_type) => builder.attr("mediatype", media_type.as_str()),
        None => builder,
    };
    builder.bytes(post.plaintext.clone()).build()
}

/// `<reactions>` with their counts.
pub(super) fn reactions(post: &Post) -> Node {
    let reactions = post.counted_reactions().into_iter().map(|(code, count)| {
        NodeBuilder::new("reaction")
            .attr("code", code)
            .attr("count", count)
            .build()
    });
    NodeBuilder::new("reactions").children(reactions).build()
}

/// Tells those who asked for live updates how often a message was reacted to
/// (whatsapp-rust src/handlers/notification/groups.rs:275-340).
fn tell_live(network: &Arc<Network>, newsletter: &mut Newsletter, server_id: u64) {
    let now = unix_seconds();
    newsletter.live.retain(|_, until| *until >= now);
    let Some(post) = newsletter.posts.iter().find(|post| post.server_id == server_id) else {
        return;
    };
    let message = NodeBuilder::new("message")
        .attr("server_id", server_id)
        .attr("id", post.id.as_str())
        .children([reactions(post)])
        .build();
    let messages = NodeBuilder::new("messages")
        .attr("jid", newsletter.id.jid())
        .attr("t", now)
        .children([message])
        .build();
    let updates = NodeBuilder::new("live_updates").children([messages]).build();
    let notification = network
        .notification("newsletter", newsletter.id.jid())
        .children([updates])
        .build();
    for device in newsletter.live.keys() {
        if let Some(account) = network.accounts.by_number(device.number) {
            hand_over(network, &account, device.device, notification.clone());
        }
    }
}
