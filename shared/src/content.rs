//! What messages say: one type for each kind, one JSON shape for requests, rows, events and commands.
//!
//! As JSON a content is an object with one field, named like its kind: `{"text": {"body": "…"}}`. A released shape only ever gains fields. Kinds that
//! act on another message ([`Content::target`]) travel like messages, but change the other one instead of standing beside it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub mod action;
pub mod interactive;
pub mod media;

pub use action::{Edit, EventResponse, MessageKey, Pin, PollVote, Reaction, Revoke};
pub use interactive::{Buttons, ButtonsReply, CalendarEvent, List, ListReply, Poll};
pub use media::{Media, MediaStatus};

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A film; with `gif` shown as a looping one, with `note` as a round one.
    Video(Media),
    /// Sound; with `voice` shown as a voice note.
    Audio(Media),
    /// A file.
    Document(Media),
    /// A sticker.
    Sticker(Media),
    /// A place.
    Location(Location),
    /// A place that moves.
    LiveLocation(LiveLocation),
    /// One or several contacts.
    Contacts(Contacts),
    /// A poll.
    Poll(Poll),
    /// An invitation to an event.
    Event(CalendarEvent),
    /// A list to choose from.
    List(List),
    /// Buttons to press.
    Buttons(Buttons),
    /// What somebody has chosen from a list.
    ListReply(ListReply),
    /// Which button somebody has pressed.
    ButtonsReply(ButtonsReply),
    /// An invitation to a group.
    GroupInvite(GroupInvite),
    /// A kind that this version shows without its content.
    Unsupported(Unsupported),
    /// An emoji on another message, or its removal.
    Reaction(Reaction),
    /// A new text for an earlier message.
    Edit(Edit),
    /// The deletion of an earlier message for everyone.
    Revoke(Revoke),
    /// Another message is pinned in its chat, or no longer.
    Pin(Pin),
    /// Somebody's choice in a poll; it replaces the person's earlier one.
    PollVote(PollVote),
    /// Somebody's answer to an invitation.
    EventResponse(EventResponse),
}

