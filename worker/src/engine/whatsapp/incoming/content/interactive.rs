//! Arrived kinds that ask for an answer, and the answers.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::content::interactive::{Button, ListReply, ListRow, ListSection};
use shared::content::{Buttons, ButtonsReply, CalendarEvent, Content, List, Poll};
use waproto::whatsapp as wa;
use waproto::whatsapp::message::interactive_message::native_flow_message::NativeFlowButton;

use super::super::super::foreign::foreign;
use super::{location, text};

/// The most options, buttons, sections or rows of one list that are passed on.
const MOST: usize = 100;

pub(super) fn of(base: &wa::Message) -> Option<Content> {
    let polls = [
        &base.poll_creation_message,
        &base.poll_creation_message_v2,
        &base.poll_creation_message_v3,
        &base.poll_creation_message_v5,
        &base.poll_creation_message_v6,
    ];
    if let Some(creation) = polls.into_iter().find_map(|poll| poll.as_option()) {
        return Some(Content::Poll(poll(creation)));
    }
    if let Some(invitation) = base.event_message.as_option() {
        return Some(Content::Event(event(invitation)));
    }
    if let Some(choice) = base.list_message.as_option() {
        return Some(Content::List(list(choice)));
    }
    if let Some(message) = base.buttons_message.as_option() {
        return Some(Content::Buttons(buttons(message)));
    }
    if let Some(message) = base.template_message.as_option() {
        return template(message);
    }
    if let Some(message) = base.interactive_message.as_option() {
        return interactive(message);
    }
    reply(base)
}

fn required(value: Option<&str>) -> String {
    value.map(foreign).unwrap_or_default()
}

fn poll(creation: &wa::message::PollCreationMessage) -> Poll {
    Poll {
        question: required(creation.name.as_deref()),
        options: creation
            .options
            .iter()
            .take(MOST)
            .map(|option| required(option.option_name.as_deref()))
            .collect(),
        max_choices: creation.selectable_options_count.unwrap_or_default(),
    }
}

fn event(event: &wa::message::EventMessage) -> CalendarEvent {
    // Some clients write milliseconds.
    let time = |time: Option<i64>| {
        time.and_then(|time| {
            if time > 100_000_000_000 {
                DateTime::from_timestamp_millis(time)
            } else {
                DateTime::from_timestamp(time, 0)
            }
        })
        .filter(|time| (1970..10_000).contains(&chrono::Datelike::year(time)))
    };
    CalendarEvent {
        name: required(event.name.as_deref()),
        description: text(event.description.as_deref()),
        starts_at: time(event.start_time).unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
        ends_at: time(event.end_time),
        location: event.location.as_option().map(location),
        join_link: text(event.join_link.as_deref()),
        canceled: event.is_canceled == Some(true),
        extra_guests_allowed: event.extra_guests_allowed == Some(true),
    }
}

fn list(message: &wa::message::ListMessage) -> List {
    List {
        header: text(message.title.as_deref()),
        body: required(message.description.as_deref()),
        footer: text(message.footer_text.as_deref()),
        button: required(message.button_text.as_deref()),
        sections: message
            .sections
            .iter()
            .take(MOST)
            .map(|section| ListSection {
                title: required(section.title.as_deref()),
                rows: section
                    .rows
                    .iter()
                    .take(MOST)
                    .map(|row| ListRow {
                        id: required(row.row_id.as_deref()),
                        title: required(row.title.as_deref()),
                        description: text(row.description.as_deref()),
                    })
                    .collect(),
            })
            .collect(),
    }
}

fn buttons(message: &wa::message::ButtonsMessage) -> Buttons {
    use wa::message::buttons_message::Header;
    Buttons {
        header: match &message.header {
            Some(Header::Text(title)) => text(Some(title)),
            _ => None,
        },
        body: required(message.content_text.as_deref()),
        footer: text(message.footer_text.as_deref()),
        buttons: message
            .buttons
            .iter()
            .take(MOST)
            .map(|button| Button {
                id: required(button.button_id.as_deref()),
                title: required(
                    button
                        .button_text
                        .as_option()
                        .and_then(|title| title.display_text.as_deref()),
                ),
                ..Button::default()
            })
            .collect(),
    }
}

