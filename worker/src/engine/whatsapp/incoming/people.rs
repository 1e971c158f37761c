//! What is told about people, labels and calls.
//!
//! Most of it names a person by one id only. The other one is looked up first, in the library's cache, on a task of the session: these notices are
//! acknowledged without waiting for that, so a crash in between loses one. Nothing here is more than a hint that asking WhatsApp repeats.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::Utc;
use parking_lot::Mutex;
use shared::address::{Address, Party};
use shared::event::people::CallEnd;
use shared::session::{Presence, SessionSettings};
use shared::store::read_model::calls::NewCall;
use shared::store::read_model::contacts::ContactFacts;
use wacore::types::call::{CallAction, ElsewhereOutcome, IncomingCall};
use wacore::types::events::{BusinessStatusUpdate, BusinessUpdateType, Event, LabelEditUpdate};
use wacore::types::message::MessageInfo;
use whatsapp_rust::types::durability_hook::InboundMessage;
use whatsapp_rust::{Client, Jid};

use super::super::foreign::foreign;
use super::{Handler, address, person, sender};
use crate::engine::people::PeopleEvent;
use crate::engine::{EngineEvent, Listener, Person};

/// How many sightings a session remembers before it begins anew.
const MOST_SIGHTINGS: usize = 512;

/// How a session behaves by itself.
#[derive(Debug)]
pub(in super::super) struct Habits {
    /// It does not show as online.
    pub(in super::super) stay_offline: bool,
    /// It rejects every call at once. May change.
    pub(in super::super) reject_calls: AtomicBool,
    /// It tells senders that their messages were read. May change.
    pub(in super::super) read_receipts: AtomicBool,
    /// Days of history that are wanted at pairing.
    pub(in super::super) history_days: u32,
}

impl Habits {
    pub(in super::super) fn of(settings: &SessionSettings) -> Self {
        Self {
            stay_offline: settings.presence == Presence::Unavailable,
            reject_calls: AtomicBool::new(settings.reject_calls),
            read_receipts: AtomicBool::new(settings.read_receipts),
            history_days: settings.history.days,
        }
    }

    /// Follows changed settings, as far as they count within a connection.
    pub(in super::super) fn follow(&self, settings: &SessionSettings) {
        self.reject_calls.store(settings.reject_calls, Ordering::Relaxed);
        self.read_receipts.store(settings.read_receipts, Ordering::Relaxed);
    }
}

/// Notices who writes, and under what name; once for each person and name, not with every message.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    noted: Mutex<HashSet<u64>>,
}

impl Sightings {
    /// Tells the listener of whoever is new among the authors.
    pub(super) fn note(&self, batch: &[InboundMessage], listener: &dyn Listener) {
        for item in batch {
            if let Some(sighting) = sighting(&item.info)
                && self.is_new(&sighting)
            {
                listener.event(EngineEvent::People(sighting));
            }
        }
    }

    fn is_new(&self, sighting: &PeopleEvent) -> bool {
        let PeopleEvent::Contact { person, facts, .. } = sighting else {
            return false;
        };
        let mut hasher = DefaultHasher::new();
        (
            &person.address,
            &person.alternative,
            &facts.push_name,
            &facts.verified_name,
        )
            .hash(&mut hasher);
        let mut noted = self.noted.lock();
        if noted.len() >= MOST_SIGHTINGS {
            noted.clear();
        }
        noted.insert(hasher.finish())
    }
}

/// The author of a message, as the message tells; none for the account itself and for what has no person as its author.
fn sighting(info: &MessageInfo) -> Option<PeopleEvent> {
    let from = sender(&info.source).filter(|from| from.address.is_person() && !info.source.is_from_me)?;
    let verified = info
        .verified_name
        .as_ref()
        .and_then(|verified| verified.name.as_deref());
    Some(PeopleEvent::Contact {
        person: from,
        facts: ContactFacts {
            push_name: (!info.push_name.is_empty()).then(|| foreign(&info.push_name)),
            verified_name: verified.map(|name| Some(foreign(name))),
            is_business: verified.map(|_| true),
            ..ContactFacts::default()
        },
        is_news: false,
    })
}

