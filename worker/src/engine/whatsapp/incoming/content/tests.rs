//! Each kind from the protocol to our words, and there and back.

mod acts;

use buffa::MessageField;
use shared::content::interactive::{Button, ListReply, ListRow, ListSection};
use shared::content::{
    Buttons, ButtonsReply, CalendarEvent, Edit, EventResponse, Keep, List, Media, MessageKey, Pin, Poll, PollVote,
    Reaction, Revoke,
};
use wacore::types::message::{EditAttribute, MessageInfo};

use super::super::super::outgoing;
use super::*;
use crate::engine::UploadedMedia;

const OWN: &str = "15550009999@s.whatsapp.net";
const OTHER: &str = "15550001001@s.whatsapp.net";
const GROUP: &str = "120363021033254949@g.us";

fn source(chat: &str, from_me: bool) -> MessageSource {
    MessageSource {
        chat: chat.parse().unwrap(),
        sender: if from_me { OWN } else { OTHER }.parse().unwrap(),
        is_from_me: from_me,
        is_group: chat == GROUP,
        ..MessageSource::default()
    }
}

fn read_in(message: &wa::Message, chat: &str, from_me: bool, by_admin: bool) -> Option<Content> {
    let own = [OWN.parse().unwrap()];
    let source = source(chat, from_me);
    of(
        message,
        &View {
            source: &source,
            own: &own,
            by_admin,
        },
    )
}

fn read(message: &wa::Message) -> Option<Content> {
    read_in(message, OTHER, false, false)
}

fn wrapped(message: wa::Message) -> MessageField<wa::message::FutureProofMessage> {
    MessageField::some(wa::message::FutureProofMessage {
        message: MessageField::some(message),
    })
}

fn file() -> (Media, UploadedMedia) {
    let media = Media {
        mime_type: "image/jpeg".into(),
        size: Some(5),
        sha256: Some("00".repeat(32)),
        ..Media::default()
    };
    let uploaded = UploadedMedia {
        url: "https://mmg.whatsapp.net/v/1".into(),
        direct_path: "/v/1".into(),
        media_key: vec![1; 32],
        encrypted_sha256: vec![2; 32],
        sha256: vec![0; 32],
        size: 5,
        streaming_sidecar: None,
    };
    (media, uploaded)
}

#[test]
fn every_kind_that_is_sent_reads_back_as_it_was() {
    let place = Location {
        latitude: 52.5,
        longitude: 13.25,
        name: Some("Rookery".into()),
        address: Some("Berlin".into()),
        url: Some("https://example.com/".into()),
    };
    let contents = [
        Content::text("Hello \u{1F426}"),
        Content::Text(Text {
            body: "See https://example.com/".into(),
            preview: Some(LinkPreview {
                url: "https://example.com/".into(),
                title: Some("Example".into()),
                description: Some("A page".into()),
                thumbnail: Some("AQID".into()),
            }),
            style: None,
        }),
        Content::Location(place.clone()),
        Content::LiveLocation(LiveLocation {
            latitude: 52.5,
            longitude: 13.25,
            caption: Some("On my way".into()),
            accuracy: Some(5),
            speed: Some(1.5),
            heading: Some(90),
            sequence: Some(1),
        }),
        Content::Poll(Poll {
            question: "Lunch?".into(),
            options: vec!["Yes".into(), "No".into()],
            max_choices: 1,
        }),
        Content::Poll(Poll {
            question: "Which?".into(),
            options: vec!["A".into(), "B".into(), "C".into()],
            max_choices: 0,
        }),
        Content::Event(CalendarEvent {
            name: "Bird walk".into(),
            description: Some("Bring a hat".into()),
            starts_at: "2026-12-24T18:00:00Z".parse().unwrap(),
            ends_at: Some("2026-12-24T20:00:00Z".parse().unwrap()),
            location: Some(place),
            join_link: Some("https://call.whatsapp.com/video/abc".into()),
            canceled: false,
            extra_guests_allowed: true,
        }),
        Content::List(List {
            header: Some("Menu".into()),
            body: "Choose".into(),
            footer: Some("Thank you".into()),
            button: "Show".into(),
            sections: vec![ListSection {
                title: "Food".into(),
                rows: vec![ListRow {
                    id: "1".into(),
                    title: "Soup".into(),
                    description: Some("Hot".into()),
                }],
            }],
        }),
        Content::Buttons(Buttons {
            header: None,
            body: "Sure?".into(),
            footer: None,
            buttons: vec![
                Button {
                    id: "y".into(),
                    title: "Yes".into(),
                    ..Button::default()
                },
                Button {
                    title: "Shop".into(),
                    url: Some("https://example.com/".into()),
                    ..Button::default()
                },
                Button {
                    title: "Call".into(),
                    phone_number: Some("+15550001001".into()),
                    ..Button::default()
                },
                Button {
                    title: "Copy".into(),
                    copy_text: Some("1234".into()),
                    ..Button::default()
                },
            ],
        }),
        Content::ListReply(ListReply {
            id: "1".into(),
            title: "Soup".into(),
            description: Some("Hot".into()),
        }),
        Content::ButtonsReply(ButtonsReply {
            id: "y".into(),
            title: "Yes".into(),
            parameters: None,
        }),
        Content::GroupInvite(GroupInvite {
            group: GROUP.into(),
            code: "abc".into(),
            subject: Some("Birds".into()),
            expires_at: Some(1_800_000_000),
            caption: Some("Join us".into()),
        }),
    ];
    for content in contents {
        let sent = outgoing::body_for_tests(&content, None).unwrap();
        assert_eq!(read(&sent), Some(content));
    }
}

