//! Messages that arrived, or that another device of the account has sent, as facts to store.

use shared::address::Address;
use shared::content::Content;
use shared::event::{Event, MessageEdited, MessageReaction, MessageReference, MessageRevoked};
use shared::ids::MessageId;
use shared::message::{Message, MessageContext, MessageStatus};
use shared::store::records::NewMessage;

use super::{MessageIds, Scribe, Writing, party};
use crate::engine::IncomingMessage;

impl Scribe {
    /// WhatsApp's id of the message for which [`Scribe::message`] will want our id.
    #[must_use]
    pub fn message_reference(message: &IncomingMessage) -> Option<&String> {
        message.content.target().map(|key| &key.wa_message_id)
    }

    /// Writes up a message that arrived, or that another device of the account has sent.
    pub fn message(&mut self, writing: &mut Writing, incoming: &IncomingMessage, ids: &MessageIds) {
        if self.ignore.groups && matches!(incoming.chat.address, Address::Group(_)) {
            return;
        }
        let (chat, from) = (party(&incoming.chat), party(&incoming.from));
        let wa_message_id = incoming.wa_message_id.clone();
        let key = |kind: &str| {
            Some(format!(
                "{kind}:{}:{}:{wa_message_id}",
                incoming.chat.address, incoming.from.address
            ))
        };
        let reference = |id: &String| MessageReference {
            message_id: ids.get(id).copied(),
            wa_message_id: id.clone(),
            chat: chat.clone(),
        };
        match &incoming.content {
            Content::Reaction(reaction) => {
                let event = Event::MessageReaction(MessageReaction {
                    message: reference(&reaction.message.wa_message_id),
                    from,
                    emoji: reaction.emoji.clone(),
                });
                return self.event_at(writing, &event, incoming.at, key("reaction"));
            }
            Content::Edit(edit) => {
                let event = Event::MessageEdited(MessageEdited {
                    message: reference(&edit.message.wa_message_id),
                    from,
                    kind: edit.content.kind().to_owned(),
                    content: edit.content.to_map(),
                });
                return self.event_at(writing, &event, incoming.at, key("edit"));
            }
            Content::Revoke(revoke) => {
                let event = Event::MessageRevoked(MessageRevoked {
                    message: reference(&revoke.message.wa_message_id),
                    from,
                });
                return self.event_at(writing, &event, incoming.at, key("revoke"));
            }
            _ => {}
        }
        let message = Message {
            id: MessageId::generate(),
            session_id: self.session,
            wa_message_id: wa_message_id.clone(),
            chat,
            from,
            from_me: incoming.from_me,
            kind: incoming.content.kind().to_owned(),
            content: incoming.content.to_map(),
            context: incoming.context.as_ref().map(|id| MessageContext {
                wa_message_id: id.clone(),
            }),
            status: if incoming.from_me {
                MessageStatus::Sent
            } else {
                MessageStatus::Received
            },
            error: None,
            timestamp: incoming.at,
        };
        writing.facts.messages.push(NewMessage::from(&message));
        let event = if incoming.from_me {
            Event::MessageSent(Box::new(message))
        } else {
            Event::MessageReceived(Box::new(message))
        };
        self.event_at(writing, &event, incoming.at, key("message"));
    }
}