/// Templates of businesses: shown as buttons, or as the plain text that they are without any.
fn template(message: &wa::message::TemplateMessage) -> Option<Content> {
    use wa::hydrated_template_button::HydratedButton;
    let template = message.hydrated_template.as_option()?;
    let body = required(template.hydrated_content_text.as_deref());
    let shown: Vec<Button> = template
        .hydrated_buttons
        .iter()
        .take(MOST)
        .filter_map(|button| {
            Some(match button.hydrated_button.as_ref()? {
                HydratedButton::QuickReplyButton(reply) => Button {
                    id: required(reply.id.as_deref()),
                    title: required(reply.display_text.as_deref()),
                    ..Button::default()
                },
                HydratedButton::UrlButton(link) => Button {
                    title: required(link.display_text.as_deref()),
                    url: text(link.url.as_deref()),
                    ..Button::default()
                },
                HydratedButton::CallButton(call) => Button {
                    title: required(call.display_text.as_deref()),
                    phone_number: text(call.phone_number.as_deref()),
                    ..Button::default()
                },
            })
        })
        .collect();
    if shown.is_empty() {
        return Some(Content::text(body));
    }
    Some(Content::Buttons(Buttons {
        header: None,
        body,
        footer: text(template.hydrated_footer_text.as_deref()),
        buttons: shown,
    }))
}

/// Native flows: one choice among sections is a list, everything else are buttons.
fn interactive(message: &wa::message::InteractiveMessage) -> Option<Content> {
    use wa::message::interactive_message::InteractiveMessage as Payload;
    let Some(Payload::NativeFlowMessage(flow)) = &message.interactive_message else {
        return None;
    };
    let header = message
        .header
        .as_option()
        .and_then(|header| text(header.title.as_deref()));
    let body = required(message.body.as_option().and_then(|body| body.text.as_deref()));
    let footer = message
        .footer
        .as_option()
        .and_then(|footer| text(footer.text.as_deref()));
    let choice = flow
        .buttons
        .iter()
        .find(|button| button.name.as_deref() == Some("single_select"));
    if let Some(choice) = choice {
        let parameters = parameters(choice);
        return Some(Content::List(List {
            header,
            body,
            footer,
            button: field(&parameters, "title"),
            sections: entries(&parameters, "sections")
                .map(|section| ListSection {
                    title: field(section, "title"),
                    rows: entries(section, "rows")
                        .map(|row| ListRow {
                            id: field(row, "id"),
                            title: field(row, "title"),
                            description: Some(field(row, "description")).filter(|text| !text.is_empty()),
                        })
                        .collect(),
                })
                .collect(),
        }));
    }
    Some(Content::Buttons(Buttons {
        header,
        body,
        footer,
        buttons: flow.buttons.iter().take(MOST).map(native_button).collect(),
    }))
}

fn native_button(button: &NativeFlowButton) -> Button {
    let parameters = parameters(button);
    let optional = |name: &str| Some(field(&parameters, name)).filter(|text| !text.is_empty());
    let mut shown = Button {
        id: field(&parameters, "id"),
        title: field(&parameters, "display_text"),
        ..Button::default()
    };
    match button.name.as_deref() {
        Some("cta_url") => shown.url = optional("url"),
        Some("cta_call") => shown.phone_number = optional("phone_number"),
        Some("cta_copy") => shown.copy_text = optional("copy_code"),
        _ => {}
    }
    shown
}

fn parameters(button: &NativeFlowButton) -> Value {
    let text = button.button_params_json.as_deref().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

fn field(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(foreign).unwrap_or_default()
}

fn entries<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST)
}

fn reply(base: &wa::Message) -> Option<Content> {
    use wa::message::buttons_response_message::Response;
    use wa::message::interactive_response_message::InteractiveResponseMessage as Payload;
    if let Some(reply) = base.list_response_message.as_option() {
        let row = reply.single_select_reply.as_option();
        return Some(Content::ListReply(ListReply {
            id: required(row.and_then(|row| row.selected_row_id.as_deref())),
            title: required(reply.title.as_deref()),
            description: text(reply.description.as_deref()),
        }));
    }
    if let Some(reply) = base.buttons_response_message.as_option() {
        return Some(Content::ButtonsReply(ButtonsReply {
            id: required(reply.selected_button_id.as_deref()),
            title: match &reply.response {
                Some(Response::SelectedDisplayText(title)) => foreign(title),
                None => String::new(),
            },
            parameters: None,
        }));
    }
    if let Some(reply) = base.template_button_reply_message.as_option() {
        return Some(Content::ButtonsReply(ButtonsReply {
            id: required(reply.selected_id.as_deref()),
            title: required(reply.selected_display_text.as_deref()),
            parameters: None,
        }));
    }
    let reply = base.interactive_response_message.as_option()?;
    let title = required(reply.body.as_option().and_then(|body| body.text.as_deref()));
    let Some(Payload::NativeFlowResponseMessage(flow)) = &reply.interactive_response_message else {
        return Some(Content::ButtonsReply(ButtonsReply {
            title,
            ..ButtonsReply::default()
        }));
    };
    let parameters = flow.params_json.as_deref().map(foreign);
    let said: Value = parameters
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    Some(Content::ButtonsReply(ButtonsReply {
        id: field(&said, "id"),
        title,
        parameters,
    }))
}
