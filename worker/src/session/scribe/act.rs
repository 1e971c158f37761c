//! Messages that change another one, as facts to store: the change itself, and the event that tells it.
//!
//! Whoever sends one names the other message, so it reaches only messages of the same chat, and an edit or an ordinary deletion only the sender's own.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use shared::address::{Address, Party};
use shared::content::{Content, Poll, PollVote};
use shared::event::{
    Event, MessageEdited, MessageReaction, MessageReference, MessageRevoked, OriginalMessage, PollResult, PollVoted,
};
use shared::message::{GivenAnswer, GivenReaction};
use shared::store::known_messages::{KnownMessage, KnownMessages, same};
use shared::store::read_model::{Change, MessageChange, MessageChanged, MessageTarget};

use super::{Scribe, Writing};

/// How long a message is pinned when nothing is said: a week, as WhatsApp has it.
const PINNED_FOR: u32 = 604_800;

/// A message that changes another one.
pub(super) struct Act<'a> {
    /// Where.
    pub(super) chat: &'a Party,
    /// Who.
    pub(super) from: &'a Party,
    /// Whether the account itself did it.
    pub(super) from_me: bool,
    /// What.
    pub(super) content: &'a Content,
    /// When.
    pub(super) at: DateTime<Utc>,
    /// The dedupe key of its event.
    pub(super) key: String,
}

impl Scribe {
    /// Writes up what a message changes. Nothing for one that stands for itself.
    pub(super) fn act(&mut self, writing: &mut Writing, known: &mut KnownMessages, act: &Act<'_>) {
        let Some(key) = act.content.target() else { return };
        let by_author = match act.content {
            Content::Edit(_) => true,
            Content::Revoke(_) => act.from_me == key.from_me && (key.from_me || is(act.from, key.author.as_deref())),
            _ => false,
        };
        let original = known.find_mut(&key.wa_message_id, key.from_me, act.chat);
        if by_author
            && !key.from_me
            && let Some(original) = &original
            && !same(&original.from, act.from)
        {
            tracing::info!(session = %self.session, kind = act.content.kind(), "somebody tried to change a message of somebody else");
            return;
        }
        let message = MessageReference {
            message_id: original.as_ref().map(|original| original.id),
            wa_message_id: key.wa_message_id.clone(),
            chat: act.chat.clone(),
        };
        let target = MessageTarget {
            wa_message_id: key.wa_message_id.clone(),
            from_me: key.from_me,
            chat: act.chat.clone(),
            author: by_author.then(|| act.from.clone()),
        };
        let from = act.from.clone();
        let (what, event) = match act.content {
            Content::Reaction(reaction) => {
                let given = GivenReaction {
                    from: from.clone(),
                    emoji: reaction.emoji.clone(),
                    at: act.at,
                };
                let emoji = reaction.emoji.clone();
                let event = Event::MessageReaction(MessageReaction { message, from, emoji });
                (MessageChanged::Reacted(given), Some(event))
            }
            Content::Edit(edit) => {
                let content = edit.content.to_map();
                let before = original.as_deref().map(original_of);
                if let Some(original) = original {
                    original.content.clone_from(&content);
                }
                let event = Event::MessageEdited(MessageEdited {
                    message,
                    from,
                    kind: edit.content.kind().to_owned(),
                    content: content.clone(),
                    original: before,
                });
                (MessageChanged::Edited { content, at: act.at }, Some(event))
            }
            Content::Revoke(_) => {
                let original = original.as_deref().map(original_of);
                let event = Event::MessageRevoked(MessageRevoked {
                    message,
                    from,
                    original,
                });
                (MessageChanged::Revoked { at: act.at }, Some(event))
            }
            Content::PollVote(vote) => {
                let (given, event) = voted(original, message, vote, from, act.at);
                (MessageChanged::Answered(given), Some(event))
            }
            Content::EventResponse(response) => {
                let given = GivenAnswer {
                    from,
                    options: None,
                    response: Some(response.response.clone()),
                    at: act.at,
                };
                (MessageChanged::Answered(given), None)
            }
            Content::Pin(pin) => {
                let seconds = TimeDelta::seconds(i64::from(pin.seconds.unwrap_or(PINNED_FOR)));
                let until = pin.pinned.then(|| act.at + seconds);
                (MessageChanged::Pinned(until), None)
            }
            _ => return,
        };
        writing
            .facts
            .changes
            .push(Change::Message(MessageChange { target, what }));
        if let Some(event) = event {
            self.event_at(writing, &event, act.at, Some(act.key.clone()));
        }
    }
}

/// Whether `jid` names the party.
fn is(party: &Party, jid: Option<&str>) -> bool {
    let Some(Ok(address)) = jid.map(str::parse::<Address>) else {
        return false;
    };
    same(party, &Party::new(&address, None))
}

fn original_of(known: &KnownMessage) -> OriginalMessage {
    OriginalMessage {
        from: known.from.clone(),
        from_me: known.from_me,
        kind: known.kind.clone(),
        content: known.content.clone(),
    }
}

/// A vote, with the poll's options in place of their hashes, and how the poll stands with it.
fn voted(
    original: Option<&mut KnownMessage>,
    message: MessageReference,
    vote: &PollVote,
    from: Party,
    at: DateTime<Utc>,
) -> (GivenAnswer, Event) {
    let poll = original
        .as_ref()
        .and_then(|known| match Content::of_map(&known.content) {
            Some(Content::Poll(poll)) => Some(poll),
            _ => None,
        });
    let mut options = vote.options.clone();
    let mut unknown_options = Vec::new();
    for hash in &vote.unknown_options {
        match poll.as_ref().and_then(|poll| poll.option_by_hash(hash)) {
            Some(option) => options.push(option.clone()),
            None => unknown_options.push(hash.clone()),
        }
    }
    let given = GivenAnswer {
        from: from.clone(),
        options: Some(options.clone()),
        response: None,
        at,
    };
    let results = original.zip(poll).map(|(known, poll)| {
        let newer = known.answers.get(&from.jid).is_none_or(|earlier| earlier.at <= at);
        if newer {
            known.answers.insert(from.jid.clone(), given.clone());
        }
        results(&poll, &known.answers)
    });
    let event = Event::PollVote(PollVoted {
        message,
        from,
        options,
        unknown_options,
        results,
    });
    (given, event)
}

fn results(poll: &Poll, answers: &HashMap<String, GivenAnswer>) -> Vec<PollResult> {
    let mut answers: Vec<&GivenAnswer> = answers.values().collect();
    answers.sort_by_key(|answer| answer.at);
    let chose =
        |answer: &GivenAnswer, option: &String| answer.options.as_ref().is_some_and(|options| options.contains(option));
    poll.options
        .iter()
        .map(|option| {
            let voters: Vec<Party> = answers
                .iter()
                .filter(|answer| chose(answer, option))
                .map(|answer| answer.from.clone())
                .collect();
            PollResult {
                option: option.clone(),
                votes: voters.len() as u64,
                voters,
            }
        })
        .collect()
}
