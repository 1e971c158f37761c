//! Operations on people.

use std::sync::Arc;

use serde_json::Value;
use shared::address::Address;
use shared::operation::ContactOperation;
use shared::problem::Code;
use shared::store::read_model::contacts::ContactFacts;
use whatsapp_rust::{Client, Jid};

use super::{failed, jid, refusal};
use crate::engine::people::PeopleEvent;
use crate::engine::{EngineEvent, Listener, OperationError, Person};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &ContactOperation,
) -> Result<Value, OperationError> {
    let (contact, facts) = match operation {
        ContactOperation::SubscribePresence { contact } => {
            client.presence().subscribe(&jid(contact)?).await.map_err(failed)?;
            return Ok(Value::Null);
        }
        ContactOperation::Save {
            contact,
            name,
            first_name,
            on_phone,
        } => {
            let by_phone = phone(client, contact).await?;
            client
                .chat_actions()
                .save_contact(&by_phone, Some(name.clone()), first_name.clone(), *on_phone)
                .await
                .map_err(failed)?;
            let facts = ContactFacts {
                name: Some(Some(name.clone())),
                first_name: Some(first_name.clone()),
                ..ContactFacts::default()
            };
            (contact, facts)
        }
        ContactOperation::Forget { contact } => {
            // The library writes no removals into the app state: an entry without a name is what it can write.
            let by_phone = phone(client, contact).await?;
            client
                .chat_actions()
                .save_contact(&by_phone, None, None, false)
                .await
                .map_err(failed)?;
            let facts = ContactFacts {
                name: Some(None),
                first_name: Some(None),
                ..ContactFacts::default()
            };
            (contact, facts)
        }
        ContactOperation::Block { contact } => {
            let jid = both_known(client, contact).await?;
            client.blocking().block(&jid).await.map_err(refusal)?;
            (contact, blocked(true))
        }
        ContactOperation::Unblock { contact } => {
            let jid = both_known(client, contact).await?;
            client.blocking().unblock(&jid).await.map_err(refusal)?;
            (contact, blocked(false))
        }
    };
    let person = super::super::incoming::known_person(client, &jid(contact)?)
        .await
        .unwrap_or_else(|| Person {
            address: contact.clone(),
            alternative: None,
        });
    listener.event(EngineEvent::People(PeopleEvent::Contact {
        person,
        facts,
        is_news: true,
    }));
    Ok(Value::Null)
}

fn blocked(is_blocked: bool) -> ContactFacts {
    ContactFacts {
        is_blocked: Some(is_blocked),
        ..ContactFacts::default()
    }
}

/// The person by phone number: the app state knows no other contacts (WhatsApp Web sends none by LID either).
async fn phone(client: &Arc<Client>, contact: &Address) -> Result<Jid, OperationError> {
    let jid = jid(contact)?;
    if jid.is_pn() {
        return Ok(jid);
    }
    let entry = client.get_lid_pn_entry(&jid).await.map_err(failed)?;
    match entry {
        Some(entry) => Ok(Jid::pn(&*entry.phone_number)),
        None => Err(OperationError::refused(
            "a contact is kept under a phone number, and this person's is not known",
        )),
    }
}

/// The person, once the library knows both ids: WhatsApp's block list takes nobody by the phone number alone.
async fn both_known(client: &Arc<Client>, contact: &Address) -> Result<Jid, OperationError> {
    let jid = jid(contact)?;
    if client.get_lid_pn_entry(&jid).await.map_err(failed)?.is_some() {
        return Ok(jid);
    }
    // Asking who uses WhatsApp tells the other id.
    let found = client
        .contacts()
        .is_on_whatsapp(std::slice::from_ref(&jid))
        .await
        .map_err(failed)?;
    if found.iter().any(|found| found.is_registered) {
        return Ok(jid);
    }
    Err(OperationError::Refused {
        code: Code::NotOnWhatsapp,
        detail: "this person does not use WhatsApp".to_owned(),
    })
}
