//! What a phone has received and decrypted, for tests to look at: messages, receipts for what the account sent, and typing.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};
use tokio::sync::Notify;
use wacore_binary::Jid;

/// How many messages, receipts and typing states are kept; the oldest go first.
const KEPT: usize = 20_000;

/// A message as the phone sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedMessage {
    /// Grows with everything the phone receives; pass the last one seen as `after`.
    pub cursor: u64,
    /// The message's identifier.
    pub id: String,
    /// The sending device as it was spelled.
    pub from: String,
    /// The sender's number.
    pub from_phone: String,
    /// The sender's LID.
    pub from_lid: String,
    /// The chat: the other person, also for messages that a companion of this account sent.
    pub chat: String,
    /// Whether a companion of this account sent it.
    pub from_me: bool,
    /// `text`, `reaction`, `edit`, `revoke`, or what [`super::kinds::name`] calls it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The text, or the emoji.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The message that a reaction, edit or revocation is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When the server accepted it, in seconds since 1970.
    pub timestamp: u64,
    /// How often the phone had to ask again before it could read it.
    pub retries: u32,
    /// The `type` of the stanza, such as `text` or `media`.
    pub stanza_type: String,
    /// The message as protobuf, without the wrapper of a message that an own companion sent; base64 in JSON.
    #[serde(rename = "protobuf", serialize_with = "as_base64")]
    pub encoded: Vec<u8>,
    /// The sending device.
    #[serde(skip)]
    pub sender: Jid,
}

fn as_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

/// A receipt for something that this account has sent.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedReceipt {
    /// See [`ReceivedMessage::cursor`].
    pub cursor: u64,
    /// The message.
    pub id: String,
    /// The receiving device.
    pub from: String,
    /// `delivered`, `read` or `played`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Somebody is typing, or has stopped.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedTyping {
    /// See [`ReceivedMessage::cursor`].
    pub cursor: u64,
    /// Who.
    pub from: String,
    /// `composing`, `recording` or `paused`.
    pub state: String,
}

/// What came after a cursor.
#[derive(Debug, Default, Serialize)]
pub struct Page {
    /// Messages.
    pub messages: Vec<ReceivedMessage>,
    /// Receipts.
    pub receipts: Vec<ReceivedReceipt>,
    /// Typing.
    pub typing: Vec<ReceivedTyping>,
    /// The cursor to continue with.
    pub next: u64,
}

impl Page {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.receipts.is_empty() && self.typing.is_empty()
    }
}

/// Everything a phone received.
#[derive(Default)]
pub struct Inbox {
    last: u64,
    messages: VecDeque<ReceivedMessage>,
    receipts: VecDeque<ReceivedReceipt>,
    typing: VecDeque<ReceivedTyping>,
    news: Arc<Notify>,
}

fn keep<T>(queue: &mut VecDeque<T>, item: T) {
    queue.push_back(item);
    if queue.len() > KEPT {
        queue.pop_front();
    }
}

impl Inbox {
    fn next_cursor(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a message; its cursor is filled in.
    pub fn add_message(&mut self, mut message: ReceivedMessage) {
        message.cursor = self.next_cursor();
        keep(&mut self.messages, message);
        self.news.notify_waiters();
    }

    /// Adds a receipt.
    pub fn add_receipt(&mut self, id: String, from: String, kind: String) {
        let cursor = self.next_cursor();
        keep(&mut self.receipts, ReceivedReceipt { cursor, id, from, kind });
        self.news.notify_waiters();
    }

    /// Adds a typing state.
    pub fn add_typing(&mut self, from: String, state: String) {
        let cursor = self.next_cursor();
        keep(&mut self.typing, ReceivedTyping { cursor, from, state });
        self.news.notify_waiters();
    }

    /// The newest message with this identifier.
    pub fn message(&self, id: &str) -> Option<&ReceivedMessage> {
        self.messages.iter().rev().find(|message| message.id == id)
    }

    /// What came after a cursor.
    pub fn after(&self, cursor: u64) -> Page {
        Page {
            messages: self
                .messages
                .iter()
                .filter(|message| message.cursor > cursor)
                .cloned()
                .collect(),
            receipts: self
                .receipts
                .iter()
                .filter(|receipt| receipt.cursor > cursor)
                .cloned()
                .collect(),
            typing: self
                .typing
                .iter()
                .filter(|typing| typing.cursor > cursor)
                .cloned()
                .collect(),
            next: self.last.max(cursor),
        }
    }

    /// Wakes whoever waits for something new.
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cursor_runs_through_everything() {
        let mut inbox = Inbox::default();
        inbox.add_receipt("A".to_owned(), "x".to_owned(), "delivered".to_owned());
        inbox.add_typing("x".to_owned(), "composing".to_owned());
        let page = inbox.after(0);
        assert_eq!((page.receipts.len(), page.typing.len(), page.next), (1, 1, 2));
        let page = inbox.after(1);
        assert_eq!((page.receipts.len(), page.typing.len()), (0, 1));
        assert!(inbox.after(2).is_empty());
    }
}
