//! `iq` with the namespace `newsletter`: messages that were written before, and live updates.
//!
//! Sources: Baileys Socket/newsletter.ts:165-200; whatsapp-rust src/features/newsletter.rs:410-540, 665-740; whatsmeow
//! newsletter.go, `GetNewsletterMessages`.

use std::sync::Arc;

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::messages::{plaintext, reactions};
use super::{Newsletter, NewsletterId, Post};
use crate::clock::unix_seconds;
use crate::network::Network;
use crate::node::{address, attribute, child, error, result};
use crate::stanza::Session;

/// How long live updates last, in seconds.
const LIVE_TIME: u64 = 300;

/// How many messages one answer has at most.
const MOST: usize = 100;

/// Answers one request.
pub fn answer(network: &Arc<Network>, session: &Session, iq: &Node) -> Node {
    let mut table = network.newsletters.lock();
    let to = address(iq, "to");
    let Some(newsletter) = to.as_ref().and_then(NewsletterId::of).and_then(|id| table.get_mut(id)) else {
        return error(iq, 404, "item-not-found");
    };
    let answer = if child(iq, "live_updates").is_some() {
        newsletter.live.insert(session.address(), unix_seconds() + LIVE_TIME);
        NodeBuilder::new("live_updates").attr("duration", LIVE_TIME).build()
    } else if let Some(asked) = child(iq, "messages") {
        history(newsletter, session, asked)
    } else if let Some(asked) = child(iq, "message_updates") {
        let messages = history(newsletter, session, asked);
        NodeBuilder::new("message_updates").children([messages]).build()
    } else {
        return error(iq, 501, "feature-not-implemented");
    };
    result(iq).children([answer]).build()
}

/// The newest messages, or those before or after a number; the oldest first.
fn history(newsletter: &Newsletter, session: &Session, asked: &Node) -> Node {
    let number = |name| attribute(asked, name).and_then(|text| text.parse::<u64>().ok());
    let (before, after) = (number("before"), number("after"));
    let since = number("since");
    let count = number("count")
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(MOST)
        .min(MOST);
    let fits = |post: &&Post| {
        before.is_none_or(|before| post.server_id < before)
            && after.is_none_or(|after| post.server_id > after)
            && since.is_none_or(|since| post.at >= since)
    };
    let found: Vec<&Post> = newsletter.posts.iter().filter(fits).collect();
    let newest = found.iter().skip(found.len().saturating_sub(count));
    let messages = newest.map(|post| {
        let builder = NodeBuilder::new("message")
            .attr("id", post.id.as_str())
            .attr("server_id", post.server_id)
            .attr("t", post.at)
            .attr("type", post.kind.as_str());
        let builder = if post.author == session.account.number {
            builder.attr("is_sender", "true")
        } else {
            builder
        };
        builder.children([plaintext(post), reactions(post)]).build()
    });
    NodeBuilder::new("messages")
        .attr("jid", newsletter.id.jid())
        .attr("t", unix_seconds())
        .children(messages)
        .build()
}
