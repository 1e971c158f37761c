//! From a checked draft to the message: looks up what it refers to, inside the transaction that accepts it.

use chrono::{TimeDelta, Utc};
use shared::address::{Address, Party};
use shared::command::{Quote, SendMessage};
use shared::content::{Content, Edit, EventResponse, Media, MediaStatus, MessageKey, Pin, PollVote, Reaction, Revoke};
use shared::ids::{MessageId, SessionId};
use shared::message::{Message, MessageStatus};
use shared::problem::Code;
use shared::store::TenantTransaction;

use super::request::{ActDraft, Draft, Said};
use crate::problem::Problem;

/// How long after a message was written its edit is still shown: WhatsApp's clients ignore later ones (wacore/src/msg_secret.rs,
/// `EDIT_PROCESSING_WINDOW_SECS`).
const EDITABLE_FOR: TimeDelta = TimeDelta::minutes(20);
/// What WhatsApp writes for "forwarded many times", and from which score on (wacore/src/proto_helpers.rs, `prepare_for_forward`).
const FORWARDED_OFTEN: u32 = 127;
const OFTEN: u32 = 5;

/// The message that a draft means. `wa_message_id`: WhatsApp's id of it.
pub(super) async fn compose(
    transaction: &mut TenantTransaction,
    session: SessionId,
    wa_message_id: String,
    draft: Draft,
) -> Result<SendMessage, Problem> {
    let id = MessageId::generate();
    let quote = match draft.answered {
        Some(answered) => Some(quote(transaction, session, answered).await?),
        None => None,
    };
    let mut forwarding_score = 0;
    let (to, content) = match draft.said {
        Said::Content(content, _) => (needed(draft.to)?, *content),
        Said::File(..) => return Err(Problem::internal(anyhow::anyhow!("the file was not resolved"))),
        Said::Forward(message) => {
            let original = find(transaction, session, message, Some("forward.message_id")).await?;
            forwarding_score = score_after(&original);
            (needed(draft.to)?, passed_on(&original)?)
        }
        Said::Act(message, field, act) => {
            let original = find(transaction, session, message, field).await?;
            let to = chat_of(&original)?;
            let elsewhere = draft
                .to
                .is_some_and(|given| given != to && Party::new(&given, None).lid != original.chat.lid);
            if elsewhere {
                return Err(Problem::field("to", "must be the conversation of the message"));
            }
            (to, changed(&original, act, field)?)
        }
    };
    let ephemeral = match draft.ephemeral {
        Some(seconds) => seconds,
        // What changes another message has no life of its own.
        None if content.target().is_some() => 0,
        // As WhatsApp's own apps do: otherwise the message would outlive those around it.
        None => transaction.timer_of_chat(session, &to).await?,
    };
    Ok(SendMessage {
        quote,
        mentions: draft.mentions,
        mention_all: draft.mention_all,
        ephemeral,
        forwarding_score,
        ..SendMessage::new(id, wa_message_id, to, content)
    })
}

fn needed(to: Option<Address>) -> Result<Address, Problem> {
    to.ok_or_else(|| Problem::field("to", "is required"))
}

/// A message that the request names: in a field of the body, or in the path.
async fn find(
    transaction: &mut TenantTransaction,
    session: SessionId,
    message: MessageId,
    field: Option<&str>,
) -> Result<Message, Problem> {
    let found = transaction.message(session, message).await?;
    found.ok_or_else(|| match field {
        Some(field) => Problem::field(field, "is no message of this session"),
        None => Problem::not_found(Code::MessageNotFound),
    })
}

/// Where a message is.
pub(super) fn chat_of(message: &Message) -> Result<Address, Problem> {
    message
        .chat
        .jid
        .parse()
        .map_err(|_| Problem::internal(anyhow::anyhow!("a stored conversation has no address")))
}

/// How others name a message.
pub(super) fn key_of(message: &Message) -> MessageKey {
    MessageKey {
        wa_message_id: message.wa_message_id.clone(),
        from_me: message.from_me,
        author: Some(message.from.jid.clone()).filter(|jid| !jid.is_empty()),
    }
}

