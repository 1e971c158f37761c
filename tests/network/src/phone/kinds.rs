//! What kind of message a protobuf is, and what the stanza around it must say about it.
//!
//! Sources: wacore src/send/classify.rs (`stanza_type_from_message`, `media_type_from_message`, `should_hide_decrypt_fail`) and
//! src/types/message.rs (`EditAttribute`); Baileys Socket/messages-send.ts (`getMessageType`, `getMediaType`).

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;

/// How deep wrappers are followed; real messages have two at most.
const DEEPEST: usize = 8;

/// The message inside wrappers such as view-once and ephemeral.
pub fn unwrap(message: &Message) -> &Message {
    let mut inner = message;
    for _ in 0..DEEPEST {
        let wrappers = [
            &inner.ephemeral_message,
            &inner.view_once_message,
            &inner.view_once_message_v2,
            &inner.view_once_message_v2_extension,
            &inner.document_with_caption_message,
            &inner.group_mentioned_message,
            &inner.associated_child_message,
            &inner.lottie_sticker_message,
            &inner.poll_creation_message_v4,
        ];
        let wrapped = wrappers
            .into_iter()
            .filter_map(|wrapper| wrapper.as_option())
            .find_map(|wrapper| wrapper.message.as_option());
        match wrapped {
            Some(message) => inner = message,
            None => return inner,
        }
    }
    inner
}

fn has_link(message: &Message) -> bool {
    let text = message.extended_text_message.as_option();
    text.and_then(|text| text.matched_text.as_ref())
        .is_some_and(|link| !link.trim().is_empty())
}

/// A name for tests: the name of the field that is set, without `Message` where clients drop it too.
pub fn name(message: &Message) -> &'static str {
    let message = unwrap(message);
    let named = [
        (message.image_message.is_set(), "image"),
        (message.video_message.is_set(), "video"),
        (message.ptv_message.is_set(), "video_note"),
        (message.audio_message.is_set(), "audio"),
        (message.document_message.is_set(), "document"),
        (message.sticker_message.is_set(), "sticker"),
        (message.location_message.is_set(), "location"),
        (message.live_location_message.is_set(), "live_location"),
        (message.contact_message.is_set(), "contact"),
        (message.contacts_array_message.is_set(), "contacts"),
        (is_poll(message), "poll"),
        (message.poll_update_message.is_set(), "vote"),
        (message.event_message.is_set(), "event"),
        (message.enc_event_response_message.is_set(), "event_response"),
        (message.pin_in_chat_message.is_set(), "pin"),
        (message.keep_in_chat_message.is_set(), "keep"),
        (message.group_invite_message.is_set(), "group_invite"),
        (message.protocol_message.is_set(), "protocol"),
    ];
    named
        .into_iter()
        .find_map(|(set, name)| set.then_some(name))
        .unwrap_or("other")
}

/// Whether it asks a question with options.
pub fn is_poll(message: &Message) -> bool {
    message.poll_creation_message.is_set()
        || message.poll_creation_message_v2.is_set()
        || message.poll_creation_message_v3.is_set()
        || message.poll_creation_message_v5.is_set()
}

/// The `type` of the stanza.
pub fn stanza_type(message: &Message) -> &'static str {
    let message = unwrap(message);
    if message.reaction_message.is_set() || message.enc_reaction_message.is_set() {
        return "reaction";
    }
    if message.event_message.is_set() || message.enc_event_response_message.is_set() {
        return "event";
    }
    if is_poll(message) || message.poll_update_message.is_set() {
        return "poll";
    }
    let text = message.conversation.is_some()
        || message.protocol_message.is_set()
        || message.keep_in_chat_message.is_set()
        || message.pin_in_chat_message.is_set()
        || message.edited_message.is_set()
        || message.secret_encrypted_message.is_set()
        || message.album_message.is_set()
        || (message.extended_text_message.is_set() && !has_link(message));
    if text { "text" } else { "media" }
}

