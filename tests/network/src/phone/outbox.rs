//! What a phone has sent, kept so that it can encrypt it again for a device that could not read it.

use std::collections::VecDeque;

use wacore_binary::Jid;
use waproto::whatsapp::Message;

/// How many messages are kept; the oldest go first.
const KEPT: usize = 1_000;

/// A message as it was sent.
#[derive(Clone)]
pub struct Sent {
    /// The message's identifier.
    pub id: String,
    /// The chat.
    pub chat: Jid,
    /// The content.
    pub message: Box<Message>,
    /// The `type` of the stanza.
    pub kind: &'static str,
    /// The `edit` of the stanza.
    pub edit: Option<&'static str>,
    /// Whether it is for an own device's eyes, such as keys and history.
    pub peer: bool,
}

/// The sent messages.
#[derive(Default)]
pub struct Outbox {
    sent: VecDeque<Sent>,
}

impl Outbox {
    /// Keeps a message.
    pub fn add(&mut self, sent: Sent) {
        self.sent.push_back(sent);
        if self.sent.len() > KEPT {
            self.sent.pop_front();
        }
    }

    /// The newest message with this identifier.
    pub fn find(&self, id: &str) -> Option<&Sent> {
        self.sent.iter().rev().find(|sent| sent.id == id)
    }
}
