//! What a request to send a message may say, and the checks of it.
//!
//! The limits are WhatsApp's own where it has some (the Cloud API's reference, the web client), and generous bounds elsewhere.

use serde::Deserialize;
use shared::address::Address;
use shared::content::interactive::{Buttons, CalendarEvent, List, Poll};
use shared::content::{ContactCard, Contacts, Content, LinkPreview, LiveLocation, Location, Text};
use shared::ids::MessageId;
use utoipa::ToSchema;

use super::media::{FileKind, MediaBody};
use super::shape;
use crate::http::checks::Checks;
use crate::problem::Problem;

/// The longest text, in characters.
const LONGEST_TEXT: usize = 65_536;
/// The most people that a message may mention.
const MOST_MENTIONS: usize = 1_024;
/// How long messages may stay in chats where they disappear: a day, a week, 90 days (WhatsApp's choices); 0: they stay.
const LIFETIMES: [u32; 4] = [0, 86_400, 604_800, 7_776_000];

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    /// Whom it is for: a phone number in digits, `…@s.whatsapp.net`, `…@c.us`, `…@lid` or a group's `…@g.us`. Needed for everything but kinds that are about
    /// another message: `reaction`, `poll_vote` and `event_response` go where that one is.
    #[schema(example = "15550001001")]
    to: Option<String>,
    /// Its kind; the field of the same name holds it.
    #[serde(rename = "type")]
    kind: MessageKind,
    /// The content of a text message.
    text: Option<TextBody>,
    /// A picture.
    image: Option<MediaBody>,
    /// A film; with `gif` shown as a looping one, with `note` as a round one.
    video: Option<MediaBody>,
    /// Sound; with `voice` shown as a voice note.
    audio: Option<MediaBody>,
    /// A file.
    document: Option<MediaBody>,
    /// A sticker.
    sticker: Option<MediaBody>,
    /// A place.
    location: Option<Location>,
    /// A place that moves.
    live_location: Option<LiveLocation>,
    /// One to 50 contacts. Without a `vcard` one is built from the other fields.
    contacts: Option<Vec<ContactCard>>,
    /// A poll.
    poll: Option<Poll>,
    /// A vote in a poll.
    poll_vote: Option<PollVoteBody>,
    /// An invitation to an event.
    event: Option<CalendarEvent>,
    /// An answer to an invitation.
    event_response: Option<EventResponseBody>,
    /// A list to choose from. WhatsApp refuses lists and buttons of some ordinary (non-business) accounts; they then fail with `message_refused`.
    list: Option<List>,
    /// Buttons to press; see `list`.
    buttons: Option<Buttons>,
    /// An emoji on another message.
    reaction: Option<ReactionBody>,
    /// Another message to pass on.
    forward: Option<ForwardBody>,
    /// What it answers.
    context: Option<ContextBody>,
    /// The people whom the text mentions (as `@` and their digits).
    #[serde(default)]
    #[schema(required = false)]
    mentions: Vec<String>,
    /// Whether it mentions everybody in the group.
    #[serde(default)]
    #[schema(required = false)]
    mention_all: bool,
    /// Seconds after which the message disappears: 0 (it stays), 86400, 604800 or 7776000. If not said, what is set for the chat.
    ephemeral: Option<u32>,
}

/// A kind of message that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageKind {
    /// Text.
    Text,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// Sound.
    Audio,
    /// A file.
    Document,
    /// A sticker.
    Sticker,
    /// A place.
    Location,
    /// A place that moves.
    LiveLocation,
    /// Contacts.
    Contacts,
    /// A poll.
    Poll,
    /// A vote in a poll.
    PollVote,
    /// An invitation to an event.
    Event,
    /// An answer to an invitation.
    EventResponse,
    /// A list to choose from.
    List,
    /// Buttons to press.
    Buttons,
    /// An emoji on another message.
    Reaction,
    /// Another message to pass on.
    Forward,
}

/// The content of a text message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextBody {
    /// What it says: 1 to 65,536 characters.
    #[schema(example = "Hello")]
    body: String,
    /// Whether the first link in the text is shown with its page's title, description and picture. A page that cannot be read in five seconds is shown
    /// without them.
    #[serde(default)]
    #[schema(required = false)]
    preview_url: Option<bool>,
    /// What is shown of a link, instead of what its page says.
    preview: Option<LinkPreview>,
}

/// A vote in a poll; it replaces the account's earlier one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollVoteBody {
    /// Our id of the poll.
    #[schema(value_type = String)]
    message_id: MessageId,
    /// The chosen options, as the poll spells them; none: the vote is taken back.
    options: Vec<String>,
}

/// An answer to an invitation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventResponseBody {
    /// Our id of the invitation.
    #[schema(value_type = String)]
    message_id: MessageId,
    /// `going`, `not_going` or `maybe`.
    response: EventAnswer,
    /// How many more people come along, at most 10.
    #[serde(default)]
    #[schema(required = false, maximum = 10)]
    extra_guests: u32,
}