#[test]
fn contacts_read_back_with_their_numbers() {
    let card = |name: &str, phone: &str| ContactCard {
        name: name.into(),
        phones: vec![phone.into()],
        ..ContactCard::default()
    };
    for contacts in [
        vec![card("Ann", "15550001001")],
        vec![card("Ann", "15550001001"), card("Bob", "15550001002")],
    ] {
        let content = Content::Contacts(Contacts {
            contacts: contacts.clone(),
        });
        let sent = outgoing::body_for_tests(&content, None).unwrap();
        assert_eq!(sent.contact_message.is_set(), contacts.len() == 1);
        let Some(Content::Contacts(read)) = read(&sent) else {
            panic!("contacts are contacts");
        };
        let seen: Vec<_> = read
            .contacts
            .iter()
            .map(|card| (card.name.clone(), card.phones.clone()))
            .collect();
        let meant: Vec<_> = contacts
            .iter()
            .map(|card| (card.name.clone(), card.phones.clone()))
            .collect();
        assert_eq!(seen, meant);
    }
}

#[test]
fn every_kind_of_file_reads_back_with_what_opens_it() {
    let (media, uploaded) = file();
    let captioned = Media {
        caption: Some("The birds".into()),
        ..media.clone()
    };
    let sized = Media {
        width: Some(640),
        height: Some(480),
        thumbnail: Some("AQID".into()),
        ..captioned.clone()
    };
    let film = Media {
        seconds: Some(3),
        ..sized.clone()
    };
    let contents = [
        ("image", Content::Image(sized.clone())),
        (
            "image",
            Content::Image(Media {
                view_once: true,
                ..sized.clone()
            }),
        ),
        ("video", Content::Video(film.clone())),
        (
            "video",
            Content::Video(Media {
                gif: true,
                ..film.clone()
            }),
        ),
        ("video", Content::Video(Media { note: true, ..film })),
        (
            "audio",
            Content::Audio(Media {
                seconds: Some(3),
                ..media.clone()
            }),
        ),
        (
            "audio",
            Content::Audio(Media {
                voice: true,
                waveform: Some("AQID".into()),
                view_once: true,
                ..media.clone()
            }),
        ),
        (
            "document",
            Content::Document(Media {
                file_name: Some("list.pdf".into()),
                pages: Some(3),
                ..captioned
            }),
        ),
        (
            "sticker",
            Content::Sticker(Media {
                animated: true,
                ..media
            }),
        ),
    ];
    for (kind, content) in contents {
        let sent = outgoing::body_for_tests(&content, Some(&uploaded)).unwrap();
        assert_eq!(read(&sent), Some(content));
        let remote = remote_media(&sent).unwrap();
        assert_eq!(remote.kind, kind);
        assert_eq!((remote.direct_path.as_str(), remote.size), ("/v/1", 5));
        assert_eq!((remote.media_key, remote.encrypted_sha256), (vec![1; 32], vec![2; 32]));
    }
}

