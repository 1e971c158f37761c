//! What waits for a device: every stanza that the device must acknowledge, in order, until it has done so.
//!
//! A stanza leaves the mailbox when the device answers it with a receipt or an ack, not when it was written to a socket:
//! whatever a lost connection swallowed is delivered again at the next login. A mailbox has no limit: nothing that was
//! accepted may be lost.

use std::collections::VecDeque;

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use crate::node::{address, attribute, attribute_is};

/// A queue of unacknowledged stanzas; the first `sent` of them were written to the current socket.
#[derive(Debug, Default)]
pub struct Mailbox {
    stanzas: VecDeque<Node>,
    sent: usize,
}

/// What a device says it has handled.
#[derive(Debug)]
pub struct Acknowledgement<'a> {
    /// `message`, `receipt`, `notification` or `call`.
    pub class: &'a str,
    /// The stanza's identifier.
    pub id: &'a str,
    /// Whom the stanza came from, if the device says so.
    pub from: Option<&'a Jid>,
    /// The type of an acknowledged receipt.
    pub kind: Option<&'a str>,
}

impl Mailbox {
    /// Adds a stanza at the end.
    pub fn push(&mut self, stanza: Node) {
        self.stanzas.push_back(stanza);
    }

    /// How many stanzas are not acknowledged.
    pub fn len(&self) -> usize {
        self.stanzas.len()
    }

    /// Whether everything is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.stanzas.is_empty()
    }

    /// Forgets everything, when the device is unlinked.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what was written, at the start of a connection: all of it must be written again.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next stanzas to write, at most `limit`, in order; they count as written.
    pub fn take_unsent(&mut self, limit: usize) -> Vec<Node> {
        let batch: Vec<Node> = self.stanzas.iter().skip(self.sent).take(limit).cloned().collect();
        self.sent += batch.len();
        batch
    }

    /// The whole backlog of a device that just came online, each stanza marked with its place in it.
    pub fn take_backlog(&mut self) -> Backlog {
        self.rewind();
        let mut backlog = Backlog::default();
        for (place, mut stanza) in self.take_unsent(usize::MAX).into_iter().enumerate() {
            match stanza.tag.as_ref() {
                "message" => backlog.messages += 1,
                "receipt" => backlog.receipts += 1,
                "notification" => backlog.notifications += 1,
                "call" => backlog.calls += 1,
                _ => {}
            }
            stanza.attrs.insert("offline", place);
            backlog.stanzas.push(stanza);
        }
        backlog
    }

    /// Removes what the device says it has handled; false when nothing matched.
    ///
    /// Receipts from several devices share an identifier, so the sender and, among receipts, the type are compared first;
    /// if no stanza matches exactly, the oldest one with the identifier goes, because clients do not repeat everything.
    pub fn acknowledge(&mut self, acknowledgement: &Acknowledgement<'_>) -> bool {
        let same =
            |stanza: &Node| stanza.tag == acknowledgement.class && attribute_is(stanza, "id", acknowledgement.id);
        let exact = |stanza: &Node| {
            same(stanza)
                && (stanza.tag != "receipt" || attribute(stanza, "type").as_deref() == acknowledgement.kind)
                && acknowledgement
                    .from
                    .is_none_or(|from| address(stanza, "from").as_ref() == Some(from))
        };
        let written = || self.stanzas.iter().take(self.sent);
        let Some(place) = written().position(exact).or_else(|| written().position(same)) else {
            return false;
        };
        self.stanzas.remove(place);
        self.sent -= 1;
        true
    }
}

/// A backlog with its counts, as announced by `<offline_preview>`.
#[derive(Debug, Default)]
pub struct Backlog {
    stanzas: Vec<Node>,
    messages: usize,
    receipts: usize,
    notifications: usize,
    calls: usize,
}

impl Backlog {
    /// The announcement, the stanzas and the end mark. The end mark is mandatory even for an empty backlog: without it
    /// Baileys buffers all events and whatsapp-rust waits 60 seconds (Baileys Socket/socket.ts:1019-1042; whatsapp-rust
    /// src/client/sessions.rs:52).
    pub fn into_stanzas(self) -> Vec<Node> {
        let count = self.stanzas.len();
        let preview = NodeBuilder::new("offline_preview")
            .attr("count", count)
            .attr("message", self.messages)
            .attr("receipt", self.receipts)
            .attr("notification", self.notifications)
            .attr("appdata", 0)
            .attr("call", self.calls)
            .build();
        let end = NodeBuilder::new("offline").attr("count", count).build();
        let mut all = Vec::with_capacity(count + 2);
        if count > 0 {
            all.push(from_server("ib", preview));
        }
        all.extend(self.stanzas);
        all.push(from_server("ib", end));
        all
    }
}

