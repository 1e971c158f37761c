//! What an arrived message says, in our words.
//!
//! Whatever the message holds, this answers: a kind that is unknown here is shown as unsupported rather than lost. Texts and ids of others go through
//! [`foreign`], so that whatever is in them can be stored; lists and pictures are bounded. No I/O: what is encrypted inside a message stays closed here
//! ([`sealed`] finds it, `super::super::secrets` opens it).

use shared::content::{
    ContactCard, Contacts, Content, GroupInvite, LinkPreview, LiveLocation, Location, Text, Unsupported,
};
use shared::vcard;
use wacore::proto_helpers::MessageExt as _;
use wacore::types::message::MessageSource;
use wacore_binary::JidExt as _;
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;

use super::super::foreign::foreign;
use super::super::outgoing_status::style;

mod act;
mod context;
mod interactive;
mod media;

pub(super) use act::{Sealed, sealed};
pub(super) use context::{details, quoted};
pub(super) use media::{hex, remote_media};

/// The most contacts that one message shows.
const MOST_CONTACTS: usize = 256;
/// Wrappers inside wrappers, at most.
const DEEPEST: usize = 4;

/// From where a message is looked at.
pub(super) struct View<'a> {
    /// Where it came from.
    pub(super) source: &'a MessageSource,
    /// The account's own ids.
    pub(super) own: &'a [Jid],
    /// WhatsApp's server has checked that the sender administers the group, and says that it deletes somebody else's message.
    pub(super) by_admin: bool,
}

/// What the message says; `None` when it says nothing to people: keys, settings, history.
pub(super) fn of(message: &wa::Message, view: &View<'_>) -> Option<Content> {
    if let Some(edited) = act::edit(message, view) {
        return edited;
    }
    let base = unwrapped(message);
    if let Some(protocol) = base.protocol_message.as_option() {
        return act::protocol(protocol, view);
    }
    if let Some(act) = act::of(base, view) {
        return act;
    }
    let mut content = standing(base, message.is_view_once());
    // Only posts have colours; elsewhere nobody sees them.
    if let (Some(Content::Text(text)), true) = (&mut content, view.source.chat.is_status_broadcast()) {
        text.style = style(base);
    }
    if content.is_none() && says_nothing(base) {
        return None;
    }
    Some(content.unwrap_or_else(|| {
        Content::Unsupported(Unsupported {
            caption: base.get_caption().map(foreign),
            name: name(base).map(str::to_owned),
        })
    }))
}

/// What the message says, for kinds that stand for themselves.
pub(super) fn standing(base: &wa::Message, view_once: bool) -> Option<Content> {
    if let Some(text) = base.extended_text_message.as_option() {
        return Some(Content::Text(said(text)));
    }
    if let Some(text) = base.conversation.as_deref().filter(|text| !text.is_empty()) {
        return Some(Content::text(foreign(text)));
    }
    if let Some(content) = media::of(base, view_once) {
        return Some(content);
    }
    if let Some(place) = base.location_message.as_option() {
        if place.is_live == Some(true) {
            return Some(Content::LiveLocation(LiveLocation {
                latitude: number(place.degrees_latitude),
                longitude: number(place.degrees_longitude),
                caption: place.comment.as_deref().map(foreign),
                accuracy: place.accuracy_in_meters,
                speed: place.speed_in_mps.filter(|speed| speed.is_finite()),
                heading: place.degrees_clockwise_from_magnetic_north,
                sequence: None,
            }));
        }
        return Some(Content::Location(location(place)));
    }
    if let Some(place) = base.live_location_message.as_option() {
        return Some(Content::LiveLocation(LiveLocation {
            latitude: number(place.degrees_latitude),
            longitude: number(place.degrees_longitude),
            caption: text(place.caption.as_deref()),
            accuracy: place.accuracy_in_meters,
            speed: place.speed_in_mps.filter(|speed| speed.is_finite()),
            heading: place.degrees_clockwise_from_magnetic_north,
            sequence: place.sequence_number,
        }));
    }
    if let Some(one) = base.contact_message.as_option() {
        return Some(Content::Contacts(Contacts {
            contacts: vec![contact(one)],
        }));
    }
    if let Some(several) = base.contacts_array_message.as_option() {
        return Some(Content::Contacts(Contacts {
            contacts: several.contacts.iter().take(MOST_CONTACTS).map(contact).collect(),
        }));
    }
    if let Some(invite) = base.group_invite_message.as_option() {
        return Some(Content::GroupInvite(GroupInvite {
            group: invite.group_jid.as_deref().map(foreign).unwrap_or_default(),
            code: invite.invite_code.as_deref().map(foreign).unwrap_or_default(),
            subject: text(invite.group_name.as_deref()),
            expires_at: invite.invite_expiration,
            caption: text(invite.caption.as_deref()),
        }));
    }
    interactive::of(base)
}

