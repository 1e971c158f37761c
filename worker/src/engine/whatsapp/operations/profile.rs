//! Operations on the account itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shared::operation::ProfileOperation;
use shared::operation::profile::{PrivacyChange, PrivacyValue};
use shared::session::Presence;
use wacore::iq::privacy::{DisallowedListAction, DisallowedListUpdate, DisallowedListUserEntry};
use whatsapp_rust::{Client, Jid};

use super::super::lookups::privacy;
use super::{failed, jid, refusal};
use crate::engine::people::PeopleEvent;
use crate::engine::{EngineEvent, Listener, OperationError};

pub(super) async fn perform(
    client: &Arc<Client>,
    listener: &Arc<dyn Listener>,
    operation: &ProfileOperation,
) -> Result<Value, OperationError> {
    match operation {
        ProfileOperation::Update {
            name,
            about,
            privacy,
            default_disappearing_timer,
        } => {
            if let Some(name) = name {
                client.profile().set_push_name(name).await.map_err(refusal)?;
                listener.event(EngineEvent::People(PeopleEvent::OwnName(name.clone())));
            }
            if let Some(about) = about {
                client.profile().set_status_text(about).await.map_err(refusal)?;
            }
            for change in privacy {
                set_privacy(client, change).await?;
            }
            if let Some(seconds) = default_disappearing_timer {
                client.set_default_disappearing_mode(*seconds).await.map_err(refusal)?;
            }
        }
        ProfileOperation::SetPicture { jpeg } => {
            let jpeg = STANDARD
                .decode(jpeg)
                .map_err(|_| OperationError::refused("the picture cannot be read"))?;
            client.profile().set_profile_picture(jpeg).await.map_err(refusal)?;
        }
        ProfileOperation::RemovePicture => {
            client.profile().remove_profile_picture().await.map_err(refusal)?;
        }
        ProfileOperation::SetPresence { presence } => match presence {
            Presence::Available => client.presence().set_available().await.map_err(failed)?,
            Presence::Unavailable => client.presence().set_unavailable().await.map_err(failed)?,
        },
    }
    Ok(Value::Null)
}

async fn set_privacy(client: &Arc<Client>, change: &PrivacyChange) -> Result<(), OperationError> {
    let category = privacy::category(change.category);
    let with_list = change.value == PrivacyValue::ContactBlacklist && category.supports_disallowed_list();
    if !with_list {
        return client
            .set_privacy_setting(category, privacy::value(change.value))
            .await
            .map(|_| ())
            .map_err(refusal);
    }
    let mut users = Vec::new();
    for (people, action) in [
        (&change.exclude, DisallowedListAction::Add),
        (&change.include, DisallowedListAction::Remove),
    ] {
        for person in people {
            let (lid, phone) = both_ids(client, &jid(person)?).await?;
            users.push(DisallowedListUserEntry {
                action,
                jid: lid,
                pn_jid: Some(phone),
            });
        }
    }
    // WhatsApp refuses a change of a list that is not the one it has: so it is read just before.
    let list = client
        .execute(privacy::ExceptionsOf(category.clone()))
        .await
        .map_err(refusal)?;
    let dhash = list.hash.unwrap_or_else(|| "none".to_owned());
    let update = DisallowedListUpdate { dhash, users };
    client
        .set_privacy_disallowed_list(category, update)
        .await
        .map(|_| ())
        .map_err(refusal)
}

/// The LID and the phone number of a person: WhatsApp's lists of exceptions name both.
async fn both_ids(client: &Arc<Client>, jid: &Jid) -> Result<(Jid, Jid), OperationError> {
    let mut entry = client.get_lid_pn_entry(jid).await.map_err(failed)?;
    if entry.is_none() {
        let asked = std::slice::from_ref(jid);
        client.contacts().is_on_whatsapp(asked).await.map_err(failed)?;
        entry = client.get_lid_pn_entry(jid).await.map_err(failed)?;
    }
    match entry {
        Some(entry) => Ok((Jid::lid(&*entry.lid), Jid::pn(&*entry.phone_number))),
        None => Err(OperationError::refused(format!(
            "{jid} is nobody whose phone number and LID are known"
        ))),
    }
}