impl Handler {
    /// Tells what happened if it is about people, labels or calls.
    pub(super) fn about_people(&self, event: &Event) {
        match event {
            Event::PictureUpdate(update) => {
                let picture = update.picture_id.as_deref().filter(|_| !update.removed).map(foreign);
                self.contact(
                    &update.jid,
                    ContactFacts {
                        picture_id: Some(picture),
                        ..ContactFacts::default()
                    },
                );
            }
            Event::UserAboutUpdate(update) => self.contact(
                &update.jid,
                ContactFacts {
                    about: Some(present(&update.status)),
                    ..ContactFacts::default()
                },
            ),
            Event::ContactUpdate(update) => {
                let action = &update.action;
                let facts = ContactFacts {
                    name: Some(action.full_name.as_deref().and_then(present)),
                    first_name: Some(action.first_name.as_deref().and_then(present)),
                    ..ContactFacts::default()
                };
                let lid = action.lid_jid.as_deref().and_then(|lid| lid.parse::<Jid>().ok());
                // The first synchronisation tells of hundreds at once: those are no news.
                match (person(&update.jid, lid.as_ref()), update.from_full_sync) {
                    (Some(person), is_repeated) if person.alternative.is_some() || is_repeated => {
                        self.tell(PeopleEvent::Contact {
                            person,
                            facts,
                            is_news: !is_repeated,
                        });
                    }
                    _ => self.contact(&update.jid, facts),
                }
            }
            Event::BusinessStatusUpdate(update) => {
                if let Some(facts) = business(update) {
                    self.contact(update.target_jid.as_ref().unwrap_or(&update.jid), facts);
                }
            }
            Event::ContactNumberChanged(change) => {
                if let (Some(old), Some(new)) = (
                    person(&change.old_jid, change.old_lid.as_ref()),
                    person(&change.new_jid, change.new_lid.as_ref()),
                ) {
                    self.tell(PeopleEvent::NumberChanged { old, new });
                }
            }
            Event::SelfPushNameUpdated(update) => self.tell(PeopleEvent::OwnName(foreign(&update.new_name))),
            Event::LabelEditUpdate(update) => self.tell(label(update)),
            Event::LabelAssociationUpdate(update) => {
                let attached = update.action.labeled.unwrap_or_default();
                let (label, is_repeated) = (foreign(&update.label_id), update.from_full_sync);
                self.with_both_ids(update.chat_jid.clone(), move |chat| PeopleEvent::LabelAttached {
                    label,
                    chat: Party::new(&chat.address, chat.alternative.as_ref()),
                    attached,
                    is_repeated,
                });
            }
            Event::IncomingCall(call) => self.call(call),
            Event::MissedCall(missed) => {
                // Its offer came while the session was away: it is received and missed at once.
                let (call, at) = (foreign(&missed.call_id), missed.timestamp);
                let raw = missed.from.to_string();
                let listener = Arc::clone(&self.listener);
                self.with_both_ids(missed.from.clone(), move |person| {
                    let from = Party::new(&person.address, person.alternative.as_ref());
                    listener.event(EngineEvent::People(PeopleEvent::CallReceived(Box::new(NewCall {
                        call_id: call.clone(),
                        from: from.clone(),
                        group: None,
                        is_video: false,
                        peer: raw.clone(),
                        creator: raw,
                        at,
                    }))));
                    PeopleEvent::CallEnded {
                        call,
                        from,
                        outcome: CallEnd::Missed,
                        at,
                    }
                });
            }
            Event::CallEndedElsewhere(ended) => {
                let outcome = match ended.outcome {
                    ElsewhereOutcome::Accepted => CallEnd::AcceptedElsewhere,
                    ElsewhereOutcome::Rejected => CallEnd::RejectedElsewhere,
                    _ => CallEnd::Ended,
                };
                self.call_ended(&ended.from, &ended.call_id, outcome);
            }
            _ => {}
        }
    }

    fn tell(&self, event: PeopleEvent) {
        self.listener.event(EngineEvent::People(event));
    }

    fn contact(&self, jid: &Jid, facts: ContactFacts) {
        if !(jid.is_pn() || jid.is_lid()) {
            return;
        }
        self.with_both_ids(jid.clone(), move |person| PeopleEvent::Contact {
            person,
            facts,
            is_news: true,
        });
    }

