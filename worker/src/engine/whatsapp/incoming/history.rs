//! The phone's history: conversations of the past, stored in parts of bounded size.
//!
//! A transfer is read conversation by conversation from its compressed form, so that memory holds one conversation and one part at a time, however long the
//! history is; few transfers are read at once in the whole worker. WhatsApp counts a transfer as received before we see it
//! (whatsapp-rust history_sync.rs: the receipt goes out first), so what a crash interrupts is not sent again; it can be asked for by chat.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use shared::event::HistoryKind;
use shared::message::MessageStatus;
use shared::store::read_model::ChatHistory;
use tokio::sync::{Semaphore, mpsc};
use wacore::history_sync::HistorySyncStream;
use wacore::types::events::LazyHistorySync;
use wacore::types::message::{MessageInfo, MessageSource};
use wacore_binary::JidExt as _;
use waproto::whatsapp as wa;
use waproto::whatsapp::history_sync::HistorySyncType;
use whatsapp_rust::Jid;

use super::super::foreign::foreign;
use super::chats::muted_until;
use super::person;
use super::reading::message;
use crate::engine::{HistoryMessage, HistoryPart, HistorySummary, Listener, Person};

/// Messages in one part.
const PART: usize = 200;
/// Parts that wait to be stored.
const WAITING: usize = 2;
/// Transfers that one worker reads at once.
static READERS: Semaphore = Semaphore::const_new(2);

/// A transfer to be read.
pub(super) struct Transfer {
    compressed: Bytes,
    size: u64,
    kind: HistoryKind,
    progress: Option<u32>,
    /// Older messages are left out.
    since: Option<DateTime<Utc>>,
    own: Own,
}

/// The account's own ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    pub(super) phone: Option<Jid>,
    pub(super) lid: Option<Jid>,
}

impl Transfer {
    /// The transfer, if it holds conversations and is wanted: what the phone sends by itself only when `days` of history are wanted.
    pub(super) fn of(history: &LazyHistorySync, days: u32, own: Own) -> Option<Self> {
        let is = |kind: HistorySyncType| history.sync_type() == kind as i32;
        let kind = if is(HistorySyncType::ON_DEMAND) {
            HistoryKind::OnDemand
        } else if is(HistorySyncType::INITIAL_BOOTSTRAP) || is(HistorySyncType::RECENT) || is(HistorySyncType::FULL) {
            HistoryKind::Pairing
        } else {
            return None;
        };
        if kind == HistoryKind::Pairing && days == 0 {
            return None;
        }
        Some(Self {
            compressed: history.compressed_bytes().clone(),
            size: u64::try_from(history.decompressed_size()).unwrap_or(u64::MAX),
            kind,
            progress: history.progress(),
            since: (kind == HistoryKind::Pairing).then(|| Utc::now() - TimeDelta::days(i64::from(days))),
            own,
        })
    }

    /// Reads the transfer and has it stored part by part.
    pub(super) async fn store(self, listener: Arc<dyn Listener>) {
        let Ok(_turn) = READERS.acquire().await else { return };
        let (parts, mut waiting) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || self.read(&parts));
        while let Some(part) = waiting.recv().await {
            if listener.history(part).await.is_err() {
                tracing::warn!("a part of the history was not recorded: the rest is left out");
                break;
            }
        }
        drop(waiting);
        if let Err(error) = reading.await {
            tracing::warn!(%error, "the history could not be read");
        }
    }

    /// Runs on a thread that may wait.
    fn read(&self, parts: &mpsc::Sender<HistoryPart>) {
        let mut stream = HistorySyncStream::new(&self.compressed, self.size);
        let mut reader = Reader::new(self, parts);
        loop {
            match stream.next_conversation() {
                Ok(Some(conversation)) => {
                    if reader.conversation(conversation).is_none() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "the history is damaged: what was read of it is kept");
                    break;
                }
            }
        }
        reader.finish();
    }
}

/// Collects a part and passes it on when it is full.
struct Reader<'a> {
    transfer: &'a Transfer,
    parts: &'a mpsc::Sender<HistoryPart>,
    part: HistoryPart,
    chats: u32,
    messages: u32,
    only_chat: Option<Person>,
}

impl<'a> Reader<'a> {
    fn new(transfer: &'a Transfer, parts: &'a mpsc::Sender<HistoryPart>) -> Self {
        Self {
            transfer,
            parts,
            part: HistoryPart::default(),
            chats: 0,
            messages: 0,
            only_chat: None,
        }
    }

