//! Status posts as facts to store: those that arrive, what becomes of own ones, who has seen them.

use chrono::Utc;
use shared::address::{Address, Party};
use shared::content::Content;
use shared::event::{Event, MessageReaction, MessageReference, MessageRevoked, StatusViewed};
use shared::ids::{MessageId, StatusId};
use shared::message::MessageStatus;
use shared::status::{LIFETIME, Status};
use shared::store::known_messages::KnownMessages;
use shared::store::read_model::{Change, NewStatus, StatusChange};

use super::{Scribe, Writing, party, party_of};
use crate::engine::news::StatusNews;
use crate::engine::{IncomingMessage, Receipt};

impl Scribe {
    /// Writes up what came to the place of status posts: a post, or something about one.
    pub(super) fn status_message(&mut self, writing: &mut Writing, incoming: &IncomingMessage, known: &KnownMessages) {
        if self.ignore.statuses && !incoming.from_me {
            return;
        }
        let from = party(&incoming.from);
        let key = |kind: &str| {
            Some(format!(
                "status:{kind}:{}:{}",
                incoming.from.address, incoming.wa_message_id
            ))
        };
        let reference = |id: &String| MessageReference {
            message_id: known.id_in(id, &place()),
            wa_message_id: id.clone(),
            chat: place(),
        };
        match &incoming.content {
            Content::Revoke(revoke) => {
                let target = &revoke.message.wa_message_id;
                note(
                    writing,
                    StatusChange::Revoked {
                        wa_message_id: target.clone(),
                        from_me: incoming.from_me,
                        author: from.clone(),
                        at: incoming.at,
                    },
                );
                let event = Event::MessageRevoked(MessageRevoked {
                    message: reference(target),
                    from,
                    original: None,
                });
                self.event_at(writing, &event, incoming.at, key("revoke"));
            }
            Content::Reaction(reaction) => {
                let target = &reaction.message.wa_message_id;
                let change = if incoming.from_me {
                    StatusChange::OwnReaction {
                        wa_message_id: target.clone(),
                        emoji: reaction.emoji.clone(),
                    }
                } else {
                    StatusChange::Reacted {
                        wa_message_id: target.clone(),
                        viewer: from.clone(),
                        emoji: reaction.emoji.clone(),
                    }
                };
                note(writing, change);
                let event = Event::MessageReaction(MessageReaction {
                    message: reference(target),
                    from,
                    emoji: reaction.emoji.clone(),
                });
                self.event_at(writing, &event, incoming.at, key("reaction"));
            }
            content if content.target().is_some() => {}
            content => self.status_posted(writing, incoming, from, content, key("post")),
        }
    }

    fn status_posted(
        &mut self,
        writing: &mut Writing,
        incoming: &IncomingMessage,
        from: Party,
        content: &Content,
        key: Option<String>,
    ) {
        let id = StatusId::generate();
        let post = NewStatus {
            id,
            wa_message_id: incoming.wa_message_id.clone(),
            from_me: incoming.from_me,
            author: from.clone(),
            kind: content.kind().to_owned(),
            content: content.to_map(),
            posted_at: incoming.at,
        };
        note(writing, StatusChange::Posted(Box::new(post)));
        if incoming.from_me {
            return;
        }
        let event = Event::StatusReceived(Box::new(Status {
            id,
            session_id: self.session,
            wa_message_id: incoming.wa_message_id.clone(),
            from,
            from_me: false,
            kind: content.kind().to_owned(),
            content: content.to_map(),
            status: MessageStatus::Received,
            error: None,
            timestamp: incoming.at,
            expires_at: incoming.at + LIFETIME,
            revoked_at: None,
            viewed_at: None,
            reaction: None,
            views: 0,
            viewers: Vec::new(),
        }));
        self.event_at(writing, &event, incoming.at, key);
    }

    /// Writes up that somebody's device reports on an own post. That it arrived is nothing that anybody sees.
    pub(super) fn status_receipt(
        &mut self,
        writing: &mut Writing,
        receipt: &Receipt,
        wa_message_id: &str,
        message: MessageId,
    ) {
        if !matches!(receipt.status, MessageStatus::Read | MessageStatus::Played) {
            return;
        }
        let viewer = party(&receipt.from);
        note(
            writing,
            StatusChange::Viewed {
                wa_message_id: wa_message_id.to_owned(),
                viewer: viewer.clone(),
                at: receipt.at,
            },
        );
        if self.ignore.statuses {
            return;
        }
        let event = Event::StatusViewed(StatusViewed {
            chat: place(),
            status_id: Some(StatusId(message.0)),
            wa_message_id: wa_message_id.to_owned(),
            viewer,
        });
        let key = format!("status:viewed:{wa_message_id}:{}", receipt.from.address);
        self.event_at(writing, &event, receipt.at, Some(key));
    }

    /// Notes how far an own post has come.
    pub(super) fn status_progress(
        writing: &mut Writing,
        wa_message_id: &str,
        status: MessageStatus,
        error: Option<(String, String)>,
    ) {
        note(
            writing,
            StatusChange::Progress {
                wa_message_id: wa_message_id.to_owned(),
                status,
                error,
            },
        );
    }

