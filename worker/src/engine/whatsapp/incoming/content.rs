//! What an arrived message says, in our words.
//!
//! Whatever the message holds, this answers: a kind that is unknown here is shown as unsupported rather than lost. Texts and ids of others go through
//! [`foreign`], so that whatever is in them can be stored.

use shared::content::{Content, Edit, Media, MessageKey, Reaction, Revoke, Unsupported};
use wacore::proto_helpers::MessageExt as _;
use wacore::types::message::MessageSource;
use waproto::whatsapp as wa;

use super::super::foreign::foreign;
use crate::engine::RemoteMedia;

/// What the message says; `None` when it says nothing to people: keys, settings, history.
pub(super) fn of(message: &wa::Message, source: &MessageSource) -> Option<Content> {
    if let Some(edited) = edit(message, source) {
        return edited;
    }
    let base = message.get_base_message();
    if let Some(protocol) = base.protocol_message.as_option() {
        return protocol_content(protocol, source);
    }
    if let Some(text) = base.text_content() {
        return Some(Content::text(foreign(text)));
    }
    if let Some(reaction) = base.reaction_message.as_option() {
        return Some(Content::Reaction(Reaction {
            message: key(reaction.key.as_option(), source),
            emoji: reaction.text.as_deref().map(foreign).unwrap_or_default(),
        }));
    }
    let media = || Media {
        caption: base.get_caption().map(foreign),
        ..Media::default()
    };
    Some(if base.image_message.is_set() {
        Content::Image(media())
    } else if base.video_message.is_set() {
        Content::Video(media())
    } else if base.audio_message.is_set() {
        Content::Audio(media())
    } else if base.document_message.is_set() {
        Content::Document(media())
    } else if base.sticker_message.is_set() {
        Content::Sticker(media())
    } else {
        Content::Unsupported(Unsupported {
            caption: base.get_caption().map(foreign),
            name: None,
        })
    })
}

/// Where WhatsApp keeps the message's file, if it has one.
pub(super) fn remote_media(_message: &wa::Message) -> Option<RemoteMedia> {
    None
}

/// WhatsApp's id of the message that this one answers.
pub(super) fn answered(message: &wa::Message) -> Option<String> {
    let text = message.get_base_message().extended_text_message.as_option()?;
    text.context_info.as_option()?.stanza_id.as_deref().map(foreign)
}

/// Which message is meant. In a chat of two, "from me" is meant from the author's side.
fn key(key: Option<&wa::MessageKey>, source: &MessageSource) -> MessageKey {
    let Some(key) = key else {
        return MessageKey::default();
    };
    let authors = key.from_me.unwrap_or_default();
    MessageKey {
        wa_message_id: key.id.as_deref().map(foreign).unwrap_or_default(),
        from_me: if source.is_from_me || source.is_group {
            authors && source.is_from_me
        } else {
            !authors
        },
        author: key.participant.as_deref().map(foreign),
    }
}

/// An edit comes wrapped (`edited_message`) around the protocol message that carries it.
fn edit(message: &wa::Message, source: &MessageSource) -> Option<Option<Content>> {
    let wrapped = message.edited_message.as_option()?.message.as_option()?;
    Some(protocol_content(wrapped.protocol_message.as_option()?, source))
}

fn protocol_content(protocol: &wa::message::ProtocolMessage, source: &MessageSource) -> Option<Content> {
    use wa::message::protocol_message::Type;
    let message = key(protocol.key.as_option(), source);
    if message.wa_message_id.is_empty() {
        return None;
    }
    match protocol.r#type {
        Some(Type::REVOKE) => Some(Content::Revoke(Revoke { message })),
        Some(Type::MESSAGE_EDIT) => Some(
            match protocol
                .edited_message
                .as_option()
                .and_then(|edited| edited.text_content())
            {
                Some(text) => Content::Edit(Edit {
                    message,
                    content: Box::new(Content::text(foreign(text))),
                }),
                None => Content::Unsupported(Unsupported::default()),
            },
        ),
        _ => None,
    }
}