    /// `None`: nobody wants more.
    fn conversation(&mut self, conversation: wa::Conversation) -> Option<()> {
        let parsed = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Jid>().ok());
        let Ok(jid) = conversation.id.parse::<Jid>() else {
            return Some(());
        };
        let alternative = if jid.is_lid() {
            parsed(&conversation.pn_jid)
        } else {
            parsed(&conversation.lid_jid)
        };
        let Some(chat) = person(&jid, alternative.as_ref()) else {
            return Some(());
        };
        self.chats += 1;
        self.only_chat = (self.chats == 1).then(|| chat.clone());
        let marks = (self.transfer.kind == HistoryKind::Pairing).then(|| marks(&conversation));
        for entry in conversation.messages {
            let Some(info) = entry.message.into_option() else {
                continue;
            };
            if let Some(message) = self.message(&info, &jid, alternative.as_ref(), &chat) {
                self.messages += 1;
                self.part.messages.push(message);
                if self.part.messages.len() >= PART {
                    self.flush()?;
                }
            }
        }
        if let Some(marks) = marks {
            // After the messages: which of them are read is counted from the newest.
            self.part.chats.push((chat, marks));
        }
        if self.part.chats.len() >= PART {
            self.flush()?;
        }
        Some(())
    }

    fn message(
        &self,
        info: &wa::WebMessageInfo,
        jid: &Jid,
        alternative: Option<&Jid>,
        chat: &Person,
    ) -> Option<HistoryMessage> {
        let seconds = i64::try_from(info.message_timestamp?).ok()?;
        let at = DateTime::from_timestamp(seconds, 0)?;
        if self.transfer.since.is_some_and(|since| at < since) {
            return None;
        }
        let key = info.key.as_option()?;
        let from_me = key.from_me.unwrap_or_default();
        let is_group = jid.is_group();
        let participant = || {
            let text = info.participant.as_deref().or(key.participant.as_deref());
            text.and_then(|text| text.parse::<Jid>().ok())
        };
        let own = &self.transfer.own;
        let (sender, sender_alt) = match (from_me, is_group) {
            (true, _) => (own.phone.clone().or_else(|| own.lid.clone())?, own.lid.clone()),
            (false, true) => (participant()?, None),
            (false, false) => (jid.clone(), alternative.cloned()),
        };
        let source = MessageSource {
            chat: jid.clone(),
            sender,
            sender_alt,
            is_from_me: from_me,
            is_group,
            ..MessageSource::default()
        };
        let told = MessageInfo {
            id: key.id.clone()?,
            timestamp: at,
            source,
            ..MessageInfo::default()
        };
        let own: Vec<Jid> = [own.phone.clone(), own.lid.clone()].into_iter().flatten().collect();
        let mut message = message(info.message.as_option()?, &told, &own)?;
        // Reactions, edits and the like change messages that are told as they are now.
        if message.content.target().is_some() {
            return None;
        }
        message.chat = chat.clone();
        Some(HistoryMessage {
            status: status(from_me, info.status),
            message,
        })
    }

    fn flush(&mut self) -> Option<()> {
        let part = std::mem::take(&mut self.part);
        self.parts.blocking_send(part).ok()
    }

    fn finish(mut self) {
        let transfer = self.transfer;
        self.part.finished = Some(HistorySummary {
            kind: transfer.kind,
            chat: self.only_chat.take().filter(|_| transfer.kind == HistoryKind::OnDemand),
            chats: self.chats,
            messages: self.messages,
            progress: transfer.progress,
        });
        let _nobody_wants_it = self.flush();
    }
}

fn marks(conversation: &wa::Conversation) -> ChatHistory {
    let time = |seconds: u64| {
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
    };
    // The end of muting comes in milliseconds; 0: not muted; beyond what a time can be: for ever.
    let muted = conversation.mute_end_time.filter(|end| *end > 0);
    ChatHistory {
        name: conversation
            .name
            .as_deref()
            .or(conversation.display_name.as_deref())
            .filter(|name| !name.is_empty())
            .map(|name| foreign(name).chars().take(200).collect()),
        unread_count: conversation.unread_count.unwrap_or_default(),
        marked_unread: conversation.marked_as_unread.unwrap_or_default(),
        archived: conversation.archived.unwrap_or_default(),
        pinned_at: conversation
            .pinned
            .filter(|since| *since > 0)
            .and_then(|since| time(u64::from(since))),
        muted_until: muted.map(|end| muted_until(i64::try_from(end).unwrap_or(-1))),
        ephemeral_seconds: conversation.ephemeral_expiration.unwrap_or_default(),
    }
}

fn status(from_me: bool, status: Option<wa::web_message_info::Status>) -> MessageStatus {
    use wa::web_message_info::Status;
    if !from_me {
        return MessageStatus::Received;
    }
    match status {
        Some(Status::ERROR) => MessageStatus::Failed,
        Some(Status::DELIVERY_ACK) => MessageStatus::Delivered,
        Some(Status::READ) => MessageStatus::Read,
        Some(Status::PLAYED) => MessageStatus::Played,
        _ => MessageStatus::Sent,
    }
}
