//! Look-ups about newsletters.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::group::{NewsletterMessage, NewsletterMessages, NewsletterReaction, Newsletters};
use shared::query::NewsletterLookup;
use wacore::types::message::MessageSource;
use whatsapp_rust::Client;

use super::super::foreign::foreign;
use super::super::groups::{newsletter, time};
use super::super::incoming::content_of;
use super::super::operations::newsletter_failed;
use super::jid;
use crate::engine::OperationError;

pub(super) async fn look_up(client: &Arc<Client>, lookup: &NewsletterLookup) -> Result<Value, OperationError> {
    let newsletters = client.newsletter();
    match lookup {
        NewsletterLookup::Subscribed => {
            let found = newsletters.list_subscribed().await.map_err(newsletter_failed)?;
            Ok(json!(Newsletters {
                data: found.iter().map(newsletter).collect(),
            }))
        }
        NewsletterLookup::Metadata { newsletter: wanted } => {
            let found = newsletters
                .get_metadata(&jid(wanted)?)
                .await
                .map_err(newsletter_failed)?;
            Ok(json!(newsletter(&found)))
        }
        NewsletterLookup::Messages {
            newsletter,
            count,
            before,
        } => {
            let place = jid(newsletter)?;
            let found = newsletters
                .get_messages(place.clone(), *count, *before)
                .await
                .map_err(newsletter_failed)?;
            let data = found.iter().map(|message| {
                let source = MessageSource {
                    chat: place.clone(),
                    sender: place.clone(),
                    is_from_me: message.is_sender,
                    ..MessageSource::default()
                };
                let content = message
                    .message
                    .as_ref()
                    .and_then(|message| content_of(message, &source));
                NewsletterMessage {
                    wa_message_id: foreign(&message.message_id),
                    server_id: message.server_id,
                    from_me: message.is_sender,
                    kind: content.as_ref().map(|content| content.kind().to_owned()),
                    content: content.map(|content| content.to_map()).unwrap_or_default(),
                    reactions: message
                        .reactions
                        .iter()
                        .map(|reaction| NewsletterReaction {
                            emoji: foreign(&reaction.code),
                            count: reaction.count,
                        })
                        .collect(),
                    timestamp: time(Some(message.timestamp)).unwrap_or_default(),
                }
            });
            Ok(json!(NewsletterMessages { data: data.collect() }))
        }
    }
}
