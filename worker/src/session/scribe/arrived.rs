//! Messages that arrived, or that another device of the account has sent, as facts to store.

use serde_json::{Map, Value, json};
use shared::address::Address;
use shared::event::{Event, MessageEdited, MessageReaction, MessageReference, MessageRevoked};
use shared::ids::MessageId;
use shared::message::{Message, MessageContext, MessageStatus, text_content};
use shared::store::records::NewMessage;

use super::{MessageIds, Scribe, Writing, party};
use crate::engine::{IncomingContent, IncomingMessage};

impl Scribe {
    /// WhatsApp's id of the message for which [`Scribe::message`] will want our id.
    #[must_use]
    pub fn message_reference(message: &IncomingMessage) -> Option<&String> {
        match &message.content {
            IncomingContent::Reaction { to: id, .. }
            | IncomingContent::Edit { of: id, .. }
            | IncomingContent::Revoke { of: id } => Some(id),
            _ => None,
        }
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
        let (kind, content) = match &incoming.content {
            IncomingContent::Nothing => return,
            IncomingContent::Reaction { to, emoji } => {
                let event = Event::MessageReaction(MessageReaction {
                    message: reference(to),
                    from,
                    emoji: emoji.clone(),
                });
                return self.event_at(writing, &event, incoming.at, key("reaction"));
            }
            IncomingContent::Edit { of, text } => {
                let event = Event::MessageEdited(MessageEdited {
                    message: reference(of),
                    from,
                    kind: "text".to_owned(),
                    content: text_content(text),
                });
                return self.event_at(writing, &event, incoming.at, key("edit"));
            }
            IncomingContent::Revoke { of } => {
                let event = Event::MessageRevoked(MessageRevoked {
                    message: reference(of),
                    from,
                });
                return self.event_at(writing, &event, incoming.at, key("revoke"));
            }
            IncomingContent::Text(text) => ("text", text_content(text)),
            IncomingContent::Other { kind, text } => (*kind, other_content(kind, text.as_deref())),
        };
        let message = Message {
            id: MessageId::generate(),
            session_id: self.session,
            wa_message_id: wa_message_id.clone(),
            chat,
            from,
            from_me: incoming.from_me,
            kind: kind.to_owned(),
            content,
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

fn other_content(kind: &str, text: Option<&str>) -> Map<String, Value> {
    let mut content = Map::new();
    let value = text.map_or_else(|| json!({}), |text| json!({ "caption": text }));
    content.insert(kind.to_owned(), value);
    content
}
