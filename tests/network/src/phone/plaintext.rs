//! What is inside a ciphertext: a protobuf message and padding.
//!
//! The padding is 1 to 16 bytes, each with the number of them as its value (Baileys Utils/generics.ts,
//! `unpadRandomMax16`).

use buffa::{Message as _, MessageField};
use wacore_binary::Jid;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp::message::{DeviceSentMessage, ExtendedTextMessage, ProtocolMessage, ReactionMessage};
use waproto::whatsapp::{Message, MessageKey};

use super::kinds;

/// Adds random padding.
pub fn pad(message: &Message) -> Vec<u8> {
    let length = rand::random_range(1..=16_u8);
    let mut bytes = message.encode_to_vec();
    bytes.resize(bytes.len() + usize::from(length), length);
    bytes
}

/// Removes the padding and reads the message. `None` when it is not one.
pub fn unpad(bytes: &[u8]) -> Option<Message> {
    let length = usize::from(*bytes.last()?);
    let content = bytes.get(..bytes.len().checked_sub(length)?)?;
    Message::decode_from_slice(content).ok()
}

/// What a person sends, and what one sees of what others send. Later kinds become further variants.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// An emoji under a message; an empty one takes the reaction back.
    Reaction {
        /// The message.
        id: String,
        /// The emoji.
        emoji: String,
        /// Whether the message was one's own.
        from_me: bool,
    },
    /// A message's new text.
    Edit {
        /// The message.
        id: String,
        /// The new text.
        text: String,
    },
    /// A message taken back for everyone.
    Revoke {
        /// The message.
        id: String,
    },
    /// Anything else, as it is; only ever sent.
    Message(Box<Message>),
}

