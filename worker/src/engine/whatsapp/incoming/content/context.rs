//! What an arrived message carries beside its content: what it answers, whom it mentions, how often it was forwarded, from which advertisement its author
//! came.

use shared::address::Address;
use shared::message::Referral;
use wacore::types::message::MessageInfo;
use waproto::whatsapp as wa;
use waproto::whatsapp::context_info::external_ad_reply_info::MediaType;
use whatsapp_rust::Jid;

use super::super::super::foreign::foreign;
use super::{media, standing, text, unwrapped};
use crate::engine::{IncomingDetails, Person, Quoted};

/// The most people whose mention is passed on.
const MOST_MENTIONS: usize = 1_024;

/// The context, wherever the message keeps it.
fn context(base: &wa::Message) -> Option<&wa::ContextInfo> {
    macro_rules! first {
        ($($field:ident),+ $(,)?) => {
            [$(base.$field.as_option().and_then(|kind| kind.context_info.as_option())),+]
        };
    }
    let found = first!(
        extended_text_message,
        image_message,
        video_message,
        ptv_message,
        audio_message,
        document_message,
        sticker_message,
        location_message,
        live_location_message,
        contact_message,
        contacts_array_message,
        buttons_message,
        buttons_response_message,
        list_message,
        list_response_message,
        template_message,
        template_button_reply_message,
        interactive_message,
        interactive_response_message,
        poll_creation_message,
        poll_creation_message_v2,
        poll_creation_message_v3,
        poll_creation_message_v5,
        poll_creation_message_v6,
        product_message,
        order_message,
        group_invite_message,
        event_message,
        sticker_pack_message,
        newsletter_admin_invite_message,
    );
    found.into_iter().flatten().next()
}

/// What the message answers.
pub(in super::super) fn quoted(message: &wa::Message) -> Option<Quoted> {
    let context = context(unwrapped(message))?;
    let wa_message_id = text(context.stanza_id.as_deref())?;
    let content = context
        .quoted_message
        .as_option()
        .and_then(|quoted| standing(unwrapped(quoted), false));
    Some(Quoted {
        wa_message_id,
        author: context.participant.as_deref().and_then(person),
        content: content.map(Box::new),
    })
}

/// Everything else that it carries.
pub(in super::super) fn details(message: &wa::Message, info: &MessageInfo) -> IncomingDetails {
    let mut details = IncomingDetails {
        from_name: text(Some(&info.push_name)),
        business_name: info.verified_name.as_ref().and_then(|name| text(name.name.as_deref())),
        ..IncomingDetails::default()
    };
    let Some(context) = context(unwrapped(message)) else {
        return details;
    };
    details.mentions = context
        .mentioned_jid
        .iter()
        .take(MOST_MENTIONS)
        .filter_map(|jid| person(jid))
        .collect();
    details.mention_all = context.non_jid_mentions.is_some_and(|everybody| everybody > 0);
    details.forwarding_score = match (context.is_forwarded, context.forwarding_score) {
        // WhatsApp's web client marks the first forwarding without counting it.
        (Some(true), None | Some(0)) => 1,
        (_, score) => score.unwrap_or_default(),
    };
    details.ephemeral = context.expiration.unwrap_or_default();
    details.referral = context.external_ad_reply.as_option().and_then(referral);
    details
}

/// The advertisement. Links with a preview use the same field without an advertisement behind them, so an id or a click is wanted.
fn referral(reply: &wa::context_info::ExternalAdReplyInfo) -> Option<Referral> {
    let is_advertisement = reply.source_id.is_some() || reply.ctwa_clid.is_some() || reply.source_type.is_some();
    is_advertisement.then(|| Referral {
        source_url: text(reply.source_url.as_deref()),
        source_id: text(reply.source_id.as_deref()),
        source_type: text(reply.source_type.as_deref()),
        headline: text(reply.title.as_deref()),
        body: text(reply.body.as_deref()),
        media_type: match reply.media_type {
            Some(MediaType::IMAGE) => Some("image".to_owned()),
            Some(MediaType::VIDEO) => Some("video".to_owned()),
            _ => None,
        },
        media_url: text(reply.media_url.as_deref()),
        thumbnail_url: text(reply.thumbnail_url.as_deref()),
        thumbnail: media::thumbnail(reply.thumbnail.as_deref()),
        ctwa_clid: text(reply.ctwa_clid.as_deref()),
        r#ref: text(reply.r#ref.as_deref()),
    })
}

fn person(jid: &str) -> Option<Person> {
    let jid: Jid = foreign(jid).parse().ok()?;
    let address = super::super::address(&jid)?;
    matches!(address, Address::Phone(_) | Address::Lid(_)).then_some(Person {
        address,
        alternative: None,
    })
}
