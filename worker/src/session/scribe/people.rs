//! People, labels and calls as facts to store.

use chrono::Utc;
use serde_json::{Map, Value, json};
use shared::event::Event;
use shared::event::people::{CallEnded, CallReceived, ContactUpdated, LabelUpdated};
use shared::store::read_model::contacts::ContactIds;
use shared::store::read_model::{CallChange, Change, ContactChange, LabelChange};
use shared::store::records::Account;

use super::{Scribe, Writing, party};
use crate::engine::people::PeopleEvent;
use crate::engine::{Person, PresenceChange};

fn ids(person: &Person) -> Option<ContactIds> {
    ContactIds::new(&person.address, person.alternative.as_ref())
}

impl Scribe {
    /// Writes up something about people, labels or calls.
    pub(super) fn people(&mut self, writing: &mut Writing, event: &PeopleEvent) {
        match event {
            PeopleEvent::Contact { person, facts, is_news } => {
                let Some(ids) = ids(person) else { return };
                let changes = match serde_json::to_value(facts) {
                    Ok(Value::Object(changes)) => changes,
                    _ => Map::new(),
                };
                let facts = facts.clone();
                writing
                    .facts
                    .changes
                    .push(Change::Contact(ContactChange::Known { ids, facts }));
                if *is_news && !changes.is_empty() {
                    self.contact_updated(writing, person, changes);
                }
            }
            PeopleEvent::NumberChanged { old, new } => {
                let (Some(old_ids), Some(new_ids)) = (ids(old), ids(new)) else {
                    return;
                };
                writing.facts.changes.push(Change::Contact(ContactChange::Moved {
                    old: old_ids,
                    new: new_ids,
                }));
                let former = Map::from_iter([("former".to_owned(), json!(party(old)))]);
                self.contact_updated(writing, new, former);
            }
            PeopleEvent::BlockList(people) => {
                let people = people.iter().filter_map(ids).collect();
                writing
                    .facts
                    .changes
                    .push(Change::Contact(ContactChange::BlockList { people }));
            }
            PeopleEvent::OwnName(name) => {
                if let Some(account) = self.account.clone() {
                    let push_name = Some(name.clone());
                    self.linked(writing, &Account { push_name, ..account });
                }
            }
            PeopleEvent::LabelSaved { .. } | PeopleEvent::LabelDeleted { .. } | PeopleEvent::LabelAttached { .. } => {
                self.label(writing, event);
            }
            PeopleEvent::CallReceived(call) => {
                let received = Event::CallReceived(CallReceived {
                    id: call.call_id.clone(),
                    from: call.from.clone(),
                    group: call.group.as_ref().map(|group| shared::address::Party {
                        jid: group.clone(),
                        ..Default::default()
                    }),
                    is_video: call.is_video,
                });
                let key = format!("call:{}:{}", call.peer, call.call_id);
                self.event_at(writing, &received, call.at, Some(key));
                writing
                    .facts
                    .changes
                    .push(Change::Call(CallChange::Received(call.clone())));
            }
            PeopleEvent::CallEnded {
                call,
                from,
                outcome,
                at,
            } => {
                let ended = Event::CallEnded(CallEnded {
                    id: call.clone(),
                    from: from.clone(),
                    outcome: *outcome,
                });
                // Who has hung up and who was told so both report the end: the first one counts, here as in the table.
                self.event_at(writing, &ended, *at, Some(format!("call_ended:{call}")));
                writing.facts.changes.push(Change::Call(CallChange::Ended {
                    call_id: call.clone(),
                    outcome: *outcome,
                    at: *at,
                }));
            }
        }
    }

    fn contact_updated(&mut self, writing: &mut Writing, person: &Person, changes: Map<String, Value>) {
        let contact = party(person);
        self.event(
            writing,
            &Event::ContactUpdated(ContactUpdated { contact, changes }),
            None,
        );
    }

    fn label(&mut self, writing: &mut Writing, event: &PeopleEvent) {
        let (change, update, is_repeated) = match event {
            PeopleEvent::LabelSaved {
                label,
                name,
                color,
                is_repeated,
            } => {
                let change = LabelChange::Saved {
                    label: label.clone(),
                    name: name.clone(),
                    color: *color,
                };
                let update = LabelUpdated {
                    name: Some(name.clone()),
                    color: Some(*color),
                    ..label_updated(label)
                };
                (change, update, *is_repeated)
            }
            PeopleEvent::LabelDeleted { label } => {
                let update = LabelUpdated {
                    deleted: true,
                    ..label_updated(label)
                };
                (LabelChange::Deleted { label: label.clone() }, update, false)
            }
            PeopleEvent::LabelAttached {
                label,
                chat,
                attached,
                is_repeated,
            } => {
                let (label, jid) = (label.clone(), chat.jid.clone());
                let update = LabelUpdated {
                    chat: Some(chat.clone()),
                    attached: Some(*attached),
                    ..label_updated(&label)
                };
                let change = if *attached {
                    LabelChange::Attached { label, chat: jid }
                } else {
                    LabelChange::Detached { label, chat: jid }
                };
                (change, update, *is_repeated)
            }
            _ => return,
        };
        writing.facts.changes.push(Change::Label(change));
        if !is_repeated {
            self.event(writing, &Event::LabelUpdated(update), None);
        }
    }