    /// Notes what the account itself has done with a post.
    pub(super) fn status_news(&mut self, writing: &mut Writing, news: &StatusNews) {
        let change = match news.clone() {
            StatusNews::Seen { wa_message_id } => StatusChange::Seen {
                wa_message_id,
                at: Utc::now(),
            },
            StatusNews::Reacted { wa_message_id, emoji } => StatusChange::OwnReaction { wa_message_id, emoji },
            StatusNews::Revoked { wa_message_id } => StatusChange::Revoked {
                wa_message_id,
                from_me: true,
                author: self.account.as_ref().map(party_of).unwrap_or_default(),
                at: Utc::now(),
            },
        };
        note(writing, change);
    }
}

fn note(writing: &mut Writing, change: StatusChange) {
    writing.facts.changes.push(Change::Status(change));
}

fn place() -> Party {
    Party::new(&Address::Status, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineEvent, Person};
    use crate::session::scribe::tests::{account, data, desk, person, types};
    use shared::content::{MessageKey, Reaction, Revoke};
    use shared::store::known_messages::KnownMessage;

    fn incoming(content: Content, from_me: bool) -> IncomingMessage {
        let place = Person {
            address: Address::Status,
            alternative: None,
        };
        IncomingMessage {
            from_me,
            ..IncomingMessage::new("3EB0".into(), place, person("15550001001"), content, Utc::now())
        }
    }

    fn about(id: &str) -> MessageKey {
        MessageKey {
            wa_message_id: id.into(),
            ..MessageKey::default()
        }
    }

    #[test]
    fn a_post_is_received_with_the_time_of_its_end_and_is_no_message() {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        let post = incoming(Content::text("at work"), false);
        desk.scribe.message(&mut writing, &post, &mut KnownMessages::new());
        assert_eq!(types(&writing), ["status.received"]);
        assert!(writing.facts.messages.is_empty());
        let data = data(&writing, 0);
        assert_eq!(data["text"]["body"], "at work");
        assert_eq!(data["from"]["phone"], "15550001001");
        assert_eq!(
            data["expires_at"],
            shared::timestamp::text(post.at + LIFETIME),
            "a day later"
        );
    }

    #[test]
    fn an_own_post_of_another_device_is_recorded_without_an_event() {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        let post = incoming(Content::text("at work"), true);
        desk.scribe.message(&mut writing, &post, &mut KnownMessages::new());
        assert!(types(&writing).is_empty());
        assert_eq!(writing.facts.changes.len(), 1);
    }

    #[test]
    fn posts_that_are_ignored_leave_nothing() {
        let mut desk = desk(Some(account()));
        desk.scribe.ignore.statuses = true;
        let mut writing = Writing::default();
        let post = incoming(Content::text("at work"), false);
        desk.scribe.message(&mut writing, &post, &mut KnownMessages::new());
        assert!(writing.facts.is_empty());
    }

    #[test]
    fn reactions_and_revocations_change_the_post_and_are_told() {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        let reaction = Content::Reaction(Reaction {
            message: about("3EB1"),
            emoji: "\u{1F44D}".into(),
        });
        let revoke = Content::Revoke(Revoke { message: about("3EB2") });
        for content in [reaction, revoke] {
            desk.scribe
                .message(&mut writing, &incoming(content, false), &mut KnownMessages::new());
        }
        assert_eq!(types(&writing), ["message.reaction", "message.revoked"]);
        assert_eq!(data(&writing, 0)["chat"]["jid"], "status@broadcast");
        assert!(matches!(
            writing.facts.changes[..],
            [
                Change::Status(StatusChange::Reacted { .. }),
                Change::Status(StatusChange::Revoked { from_me: false, .. })
            ]
        ));
    }

    #[test]
    fn who_has_seen_an_own_post_is_told_once_and_its_arrival_is_not() {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        let own = MessageId::generate();
        let mut known = KnownMessages::new();
        known.add(
            "3EB1".into(),
            KnownMessage {
                id: own,
                from_me: true,
                chat: place(),
                from: party_of(&account()),
                kind: "text".into(),
                content: Content::text("Open").to_map(),
                answers: std::collections::HashMap::new(),
            },
        );
        for status in [MessageStatus::Delivered, MessageStatus::Read, MessageStatus::Read] {
            let receipt = EngineEvent::Receipt(Receipt {
                chat: Person {
                    address: Address::Status,
                    alternative: None,
                },
                from: person("15550001001"),
                wa_message_ids: vec!["3EB1".into()],
                status,
                at: Utc::now(),
            });
            desk.scribe.engine_event(&mut writing, &receipt, &mut known);
        }
        assert_eq!(types(&writing), ["status.viewed"]);
        assert_eq!(data(&writing, 0)["status_id"], StatusId(own.0).to_string());
        assert_eq!(data(&writing, 0)["viewer"]["phone"], "15550001001");
    }
}