    /// Tells what `event` makes of the person or group, once it is known by every id.
    fn with_both_ids(&self, jid: Jid, event: impl FnOnce(Person) -> PeopleEvent + Send + 'static) {
        let (client, listener) = (self.client.clone(), Arc::clone(&self.listener));
        self.tasks.spawn(async move {
            let found = match client.upgrade() {
                Some(client) => known_person(&client, &jid).await,
                None => person(&jid, None),
            };
            if let Some(person) = found {
                listener.event(EngineEvent::People(event(person)));
            }
        });
    }

    fn call(&self, call: &IncomingCall) {
        match &call.action {
            CallAction::Offer { .. } | CallAction::OfferNotice { .. } => {
                if let Some(offered) = offered(call) {
                    self.tell(PeopleEvent::CallReceived(Box::new(offered)));
                    if self.habits.reject_calls.load(Ordering::Relaxed) {
                        self.reject(call);
                    }
                }
            }
            CallAction::Terminate { call_id, reason, .. } => {
                self.call_ended(&call.from, call_id, terminated(reason.as_deref()));
            }
            _ => {}
        }
    }

    fn call_ended(&self, from: &Jid, call_id: &str, outcome: CallEnd) {
        let call = foreign(call_id);
        self.with_both_ids(from.to_non_ad(), move |person| PeopleEvent::CallEnded {
            call,
            from: Party::new(&person.address, person.alternative.as_ref()),
            outcome,
            at: Utc::now(),
        });
    }

    fn reject(&self, call: &IncomingCall) {
        let Some(client) = self.client.upgrade() else { return };
        let (call, listener) = (call.clone(), Arc::clone(&self.listener));
        let Some(offered) = offered(&call) else { return };
        self.tasks.spawn(async move {
            match client.voip().reject(&call).await {
                Ok(()) => listener.event(EngineEvent::People(PeopleEvent::CallEnded {
                    call: offered.call_id,
                    from: offered.from,
                    outcome: CallEnd::Rejected,
                    at: Utc::now(),
                })),
                Err(error) => tracing::info!(%error, "a call could not be rejected"),
            }
        });
    }
}

/// A person by every id that the library knows; also a group, which has only one.
pub(in super::super) async fn known_person(client: &Arc<Client>, jid: &Jid) -> Option<Person> {
    let mut found = person(jid, None)?;
    if found.address.is_person()
        && let Ok(Some(entry)) = client.get_lid_pn_entry(&jid.to_non_ad()).await
    {
        found.alternative = Some(match &found.address {
            Address::Phone(_) => Address::Lid(entry.lid.to_string()),
            _ => Address::Phone(entry.phone_number.to_string()),
        });
    }
    Some(found)
}

/// A text that says something.
fn present(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| foreign(text))
}

fn business(update: &BusinessStatusUpdate) -> Option<ContactFacts> {
    match update.update_type {
        BusinessUpdateType::RemovedAsBusiness => Some(ContactFacts {
            is_business: Some(false),
            verified_name: Some(None),
            ..ContactFacts::default()
        }),
        BusinessUpdateType::VerifiedNameChanged => Some(ContactFacts {
            is_business: Some(true),
            verified_name: Some(update.verified_name.as_deref().and_then(present)),
            ..ContactFacts::default()
        }),
        _ => None,
    }
}

fn label(update: &LabelEditUpdate) -> PeopleEvent {
    let label = foreign(&update.label_id);
    if update.action.deleted.unwrap_or_default() {
        return PeopleEvent::LabelDeleted { label };
    }
    PeopleEvent::LabelSaved {
        label,
        name: foreign(update.action.name.as_deref().unwrap_or_default()),
        color: update.action.color.unwrap_or_default(),
        is_repeated: update.from_full_sync,
    }
}

/// A call that begins to ring.
fn offered(call: &IncomingCall) -> Option<NewCall> {
    let (phone, group, is_video) = match &call.action {
        CallAction::Offer {
            caller_pn,
            group_jid,
            is_video,
            ..
        } => (caller_pn.as_ref(), group_jid.as_ref(), *is_video),
        CallAction::OfferNotice { is_video, .. } => (None, None, *is_video),
        _ => return None,
    };
    let creator = call.action.call_creator();
    // A group's call comes from the group: its creator is who calls.
    let (caller, group) = match address(&call.from)? {
        group @ Address::Group(_) => (address(creator)?, Some(group)),
        caller => (caller, group.and_then(address)),
    };
    Some(NewCall {
        call_id: foreign(call.action.call_id()),
        from: Party::new(&caller, phone.and_then(address).as_ref()),
        group: group.map(|group| group.to_string()),
        is_video,
        peer: foreign(&call.from.to_string()),
        creator: foreign(&creator.to_string()),
        at: call.timestamp,
    })
}

