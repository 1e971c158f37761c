//! Look-ups about people. What they find out besides is told to the read model.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::address::{Address, Party};
use shared::query::ContactLookup;
use shared::query::contact::{Blocked, BusinessHours, BusinessProfile, ContactDetails, OnWhatsapp, Picture};
use shared::store::read_model::contacts::ContactFacts;
use wacore::iq::business;
use whatsapp_rust::{Client, IsOnWhatsAppResult, Jid};

use super::super::foreign::foreign;
use super::super::incoming::known_person;
use super::{failed, jid};
use crate::engine::people::PeopleEvent;
use crate::engine::{EngineEvent, Listener, OperationError, Person};

pub(super) async fn look_up(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    lookup: &ContactLookup,
) -> Result<Value, OperationError> {
    match lookup {
        ContactLookup::OnWhatsapp { contacts } => {
            let asked = contacts.iter().map(jid).collect::<Result<Vec<_>, _>>()?;
            let found = client.contacts().is_on_whatsapp(&asked).await.map_err(failed)?;
            let found: Vec<Found> = found.iter().map(Found::of).collect();
            Ok(json!(answers(&asked, &found)))
        }
        ContactLookup::Details { contact } => details(client, listener, contact).await,
        ContactLookup::Picture { contact, preview } => {
            let found = client
                .contacts()
                .get_profile_picture(&jid(contact)?, *preview)
                .await
                .map_err(failed)?;
            Ok(json!(found.map(|picture| Picture {
                id: foreign(&picture.id),
                url: foreign(&picture.url),
            })))
        }
        ContactLookup::BusinessProfile { contact } => {
            let found = client.get_business_profile(&jid(contact)?).await.map_err(failed)?;
            Ok(json!(found.as_ref().map(business_profile)))
        }
        ContactLookup::BlockList => {
            let entries = client.blocking().get_blocklist().await.map_err(failed)?;
            let (mut people, mut answer) = (Vec::new(), Vec::new());
            for entry in entries {
                let Some(person) = known_person(client, &entry.jid).await else {
                    continue;
                };
                answer.push(Blocked {
                    contact: Party::new(&person.address, person.alternative.as_ref()),
                    blocked_at: entry
                        .timestamp
                        .and_then(|seconds| i64::try_from(seconds).ok())
                        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0)),
                });
                people.push(person);
            }
            listener.event(EngineEvent::People(PeopleEvent::BlockList(people)));
            Ok(json!(answer))
        }
        ContactLookup::Resolve { contact } => {
            let jid = jid(contact)?;
            let mut person = known_person(client, &jid).await;
            if person.as_ref().is_none_or(|person| person.alternative.is_none()) {
                let asked = std::slice::from_ref(&jid);
                client.contacts().is_on_whatsapp(asked).await.map_err(failed)?;
                person = known_person(client, &jid).await;
            }
            let person = person.unwrap_or_else(|| Person {
                address: contact.clone(),
                alternative: None,
            });
            if person.alternative.is_some() {
                tell(listener, &person, ContactFacts::default());
            }
            Ok(json!(Party::new(&person.address, person.alternative.as_ref())))
        }
    }
}

fn tell(listener: &Arc<dyn Listener>, person: &Person, facts: ContactFacts) {
    listener.event(EngineEvent::People(PeopleEvent::Contact {
        person: person.clone(),
        facts,
        is_news: false,
    }));
}

async fn details(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    contact: &Address,
) -> Result<Value, OperationError> {
    let asked = jid(contact)?;
    let found = client
        .contacts()
        .get_user_info(std::slice::from_ref(&asked))
        .await
        .map_err(failed)?;
    let info = found.into_values().next();
    let person = known_person(client, &asked).await.unwrap_or_else(|| Person {
        address: contact.clone(),
        alternative: None,
    });
    let verified_name = info
        .as_ref()
        .and_then(|info| info.verified_name.as_ref()?.name.as_deref());
    let details = ContactDetails {
        contact: Party::new(&person.address, person.alternative.as_ref()),
        about: info
            .as_ref()
            .and_then(|info| info.status.as_deref())
            .filter(|about| !about.is_empty())
            .map(foreign),
        picture_id: info.as_ref().and_then(|info| info.picture_id.as_deref()).map(foreign),
        is_business: info.as_ref().is_some_and(|info| info.is_business),
        verified_name: verified_name.map(foreign),
    };
    // WhatsApp answers nothing at all about a number that nobody has: no contact comes of that.
    if info.is_some() {
        tell(
            listener,
            &person,
            ContactFacts {
                about: Some(details.about.clone()),
                picture_id: Some(details.picture_id.clone()),
                is_business: Some(details.is_business),
                verified_name: Some(details.verified_name.clone()),
                ..ContactFacts::default()
            },
        );
    }
    Ok(json!(details))
}

/// What WhatsApp answered about somebody.
struct Found {
    /// Every id that the answer names.
    names: Vec<Jid>,
    exists: bool,
    is_business: bool,
    verified_name: Option<String>,
}