    /// Keeps who is online, beside the event. Typing is not kept.
    pub(super) fn keep_presence(writing: &mut Writing, change: &PresenceChange) {
        if !matches!(change.presence, "available" | "unavailable") {
            return;
        }
        if let Some(ids) = ids(&change.from) {
            writing.facts.changes.push(Change::Contact(ContactChange::Presence {
                ids,
                presence: change.presence,
                last_seen: change.last_seen,
                at: Utc::now(),
            }));
        }
    }
}

fn label_updated(label: &str) -> LabelUpdated {
    LabelUpdated {
        id: label.to_owned(),
        name: None,
        color: None,
        deleted: false,
        chat: None,
        attached: None,
    }
}

#[cfg(test)]
mod tests {
    use shared::address::Address;
    use shared::event::people::CallEnd;
    use shared::store::read_model::contacts::ContactFacts;

    use super::super::tests::{account, data, desk, person, types};
    use super::*;
    use crate::engine::EngineEvent;
    use shared::store::known_messages::KnownMessages;

    fn written(events: &[PeopleEvent]) -> Writing {
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        for event in events {
            let event = EngineEvent::People(event.clone());
            desk.scribe
                .engine_event(&mut writing, &event, &mut KnownMessages::new());
        }
        writing
    }

    fn known(is_news: bool) -> PeopleEvent {
        PeopleEvent::Contact {
            person: person("15550001002"),
            facts: ContactFacts {
                about: Some(None),
                push_name: Some("Carlos".into()),
                ..ContactFacts::default()
            },
            is_news,
        }
    }

    #[test]
    fn readers_hear_of_news_and_the_table_of_everything() {
        let writing = written(&[known(false), known(true)]);
        assert_eq!(writing.facts.changes.len(), 2);
        assert_eq!(types(&writing), ["contact.updated"]);
        let news = data(&writing, 0);
        assert_eq!(news["contact"]["phone"], "15550001002");
        assert_eq!(news["changes"], json!({"about": null, "push_name": "Carlos"}));
    }

    #[test]
    fn a_new_number_names_the_former_one() {
        let moved = PeopleEvent::NumberChanged {
            old: person("15550001002"),
            new: Person {
                address: Address::Phone("15550001777".into()),
                alternative: None,
            },
        };
        let writing = written(&[moved]);
        let news = data(&writing, 0);
        assert_eq!(news["contact"]["phone"], "15550001777");
        assert_eq!(news["changes"]["former"]["phone"], "15550001002");
        assert!(matches!(
            &writing.facts.changes[..],
            [Change::Contact(ContactChange::Moved { .. })]
        ));
    }

    #[test]
    fn a_group_is_no_contact() {
        let group = PeopleEvent::Contact {
            person: Person {
                address: Address::Group("120363021033254949".into()),
                alternative: None,
            },
            facts: ContactFacts::default(),
            is_news: true,
        };
        assert!(written(&[group]).facts.is_empty());
    }

    #[test]
    fn the_first_end_of_a_call_is_the_one_that_is_told() {
        let ended = |outcome| PeopleEvent::CallEnded {
            call: "CALL1".into(),
            from: party(&person("15550001002")),
            outcome,
            at: Utc::now(),
        };
        let writing = written(&[ended(CallEnd::Rejected), ended(CallEnd::Missed)]);
        assert_eq!(types(&writing), ["call.ended"]);
        assert_eq!(data(&writing, 0)["outcome"], "rejected");
    }

    #[test]
    fn a_label_that_is_told_again_is_no_news() {
        let label = |is_repeated| PeopleEvent::LabelSaved {
            label: "7".into(),
            name: "Paid".into(),
            color: 3,
            is_repeated,
        };
        let attached = PeopleEvent::LabelAttached {
            label: "7".into(),
            chat: party(&person("15550001002")),
            attached: true,
            is_repeated: false,
        };
        let writing = written(&[
            label(true),
            label(false),
            attached,
            PeopleEvent::LabelDeleted { label: "7".into() },
        ]);
        assert_eq!(types(&writing), ["label.updated"; 3]);
        assert_eq!(data(&writing, 0)["name"], "Paid");
        assert_eq!(data(&writing, 1)["attached"], true);
        assert_eq!(data(&writing, 2)["deleted"], true);
        assert_eq!(writing.facts.changes.len(), 4);
    }

    #[test]
    fn only_being_online_is_kept_of_a_presence() {
        let presence = |presence| {
            EngineEvent::Presence(PresenceChange {
                chat: person("15550001002"),
                from: person("15550001002"),
                presence,
                last_seen: None,
            })
        };
        let mut desk = desk(Some(account()));
        let mut writing = Writing::default();
        for word in ["composing", "available", "paused"] {
            desk.scribe
                .engine_event(&mut writing, &presence(word), &mut KnownMessages::new());
        }
        assert_eq!(types(&writing), ["presence.updated"; 3]);
        assert!(matches!(
            &writing.facts.changes[..],
            [Change::Contact(ContactChange::Presence {
                presence: "available",
                ..
            })]
        ));
    }
}