/// What the reason of an end means to a device that did not take the call. The words are WhatsApp's (wacore/src/types/call.rs, `Terminate`).
fn terminated(reason: Option<&str>) -> CallEnd {
    match reason {
        Some("accepted_elsewhere") => CallEnd::AcceptedElsewhere,
        Some("rejected_elsewhere") => CallEnd::RejectedElsewhere,
        None | Some("timeout" | "group_call_ended") => CallEnd::Missed,
        Some(_) => CallEnd::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn offer(from: &str, group: Option<&str>) -> IncomingCall {
        let action = CallAction::Offer {
            call_id: "CALL\0".into(),
            call_creator: jid("100000000001001:3@lid"),
            caller_pn: Some(jid("15550001001@s.whatsapp.net")),
            caller_country_code: None,
            device_class: None,
            joinable: false,
            is_video: true,
            audio: Vec::new(),
            group_jid: group.map(jid),
        };
        IncomingCall::builder()
            .from(jid(from))
            .stanza_id("1".to_owned())
            .timestamp(Utc::now())
            .offline(false)
            .action(action)
            .build()
    }

    #[test]
    fn a_call_names_the_caller_by_both_ids_and_whom_to_reject() {
        let call = offered(&offer("100000000001001:3@lid", None)).unwrap();
        assert_eq!(call.call_id, "CALL\u{FFFD}");
        assert_eq!(call.from.phone.as_deref(), Some("15550001001"));
        assert_eq!(call.from.lid.as_deref(), Some("100000000001001"));
        assert_eq!(call.peer, "100000000001001:3@lid");
        assert_eq!((call.group, call.is_video), (None, true));
        let call = offered(&offer("120363021033254949@g.us", None)).unwrap();
        assert_eq!(call.group.as_deref(), Some("120363021033254949@g.us"));
        assert_eq!(call.from.phone.as_deref(), Some("15550001001"));
    }

    #[test]
    fn only_a_call_that_nobody_took_is_missed() {
        for (reason, outcome) in [
            (None, CallEnd::Missed),
            (Some("timeout"), CallEnd::Missed),
            (Some("accepted_elsewhere"), CallEnd::AcceptedElsewhere),
            (Some("rejected_elsewhere"), CallEnd::RejectedElsewhere),
            (Some("relay_bind_failed"), CallEnd::Ended),
        ] {
            assert_eq!(terminated(reason), outcome, "{reason:?}");
        }
    }

    #[test]
    fn a_name_is_noted_once_and_again_when_it_is_another() {
        let mut info = MessageInfo {
            push_name: "Carlos".into(),
            ..MessageInfo::default()
        };
        info.source.sender = jid("100000000001001:3@lid");
        info.source.sender_alt = Some(jid("15550001001@s.whatsapp.net"));
        let sightings = Sightings::default();
        let carlos = sighting(&info).unwrap();
        assert!(sightings.is_new(&carlos));
        assert!(!sightings.is_new(&carlos));
        info.push_name = "Charly\0".into();
        let charly = sighting(&info).unwrap();
        assert!(sightings.is_new(&charly));
        let PeopleEvent::Contact { person, facts, .. } = charly else {
            panic!("a sighting is of a person");
        };
        assert_eq!(facts.push_name.as_deref(), Some("Charly\u{FFFD}"));
        assert_eq!(person.alternative, Some(Address::Phone("15550001001".into())));
        info.source.is_from_me = true;
        assert_eq!(sighting(&info), None, "the account is no contact of itself");
    }

    #[test]
    fn sightings_take_bounded_memory() {
        let sightings = Sightings::default();
        for number in 0..2_000_u32 {
            let person = Person {
                address: Address::Phone(format!("1555{number:07}")),
                alternative: None,
            };
            let facts = ContactFacts::default();
            assert!(sightings.is_new(&PeopleEvent::Contact {
                person,
                facts,
                is_news: false
            }));
        }
        assert!(sightings.noted.lock().len() <= MOST_SIGHTINGS);
    }
}