/// What one can answer to an invitation.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventAnswer {
    /// Yes.
    Going,
    /// No.
    NotGoing,
    /// Perhaps.
    Maybe,
}

/// An emoji on another message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactionBody {
    /// Our id of the other message.
    #[schema(value_type = String)]
    message_id: MessageId,
    /// The emoji; empty: the reaction is taken back.
    emoji: String,
}

/// Another message to pass on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForwardBody {
    /// Our id of any message of the session.
    #[schema(value_type = String)]
    message_id: MessageId,
}

/// The message that is answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextBody {
    /// Our id of it.
    #[schema(value_type = String, example = "msg_06egk3n2g8v6f9d8h2q7c1t0b4")]
    message_id: MessageId,
}

/// What a request says, checked.
#[derive(Debug)]
pub(super) struct Draft {
    /// Whom it is for; absent for what is about another message.
    pub(super) to: Option<Address>,
    /// What it says.
    pub(super) said: Said,
    /// Our id of the message that it answers.
    pub(super) answered: Option<MessageId>,
    /// Whom it mentions.
    pub(super) mentions: Vec<Address>,
    /// Whether it mentions everybody.
    pub(super) mention_all: bool,
    /// Seconds after which it disappears; `None`: what is set for the chat.
    pub(super) ephemeral: Option<u32>,
}

