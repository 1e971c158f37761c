//! Messages that arrived, or that another device of the account has sent, as facts to store.

use shared::address::Address;
use shared::content::Content;
use shared::event::Event;
use shared::ids::MessageId;
use shared::message::{Message, MessageContext, MessageDetails, MessageState, MessageStatus};
use shared::store::known_messages::KnownMessages;
use shared::store::records::NewMessage;

use super::act::Act;
use super::{Scribe, Writing, party};
use crate::engine::{IncomingDetails, IncomingMessage, Quoted};

impl Scribe {
    /// WhatsApp's id of the message that [`Scribe::message`] will want to know.
    #[must_use]
    pub fn message_reference(message: &IncomingMessage) -> Option<&String> {
        message.content.target().map(|key| &key.wa_message_id)
    }

    /// Writes up a message that arrived, or that another device of the account has sent.
    pub fn message(&mut self, writing: &mut Writing, incoming: &IncomingMessage, known: &mut KnownMessages) {
        if self.ignore.groups && matches!(incoming.chat.address, Address::Group(_)) {
            return;
        }
        if incoming.chat.address == Address::Status {
            return self.status_message(writing, incoming, known);
        }
        let in_newsletter = matches!(incoming.chat.address, Address::Newsletter(_));
        if self.ignore.newsletters && in_newsletter {
            return;
        }
        let (chat, from) = (party(&incoming.chat), party(&incoming.from));
        let wa_message_id = incoming.wa_message_id.clone();
        let key = |kind: &str| {
            format!(
                "{kind}:{}:{}:{wa_message_id}",
                incoming.chat.address, incoming.from.address
            )
        };
        if incoming.content.target().is_some() {
            let act = Act {
                chat: &chat,
                from: &from,
                from_me: incoming.from_me,
                content: &incoming.content,
                at: incoming.at,
                key: key(incoming.content.kind()),
            };
            self.act(writing, known, &act);
            if has_own_event(&incoming.content) {
                return;
            }
        }
        let id = MessageId::generate();
        let content = self.take_media(writing, incoming, id, &chat);
        let message = Message {
            id,
            session_id: self.session,
            wa_message_id: wa_message_id.clone(),
            chat,
            from,
            from_me: incoming.from_me,
            kind: incoming.content.kind().to_owned(),
            details: details(&incoming.details),
            state: MessageState::default(),
            content: content.to_map(),
            context: incoming.context.as_ref().map(context),
            status: if incoming.from_me {
                MessageStatus::Sent
            } else {
                MessageStatus::Received
            },
            error: None,
            timestamp: incoming.at,
        };
        writing.facts.messages.push(NewMessage::from(&message));
        known.add_new(&message);
        let event = if in_newsletter {
            Event::NewsletterMessage(Box::new(message))
        } else if incoming.from_me {
            Event::MessageSent(Box::new(message))
        } else {
            Event::MessageReceived(Box::new(message))
        };
        self.event_at(writing, &event, incoming.at, Some(key("message")));
    }
}

/// Whether an act is told by an event of its own type. Others (pins, answers to invitations) are told as messages of their type.
fn has_own_event(content: &Content) -> bool {
    matches!(
        content,
        Content::Reaction(_) | Content::Edit(_) | Content::Revoke(_) | Content::PollVote(_)
    )
}

pub(super) fn details(details: &IncomingDetails) -> MessageDetails {
    MessageDetails {
        from_name: details.from_name.clone(),
        mentions: details.mentions.iter().map(party).collect(),
        mention_all: details.mention_all,
        forwarding_score: details.forwarding_score,
        ephemeral: details.ephemeral,
        referral: details.referral.clone(),
        business_name: details.business_name.clone(),
    }
}

pub(super) fn context(quoted: &Quoted) -> MessageContext {
    MessageContext {
        wa_message_id: quoted.wa_message_id.clone(),
        from: quoted.author.as_ref().map(party),
        quoted: quoted.content.as_deref().map(Content::to_map),
    }
}
