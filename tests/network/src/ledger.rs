//! The ledger: what the network has accepted from whom over which connection, in order. It is the evidence that nothing
//! was lost and nothing was doubled, so it is written where things are decided and never changed afterwards.
//!
//! For each ciphertext it holds the sender's chain and counter, which a Signal message carries in clear: a chain and
//! counter that appear twice would mean that two processes shared one ratchet.

use std::collections::VecDeque;

use chrono::{SecondsFormat, Utc};
use parking_lot::Mutex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use wacore_binary::Jid;
use wacore_libsignal::protocol::{PreKeySignalMessage, SenderKeyMessage, SignalMessage};

use crate::accounts::Number;
use crate::messages::fanout::Part;
use crate::node::{attribute, content};
use crate::socket::SocketId;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A companion was linked by QR code or by code.
    Linked,
    /// A companion was unlinked.
    Unlinked,
    /// A companion logged in; `detail` is the kind of handshake.
    Login,
    /// A connection gave way to a newer one of the same device.
    Replaced,
    /// A connection ended.
    Disconnect,
    /// A message was accepted; with `duplicate` it was known already and not delivered again.
    Message,
    /// A message was encrypted anew for a device that could not read it.
    Retry,
    /// A message of a companion to its own phone, such as a request for keys.
    Peer,
    /// A message was refused; `detail` is the error code.
    Refused,
}

/// One line of the ledger. Fields that make no sense for a kind are absent.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Grows by one with every entry; the cursor for `after`.
    pub cursor: u64,
    /// What it is about.
    pub kind: EntryKind,
    /// The account.
    pub number: String,
    /// The companion.
    pub device: u16,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<SocketId>,
    /// Whom a message is for, as the sender spelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The message's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The message's type on the wire.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// The sender's chain of the first ciphertext for the receiver: a hash of the ratchet key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The counter in that chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<u32>,
    /// All ciphertexts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encrypted: Vec<EncryptedPart>,
    /// When, in RFC 3339 with milliseconds.
    pub at: String,
    /// Whether the message was known already.
    pub duplicate: bool,
    /// More about it, depending on the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One ciphertext of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncryptedPart {
    /// The device it is for.
    pub to: String,
    /// `msg`, `pkmsg`, or `skmsg` for a whole chat.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sender's chain, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The counter in that chain, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<u32>,
}

impl EncryptedPart {
    /// The evidence in the ciphertexts for one device.
    pub fn of(part: &Part) -> Vec<Self> {
        let evidence = |enc| {
            let kind = attribute(enc, "type").unwrap_or_default().into_owned();
            let header = content(enc).and_then(|bytes| read_header(&kind, bytes));
            let (chain, counter) = header.unzip();
            Self {
                to: part.to.to_string(),
                kind,
                chain,
                counter,
            }
        };
        part.encrypted.iter().map(evidence).collect()
    }
}

fn read_header(kind: &str, bytes: &[u8]) -> Option<(String, u32)> {
    let describe = |message: &SignalMessage| {
        let hash = Sha256::digest(message.sender_ratchet_key().public_key_bytes());
        (hex::encode(&hash[..8]), message.counter())
    };
    match kind {
        "msg" => SignalMessage::try_from(bytes).ok().as_ref().map(describe),
        "pkmsg" => {
            let message = PreKeySignalMessage::try_from(bytes).ok()?;
            Some(describe(message.message()))
        }
        // The number of the sender's key takes the place of the chain.
        "skmsg" => {
            let message = SenderKeyMessage::try_from(bytes).ok()?;
            Some((format!("{:08x}", message.chain_id()), message.iteration()))
        }
        _ => None,
    }
}

impl Entry {
    /// An entry about a device without a connection.
    pub fn of_account(kind: EntryKind, number: Number, device: u16) -> Self {
        Self {
            cursor: 0,
            kind,
            number: number.to_string(),
            device,
            socket: None,
            to: None,
            id: None,
            message_type: None,
            chain: None,
            counter: None,
            encrypted: Vec::new(),
            at: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            duplicate: false,
            detail: None,
        }
    }

    /// An entry about a connection of a device.
    pub fn of_device(kind: EntryKind, number: Number, device: u16, socket: SocketId) -> Self {
        Self {
            socket: Some(socket),
            ..Self::of_account(kind, number, device)
        }
    }