impl Content {
    /// The names of all kinds.
    pub const KINDS: &'static [&'static str] = &[
        "text",
        "image",
        "video",
        "audio",
        "document",
        "sticker",
        "location",
        "live_location",
        "contacts",
        "poll",
        "event",
        "list",
        "buttons",
        "list_reply",
        "buttons_reply",
        "group_invite",
        "unsupported",
        "reaction",
        "edit",
        "revoke",
        "pin",
        "poll_vote",
        "event_response",
    ];

    /// The name of the kind: the field under which its JSON stands.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Document(_) => "document",
            Self::Sticker(_) => "sticker",
            Self::Location(_) => "location",
            Self::LiveLocation(_) => "live_location",
            Self::Contacts(_) => "contacts",
            Self::Poll(_) => "poll",
            Self::Event(_) => "event",
            Self::List(_) => "list",
            Self::Buttons(_) => "buttons",
            Self::ListReply(_) => "list_reply",
            Self::ButtonsReply(_) => "buttons_reply",
            Self::GroupInvite(_) => "group_invite",
            Self::Unsupported(_) => "unsupported",
            Self::Reaction(_) => "reaction",
            Self::Edit(_) => "edit",
            Self::Revoke(_) => "revoke",
            Self::Pin(_) => "pin",
            Self::PollVote(_) => "poll_vote",
            Self::EventResponse(_) => "event_response",
        }
    }

    /// The message that this one changes; `None` for a message that stands for itself.
    #[must_use]
    pub fn target(&self) -> Option<&MessageKey> {
        match self {
            Self::Reaction(reaction) => Some(&reaction.message),
            Self::Edit(edit) => Some(&edit.message),
            Self::Revoke(revoke) => Some(&revoke.message),
            Self::Pin(pin) => Some(&pin.message),
            Self::PollVote(vote) => Some(&vote.message),
            Self::EventResponse(response) => Some(&response.message),
            _ => None,
        }
    }

    /// The file, where the kind has one.
    #[must_use]
    pub fn media(&self) -> Option<&Media> {
        match self {
            Self::Image(media)
            | Self::Video(media)
            | Self::Audio(media)
            | Self::Document(media)
            | Self::Sticker(media) => Some(media),
            _ => None,
        }
    }

    /// The file, to be filled in.
    #[must_use]
    pub fn media_mut(&mut self) -> Option<&mut Media> {
        match self {
            Self::Image(media)
            | Self::Video(media)
            | Self::Audio(media)
            | Self::Document(media)
            | Self::Sticker(media) => Some(media),
            _ => None,
        }
    }

    /// What a person reads of it in one line: the text, the caption, the name. For lists of chats, quotations and searches.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        let text = match self {
            Self::Text(text) => Some(text.body.as_str()),
            Self::Image(media)
            | Self::Video(media)
            | Self::Audio(media)
            | Self::Document(media)
            | Self::Sticker(media) => media.caption.as_deref().or(media.file_name.as_deref()),
            Self::Location(location) => location.name.as_deref().or(location.address.as_deref()),
            Self::LiveLocation(location) => location.caption.as_deref(),
            Self::Contacts(contacts) => contacts.contacts.first().map(|contact| contact.name.as_str()),
            Self::Poll(poll) => Some(poll.question.as_str()),
            Self::Event(event) => Some(event.name.as_str()),
            Self::List(list) => Some(list.body.as_str()),
            Self::Buttons(buttons) => Some(buttons.body.as_str()),
            Self::ListReply(reply) => Some(reply.title.as_str()),
            Self::ButtonsReply(reply) => Some(reply.title.as_str()),
            Self::GroupInvite(invite) => invite.subject.as_deref(),
            Self::Unsupported(unsupported) => unsupported.caption.as_deref(),
            Self::Edit(edit) => edit.content.summary(),
            Self::Reaction(_) | Self::Revoke(_) | Self::Pin(_) | Self::PollVote(_) | Self::EventResponse(_) => None,
        };
        text.filter(|text| !text.is_empty())
    }

    /// The JSON object with the kind as its only field.
    #[must_use]
    pub fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(map)) => map,
            // Every kind is a variant with fields that JSON can hold.
            _ => serde_json::Map::new(),
        }
    }

    /// Reads the JSON object of a row or an event; `None` when it is a kind of another version.
    #[must_use]
    pub fn of_map(map: &serde_json::Map<String, serde_json::Value>) -> Option<Self> {
        Self::deserialize(serde_json::Value::Object(map.clone())).ok()
    }

    /// A text without anything else.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text {
            body: body.into(),
            preview: None,
        })
    }
}

/// Text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What it says: 1 to 65,536 characters.
    #[schema(example = "Hello")]
    pub body: String,
    /// What is shown of a link in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<LinkPreview>,
}

/// What is shown of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkPreview {
    /// The link as it stands in the text.
    pub url: String,
    /// The page's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the page is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A small JPEG in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
}

/// A place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A web page about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A place that moves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveLocation {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// A text beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// How exact the place is, in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<u32>,
    /// How fast it moves, in metres per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f32>,
    /// Where it moves to, in degrees clockwise from north.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<u32>,
    /// The number of this update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
}

/// One or several contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// The contacts.
    pub contacts: Vec<ContactCard>,
}

/// A contact that is passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactCard {
    /// The name that is shown.
    pub name: String,
    /// The whole card (vCard 3.0 or 4.0). In a request it may be left out: it is then built from the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcard: Option<String>,
    /// Phone numbers; the first one that uses WhatsApp can be written to at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// The organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// An invitation to a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupInvite {
    /// The group's JID.
    pub group: String,
    /// The code with which it can be joined.
    pub code: String,
    /// The group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Unix time in seconds after which the code no longer works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// A text beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
}

/// A kind that this version shows without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unsupported {
    /// A caption or title, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The protocol's name of the kind, for those who want to look into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_stands_under_the_name_of_its_kind_and_reads_back() {
        let contents = [
            Content::text("Hello"),
            Content::Location(Location {
                latitude: 52.5,
                longitude: 13.4,
                ..Location::default()
            }),
            Content::Reaction(Reaction {
                message: MessageKey {
                    wa_message_id: "3EB0".into(),
                    from_me: true,
                    author: None,
                },
                emoji: "👍".into(),
            }),
        ];
        for content in contents {
            let map = content.to_map();
            assert_eq!(map.keys().collect::<Vec<_>>(), [content.kind()]);
            assert_eq!(Content::of_map(&map), Some(content));
        }
    }
}
