//! What an outgoing message says, for the kinds that stand for themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buffa::MessageField;
use shared::content::{ContactCard, Contacts, Content, GroupInvite, LinkPreview, LiveLocation, Location, Text};
use shared::vcard;
use waproto::whatsapp as wa;

use super::{interactive, media};
use crate::engine::UploadedMedia;

/// The message that says `content`, not yet wrapped. `uploaded`: its file; without it the message only shows what is known of the file (quotes, edits).
pub(in super::super) fn of(content: &Content, uploaded: Option<&UploadedMedia>) -> Result<wa::Message, String> {
    let mut body = wa::Message::default();
    match content {
        Content::Text(text) => said(&mut body, text),
        Content::Image(_) | Content::Video(_) | Content::Audio(_) | Content::Document(_) | Content::Sticker(_) => {
            media::put(&mut body, content, uploaded);
        }
        Content::Location(place) => body.location_message = MessageField::some(location(place)),
        Content::LiveLocation(place) => body.live_location_message = MessageField::some(live_location(place)),
        Content::Contacts(contacts) => passed_on(&mut body, contacts),
        Content::Poll(poll) => interactive::poll(&mut body, poll),
        Content::Event(event) => body.event_message = MessageField::some(interactive::event(event)),
        Content::List(list) => body.interactive_message = MessageField::some(interactive::list(list)),
        Content::Buttons(buttons) => body.interactive_message = MessageField::some(interactive::buttons(buttons)),
        Content::ListReply(reply) => body.list_response_message = MessageField::some(interactive::list_reply(reply)),
        Content::ButtonsReply(reply) => {
            body.buttons_response_message = MessageField::some(interactive::buttons_reply(reply));
        }
        Content::GroupInvite(invite) => body.group_invite_message = MessageField::some(group_invite(invite)),
        Content::Unsupported(_)
        | Content::Reaction(_)
        | Content::Edit(_)
        | Content::Revoke(_)
        | Content::Pin(_)
        | Content::Keep(_)
        | Content::PollVote(_)
        | Content::EventResponse(_) => {
            return Err(format!(
                "messages of the kind {} do not stand for themselves",
                content.kind()
            ));
        }
    }
    Ok(body)
}

/// The wrappers that WhatsApp wants around some kinds: media that can be opened once, documents with a caption.
pub(super) fn wrap(body: wa::Message, content: &Content) -> wa::Message {
    let Some(file) = content.media() else { return body };
    let wrapped = |body: wa::Message| {
        MessageField::some(wa::message::FutureProofMessage {
            message: MessageField::some(body),
        })
    };
    match content {
        Content::Image(_) | Content::Video(_) if file.view_once => wa::Message {
            view_once_message_v2: wrapped(body),
            ..Default::default()
        },
        Content::Audio(_) if file.view_once => wa::Message {
            view_once_message_v2_extension: wrapped(body),
            ..Default::default()
        },
        Content::Document(_) if file.caption.is_some() => wa::Message {
            document_with_caption_message: wrapped(body),
            ..Default::default()
        },
        _ => body,
    }
}

/// Base64 as bytes; what is none is left out.
pub(super) fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    STANDARD.decode(text?).ok()
}

fn said(body: &mut wa::Message, text: &Text) {
    let Some(preview) = &text.preview else {
        body.conversation = Some(text.body.clone());
        return;
    };
    body.extended_text_message = MessageField::some(previewed(text, preview));
}

fn previewed(text: &Text, preview: &LinkPreview) -> wa::message::ExtendedTextMessage {
    wa::message::ExtendedTextMessage {
        text: Some(text.body.clone()),
        matched_text: Some(preview.url.clone()),
        title: preview.title.clone(),
        description: preview.description.clone(),
        jpeg_thumbnail: bytes(preview.thumbnail.as_ref()),
        preview_type: Some(wa::message::extended_text_message::PreviewType::NONE),
        ..Default::default()
    }
}

/// A place.
pub(super) fn location(place: &Location) -> wa::message::LocationMessage {
    wa::message::LocationMessage {
        degrees_latitude: Some(place.latitude),
        degrees_longitude: Some(place.longitude),
        name: place.name.clone(),
        address: place.address.clone(),
        url: place.url.clone(),
        ..Default::default()
    }
}

fn live_location(place: &LiveLocation) -> wa::message::LiveLocationMessage {
    wa::message::LiveLocationMessage {
        degrees_latitude: Some(place.latitude),
        degrees_longitude: Some(place.longitude),
        caption: place.caption.clone(),
        accuracy_in_meters: place.accuracy,
        speed_in_mps: place.speed,
        degrees_clockwise_from_magnetic_north: place.heading,
        sequence_number: place.sequence,
        ..Default::default()
    }
}

fn passed_on(body: &mut wa::Message, contacts: &Contacts) {
    if let [one] = contacts.contacts.as_slice() {
        body.contact_message = MessageField::some(contact(one));
        return;
    }
    body.contacts_array_message = MessageField::some(wa::message::ContactsArrayMessage {
        // Phones show this line until the message is opened.
        display_name: Some(format!("{} contacts", contacts.contacts.len())),
        contacts: contacts.contacts.iter().map(contact).collect(),
        ..Default::default()
    });
}

fn contact(card: &ContactCard) -> wa::message::ContactMessage {
    wa::message::ContactMessage {
        display_name: Some(card.name.clone()),
        vcard: Some(card.vcard.clone().unwrap_or_else(|| vcard::build(card))),
        ..Default::default()
    }
}

fn group_invite(invite: &GroupInvite) -> wa::message::GroupInviteMessage {
    wa::message::GroupInviteMessage {
        group_jid: Some(invite.group.clone()),
        invite_code: Some(invite.code.clone()),
        invite_expiration: invite.expires_at,
        group_name: invite.subject.clone(),
        caption: invite.caption.clone(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::content::{Media, Unsupported};

    #[test]
    fn plain_text_stays_plain() {
        let body = of(&Content::text("Hello"), None).unwrap();
        assert_eq!(body.conversation.as_deref(), Some("Hello"));
        assert!(!body.extended_text_message.is_set());
    }

    #[test]
    fn media_that_can_be_opened_once_and_documents_with_a_caption_are_wrapped() {
        let once = Content::Image(Media {
            view_once: true,
            ..Media::default()
        });
        let wrapped = wrap(of(&once, None).unwrap(), &once);
        let inner = wrapped.view_once_message_v2.as_option().unwrap();
        let image = &inner.message.as_option().unwrap().image_message;
        assert_eq!(image.as_option().unwrap().view_once, Some(true));

        let file = Content::Document(Media {
            caption: Some("The list".into()),
            ..Media::default()
        });
        let wrapped = wrap(of(&file, None).unwrap(), &file);
        assert!(wrapped.document_with_caption_message.is_set());
        assert!(!wrapped.document_message.is_set());
    }

    #[test]
    fn what_is_not_understood_is_not_sent() {
        assert!(of(&Content::Unsupported(Unsupported::default()), None).is_err());
    }
}
