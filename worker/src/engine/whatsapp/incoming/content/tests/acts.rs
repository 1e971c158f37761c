//! Acts on messages: edits, revokes, reactions and the like, and who may do them.

use super::*;

#[test]
fn an_edit_is_its_authors_whatever_it_says() {
    for claimed in [true, false] {
        let edit = wa::Message {
            protocol_message: MessageField::some(wa::message::ProtocolMessage {
                key: MessageField::some(wa::MessageKey {
                    id: Some("3EB0".into()),
                    from_me: Some(claimed),
                    ..Default::default()
                }),
                r#type: Some(wa::message::protocol_message::Type::MESSAGE_EDIT),
                edited_message: MessageField::some(wa::Message {
                    conversation: Some("Hello".into()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let Some(Content::Edit(Edit { message, content })) = read(&edit) else {
            panic!("an edit is an edit");
        };
        assert_eq!(*content, Content::text("Hello"));
        assert!(!message.from_me, "nobody else edits what the account wrote");
        let again = wa::Message {
            edited_message: wrapped(edit),
            ..Default::default()
        };
        assert!(matches!(read(&again), Some(Content::Edit(_))), "also in its wrapper");
    }
}

#[test]
fn the_edit_of_a_caption_is_media_with_nothing_but_the_caption() {
    let edit = wa::Message {
        protocol_message: MessageField::some(wa::message::ProtocolMessage {
            key: MessageField::some(wa::MessageKey {
                id: Some("3EB0".into()),
                from_me: Some(true),
                ..Default::default()
            }),
            r#type: Some(wa::message::protocol_message::Type::MESSAGE_EDIT),
            edited_message: MessageField::some(wa::Message {
                image_message: MessageField::some(wa::message::ImageMessage {
                    caption: Some("Rooks".into()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let Some(Content::Edit(edit)) = read(&edit) else {
        panic!("an edit is an edit");
    };
    assert_eq!(
        serde_json::Value::Object(edit.content.to_map()),
        serde_json::json!({"image": {"caption": "Rooks"}})
    );
}

fn revoke(from_me: bool, participant: Option<&str>) -> wa::Message {
    wa::Message {
        protocol_message: MessageField::some(wa::message::ProtocolMessage {
            key: MessageField::some(wa::MessageKey {
                id: Some("3EB0".into()),
                from_me: Some(from_me),
                participant: participant.map(Into::into),
                ..Default::default()
            }),
            r#type: Some(wa::message::protocol_message::Type::REVOKE),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn only_an_administrator_deletes_what_others_wrote() {
    let key = |content: Option<Content>| match content {
        Some(Content::Revoke(Revoke { message })) => message,
        other => panic!("{other:?}"),
    };
    let of_own = revoke(false, Some(OWN));
    assert!(key(read_in(&of_own, GROUP, false, true)).from_me);
    let pretended = key(read_in(&of_own, GROUP, false, false));
    assert!(!pretended.from_me, "it can only be the sender's own");
    assert_eq!(pretended.author.as_deref(), Some(OTHER));
    let third = "15550001003@s.whatsapp.net";
    let by_admin = key(read_in(&revoke(false, Some(third)), GROUP, false, true));
    assert_eq!(by_admin.author.as_deref(), Some(third));
    let in_private = key(read_in(&revoke(false, None), OTHER, false, false));
    assert!(!in_private.from_me, "the other side of a chat deletes only its own");
}

#[test]
fn acts_name_the_message_from_our_side() {
    let key = wa::MessageKey {
        id: Some("3EB0".into()),
        from_me: Some(false),
        participant: Some(OWN.into()),
        ..Default::default()
    };
    let field = || MessageField::some(key.clone());
    let own = MessageKey {
        wa_message_id: "3EB0".into(),
        from_me: true,
        author: None,
    };
    let acts = [
        (
            wa::Message {
                reaction_message: MessageField::some(wa::message::ReactionMessage {
                    key: field(),
                    text: Some("\u{1F44D}".into()),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Content::Reaction(Reaction {
                message: own.clone(),
                emoji: "\u{1F44D}".into(),
            }),
        ),
        (
            wa::Message {
                pin_in_chat_message: MessageField::some(wa::message::PinInChatMessage {
                    key: field(),
                    r#type: Some(wa::message::pin_in_chat_message::Type::PIN_FOR_ALL),
                    ..Default::default()
                }),
                message_context_info: MessageField::some(wa::MessageContextInfo {
                    message_add_on_duration_in_secs: Some(86_400),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Content::Pin(Pin {
                message: own.clone(),
                pinned: true,
                seconds: Some(86_400),
            }),
        ),
        (
            wa::Message {
                keep_in_chat_message: MessageField::some(wa::message::KeepInChatMessage {
                    key: field(),
                    keep_type: Some(wa::KeepType::KEEP_FOR_ALL),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Content::Keep(Keep {
                message: own.clone(),
                kept: true,
            }),
        ),
        (
            wa::Message {
                poll_update_message: MessageField::some(wa::message::PollUpdateMessage {
                    poll_creation_message_key: field(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Content::PollVote(PollVote {
                message: own.clone(),
                ..PollVote::default()
            }),
        ),
        (
            wa::Message {
                enc_event_response_message: MessageField::some(wa::message::EncEventResponseMessage {
                    event_creation_message_key: field(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            Content::EventResponse(EventResponse {
                message: own,
                ..EventResponse::default()
            }),
        ),
    ];
    for (message, expected) in acts {
        assert_eq!(read_in(&message, GROUP, false, false), Some(expected.clone()));
        // In a chat of two the other side's "not from me" is ours.
        assert_eq!(read_in(&message, OTHER, false, false), Some(expected));
    }
}