/// The message without its wrappers.
fn unwrapped(message: &wa::Message) -> &wa::Message {
    let mut current = message.get_base_message();
    for _ in 0..DEEPEST {
        let wrappers = [
            &current.group_mentioned_message,
            &current.lottie_sticker_message,
            &current.poll_creation_message_v4,
            &current.associated_child_message,
            &current.spoiler_message,
            &current.group_status_message,
            &current.group_status_message_v2,
            &current.bot_invoke_message,
            &current.bot_forwarded_message,
            &current.event_cover_image,
            &current.limit_sharing_message,
            &current.question_message,
        ];
        let inner = wrappers
            .into_iter()
            .find_map(|wrapper| wrapper.as_option()?.message.as_option());
        match inner {
            Some(inner) => current = inner.get_base_message(),
            None => break,
        }
    }
    current
}

/// Whether a message without any content of ours only carries keys, or nothing that people would miss.
fn says_nothing(base: &wa::Message) -> bool {
    base.sender_key_distribution_message.is_set()
        || base.fast_ratchet_key_sender_key_distribution_message.is_set()
        || base.message_history_notice.is_set()
        || base.sticker_sync_rmr_message.is_set()
}

/// The protocol's names of the kinds that are not shown with their content.
fn name(base: &wa::Message) -> Option<&'static str> {
    let kinds = [
        (base.order_message.is_set(), "order"),
        (base.product_message.is_set(), "product"),
        (base.invoice_message.is_set(), "invoice"),
        (base.send_payment_message.is_set(), "payment"),
        (base.request_payment_message.is_set(), "payment_request"),
        (base.payment_invite_message.is_set(), "payment_invite"),
        (base.album_message.is_set(), "album"),
        (base.sticker_pack_message.is_set(), "sticker_pack"),
        (base.scheduled_call_creation_message.is_set(), "scheduled_call"),
        (base.newsletter_admin_invite_message.is_set(), "newsletter_invite"),
        (base.poll_result_snapshot_message.is_set(), "poll_results"),
        (base.comment_message.is_set(), "comment"),
        (base.call_log_messsage.is_set(), "call_log"),
        (base.request_phone_number_message.is_set(), "phone_number_request"),
        (base.highly_structured_message.is_set(), "highly_structured"),
        (base.placeholder_message.is_set(), "placeholder"),
        (base.enc_comment_message.is_set(), "encrypted_comment"),
        (base.enc_reaction_message.is_set(), "encrypted_reaction"),
        (base.secret_encrypted_message.is_set(), "encrypted"),
        (base.message_history_bundle.is_set(), "history"),
        (base.status_mention_message.is_set(), "status_mention"),
        (base.rich_response_message.is_set(), "rich_response"),
    ];
    kinds.into_iter().find_map(|(is_set, name)| is_set.then_some(name))
}

/// A text of others; none where it is empty.
fn text(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(foreign)
}

/// A number that JSON can hold.
fn number(number: Option<f64>) -> f64 {
    number.filter(|number| number.is_finite()).unwrap_or_default()
}

fn said(message: &wa::message::ExtendedTextMessage) -> Text {
    let shows = message.matched_text.as_deref().is_some_and(|url| !url.is_empty());
    let preview = shows.then(|| LinkPreview {
        url: message.matched_text.as_deref().map(foreign).unwrap_or_default(),
        title: text(message.title.as_deref()),
        description: text(message.description.as_deref()),
        thumbnail: media::thumbnail(message.jpeg_thumbnail.as_deref()),
    });
    Text {
        body: message.text.as_deref().map(foreign).unwrap_or_default(),
        preview,
        style: None,
    }
}

fn location(place: &wa::message::LocationMessage) -> Location {
    Location {
        latitude: number(place.degrees_latitude),
        longitude: number(place.degrees_longitude),
        name: text(place.name.as_deref()),
        address: text(place.address.as_deref()),
        url: text(place.url.as_deref()),
    }
}

fn contact(message: &wa::message::ContactMessage) -> ContactCard {
    let name = message.display_name.as_deref().map(foreign).unwrap_or_default();
    match message.vcard.as_deref() {
        Some(card) => vcard::read(&name, &foreign(card)),
        None => ContactCard {
            name,
            ..ContactCard::default()
        },
    }
}

#[cfg(test)]
mod tests;
