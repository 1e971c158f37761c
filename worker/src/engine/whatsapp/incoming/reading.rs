//! Reading arrived messages: what they say, what is encrypted inside them, and both ids of everybody whom they name.

use std::sync::Arc;

use shared::address::Address;
use shared::content::{Content, EventResponse, PollVote, Unsupported};
use wacore::types::message::{EditAttribute, MessageCategory, MessageInfo};
use wacore_binary::JidExt as _;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::event_response_message::EventResponseType;
use whatsapp_rust::types::durability_hook::InboundMessage;
use whatsapp_rust::{Client, Jid};

use super::super::foreign::foreign;
use super::super::{outgoing, secrets};
use super::content::{self, Sealed, View};
use super::{chat, sender};
use crate::engine::{IncomingMessage, Person};

/// How many of the people whom a message mentions are looked up.
const MOST_LOOKUPS: usize = 64;

/// The messages of a batch that say something to people, in order.
pub(super) async fn all(client: &Arc<Client>, batch: &[InboundMessage]) -> Vec<IncomingMessage> {
    let own: Vec<Jid> = [client.pn(), client.lid()].into_iter().flatten().collect();
    let mut messages = Vec::with_capacity(batch.len());
    for item in batch {
        if let Some(mut incoming) = message(&item.message, &item.info, &own) {
            open(client, &item.message, &item.info, &own, &mut incoming).await;
            complete(client, &mut incoming).await;
            messages.push(incoming);
        }
    }
    messages
}

/// A message of ours, or `None` when it is not for people: between the account's own devices, or from a place that this version does not know.
fn message(message: &wa::Message, info: &MessageInfo, own: &[Jid]) -> Option<IncomingMessage> {
    if info.category == MessageCategory::Peer {
        return None;
    }
    let content = content::of(message, &view(info, own))?;
    Some(IncomingMessage {
        wa_message_id: foreign(&info.id),
        chat: chat(&info.source)?,
        from: sender(&info.source)?,
        from_me: info.source.is_from_me,
        remote_media: content::remote_media(message),
        context: content::quoted(message),
        details: content::details(message, info),
        content,
        at: info.timestamp,
    })
}

fn view<'a>(info: &'a MessageInfo, own: &'a [Jid]) -> View<'a> {
    View {
        source: &info.source,
        own,
        by_admin: info.source.is_group && info.edit == EditAttribute::AdminRevoke,
    }
}

/// Opens what is encrypted inside: the choices of a vote, the answer to an invitation. What cannot be opened is shown as unsupported: a vote without its
/// choices would read as one that was taken back.
async fn open(
    client: &Arc<Client>,
    message: &wa::Message,
    info: &MessageInfo,
    own: &[Jid],
    incoming: &mut IncomingMessage,
) {
    if !matches!(incoming.content, Content::PollVote(_) | Content::EventResponse(_)) {
        return;
    }
    if opened(client, message, info, own, &mut incoming.content)
        .await
        .is_none()
    {
        tracing::info!(
            kind = incoming.content.kind(),
            "an encrypted answer could not be opened"
        );
        incoming.content = Content::Unsupported(Unsupported {
            caption: None,
            name: Some(incoming.content.kind().to_owned()),
        });
    }
}

async fn opened(
    client: &Arc<Client>,
    message: &wa::Message,
    info: &MessageInfo,
    own: &[Jid],
    content: &mut Content,
) -> Option<()> {
    let sealed = content::sealed(message)?;
    let key = content.target()?;
    let author = key.author.as_deref().and_then(|author| author.parse::<Jid>().ok());
    let is_own = author
        .as_ref()
        .is_some_and(|author| own.iter().any(|own| own.is_same_user_as(author)));
    let id = key.wa_message_id.clone();
    let (chat, sender) = (&info.source.chat, &info.source.sender);
    let parent = secrets::parent(client, chat, author.as_ref(), key.from_me || is_own, &id).await?;
    match (content, sealed) {
        (Content::PollVote(vote), Sealed::Vote(payload, iv)) => {
            let hashes = secrets::open_vote(client, &parent, &id, sender, (payload, iv)).await?;
            chosen(vote, &hashes);
        }
        (Content::EventResponse(response), Sealed::Response(payload, iv)) => {
            let opened = secrets::open_response(client, &parent, &id, sender, (payload, iv)).await?;
            answered(response, &opened);
        }
        _ => return None,
    }
    Some(())
}