/// The content that changes `original`.
fn changed(original: &Message, act: ActDraft, field: Option<&str>) -> Result<Content, Problem> {
    let refused = |why: &str| Problem::field(field.unwrap_or("message_id"), why);
    let message = key_of(original);
    if original.status == MessageStatus::Failed {
        return Err(refused("names a message that was not sent"));
    }
    if original.state.revoked_at.is_some() {
        return Err(refused("names a message that was deleted for everyone"));
    }
    let content = Content::of_map(&original.content);
    if content.as_ref().is_none_or(|content| content.target().is_some()) {
        return Err(refused("must name a message that stands for itself"));
    }
    Ok(match act {
        ActDraft::React(emoji) => Content::Reaction(Reaction { message, emoji }),
        ActDraft::Pin(seconds) => Content::Pin(Pin {
            message,
            pinned: seconds.is_some(),
            seconds,
        }),
        ActDraft::Revoke => {
            let in_group = original.chat.jid.ends_with("@g.us");
            if !original.from_me && !in_group {
                return Err(refused(
                    "must name a message of the account, or one in a group that it administers",
                ));
            }
            Content::Revoke(Revoke { message })
        }
        ActDraft::Edit(text) => {
            if !original.from_me {
                return Err(refused("must name a message of the account"));
            }
            if Utc::now() - original.timestamp > EDITABLE_FOR {
                return Err(refused(
                    "must name a message that is at most 20 minutes old: WhatsApp shows no later edits",
                ));
            }
            Content::Edit(Edit {
                message,
                content: Box::new(
                    edited(content.as_ref(), text)
                        .ok_or_else(|| refused("must name a text or a file with a caption"))?,
                ),
            })
        }
        ActDraft::Vote(options) => {
            let Some(Content::Poll(poll)) = content else {
                return Err(refused("must name a poll"));
            };
            let most = match poll.max_choices {
                0 => poll.options.len(),
                most => usize::try_from(most).unwrap_or(usize::MAX),
            };
            if options.len() > most {
                return Err(Problem::field(
                    "poll_vote.options",
                    format!("must have at most {most} entries"),
                ));
            }
            for (index, option) in options.iter().enumerate() {
                if !poll.options.contains(option) || options[..index].contains(option) {
                    return Err(Problem::field(
                        format!("poll_vote.options[{index}]"),
                        "must be an option of the poll, once",
                    ));
                }
            }
            Content::PollVote(PollVote {
                message,
                options,
                unknown_options: Vec::new(),
            })
        }
        ActDraft::Respond(response, extra_guests) => {
            let Some(Content::Event(event)) = content else {
                return Err(refused("must name an invitation to an event"));
            };
            if extra_guests > 0 && !event.extra_guests_allowed {
                return Err(Problem::field(
                    "event_response.extra_guests",
                    "must be 0: the invitation does not allow others to come along",
                ));
            }
            Content::EventResponse(EventResponse {
                message,
                response: response.to_owned(),
                extra_guests,
            })
        }
    })
}

/// The new content of an edited message: of a file only the caption.
fn edited(content: Option<&Content>, text: String) -> Option<Content> {
    let caption = |text| Media {
        caption: Some(text),
        ..Media::default()
    };
    Some(match content? {
        Content::Text(_) => Content::text(text),
        Content::Image(_) => Content::Image(caption(text)),
        Content::Video(_) => Content::Video(caption(text)),
        Content::Document(_) => Content::Document(caption(text)),
        _ => return None,
    })
}

/// What is passed on of a message.
fn passed_on(original: &Message) -> Result<Content, Problem> {
    let refused = |why: &str| Problem::field("forward.message_id", why);
    if original.state.revoked_at.is_some() {
        return Err(refused("names a message that was deleted for everyone"));
    }
    let content =
        Content::of_map(&original.content).ok_or_else(|| refused("names a message that cannot be passed on"))?;
    if content.target().is_some() || matches!(content, Content::Unsupported(_) | Content::Event(_)) {
        return Err(refused("names a message that cannot be passed on"));
    }
    if let Some(media) = content.media() {
        if media.view_once {
            return Err(refused("names a message that can only be opened once"));
        }
        let stored = media.media_id.is_some() && media.status.is_none_or(|status| status == MediaStatus::Stored);
        if !stored {
            return Err(refused("names a message whose file is not stored here"));
        }
    }
    Ok(content)
}

/// The forwarding score after one more time. An own message that nobody has forwarded is passed on as a new one.
fn score_after(original: &Message) -> u32 {
    match original.details.forwarding_score {
        0 if original.from_me => 0,
        score if score + 1 > OFTEN => FORWARDED_OFTEN,
        score => score + 1,
    }
}

/// What an answer shows of the message that it answers.
async fn quote(transaction: &mut TenantTransaction, session: SessionId, answered: MessageId) -> Result<Quote, Problem> {
    let message = find(transaction, session, answered, Some("context.message_id")).await?;
    let unknown = || Problem::field("context.message_id", "is no message of this session");
    let content = Content::of_map(&message.content).filter(|content| content.target().is_none());
    let text = content
        .as_ref()
        .and_then(Content::summary)
        .unwrap_or_default()
        .to_owned();
    Ok(Quote {
        wa_message_id: message.wa_message_id,
        author: message.from.jid.parse().map_err(|_| unknown())?,
        text,
        content: content.map(Box::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forwarding_score_grows_until_it_says_many_times() {
        let mut original: Message = serde_json::from_value(serde_json::json!({
            "id": MessageId::generate(), "session_id": SessionId::generate("eu1".parse().unwrap()), "wa_message_id": "3EB0",
            "chat": {"jid": "15550001001@s.whatsapp.net"}, "from": {"jid": "15550001001@s.whatsapp.net"}, "from_me": true,
            "type": "text", "text": {"body": "Hello"}, "status": "sent", "timestamp": "2026-11-20T12:00:00Z",
        }))
        .unwrap();
        assert_eq!(score_after(&original), 0, "an own message is a new one");
        original.from_me = false;
        let mut scores = Vec::new();
        for _ in 0..6 {
            let score = score_after(&original);
            scores.push(score);
            original.details.forwarding_score = score;
        }
        assert_eq!(scores, [1, 2, 3, 4, 5, 127]);
    }
}
