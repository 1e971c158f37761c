//! What happens to chats, here or on another device of the account, and the phone's history, as facts to store.

use shared::address::Party;
use shared::chat::FOREVER;
use shared::event::{ChatDeleted, ChatUpdated, Event, HistorySynced};
use shared::ids::MessageId;
use shared::message::{Message, MessageState};
use shared::operation::chat::ChatMarks;
use shared::operation::{ChatOperation, Operation};
use shared::store::read_model::{Change, ChatChange, ChatState};
use shared::store::records::NewMessage;

use super::arrived::{context, details};
use super::{Scribe, Writing, party};
use crate::engine::{ChatEvent, HistoryMessage, HistoryPart, Person};

impl Scribe {
    /// Another device of the account did something with a chat.
    pub(super) fn chat(&mut self, writing: &mut Writing, told: &ChatEvent) {
        let chat = party(&told.chat);
        if !told.silent
            && let Some(event) = event_of(&chat, &told.state)
        {
            self.event_at(writing, &event, told.at, None);
        }
        note(writing, &chat, told.state.clone());
    }

    /// Another device of the account has read messages.
    pub(super) fn read_elsewhere(
        &mut self,
        writing: &mut Writing,
        chat: Option<&Person>,
        ids: &[String],
        at: chrono::DateTime<chrono::Utc>,
    ) {
        let Some(chat) = chat.map(party) else {
            writing.facts.changes.push(Change::ReadElsewhere(ids.to_vec()));
            return;
        };
        let state = ChatState::ReadUntil(ids.to_vec());
        if let Some(event) = event_of(&chat, &state) {
            self.event_at(writing, &event, at, None);
        }
        note(writing, &chat, state);
    }

    /// An operation on a chat was carried out: WhatsApp tells the account's other devices, not us.
    pub fn performed(&mut self, writing: &mut Writing, operation: &Operation) {
        let Operation::Chat(operation) = operation else { return };
        match operation {
            ChatOperation::Typing { .. } | ChatOperation::FetchHistory { .. } => {}
            ChatOperation::Update { chat, marks, .. } => self.marked(writing, &Party::new(chat, None), marks),
            ChatOperation::Read { chat, messages, last } => {
                let chat = Party::new(chat, None);
                // What has arrived since the command was given is not read.
                let known = messages.iter().map(|key| &key.wa_message_id);
                let last = last.iter().map(|last| &last.key.wa_message_id);
                let ids: Vec<String> = known.chain(last).cloned().collect();
                let state = if ids.is_empty() {
                    ChatState::Read
                } else {
                    ChatState::ReadUntil(ids)
                };
                self.done(writing, &chat, state);
            }
            ChatOperation::Clear { chat, .. } => self.done(writing, &Party::new(chat, None), ChatState::Cleared),
            ChatOperation::Delete { chat, .. } => self.done(writing, &Party::new(chat, None), ChatState::Deleted),
        }
    }

    fn done(&mut self, writing: &mut Writing, chat: &Party, state: ChatState) {
        if let Some(event) = event_of(chat, &state) {
            self.event(writing, &event, None);
        }
        note(writing, chat, state);
    }

    fn marked(&mut self, writing: &mut Writing, chat: &Party, marks: &ChatMarks) {
        let until = marks.muted.as_ref().map(|mute| mute.until);
        let states = [
            marks.archived.map(ChatState::Archived),
            marks
                .pinned
                .map(|pinned| ChatState::Pinned(pinned.then(chrono::Utc::now))),
            until.map(ChatState::Muted),
            marks.marked_unread.map(|unread| {
                if unread {
                    ChatState::MarkedUnread(true)
                } else {
                    ChatState::Read
                }
            }),
            marks.ephemeral.map(ChatState::Ephemeral),
        ];
        let update = ChatUpdated {
            chat: chat.clone(),
            archived: marks.archived,
            pinned: marks.pinned,
            muted: until.map(|until| until.is_some()),
            muted_until: until.flatten(),
            marked_unread: marks.marked_unread,
            ephemeral: marks.ephemeral,
            ..ChatUpdated::default()
        };
        self.event(writing, &Event::ChatUpdated(Box::new(update)), None);
        for state in states.into_iter().flatten() {
            note(writing, chat, state);
        }
    }

    /// Writes up a part of the phone's history. Its messages make no events: they are of the past.
    pub fn history(&mut self, writing: &mut Writing, part: &HistoryPart) {
        let messages = part.messages.iter().map(|told| self.message_of_history(told));
        writing.facts.messages.extend(messages);
        for (chat, marks) in &part.chats {
            note(writing, &party(chat), ChatState::History(marks.clone()));
        }
        if let Some(summary) = &part.finished {
            let event = Event::HistorySynced(HistorySynced {
                kind: summary.kind,
                chat: summary.chat.as_ref().map(party),
                chats: summary.chats,
                messages: summary.messages,
                progress: summary.progress,
            });
            self.event(writing, &event, None);
        }
    }

    fn message_of_history(&self, told: &HistoryMessage) -> NewMessage {
        let message = &told.message;
        NewMessage::of_history(&Message {
            id: MessageId::written_at(message.at),
            session_id: self.session,
            wa_message_id: message.wa_message_id.clone(),
            chat: party(&message.chat),
            from: party(&message.from),
            from_me: message.from_me,
            kind: message.content.kind().to_owned(),
            content: message.content.to_map(),
            context: message.context.as_ref().map(context),
            details: details(&message.details),
            state: MessageState::default(),
            status: told.status,
            error: None,
            timestamp: message.at,
        })
    }
}

fn note(writing: &mut Writing, chat: &Party, state: ChatState) {
    writing.facts.changes.push(Change::Chat(ChatChange {
        chat: chat.clone(),
        state,
    }));
}

/// What the tenant is told; `None` where nothing is to tell.
fn event_of(chat: &Party, state: &ChatState) -> Option<Event> {
    let mut update = ChatUpdated {
        chat: chat.clone(),
        ..ChatUpdated::default()
    };
    match state {
        ChatState::Known | ChatState::History(_) => return None,
        ChatState::Deleted => return Some(Event::ChatDeleted(ChatDeleted { chat: chat.clone() })),
        ChatState::Named(name) => update.name = Some(name.clone()),
        ChatState::Archived(archived) => update.archived = Some(*archived),
        ChatState::Pinned(since) => update.pinned = Some(since.is_some()),
        ChatState::Muted(until) => {
            update.muted = Some(until.is_some());
            update.muted_until = until.map(|until| until.min(FOREVER));
        }
        ChatState::MarkedUnread(marked) => update.marked_unread = Some(*marked),
        ChatState::Ephemeral(seconds) => update.ephemeral = Some(*seconds),
        ChatState::Read => update.read = Some(true),
        ChatState::ReadUntil(ids) => {
            update.read = Some(true);
            update.read_until = Some(ids.clone());
        }
        ChatState::Cleared => update.cleared = Some(true),
    }
    Some(Event::ChatUpdated(Box::new(update)))
}