impl Found {
    fn of(result: &IsOnWhatsAppResult) -> Self {
        let names = [Some(&result.jid), result.lid.as_ref(), result.pn_jid.as_ref()];
        let verified_name = result
            .verified_name
            .as_ref()
            .and_then(|verified| verified.name.as_deref());
        Self {
            names: names.into_iter().flatten().cloned().collect(),
            exists: result.is_registered,
            is_business: result.is_business,
            verified_name: verified_name.map(foreign),
        }
    }

    fn is(&self, jid: &Jid) -> bool {
        self.names
            .iter()
            .any(|name| name.user == jid.user && name.server == jid.server)
    }

    fn answer(&self, asked: &Jid) -> OnWhatsapp {
        let first = |is: fn(&Jid) -> bool| {
            let named = self.names.iter().chain([asked]).find(|jid| is(jid));
            named.map(|jid| foreign(&jid.user))
        };
        OnWhatsapp {
            exists: self.exists,
            phone: first(Jid::is_pn),
            lid: first(Jid::is_lid),
            is_business: self.is_business,
            verified_name: self.verified_name.clone(),
        }
    }
}

/// One answer for each question, in the questions' order. WhatsApp may write a number otherwise than it was asked for (Brazil's ninth digit), and
/// then answers under its own spelling: answers that fit no question belong, in order, to the questions that got none.
fn answers(asked: &[Jid], found: &[Found]) -> Vec<OnWhatsapp> {
    let direct: Vec<Option<&Found>> = asked
        .iter()
        .map(|jid| found.iter().find(|found| found.is(jid)))
        .collect();
    let left: Vec<&Found> = found
        .iter()
        .filter(|found| !asked.iter().any(|jid| found.is(jid)))
        .collect();
    let open = direct.iter().filter(|answer| answer.is_none()).count();
    // Only when each question has one can they be told apart.
    let left = if left.len() == open { left } else { Vec::new() };
    let mut left = left.into_iter();
    asked
        .iter()
        .zip(direct)
        .map(|(jid, answer)| match answer.or_else(|| left.next()) {
            Some(found) => found.answer(jid),
            None => OnWhatsapp {
                exists: false,
                phone: jid.is_pn().then(|| jid.user.to_string()),
                lid: jid.is_lid().then(|| jid.user.to_string()),
                is_business: false,
                verified_name: None,
            },
        })
        .collect()
}

fn business_profile(profile: &business::BusinessProfile) -> BusinessProfile {
    let hours = profile.business_hours.business_config.as_deref().unwrap_or_default();
    BusinessProfile {
        description: foreign(&profile.description),
        address: profile.address.as_deref().map(foreign),
        email: profile.email.as_deref().map(foreign),
        websites: profile.website.iter().map(|website| foreign(website)).collect(),
        categories: profile
            .categories
            .iter()
            .map(|category| foreign(&category.name))
            .collect(),
        timezone: profile.business_hours.timezone.as_deref().map(foreign),
        hours: hours
            .iter()
            .map(|day| BusinessHours {
                day: foreign(day.day_of_week.as_str()),
                mode: foreign(day.mode.as_str()),
                open: day.open_time,
                close: day.close_time,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn found(number: &str, lid: Option<&str>, exists: bool) -> Found {
        Found {
            names: [Some(number), lid].into_iter().flatten().map(jid).collect(),
            exists,
            is_business: false,
            verified_name: None,
        }
    }

    #[test]
    fn answers_stand_in_the_order_of_the_questions() {
        let asked = ["15550001001", "15550001002", "15550001003"].map(|user| jid(&format!("{user}@s.whatsapp.net")));
        let answers = answers(
            &asked,
            &[
                found("15550001002@s.whatsapp.net", None, false),
                found("15550001001@s.whatsapp.net", Some("100000000001001@lid"), true),
            ],
        );
        let exist: Vec<bool> = answers.iter().map(|answer| answer.exists).collect();
        assert_eq!(exist, [true, false, false]);
        assert_eq!(answers[0].lid.as_deref(), Some("100000000001001"));
        assert_eq!(answers[2].phone.as_deref(), Some("15550001003"), "no answer: nobody");
    }

    #[test]
    fn a_number_that_whatsapp_writes_otherwise_is_the_one_that_was_asked_for() {
        let asked = [jid("5511987654321@s.whatsapp.net"), jid("15550001001@s.whatsapp.net")];
        let whatsapps = [
            found("551187654321@s.whatsapp.net", Some("100000000009999@lid"), true),
            found("15550001001@s.whatsapp.net", None, true),
        ];
        let told = answers(&asked, &whatsapps);
        assert_eq!(told[0].phone.as_deref(), Some("551187654321"));
        assert!(told[0].exists && told[1].exists);
        // Two questions without an answer and one answer without a question: nobody knows whose it is.
        let asked = [asked[0].clone(), jid("5511912345678@s.whatsapp.net")];
        assert!(answers(&asked, &whatsapps[..1]).iter().all(|answer| !answer.exists));
    }
}
