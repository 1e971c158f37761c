//! People, labels and calls as facts to store.

use chrono::Utc;
use serde_json::{Map, Value, json};
use shared::event::people::{CallEnded, CallReceived, ContactUpdated, LabelUpdated};
use shared::event::Event;
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
        self.event(writing, &Event::ContactUpdated(ContactUpdated { contact, changes }), None);
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