fn from_server(tag: &'static str, child: Node) -> Node {
    NodeBuilder::new(tag)
        .attr("from", crate::node::SERVER)
        .children([child])
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Node {
        NodeBuilder::new("message")
            .attr("id", id)
            .attr("from", Jid::pn("15550001001"))
            .build()
    }

    fn receipt(id: &str, from: &Jid, kind: Option<&str>) -> Node {
        let builder = NodeBuilder::new("receipt").attr("id", id).attr("from", from);
        match kind {
            Some(kind) => builder.attr("type", kind).build(),
            None => builder.build(),
        }
    }

    fn identifiers(stanzas: &[Node]) -> Vec<String> {
        stanzas
            .iter()
            .filter_map(|stanza| attribute(stanza, "id").map(std::borrow::Cow::into_owned))
            .collect()
    }

    fn acknowledge(mailbox: &mut Mailbox, class: &str, id: &str) -> bool {
        mailbox.acknowledge(&Acknowledgement {
            class,
            id,
            from: None,
            kind: None,
        })
    }

    #[test]
    fn what_was_written_but_not_acknowledged_is_written_again_after_a_new_login() {
        let mut mailbox = Mailbox::default();
        for id in ["A", "B", "C"] {
            mailbox.push(message(id));
        }
        assert_eq!(identifiers(&mailbox.take_unsent(2)), ["A", "B"]);
        assert!(acknowledge(&mut mailbox, "message", "A"));
        assert_eq!(identifiers(&mailbox.take_unsent(10)), ["C"]);
        mailbox.rewind();
        assert_eq!(identifiers(&mailbox.take_unsent(10)), ["B", "C"]);
    }

    #[test]
    fn an_acknowledgement_takes_the_stanza_it_means() {
        let mut mailbox = Mailbox::default();
        let phone = Jid::pn("15550001001");
        let companion = Jid::pn_device("15550001001", 2);
        mailbox.push(receipt("A", &phone, None));
        mailbox.push(receipt("A", &companion, None));
        mailbox.push(receipt("A", &phone, Some("read")));
        mailbox.take_unsent(10);
        let meant = Acknowledgement {
            class: "receipt",
            id: "A",
            from: Some(&companion),
            kind: None,
        };
        assert!(mailbox.acknowledge(&meant));
        mailbox.rewind();
        let left = mailbox.take_unsent(10);
        assert_eq!(address(&left[0], "from").unwrap(), phone);
        assert!(attribute_is(&left[1], "type", "read"));
    }

    #[test]
    fn nothing_is_acknowledged_before_it_was_written() {
        let mut mailbox = Mailbox::default();
        mailbox.push(message("A"));
        assert!(!acknowledge(&mut mailbox, "message", "A"));
        mailbox.take_unsent(1);
        assert!(!acknowledge(&mut mailbox, "receipt", "A"));
        assert!(acknowledge(&mut mailbox, "message", "A"));
        assert!(mailbox.is_empty());
    }

    #[test]
    fn a_backlog_is_announced_numbered_and_ended() {
        let mut mailbox = Mailbox::default();
        mailbox.push(message("A"));
        mailbox.push(receipt("B", &Jid::pn("15550001001"), None));
        let stanzas = mailbox.take_backlog().into_stanzas();
        let preview = crate::node::child(&stanzas[0], "offline_preview").unwrap();
        assert!(attribute_is(preview, "count", "2") && attribute_is(preview, "message", "1"));
        assert!(attribute_is(&stanzas[1], "offline", "0") && attribute_is(&stanzas[2], "offline", "1"));
        let end = crate::node::child(&stanzas[3], "offline").unwrap();
        assert!(attribute_is(end, "count", "2"));
        assert_eq!(Mailbox::default().take_backlog().into_stanzas().len(), 1);
    }
}