#[test]
fn the_context_tells_the_quoted_message_the_mentions_and_the_advertisement() {
    let message = wa::Message {
        extended_text_message: MessageField::some(wa::message::ExtendedTextMessage {
            text: Some("Is it still available?".into()),
            context_info: MessageField::some(wa::ContextInfo {
                stanza_id: Some("3EB01".into()),
                participant: Some(OWN.into()),
                quoted_message: MessageField::some(wa::Message {
                    image_message: MessageField::some(wa::message::ImageMessage {
                        caption: Some("Rooks".into()),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                mentioned_jid: vec!["100000000009999@lid".into(), "nonsense".into()],
                is_forwarded: Some(true),
                expiration: Some(604_800),
                external_ad_reply: MessageField::some(wa::context_info::ExternalAdReplyInfo {
                    title: Some("Birds".into()),
                    body: Some("Half price".into()),
                    source_id: Some("120".into()),
                    source_type: Some("ad".into()),
                    source_url: Some("https://fb.me/x".into()),
                    ctwa_clid: Some("ARAk".into()),
                    thumbnail: Some(vec![1, 2, 3]),
                    media_type: Some(wa::context_info::external_ad_reply_info::MediaType::IMAGE),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let quoted = quoted(&message).unwrap();
    assert_eq!(quoted.wa_message_id, "3EB01");
    assert_eq!(quoted.author.unwrap().address, OWN.parse().unwrap());
    assert_eq!(quoted.content.unwrap().summary(), Some("Rooks"));
    let info = MessageInfo {
        push_name: "Carla".into(),
        edit: EditAttribute::default(),
        ..MessageInfo::default()
    };
    let details = details(&message, &info);
    assert_eq!(details.from_name.as_deref(), Some("Carla"));
    assert_eq!(details.mentions.len(), 1);
    assert_eq!((details.forwarding_score, details.ephemeral), (1, 604_800));
    let referral = details.referral.unwrap();
    assert_eq!(referral.headline.as_deref(), Some("Birds"));
    assert_eq!(referral.source_id.as_deref(), Some("120"));
    assert_eq!(referral.media_type.as_deref(), Some("image"));
    assert_eq!(referral.thumbnail.as_deref(), Some("AQID"));
}

#[test]
fn answers_of_every_generation_are_one_shape() {
    let template = wa::Message {
        template_button_reply_message: MessageField::some(wa::message::TemplateButtonReplyMessage {
            selected_id: Some("y".into()),
            selected_display_text: Some("Yes".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let expected = ButtonsReply {
        id: "y".into(),
        title: "Yes".into(),
        parameters: None,
    };
    assert_eq!(read(&template), Some(Content::ButtonsReply(expected.clone())));
    use wa::message::interactive_response_message::{
        Body, InteractiveResponseMessage as Payload, NativeFlowResponseMessage,
    };
    let flow = wa::Message {
        interactive_response_message: MessageField::some(wa::message::InteractiveResponseMessage {
            body: MessageField::some(Body {
                text: Some("Yes".into()),
                ..Default::default()
            }),
            interactive_response_message: Some(Payload::NativeFlowResponseMessage(Box::new(
                NativeFlowResponseMessage {
                    name: Some("quick_reply".into()),
                    params_json: Some(r#"{"id":"y"}"#.into()),
                    ..Default::default()
                },
            ))),
            ..Default::default()
        }),
        ..Default::default()
    };
    let with_parameters = ButtonsReply {
        parameters: Some(r#"{"id":"y"}"#.into()),
        ..expected
    };
    assert_eq!(read(&flow), Some(Content::ButtonsReply(with_parameters)));
}

#[test]
fn what_is_too_large_or_impossible_is_left_out_and_wrappers_end() {
    let large = wa::Message {
        image_message: MessageField::some(wa::message::ImageMessage {
            jpeg_thumbnail: Some(vec![0; 100_000]),
            file_sha256: Some(vec![0; 3]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let Some(Content::Image(image)) = read(&large) else {
        panic!("a picture is a picture");
    };
    assert_eq!((image.thumbnail, image.sha256), (None, None));
    let nowhere = wa::Message {
        location_message: MessageField::some(wa::message::LocationMessage {
            degrees_latitude: Some(f64::NAN),
            degrees_longitude: Some(f64::INFINITY),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(read(&nowhere), Some(Content::Location(Location::default())));
    let mut nested = wa::Message {
        conversation: Some("deep".into()),
        ..Default::default()
    };
    for _ in 0..20 {
        nested = wa::Message {
            group_mentioned_message: wrapped(nested),
            ..Default::default()
        };
    }
    assert!(matches!(read(&nested), Some(Content::Unsupported(_))));
    let endless = wa::Message {
        event_message: MessageField::some(wa::message::EventMessage {
            start_time: Some(i64::MAX),
            end_time: Some(i64::MIN),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert!(matches!(read(&endless), Some(Content::Event(_))));
}