impl Content {
    /// The name in the HTTP interface.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Reaction { .. } => "reaction",
            Self::Edit { .. } => "edit",
            Self::Revoke { .. } => "revoke",
            Self::Message(message) => kinds::name(message),
        }
    }

    /// The `type` of the stanza.
    pub fn stanza_type(&self) -> &'static str {
        match self {
            Self::Reaction { .. } => "reaction",
            Self::Text(_) | Self::Edit { .. } | Self::Revoke { .. } => "text",
            Self::Message(message) => kinds::stanza_type(message),
        }
    }

    /// The `edit` of the stanza: 1 for a new text, 7 for a message that its sender takes back
    /// (wacore src/types/message.rs, `EditAttribute`).
    pub fn edit_attribute(&self) -> Option<&'static str> {
        match self {
            Self::Edit { .. } => Some("1"),
            Self::Revoke { .. } => Some("7"),
            Self::Text(_) | Self::Reaction { .. } => None,
            Self::Message(message) => kinds::edit_attribute(message),
        }
    }

    /// As a protobuf message for a chat.
    pub fn to_message(&self, chat: &Jid) -> Message {
        let key = |id: &str, from_me| MessageKey {
            remote_jid: Some(chat.to_string()),
            from_me: Some(from_me),
            id: Some(id.to_owned()),
            ..Default::default()
        };
        let now = i64::try_from(crate::clock::unix_milliseconds()).unwrap_or(i64::MAX);
        match self {
            Self::Text(text) => Message {
                conversation: Some(text.clone()),
                ..Default::default()
            },
            Self::Reaction { id, emoji, from_me } => Message {
                reaction_message: MessageField::some(ReactionMessage {
                    key: MessageField::some(key(id, *from_me)),
                    text: Some(emoji.clone()),
                    sender_timestamp_ms: Some(now),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Self::Edit { id, text } => protocol(ProtocolMessage {
                key: MessageField::some(key(id, true)),
                r#type: Some(ProtocolType::MESSAGE_EDIT),
                edited_message: MessageField::some(Self::Text(text.clone()).to_message(chat)),
                timestamp_ms: Some(now),
                ..Default::default()
            }),
            Self::Revoke { id } => protocol(ProtocolMessage {
                key: MessageField::some(key(id, true)),
                r#type: Some(ProtocolType::REVOKE),
                ..Default::default()
            }),
            Self::Message(message) => (**message).clone(),
        }
    }

    /// From a protobuf message; `None` for kinds that this network does not know yet and for messages without content.
    pub fn of(message: &Message) -> Option<Self> {
        if let Some(text) = text_of(message) {
            return Some(Self::Text(text));
        }
        if let Some(reaction) = message.reaction_message.as_option() {
            return Some(Self::Reaction {
                id: reaction.key.id.clone().unwrap_or_default(),
                emoji: reaction.text.clone().unwrap_or_default(),
                from_me: reaction.key.from_me.unwrap_or_default(),
            });
        }
        // Baileys wraps an edit once more (Utils/messages.ts, `editedMessage`).
        let wrapped = message.edited_message.message.as_option();
        let protocol = wrapped.unwrap_or(message).protocol_message.as_option()?;
        let id = protocol.key.id.clone().unwrap_or_default();
        match protocol.r#type {
            Some(ProtocolType::REVOKE) => Some(Self::Revoke { id }),
            Some(ProtocolType::MESSAGE_EDIT) => Some(Self::Edit {
                id,
                text: text_of(&protocol.edited_message).unwrap_or_default(),
            }),
            _ => None,
        }
    }
}

fn protocol(message: ProtocolMessage) -> Message {
    Message {
        protocol_message: MessageField::some(message),
        ..Default::default()
    }
}

/// A plain text, or one with a preview, mentions or a quotation.
fn text_of(message: &Message) -> Option<String> {
    let extended = |text: &ExtendedTextMessage| text.text.clone();
    message
        .conversation
        .clone()
        .or_else(|| message.extended_text_message.as_option().and_then(extended))
}

/// Wraps a message for the sender's own devices, which must learn where it went.
pub fn wrap_for_own_devices(message: Message, chat: &Jid) -> Message {
    Message {
        // Secrets of polls and events are read from here (Baileys Socket/messages-send.ts, `relayMessage`).
        message_context_info: message.message_context_info.clone(),
        device_sent_message: MessageField::some(DeviceSentMessage {
            destination_jid: Some(chat.to_string()),
            message: MessageField::some(message),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Unwraps a message that another own device sent: the chat it went to, and the message.
pub fn unwrap_from_own_device(message: Message) -> (Option<Jid>, Message) {
    let context = message.message_context_info.clone();
    let Some(sent) = message.device_sent_message.into_option() else {
        return (
            None,
            Message {
                device_sent_message: MessageField::none(),
                ..message
            },
        );
    };
    let chat = sent.destination_jid.as_deref().and_then(|jid| jid.parse().ok());
    let mut inner = sent.message.into_option().unwrap_or_default();
    if !inner.message_context_info.is_set() {
        inner.message_context_info = context;
    }
    (chat, inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_comes_off_again() {
        let message = Content::Text("hello".to_owned()).to_message(&Jid::pn("15550001001"));
        for _ in 0..50 {
            let padded = pad(&message);
            let added = padded.len() - message.encode_to_vec().len();
            assert!((1..=16).contains(&added));
            assert_eq!(unpad(&padded).unwrap().conversation.as_deref(), Some("hello"));
        }
        assert!(unpad(b"").is_none());
        assert!(unpad(&[200]).is_none());
    }

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let chat = Jid::pn("15550001001");
        let kinds = [
            Content::Text("hello".to_owned()),
            Content::Reaction {
                id: "A".to_owned(),
                emoji: "👍".to_owned(),
                from_me: false,
            },
            Content::Edit {
                id: "B".to_owned(),
                text: "better".to_owned(),
            },
            Content::Revoke { id: "C".to_owned() },
        ];
        for content in kinds {
            assert_eq!(Content::of(&content.to_message(&chat)), Some(content));
        }
        assert_eq!(Content::of(&Message::default()), None);
    }

    #[test]
    fn own_devices_learn_where_a_message_went() {
        let chat = Jid::lid("100000000001002");
        let message = Content::Text("hello".to_owned()).to_message(&chat);
        let (destination, inner) = unwrap_from_own_device(wrap_for_own_devices(message, &chat));
        assert_eq!(destination, Some(chat));
        assert_eq!(inner.conversation.as_deref(), Some("hello"));
    }
}