/// The `mediatype` of the ciphertexts, if they have one.
pub fn media_type(message: &Message) -> Option<&'static str> {
    let message = unwrap(message);
    if message.image_message.is_set() {
        return Some("image");
    }
    if let Some(video) = message.video_message.as_option() {
        return Some(if video.gif_playback == Some(true) {
            "gif"
        } else {
            "video"
        });
    }
    if let Some(audio) = message.audio_message.as_option() {
        return Some(if audio.ptt == Some(true) { "ptt" } else { "audio" });
    }
    let further = [
        (message.ptv_message.is_set(), "ptv"),
        (message.document_message.is_set(), "document"),
        (message.sticker_message.is_set(), "sticker"),
        (message.sticker_pack_message.is_set(), "sticker_pack"),
        (message.location_message.is_set(), "location"),
        (message.live_location_message.is_set(), "livelocation"),
        (message.contact_message.is_set(), "vcard"),
        (message.contacts_array_message.is_set(), "contact_array"),
        (has_link(message) || message.group_invite_message.is_set(), "url"),
        (message.list_message.is_set(), "list"),
        (message.list_response_message.is_set(), "list_response"),
        (message.buttons_response_message.is_set(), "buttons_response"),
    ];
    further.into_iter().find_map(|(set, name)| set.then_some(name))
}

/// The `edit` of the stanza: 1 for a new text, 2 for a pin, 7 for a message that its sender takes back, 8 for one that an
/// administrator takes back.
pub fn edit_attribute(message: &Message) -> Option<&'static str> {
    let message = unwrap(message);
    if message.pin_in_chat_message.is_set() {
        return Some("2");
    }
    let edited = message.edited_message.message.as_option();
    let protocol = edited.unwrap_or(message).protocol_message.as_option()?;
    match protocol.r#type {
        Some(ProtocolType::MESSAGE_EDIT) => Some("1"),
        Some(ProtocolType::REVOKE) if protocol.key.from_me == Some(true) => Some("7"),
        Some(ProtocolType::REVOKE) => Some("8"),
        _ => None,
    }
}

/// Whether a receiver that cannot read it shows nothing in its place.
pub fn hides_failure(message: &Message) -> bool {
    let message = unwrap(message);
    message.reaction_message.is_set()
        || message.pin_in_chat_message.is_set()
        || message.keep_in_chat_message.is_set()
        || message.edited_message.is_set()
        || message.enc_event_response_message.is_set()
        || message.poll_update_message.is_set()
        || message.protocol_message.edited_message.is_set()
}

/// The `<meta>` beside the ciphertexts of polls and events.
pub fn meta(message: &Message) -> Option<Node> {
    let message = unwrap(message);
    let (name, value) = if is_poll(message) {
        ("polltype", "creation")
    } else if message.poll_update_message.is_set() {
        ("polltype", "vote")
    } else if message.event_message.is_set() {
        ("event_type", "creation")
    } else if message.enc_event_response_message.is_set() {
        ("event_type", "response")
    } else {
        return None;
    };
    Some(NodeBuilder::new("meta").attr(name, value).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use buffa::MessageField;
    use waproto::whatsapp::MessageKey;
    use waproto::whatsapp::message::{
        AudioMessage, FutureProofMessage, ImageMessage, PollCreationMessage, ProtocolMessage,
    };

    #[test]
    fn a_picture_to_be_seen_once_is_a_picture() {
        let picture = Message {
            image_message: MessageField::some(ImageMessage::default()),
            ..Default::default()
        };
        let once = Message {
            view_once_message_v2: MessageField::some(FutureProofMessage {
                message: MessageField::some(picture),
            }),
            ..Default::default()
        };
        assert_eq!((name(&once), stanza_type(&once)), ("image", "media"));
        assert_eq!(media_type(&once), Some("image"));
    }

    #[test]
    fn a_voice_note_is_no_ordinary_sound() {
        let note = |ptt| Message {
            audio_message: MessageField::some(AudioMessage {
                ptt,
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(media_type(&note(Some(true))), Some("ptt"));
        assert_eq!(media_type(&note(None)), Some("audio"));
    }

    #[test]
    fn polls_say_that_they_are_polls() {
        let poll = Message {
            poll_creation_message_v3: MessageField::some(PollCreationMessage::default()),
            ..Default::default()
        };
        assert_eq!(stanza_type(&poll), "poll");
        assert!(crate::node::attribute_is(&meta(&poll).unwrap(), "polltype", "creation"));
        assert!(!hides_failure(&poll));
    }

    #[test]
    fn who_takes_a_message_back_shows_in_the_stanza() {
        let revocation = |from_me| Message {
            protocol_message: MessageField::some(ProtocolMessage {
                r#type: Some(ProtocolType::REVOKE),
                key: MessageField::some(MessageKey {
                    from_me: Some(from_me),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(edit_attribute(&revocation(true)), Some("7"));
        assert_eq!(edit_attribute(&revocation(false)), Some("8"));
    }
}
