//! Limits of what a message's content may hold.

use shared::content::interactive::{Buttons, CalendarEvent, List, Poll};
use shared::content::{ContactCard, LinkPreview, LiveLocation, Location};

use crate::http::checks::Checks;

/// The most options of a poll (WhatsApp's limit).
pub(super) const MOST_OPTIONS: usize = 12;
/// The most contacts in one message.
const MOST_CONTACTS: usize = 50;
/// The longest vCard, in characters.
const LONGEST_VCARD: usize = 16_384;
/// The largest small picture, in base64 characters: 64 KiB of bytes.
const LARGEST_THUMBNAIL: usize = 87_384;

/// An optional text.
fn optional(checks: &mut Checks, field: &str, text: Option<&String>, most: usize) {
    if let Some(text) = text {
        checks.text(field, text, 0..=most);
    }
}

/// An optional link: absolute, `http` or `https`.
fn link(checks: &mut Checks, field: &str, text: Option<&String>) {
    let Some(text) = text else { return };
    let absolute = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    checks.require(
        absolute && text.len() <= 2_048 && !text.contains('\0'),
        field,
        "must be an absolute http or https URL of at most 2048 characters",
    );
}

/// A small picture in base64.
pub(super) fn thumbnail(checks: &mut Checks, field: &str, text: Option<&String>) {
    use base64::Engine as _;
    let Some(text) = text else { return };
    let valid = text.len() <= LARGEST_THUMBNAIL
        && base64::engine::general_purpose::STANDARD
            .decode(text)
            .is_ok_and(|bytes| bytes.starts_with(&[0xff, 0xd8]));
    checks.require(valid, field, "must be a JPEG of at most 64 KiB in base64");
}

fn coordinates(checks: &mut Checks, field: &str, latitude: f64, longitude: f64) {
    checks.require(
        (-90.0..=90.0).contains(&latitude),
        &format!("{field}.latitude"),
        "must be from -90 to 90",
    );
    checks.require(
        (-180.0..=180.0).contains(&longitude),
        &format!("{field}.longitude"),
        "must be from -180 to 180",
    );
}

/// A place.
pub(super) fn location(checks: &mut Checks, field: &str, place: &Location) {
    coordinates(checks, field, place.latitude, place.longitude);
    optional(checks, &format!("{field}.name"), place.name.as_ref(), 1_000);
    optional(checks, &format!("{field}.address"), place.address.as_ref(), 1_000);
    link(checks, &format!("{field}.url"), place.url.as_ref());
}

/// A place that moves.
pub(super) fn live_location(checks: &mut Checks, field: &str, place: &LiveLocation) {
    coordinates(checks, field, place.latitude, place.longitude);
    optional(checks, &format!("{field}.caption"), place.caption.as_ref(), 1_024);
    checks.require(
        place.heading.is_none_or(|heading| heading <= 360),
        &format!("{field}.heading"),
        "must be from 0 to 360",
    );
    checks.require(
        place.speed.is_none_or(|speed| (0.0..=1_000.0).contains(&speed)),
        &format!("{field}.speed"),
        "must be from 0 to 1000",
    );
}

/// Contacts; answers them with a vCard each.
pub(super) fn contacts(checks: &mut Checks, field: &str, mut contacts: Vec<ContactCard>) -> Vec<ContactCard> {
    checks.require(
        (1..=MOST_CONTACTS).contains(&contacts.len()),
        field,
        &format!("must have 1 to {MOST_CONTACTS} entries"),
    );
    contacts.truncate(MOST_CONTACTS);
    for (index, card) in contacts.iter_mut().enumerate() {
        let field = |name: &str| format!("{field}[{index}].{name}");
        checks.text(&field("name"), &card.name, 1..=256);
        optional(checks, &field("organization"), card.organization.as_ref(), 256);
        optional(checks, &field("email"), card.email.as_ref(), 256);
        checks.require(
            card.phones.len() <= 20,
            &field("phones"),
            "must have at most 20 entries",
        );
        for (number, phone) in card.phones.iter().enumerate().take(20) {
            let digits = phone.chars().filter(char::is_ascii_digit).count();
            checks.require(
                (3..=20).contains(&digits) && phone.len() <= 40 && !phone.contains('\0'),
                &field(&format!("phones[{number}]")),
                "must be a phone number of 3 to 20 digits",
            );
        }
        match &card.vcard {
            Some(vcard) => {
                let whole = vcard.trim_start().starts_with("BEGIN:VCARD") && vcard.trim_end().ends_with("END:VCARD");
                checks.require(
                    whole && vcard.chars().count() <= LONGEST_VCARD && !vcard.contains('\0'),
                    &field("vcard"),
                    &format!("must be a vCard of at most {LONGEST_VCARD} characters, from BEGIN:VCARD to END:VCARD"),
                );
            }
            None => card.vcard = Some(shared::vcard::build(card)),
        }
    }
    contacts
}

/// What is shown of a link.
pub(super) fn preview(checks: &mut Checks, field: &str, preview: &LinkPreview, text: &str) {
    link(checks, &format!("{field}.url"), Some(&preview.url));
    checks.require(
        text.contains(&preview.url),
        &format!("{field}.url"),
        "must stand in the text",
    );
    optional(checks, &format!("{field}.title"), preview.title.as_ref(), 1_000);
    optional(
        checks,
        &format!("{field}.description"),
        preview.description.as_ref(),
        4_000,
    );
    thumbnail(checks, &format!("{field}.thumbnail"), preview.thumbnail.as_ref());
}