/// What a draft says.
#[derive(Debug)]
pub(super) enum Said {
    /// A content that is complete. With `true` a preview of its first link is to be made.
    Content(Box<Content>, bool),
    /// A file that is still to be fetched or looked up.
    File(FileKind, Box<MediaBody>),
    /// Another message is passed on.
    Forward(MessageId),
    /// Another message is changed. With a field's name the message is named in the body, without one in the path.
    Act(MessageId, Option<&'static str>, ActDraft),
}

/// How another message is changed.
#[derive(Debug)]
pub(super) enum ActDraft {
    /// An emoji, empty to take it back.
    React(String),
    /// The chosen options.
    Vote(Vec<String>),
    /// The answer, and how many come along.
    Respond(&'static str, u32),
    /// A new text or caption.
    Edit(String),
    /// Deleted for everyone.
    Revoke,
    /// Pinned for so many seconds, or no longer.
    Pin(Option<u32>),
}

impl Draft {
    /// A change of the message in the path.
    pub(super) fn act(message: MessageId, act: ActDraft) -> Self {
        Self {
            to: None,
            said: Said::Act(message, None, act),
            answered: None,
            mentions: Vec::new(),
            mention_all: false,
            ephemeral: None,
        }
    }
}

/// Checks an emoji: short, because WhatsApp's are at most a few characters that make one picture.
pub(super) fn emoji(checks: &mut Checks, field: &str, emoji: &str) {
    checks.text(field, emoji, 0..=16);
}

/// Checks the new text or caption of a message.
pub(super) fn new_text(checks: &mut Checks, field: &str, text: &str) {
    checks.text(field, text, 1..=LONGEST_TEXT);
}

/// Checks what can be checked without looking anything up.
pub(super) fn check(request: SendRequest) -> Result<Draft, Problem> {
    let mut checks = Checks::new();
    let kind = request.kind;
    let to = to(&mut checks, request.to.as_deref(), kind);
    let mentions = mentions(&mut checks, &request.mentions);
    let ephemeral = request.ephemeral;
    checks.require(
        ephemeral.is_none_or(|seconds| LIFETIMES.contains(&seconds)),
        "ephemeral",
        "must be 0, 86400, 604800 or 7776000",
    );
    let in_group = matches!(to, Some(Address::Group(_)));
    checks.require(
        !request.mention_all || in_group,
        "mention_all",
        "is only possible in a group",
    );
    let answered = request.context.as_ref().map(|context| context.message_id);
    let mention_all = request.mention_all;
    let said = said(&mut checks, request);
    checks.finish()?;
    let Some(said) = said else {
        return Err(Problem::field("", "is not a message"));
    };
    Ok(Draft {
        to,
        said,
        answered,
        mentions,
        mention_all,
        ephemeral,
    })
}

fn to(checks: &mut Checks, to: Option<&str>, kind: MessageKind) -> Option<Address> {
    let about_another = matches!(
        kind,
        MessageKind::Reaction | MessageKind::PollVote | MessageKind::EventResponse
    );
    let Some(text) = to else {
        checks.require(about_another, "to", "is required");
        return None;
    };
    match text.parse() {
        Ok(Address::Status) => {
            checks.require(
                false,
                "to",
                "must not be the place of status posts: POST …/statuses posts them",
            );
            None
        }
        Ok(address) => Some(address),
        Err(error) => {
            let error: shared::address::InvalidAddress = error;
            checks.require(false, "to", &error.to_string());
            None
        }
    }
}

fn mentions(checks: &mut Checks, texts: &[String]) -> Vec<Address> {
    checks.require(
        texts.len() <= MOST_MENTIONS,
        "mentions",
        &format!("must have at most {MOST_MENTIONS} entries"),
    );
    let mut mentions = Vec::with_capacity(texts.len().min(MOST_MENTIONS));
    for (index, mention) in texts.iter().enumerate().take(MOST_MENTIONS) {
        match mention.parse() {
            Ok(person @ (Address::Phone(_) | Address::Lid(_))) => mentions.push(person),
            Ok(_) | Err(_) => {
                checks.require(false, &format!("mentions[{index}]"), "must be a person's address");
            }
        }
    }
    mentions
}

fn said(checks: &mut Checks, request: SendRequest) -> Option<Said> {
    let content = |content| Some(Said::Content(Box::new(content), false));
    match request.kind {
        MessageKind::Text => {
            let body = wanted(checks, "text", request.text)?;
            text(checks, body)
        }
        MessageKind::Image => file(checks, FileKind::Image, "image", request.image),
        MessageKind::Video => file(checks, FileKind::Video, "video", request.video),
        MessageKind::Audio => file(checks, FileKind::Audio, "audio", request.audio),
        MessageKind::Document => file(checks, FileKind::Document, "document", request.document),
        MessageKind::Sticker => file(checks, FileKind::Sticker, "sticker", request.sticker),
        MessageKind::Location => {
            let place = wanted(checks, "location", request.location)?;
            shape::location(checks, "location", &place);
            content(Content::Location(place))
        }
        MessageKind::LiveLocation => {
            let place = wanted(checks, "live_location", request.live_location)?;
            shape::live_location(checks, "live_location", &place);
            content(Content::LiveLocation(place))
        }
        MessageKind::Contacts => {
            let contacts = wanted(checks, "contacts", request.contacts)?;
            content(Content::Contacts(Contacts {
                contacts: shape::contacts(checks, "contacts", contacts),
            }))
        }
        MessageKind::Poll => {
            let poll = wanted(checks, "poll", request.poll)?;
            shape::poll(checks, "poll", &poll);
            content(Content::Poll(poll))
        }
        MessageKind::Event => {
            let event = wanted(checks, "event", request.event)?;
            shape::event(checks, "event", &event);
            content(Content::Event(event))
        }
        MessageKind::List => {
            let list = wanted(checks, "list", request.list)?;
            shape::list(checks, "list", &list);
            content(Content::List(list))
        }
        MessageKind::Buttons => {
            let buttons = wanted(checks, "buttons", request.buttons)?;
            shape::buttons(checks, "buttons", &buttons);
            content(Content::Buttons(buttons))
        }
        MessageKind::Reaction => {
            let reaction = wanted(checks, "reaction", request.reaction)?;
            emoji(checks, "reaction.emoji", &reaction.emoji);
            let act = ActDraft::React(reaction.emoji);
            Some(Said::Act(reaction.message_id, Some("reaction.message_id"), act))
        }
        MessageKind::PollVote => {
            let vote = wanted(checks, "poll_vote", request.poll_vote)?;
            checks.require(
                vote.options.len() <= shape::MOST_OPTIONS,
                "poll_vote.options",
                &format!("must have at most {} entries", shape::MOST_OPTIONS),
            );
            let act = ActDraft::Vote(vote.options);
            Some(Said::Act(vote.message_id, Some("poll_vote.message_id"), act))
        }
        MessageKind::EventResponse => {
            let answer = wanted(checks, "event_response", request.event_response)?;
            checks.require(
                answer.extra_guests <= 10,
                "event_response.extra_guests",
                "must be at most 10",
            );
            let response = match answer.response {
                EventAnswer::Going => "going",
                EventAnswer::NotGoing => "not_going",
                EventAnswer::Maybe => "maybe",
            };
            let act = ActDraft::Respond(response, answer.extra_guests);
            Some(Said::Act(answer.message_id, Some("event_response.message_id"), act))
        }
        MessageKind::Forward => {
            let forward = wanted(checks, "forward", request.forward)?;
            Some(Said::Forward(forward.message_id))
        }
    }
}

/// The field that the kind names.
fn wanted<T>(checks: &mut Checks, field: &str, value: Option<T>) -> Option<T> {
    checks.require(value.is_some(), field, &format!("is required when type is {field}"));
    value
}

fn text(checks: &mut Checks, text: TextBody) -> Option<Said> {
    checks.text("text.body", &text.body, 1..=LONGEST_TEXT);
    let wants_preview = text.preview_url == Some(true) && text.preview.is_none();
    if let Some(preview) = &text.preview {
        shape::preview(checks, "text.preview", preview, &text.body);
    }
    let content = Content::Text(Text {
        body: text.body,
        preview: text.preview,
        style: None,
    });
    Some(Said::Content(Box::new(content), wants_preview))
}

fn file(checks: &mut Checks, kind: FileKind, field: &str, body: Option<MediaBody>) -> Option<Said> {
    let body = wanted(checks, field, body)?;
    body.check(checks, field, kind);
    Some(Said::File(kind, Box::new(body)))
}

#[cfg(test)]
mod tests;