/// Votes name options by their SHA-256; whoever knows the poll puts the options in their place.
fn chosen(vote: &mut PollVote, hashes: &[Vec<u8>]) {
    vote.unknown_options = hashes.iter().take(100).map(|hash| content::hex(hash)).collect();
}

fn answered(response: &mut EventResponse, opened: &wa::message::EventResponseMessage) {
    response.response = match opened.response {
        Some(EventResponseType::GOING) => "going",
        Some(EventResponseType::NOT_GOING) => "not_going",
        Some(EventResponseType::MAYBE) => "maybe",
        _ => "",
    }
    .to_owned();
    response.extra_guests = opened
        .extra_guest_count
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default();
}

/// Finds the other ids of the people whom the message names, as far as they are known without asking WhatsApp.
async fn complete(client: &Arc<Client>, incoming: &mut IncomingMessage) {
    let quoted = incoming.context.as_mut().and_then(|quoted| quoted.author.as_mut());
    let named = incoming
        .details
        .mentions
        .iter_mut()
        .take(MOST_LOOKUPS)
        .chain(quoted)
        .chain([&mut incoming.from, &mut incoming.chat]);
    for person in named {
        if person.alternative.is_none() && person.address.is_person() {
            person.alternative = other(client, person).await;
        }
    }
}

async fn other(client: &Arc<Client>, person: &Person) -> Option<Address> {
    let jid = outgoing::jid(&person.address).ok()?;
    super::address(&secrets::other_id(client, &jid).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use shared::address::Address;
    use shared::content::Content;
    use wacore::types::message::MessageSource;

    fn info(from_me: bool) -> MessageInfo {
        let mut info = MessageInfo {
            id: "3EB0".into(),
            timestamp: Utc::now(),
            ..MessageInfo::default()
        };
        info.source = MessageSource {
            chat: "100000000001001@lid".parse().unwrap(),
            sender: "100000000001001:3@lid".parse().unwrap(),
            sender_alt: Some("15550001001@s.whatsapp.net".parse().unwrap()),
            is_from_me: from_me,
            ..MessageSource::default()
        };
        info
    }

    #[test]
    fn a_text_by_lid_names_both_ids_of_its_author() {
        let text = wa::Message {
            conversation: Some("Hello".into()),
            ..Default::default()
        };
        let message = message(&text, &info(false), &[]).unwrap();
        assert_eq!(message.content, Content::text("Hello"));
        assert_eq!(message.from.address, Address::Lid("100000000001001".into()));
        assert_eq!(message.from.alternative, Some(Address::Phone("15550001001".into())));
        assert_eq!(message.chat, message.from, "a direct conversation is the other person");
    }

    #[test]
    fn a_character_that_cannot_be_stored_is_replaced_wherever_it_stands() {
        let text = wa::Message {
            conversation: Some("a\0b".into()),
            ..Default::default()
        };
        let mut hostile = info(false);
        hostile.id = "3EB0\0".into();
        let text = message(&text, &hostile, &[]).unwrap();
        assert_eq!(text.wa_message_id, "3EB0\u{FFFD}");
        assert_eq!(text.content, Content::text("a\u{FFFD}b"));

        let reaction = wa::Message {
            reaction_message: buffa::MessageField::some(wa::message::ReactionMessage {
                key: buffa::MessageField::some(wa::MessageKey {
                    id: Some("\0".into()),
                    ..Default::default()
                }),
                text: Some("\0".into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let Content::Reaction(reaction) = message(&reaction, &info(false), &[]).unwrap().content else {
            panic!("a reaction is a reaction");
        };
        assert_eq!(reaction.message.wa_message_id, "\u{FFFD}");
        assert_eq!(reaction.emoji, "\u{FFFD}");
    }

    #[test]
    fn what_devices_tell_each_other_is_nothing_for_people() {
        let mut peer = info(true);
        peer.category = MessageCategory::Peer;
        let text = wa::Message {
            conversation: Some("keys".into()),
            ..Default::default()
        };
        assert_eq!(message(&text, &peer, &[]), None);
        let settings = wa::Message {
            protocol_message: buffa::MessageField::some(wa::message::ProtocolMessage::default()),
            ..Default::default()
        };
        assert_eq!(message(&settings, &info(true), &[]), None);
    }

    #[test]
    fn an_unknown_kind_is_shown_rather_than_lost() {
        let message = message(&wa::Message::default(), &info(false), &[]).unwrap();
        assert_eq!(message.content.kind(), "unsupported");
    }
}