/// A poll.
pub(super) fn poll(checks: &mut Checks, field: &str, poll: &Poll) {
    checks.text(&format!("{field}.question"), &poll.question, 1..=255);
    let count = poll.options.len();
    checks.require(
        (2..=MOST_OPTIONS).contains(&count),
        &format!("{field}.options"),
        &format!("must have 2 to {MOST_OPTIONS} entries"),
    );
    for (index, option) in poll.options.iter().enumerate().take(MOST_OPTIONS) {
        let field = format!("{field}.options[{index}]");
        checks.text(&field, option, 1..=100);
        checks.require(
            !poll.options[..index].contains(option),
            &field,
            "must not be there twice",
        );
    }
    checks.require(
        usize::try_from(poll.max_choices).is_ok_and(|most| most <= count),
        &format!("{field}.max_choices"),
        "must be at most the number of options",
    );
}

/// An invitation to an event.
pub(super) fn event(checks: &mut Checks, field: &str, event: &CalendarEvent) {
    checks.text(&format!("{field}.name"), &event.name, 1..=100);
    optional(
        checks,
        &format!("{field}.description"),
        event.description.as_ref(),
        2_048,
    );
    checks.time(&format!("{field}.starts_at"), event.starts_at);
    if let Some(ends_at) = event.ends_at {
        checks.time(&format!("{field}.ends_at"), ends_at);
        checks.require(
            ends_at > event.starts_at,
            &format!("{field}.ends_at"),
            "must be after it starts",
        );
    }
    if let Some(place) = &event.location {
        location(checks, &format!("{field}.location"), place);
    }
    link(checks, &format!("{field}.join_link"), event.join_link.as_ref());
}

/// A list to choose from. The limits are the Cloud API's.
pub(super) fn list(checks: &mut Checks, field: &str, list: &List) {
    optional(checks, &format!("{field}.header"), list.header.as_ref(), 60);
    checks.text(&format!("{field}.body"), &list.body, 1..=4_096);
    optional(checks, &format!("{field}.footer"), list.footer.as_ref(), 60);
    checks.text(&format!("{field}.button"), &list.button, 1..=20);
    let sections = list.sections.len();
    checks.require(
        (1..=10).contains(&sections),
        &format!("{field}.sections"),
        "must have 1 to 10 entries",
    );
    let rows: usize = list.sections.iter().map(|section| section.rows.len()).sum();
    checks.require(
        (1..=10).contains(&rows),
        &format!("{field}.sections"),
        "must have 1 to 10 rows together",
    );
    let mut ids = Vec::new();
    for (index, section) in list.sections.iter().enumerate().take(10) {
        let field = format!("{field}.sections[{index}]");
        let least = usize::from(sections > 1);
        checks.text(&format!("{field}.title"), &section.title, least..=24);
        for (index, row) in section.rows.iter().enumerate().take(10) {
            let field = format!("{field}.rows[{index}]");
            checks.text(&format!("{field}.id"), &row.id, 1..=200);
            checks.text(&format!("{field}.title"), &row.title, 1..=24);
            optional(checks, &format!("{field}.description"), row.description.as_ref(), 72);
            checks.require(
                !ids.contains(&&row.id),
                &format!("{field}.id"),
                "must not be there twice",
            );
            ids.push(&row.id);
        }
    }
}

/// Buttons to press. The limits are the Cloud API's.
pub(super) fn buttons(checks: &mut Checks, field: &str, buttons: &Buttons) {
    optional(checks, &format!("{field}.header"), buttons.header.as_ref(), 60);
    checks.text(&format!("{field}.body"), &buttons.body, 1..=1_024);
    optional(checks, &format!("{field}.footer"), buttons.footer.as_ref(), 60);
    checks.require(
        (1..=3).contains(&buttons.buttons.len()),
        &format!("{field}.buttons"),
        "must have 1 to 3 entries",
    );
    for (index, button) in buttons.buttons.iter().enumerate().take(3) {
        let field = format!("{field}.buttons[{index}]");
        checks.text(&format!("{field}.title"), &button.title, 1..=20);
        let leads = [&button.url, &button.phone_number, &button.copy_text];
        let leads_elsewhere = leads.iter().filter(|lead| lead.is_some()).count();
        checks.require(
            leads_elsewhere <= 1,
            &field,
            "must have at most one of url, phone_number and copy_text",
        );
        checks.text(
            &format!("{field}.id"),
            &button.id,
            usize::from(leads_elsewhere == 0)..=256,
        );
        link(checks, &format!("{field}.url"), button.url.as_ref());
        optional(
            checks,
            &format!("{field}.phone_number"),
            button.phone_number.as_ref(),
            30,
        );
        optional(checks, &format!("{field}.copy_text"), button.copy_text.as_ref(), 500);
        let twice = buttons.buttons[..index]
            .iter()
            .any(|other| !button.id.is_empty() && other.id == button.id);
        checks.require(!twice, &format!("{field}.id"), "must not be there twice");
    }
}
