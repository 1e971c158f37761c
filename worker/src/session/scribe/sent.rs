//! Messages of the account on their way: taken or refused by WhatsApp's server, reported on by others, stuck.

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::address::{Address, Party};
use shared::command::SendMessage;
use shared::event::{Event, MessageFailed, MessageReference, MessageStatusChanged, SessionRestricted, SessionStalled};
use shared::ids::{CommandId, MessageId};
use shared::message::{Message, MessageContext, MessageDetails, MessageError, MessageState, MessageStatus};
use shared::problem::Code;
use shared::store::known_messages::KnownMessages;
use shared::store::records::{CommandOutcome, MessageProgress};

use super::act::Act;
use super::{Scribe, Writing, party, party_of};
use crate::engine::Receipt;

impl Scribe {
    pub(super) fn acknowledged(
        &mut self,
        writing: &mut Writing,
        wa_message_id: &str,
        refused: Option<&str>,
        known: &mut KnownMessages,
    ) {
        let found = self
            .outgoing
            .lock()
            .by_wa_id(wa_message_id)
            .map(|(sequence, outgoing)| (sequence, outgoing.clone()));
        let Some((sequence, outgoing)) = found else { return };
        if writing.settled.contains(&sequence) {
            return;
        }
        if let Some(code) = refused {
            let detail = format!("WhatsApp's server refused it with code {code}");
            self.restricted(writing, code);
            self.failed(
                writing,
                sequence,
                outgoing.command,
                &outgoing.message,
                Code::MessageRefused,
                &detail,
            );
            return;
        }
        if outgoing.message.to == Address::Status {
            Self::status_progress(writing, &outgoing.message.wa_message_id, MessageStatus::Sent, None);
        }
        let message = self.sent_message(&outgoing.message);
        writing.facts.outcomes.push(CommandOutcome::done(
            outgoing.command,
            Some(json!({ "message_id": outgoing.message.message_id })),
        ));
        writing.progress(MessageProgress {
            wa_message_id: wa_message_id.to_owned(),
            status: MessageStatus::Sent,
            error_code: None,
            error_detail: None,
        });
        writing.settled.push(sequence);
        let key = format!("sent:{}", outgoing.message.message_id);
        let (chat, from, at) = (message.chat.clone(), message.from.clone(), message.timestamp);
        self.event(writing, &Event::MessageSent(Box::new(message)), Some(key));
        // What it changes is changed now that WhatsApp has it.
        let act = Act {
            chat: &chat,
            from: &from,
            from_me: true,
            content: &outgoing.message.content,
            at,
            key: format!("act:{}", outgoing.message.message_id),
        };
        self.act(writing, known, &act);
    }

    /// Notes that WhatsApp restricts the account, if its code says so. Once a day for each code: every message would tell it again.
    pub(super) fn restricted(&self, writing: &mut Writing, code: &str) {
        let detail = match code {
            // wacore/src/protocol: a message to somebody new needs a token that the account does not get right now.
            "463" => "the account may not begin conversations with people who have not written to it",
            _ => return,
        };
        let day = Utc::now().date_naive();
        let event = Event::SessionRestricted(SessionRestricted {
            code: code.to_owned(),
            detail: detail.to_owned(),
        });
        self.event(writing, &event, Some(format!("restricted:{code}:{day}")));
    }

    /// Notes that messages wait and none gets any further.
    pub fn stalled(&mut self, writing: &mut Writing, waiting: usize, since: DateTime<Utc>) {
        let status = self.view.borrow().status;
        let event = Event::SessionStalled(SessionStalled {
            status,
            waiting: waiting as u64,
            since,
        });
        self.event(writing, &event, None);
    }

    /// Notes that a message will not be sent, and with it the end of its command.
    pub fn failed(
        &mut self,
        writing: &mut Writing,
        sequence: i64,
        command: CommandId,
        message: &SendMessage,
        code: Code,
        detail: &str,
    ) {
        if message.to == Address::Status {
            let error = (code.as_str().to_owned(), detail.to_owned());
            Self::status_progress(writing, &message.wa_message_id, MessageStatus::Failed, Some(error));
        }
        writing
            .facts
            .outcomes
            .push(CommandOutcome::failed(command, code.as_str(), detail));
        writing.progress(MessageProgress {
            wa_message_id: message.wa_message_id.clone(),
            status: MessageStatus::Failed,
            error_code: Some(code.as_str().to_owned()),
            error_detail: Some(detail.to_owned()),
        });
        writing.settled.push(sequence);
        let event = Event::MessageFailed(MessageFailed {
            message: MessageReference {
                message_id: Some(message.message_id),
                wa_message_id: message.wa_message_id.clone(),
                chat: Party::new(&message.to, None),
            },
            error: MessageError {
                code: code.as_str().to_owned(),
                detail: detail.to_owned(),
            },
        });
        self.event(writing, &event, Some(format!("failed:{}", message.message_id)));
    }

    pub(super) fn sent_message(&self, message: &SendMessage) -> Message {
        Message {
            id: message.message_id,
            session_id: self.session,
            wa_message_id: message.wa_message_id.clone(),
            chat: Party::new(&message.to, None),
            from: self.account.as_ref().map(party_of).unwrap_or_default(),
            from_me: true,
            kind: message.content.kind().to_owned(),
            details: MessageDetails::from(message),
            state: MessageState::default(),
            content: message.content.to_map(),
            context: message.quote.as_ref().map(MessageContext::from),
            status: MessageStatus::Sent,
            error: None,
            timestamp: Utc::now(),
        }
    }

    pub(super) fn receipt(&mut self, writing: &mut Writing, receipt: &Receipt, known: &mut KnownMessages) {
        for wa_message_id in &receipt.wa_message_ids {
            // A report on a message whose acknowledgement we never saw: WhatsApp has it.
            self.acknowledged(writing, wa_message_id, None, known);
            let Some(message_id) = known.own(wa_message_id).or_else(|| self.outgoing_id(wa_message_id)) else {
                continue;
            };
            if receipt.chat.address == Address::Status {
                self.status_receipt(writing, receipt, wa_message_id, message_id);
                continue;
            }
            writing.progress(MessageProgress {
                wa_message_id: wa_message_id.clone(),
                status: receipt.status,
                error_code: None,
                error_detail: None,
            });
            let participant = party(&receipt.from);
            let key = format!("status:{wa_message_id}:{}:{}", receipt.status, receipt.from.address);
            let event = Event::MessageStatus(MessageStatusChanged {
                message: MessageReference {
                    message_id: Some(message_id),
                    wa_message_id: wa_message_id.clone(),
                    chat: party(&receipt.chat),
                },
                status: receipt.status,
                participant: Some(participant),
            });
            self.event_at(writing, &event, receipt.at, Some(key));
        }
    }

    pub(super) fn outgoing_id(&self, wa_message_id: &str) -> Option<MessageId> {
        self.outgoing
            .lock()
            .by_wa_id(wa_message_id)
            .map(|(_, outgoing)| outgoing.message.message_id)
    }
}
