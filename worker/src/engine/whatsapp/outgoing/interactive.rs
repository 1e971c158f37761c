//! Outgoing kinds that ask for an answer, and the answers.
//!
//! Lists and buttons go out as native flows (`single_select`, `quick_reply`, `cta_*`): the older list and buttons messages are no longer shown by phones.
//! WhatsApp refuses native flows of some ordinary accounts with 473 or 405 (github.com/oxidezap/whatsapp-rust, issue 1132); the message then fails with
//! `message_refused`.

use buffa::MessageField;
use serde_json::json;
use shared::content::interactive::{Button, ListReply};
use shared::content::{Buttons, ButtonsReply, CalendarEvent, List, Poll};
use waproto::whatsapp as wa;
use waproto::whatsapp::message::interactive_message::native_flow_message::NativeFlowButton;
use waproto::whatsapp::message::interactive_message::{Body, Footer, Header, NativeFlowMessage};

use super::body;

/// A poll: version 3 where one option is chosen, version 1 where several are (whatsapp-rust/src/features/polls.rs).
pub(super) fn poll(body: &mut wa::Message, poll: &Poll) {
    let creation = MessageField::some(wa::message::PollCreationMessage {
        name: Some(poll.question.clone()),
        options: poll
            .options
            .iter()
            .map(|option| wa::message::poll_creation_message::Option {
                option_name: Some(option.clone()),
                ..Default::default()
            })
            .collect(),
        selectable_options_count: Some(poll.max_choices),
        ..Default::default()
    });
    if poll.max_choices == 1 {
        body.poll_creation_message_v3 = creation;
    } else {
        body.poll_creation_message = creation;
    }
}

/// An invitation to an event.
pub(super) fn event(event: &CalendarEvent) -> wa::message::EventMessage {
    wa::message::EventMessage {
        name: Some(event.name.clone()),
        description: event.description.clone(),
        start_time: Some(event.starts_at.timestamp()),
        end_time: event.ends_at.map(|time| time.timestamp()),
        location: event.location.as_ref().map(body::location).into(),
        join_link: event.join_link.clone(),
        is_canceled: Some(event.canceled),
        extra_guests_allowed: Some(event.extra_guests_allowed),
        ..Default::default()
    }
}

/// A list to choose from.
pub(super) fn list(list: &List) -> wa::message::InteractiveMessage {
    let sections: Vec<_> = list
        .sections
        .iter()
        .map(|section| {
            let rows: Vec<_> = section
                .rows
                .iter()
                .map(|row| json!({"id": row.id, "title": row.title, "description": row.description.as_deref().unwrap_or_default()}))
                .collect();
            json!({"title": section.title, "rows": rows})
        })
        .collect();
    let choice = NativeFlowButton {
        name: Some("single_select".to_owned()),
        button_params_json: Some(json!({"title": list.button, "sections": sections}).to_string()),
    };
    native_flow(list.header.as_deref(), &list.body, list.footer.as_deref(), vec![choice])
}

/// Buttons to press.
pub(super) fn buttons(buttons: &Buttons) -> wa::message::InteractiveMessage {
    let native = buttons.buttons.iter().map(button).collect();
    native_flow(
        buttons.header.as_deref(),
        &buttons.body,
        buttons.footer.as_deref(),
        native,
    )
}

fn button(button: &Button) -> NativeFlowButton {
    let title = &button.title;
    let (name, parameters) = if let Some(url) = &button.url {
        (
            "cta_url",
            json!({"display_text": title, "url": url, "merchant_url": url}),
        )
    } else if let Some(number) = &button.phone_number {
        ("cta_call", json!({"display_text": title, "phone_number": number}))
    } else if let Some(text) = &button.copy_text {
        ("cta_copy", json!({"display_text": title, "copy_code": text}))
    } else {
        ("quick_reply", json!({"display_text": title, "id": button.id}))
    };
    NativeFlowButton {
        name: Some(name.to_owned()),
        button_params_json: Some(parameters.to_string()),
    }
}

fn native_flow(
    header: Option<&str>,
    text: &str,
    footer: Option<&str>,
    buttons: Vec<NativeFlowButton>,
) -> wa::message::InteractiveMessage {
    wa::message::InteractiveMessage {
        header: header
            .map(|title| Header {
                title: Some(title.to_owned()),
                has_media_attachment: Some(false),
                ..Default::default()
            })
            .into(),
        body: MessageField::some(Body {
            text: Some(text.to_owned()),
        }),
        footer: footer
            .map(|text| Footer {
                text: Some(text.to_owned()),
                ..Default::default()
            })
            .into(),
        interactive_message: Some(wa::message::interactive_message::InteractiveMessage::NativeFlowMessage(
            Box::new(NativeFlowMessage {
                buttons,
                message_version: Some(1),
                ..Default::default()
            }),
        )),
        ..Default::default()
    }
}

/// A choice from a list.
pub(super) fn list_reply(reply: &ListReply) -> wa::message::ListResponseMessage {
    wa::message::ListResponseMessage {
        title: Some(reply.title.clone()),
        description: reply.description.clone(),
        list_type: Some(wa::message::list_response_message::ListType::SINGLE_SELECT),
        single_select_reply: MessageField::some(wa::message::list_response_message::SingleSelectReply {
            selected_row_id: Some(reply.id.clone()),
        }),
        ..Default::default()
    }
}

/// A button that was pressed.
pub(super) fn buttons_reply(reply: &ButtonsReply) -> wa::message::ButtonsResponseMessage {
    wa::message::ButtonsResponseMessage {
        selected_button_id: Some(reply.id.clone()),
        r#type: Some(wa::message::buttons_response_message::Type::DISPLAY_TEXT),
        response: Some(wa::message::buttons_response_message::Response::SelectedDisplayText(
            reply.title.clone(),
        )),
        ..Default::default()
    }
}
