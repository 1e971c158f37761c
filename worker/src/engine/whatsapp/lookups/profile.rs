//! Look-ups about the account itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::address::Party;
use shared::query::ProfileLookup;
use shared::query::profile::ProfileDetails;
use wacore::iq::privacy::PrivacyValue;
use whatsapp_rust::Client;

use super::super::foreign::foreign;
use super::super::incoming::known_person;
use super::{failed, privacy};
use crate::engine::OperationError;

pub(super) async fn look_up(client: &Arc<Client>, lookup: &ProfileLookup) -> Result<Value, OperationError> {
    match lookup {
        ProfileLookup::Everything => {
            let device = client.persistence_manager().get_device_snapshot();
            let own = device.pn.as_ref().ok_or(OperationError::NotConnected)?.to_non_ad();
            let asked = std::slice::from_ref(&own);
            let contacts = client.contacts();
            let (info, settings) =
                futures::future::try_join(async { contacts.get_user_info(asked).await.map_err(failed) }, async {
                    client.fetch_privacy_settings().await.map_err(failed)
                })
                .await?;
            let info = info.into_values().next();
            let about = info.as_ref().and_then(|info| info.status.as_deref());
            let picture = info.as_ref().and_then(|info| info.picture_id.as_deref());
            let words: BTreeMap<String, String> = settings
                .settings
                .iter()
                .map(|setting| {
                    let category = privacy::word_of_category(&setting.category);
                    (foreign(category), foreign(privacy::word_of_value(&setting.value)))
                })
                .collect();
            let mut exceptions = BTreeMap::new();
            for setting in settings.settings {
                if setting.value == PrivacyValue::ContactBlacklist {
                    let category = foreign(privacy::word_of_category(&setting.category));
                    let list = client
                        .execute(privacy::ExceptionsOf(setting.category))
                        .await
                        .map_err(failed)?;
                    exceptions.insert(category, people(client, &list).await);
                }
            }
            Ok(json!(ProfileDetails {
                name: (!device.push_name.is_empty()).then(|| foreign(&device.push_name)),
                about: about.filter(|about| !about.is_empty()).map(foreign),
                picture_id: picture.map(foreign),
                privacy: words,
                privacy_exceptions: exceptions,
            }))
        }
    }
}

async fn people(client: &Arc<Client>, list: &privacy::Exceptions) -> Vec<Party> {
    let mut people = Vec::new();
    for jid in &list.people {
        if let Some(person) = known_person(client, jid).await {
            people.push(Party::new(&person.address, person.alternative.as_ref()));
        }
    }
    people
}
