//! Arrived messages that change another one: reactions, edits, deletions, pins, votes and answers.
//!
//! Whoever sends one says which message it means, so what is said is checked against who says it: people edit only their own messages, and delete others'
//! only where WhatsApp's server vouches for them as the group's administrators.

use shared::content::{Content, Edit, EventResponse, Keep, MessageKey, Pin, PollVote, Reaction, Revoke};
use wacore_binary::JidExt as _;
use waproto::whatsapp as wa;
use whatsapp_rust::Jid;

use super::super::super::foreign::foreign;
use super::{View, standing, unwrapped};

/// Which message is meant. In a chat of two, "from me" is meant from the author's side.
fn key(key: Option<&wa::MessageKey>, view: &View<'_>) -> MessageKey {
    let Some(key) = key else {
        return MessageKey::default();
    };
    let source = view.source;
    let authors = key.from_me.unwrap_or_default();
    let participant = key.participant.as_deref().map(foreign);
    let is_own = participant
        .as_deref()
        .and_then(|jid| jid.parse::<Jid>().ok())
        .is_some_and(|jid| view.own.iter().any(|own| own.is_same_user_as(&jid)));
    let from_me = if source.is_from_me {
        authors || is_own
    } else if source.is_group {
        !authors && is_own
    } else {
        !authors
    };
    let author = if from_me {
        None
    } else if authors {
        Some(source.sender.to_non_ad_string())
    } else {
        participant
    };
    MessageKey {
        wa_message_id: key.id.as_deref().map(foreign).unwrap_or_default(),
        from_me,
        author: author.map(|author| foreign(&author)),
    }
}

/// The key of a message that can only be the sender's own.
fn own_key(meant: Option<&wa::MessageKey>, view: &View<'_>) -> MessageKey {
    MessageKey {
        from_me: view.source.is_from_me,
        author: (!view.source.is_from_me).then(|| foreign(&view.source.sender.to_non_ad_string())),
        ..key(meant, view)
    }
}

/// An edit comes wrapped (`edited_message`) around the protocol message that carries it.
pub(super) fn edit(message: &wa::Message, view: &View<'_>) -> Option<Option<Content>> {
    let wrapped = message.edited_message.as_option()?.message.as_option()?;
    Some(protocol(wrapped.protocol_message.as_option()?, view))
}

/// What a protocol message means to people; `None` when nothing.
pub(super) fn protocol(protocol: &wa::message::ProtocolMessage, view: &View<'_>) -> Option<Content> {
    use wa::message::protocol_message::Type;
    let meant = protocol.key.as_option();
    let content = match protocol.r#type {
        Some(Type::REVOKE) => {
            let message = if view.by_admin || view.source.is_from_me {
                key(meant, view)
            } else {
                own_key(meant, view)
            };
            Content::Revoke(Revoke { message })
        }
        Some(Type::MESSAGE_EDIT) => {
            let edited = unwrapped(protocol.edited_message.as_option()?);
            Content::Edit(Edit {
                message: own_key(meant, view),
                content: Box::new(standing(edited, false)?),
            })
        }
        _ => return None,
    };
    let named = content.target().is_some_and(|key| !key.wa_message_id.is_empty());
    named.then_some(content)
}

/// The other acts; `None` when the message is no act, `Some(None)` when it is one that means nothing.
pub(super) fn of(base: &wa::Message, view: &View<'_>) -> Option<Option<Content>> {
    let content = if let Some(reaction) = base.reaction_message.as_option() {
        Content::Reaction(Reaction {
            message: key(reaction.key.as_option(), view),
            emoji: reaction.text.as_deref().map(foreign).unwrap_or_default(),
        })
    } else if let Some(pin) = base.pin_in_chat_message.as_option() {
        let pinned = pin.r#type == Some(wa::message::pin_in_chat_message::Type::PIN_FOR_ALL);
        let seconds = base
            .message_context_info
            .as_option()
            .and_then(|context| context.message_add_on_duration_in_secs);
        Content::Pin(Pin {
            message: key(pin.key.as_option(), view),
            pinned,
            seconds: seconds.filter(|seconds| pinned && *seconds > 0),
        })
    } else if let Some(keep) = base.keep_in_chat_message.as_option() {
        Content::Keep(Keep {
            message: key(keep.key.as_option(), view),
            kept: keep.keep_type == Some(wa::KeepType::KEEP_FOR_ALL),
        })
    } else if let Some(vote) = base.poll_update_message.as_option() {
        Content::PollVote(PollVote {
            message: key(vote.poll_creation_message_key.as_option(), view),
            ..PollVote::default()
        })
    } else if let Some(response) = base.enc_event_response_message.as_option() {
        Content::EventResponse(EventResponse {
            message: key(response.event_creation_message_key.as_option(), view),
            ..EventResponse::default()
        })
    } else {
        return None;
    };
    let named = content.target().is_some_and(|key| !key.wa_message_id.is_empty());
    Some(named.then_some(content))
}

/// What is encrypted inside an act, with the secret of the message that it is about.
pub(in super::super) enum Sealed<'a> {
    /// The choices of a vote.
    Vote(&'a [u8], &'a [u8]),
    /// An answer to an invitation.
    Response(&'a [u8], &'a [u8]),
}

/// What is encrypted inside the message, if anything is.
pub(in super::super) fn sealed(message: &wa::Message) -> Option<Sealed<'_>> {
    let base = unwrapped(message);
    if let Some(update) = base.poll_update_message.as_option() {
        let vote = update.vote.as_option()?;
        return Some(Sealed::Vote(vote.enc_payload.as_deref()?, vote.enc_iv.as_deref()?));
    }
    let response = base.enc_event_response_message.as_option()?;
    Some(Sealed::Response(
        response.enc_payload.as_deref()?,
        response.enc_iv.as_deref()?,
    ))
}
