//! Operations on newsletters.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::operation::NewsletterOperation;
use whatsapp_rust::{Client, IqError, NewsletterError};

use super::super::groups::{failed, newsletter};
use super::jid;
use crate::engine::OperationError;

pub(super) async fn perform(client: &Arc<Client>, operation: &NewsletterOperation) -> Result<Value, OperationError> {
    let newsletters = client.newsletter();
    match operation {
        NewsletterOperation::Create { name, description } => {
            let made = newsletters
                .create(name, description.as_deref())
                .await
                .map_err(newsletter_failed)?;
            Ok(json!(newsletter(&made)))
        }
        NewsletterOperation::Update {
            newsletter: place,
            name,
            description,
        } => {
            let now = newsletters
                .update(&jid(place)?, name.as_deref(), description.as_deref())
                .await
                .map_err(newsletter_failed)?;
            Ok(json!(newsletter(&now)))
        }
        NewsletterOperation::Follow { newsletter: place } => {
            let place = jid(place)?;
            newsletters.join(&place).await.map_err(newsletter_failed)?;
            let now = newsletters.get_metadata(&place).await.map_err(newsletter_failed)?;
            Ok(json!(newsletter(&now)))
        }
        NewsletterOperation::Unfollow { newsletter: place } => {
            newsletters.leave(&jid(place)?).await.map_err(newsletter_failed)?;
            Ok(Value::Null)
        }
        NewsletterOperation::Mute {
            newsletter: place,
            muted,
        } => {
            newsletters
                .set_follower_mute(&jid(place)?, *muted)
                .await
                .map_err(newsletter_failed)?;
            Ok(Value::Null)
        }
        NewsletterOperation::React {
            newsletter: place,
            server_id,
            emoji,
        } => {
            newsletters
                .send_reaction(&jid(place)?, *server_id, emoji)
                .await
                .map_err(newsletter_failed)?;
            Ok(Value::Null)
        }
    }
}

/// The library calls an answer without a newsletter an invalid request: there is no such newsletter, or the account may not see it.
pub(in super::super) fn newsletter_failed(error: NewsletterError) -> OperationError {
    match error {
        NewsletterError::InvalidRequest(reason) => OperationError::Refused {
            code: shared::problem::Code::NotFoundOnWhatsapp,
            detail: reason,
        },
        other @ (NewsletterError::Mex(_) | NewsletterError::Iq(_)) => unless_lost(&other),
        other => failed(other),
    }
}

/// The server's answers are final, whatever they look like; a lost connection is not.
fn unless_lost(error: &NewsletterError) -> OperationError {
    let chain = || {
        std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| {
            error.source()
        })
    };
    let answered = chain().all(|error| {
        !matches!(
            error.downcast_ref(),
            Some(
                IqError::Timeout
                    | IqError::NotConnected
                    | IqError::Socket(_)
                    | IqError::EncryptSend(_)
                    | IqError::ClientState(_)
                    | IqError::Disconnected(_)
                    | IqError::InternalChannelClosed
            )
        )
    });
    let detail = chain().last().map(ToString::to_string).unwrap_or_default();
    if answered {
        OperationError::refused(detail)
    } else {
        OperationError::Failed(detail)
    }
}