    /// Copies chain and counter of the first ciphertext for the chat's person, for readers who need no more.
    pub fn name_main_chain(&mut self, chat: &Jid) {
        let person = chat.to_non_ad().to_string();
        let (user, server) = person.split_once('@').unwrap_or((&person, ""));
        let of_person = |part: &&EncryptedPart| {
            part.to
                .split_once('@')
                .is_some_and(|(device, at)| at == server && device.split(':').next() == Some(user))
        };
        if let Some(part) = self.encrypted.iter().find(of_person) {
            self.chain.clone_from(&part.chain);
            self.counter = part.counter;
        }
    }
}

/// All entries, the oldest of which are dropped beyond a limit.
pub struct Ledger {
    limit: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    last: u64,
    kept: VecDeque<Entry>,
}

/// A part of the ledger.
#[derive(Debug, Serialize)]
pub struct Page {
    /// The entries in order.
    pub entries: Vec<Entry>,
    /// The cursor of the newest entry of the whole ledger: pass it as `after` to see only what comes later.
    pub last: u64,
    /// The cursor of the oldest entry that is still kept, or 0.
    pub first: u64,
}

impl Ledger {
    /// An empty ledger that keeps this many entries.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            entries: Mutex::default(),
        }
    }

    /// Adds an entry at the end.
    pub fn record(&self, mut entry: Entry) {
        let mut entries = self.entries.lock();
        entries.last += 1;
        entry.cursor = entries.last;
        entries.kept.push_back(entry);
        if entries.kept.len() > self.limit {
            entries.kept.pop_front();
        }
    }

    /// Entries after a cursor, of one account or of all, at most `limit`.
    pub fn page(&self, number: Option<&str>, after: u64, limit: usize) -> Page {
        let entries = self.entries.lock();
        let first = entries.kept.front().map_or(0, |entry| entry.cursor);
        // Cursors are consecutive, so the place of the first wanted entry is known.
        let skipped = usize::try_from((after + 1).saturating_sub(first.max(1))).unwrap_or(usize::MAX);
        let wanted = entries
            .kept
            .iter()
            .skip(skipped)
            .filter(|entry| number.is_none_or(|number| entry.number == number))
            .take(limit)
            .cloned()
            .collect();
        Page {
            entries: wanted,
            last: entries.last,
            first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        Entry::of_account(EntryKind::Message, Number::from_value(number), 1)
    }

    fn cursors(page: &Page) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.cursor).collect()
    }

    #[test]
    fn a_reader_continues_where_it_stopped() {
        let ledger = Ledger::new(100);
        for number in [11_111, 22_222, 11_111, 22_222] {
            ledger.record(entry(number));
        }
        assert_eq!(cursors(&ledger.page(None, 0, 10)), [1, 2, 3, 4]);
        assert_eq!(cursors(&ledger.page(None, 2, 10)), [3, 4]);
        assert_eq!(cursors(&ledger.page(Some("11111"), 0, 10)), [1, 3]);
        assert_eq!(cursors(&ledger.page(None, 0, 2)), [1, 2]);
        assert!(ledger.page(None, 4, 10).entries.is_empty());
    }

    #[test]
    fn the_oldest_entries_go_and_the_reader_can_see_it() {
        let ledger = Ledger::new(2);
        for _ in 0..5 {
            ledger.record(entry(11_111));
        }
        let page = ledger.page(None, 0, 10);
        assert_eq!((cursors(&page), page.first, page.last), (vec![4, 5], 4, 5));
        assert_eq!(cursors(&ledger.page(None, 4, 10)), [5]);
    }

    #[test]
    fn what_cannot_be_parsed_has_no_chain() {
        assert_eq!(read_header("msg", b"nonsense"), None);
        assert_eq!(read_header("pkmsg", b""), None);
        assert_eq!(read_header("skmsg", &[0x33; 64]), None);
    }

    #[test]
    fn the_main_chain_is_that_of_the_receiver_and_not_of_own_devices() {
        let part = |to: &str, chain: &str| EncryptedPart {
            to: to.to_owned(),
            kind: "msg".to_owned(),
            chain: Some(chain.to_owned()),
            counter: Some(3),
        };
        let mut entry = entry(11_111);
        entry.encrypted = vec![
            part("11111:2@s.whatsapp.net", "own"),
            part("22222:4@s.whatsapp.net", "theirs"),
            part("22222@s.whatsapp.net", "later"),
        ];
        entry.name_main_chain(&Jid::pn("22222"));
        assert_eq!((entry.chain.as_deref(), entry.counter), (Some("theirs"), Some(3)));
    }
}
