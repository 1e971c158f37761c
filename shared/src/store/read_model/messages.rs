//! What becomes of messages after they were stored.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::Owner;
use crate::store::StoreError;

/// A message that may be known has changed.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageChange {
    /// It says something else now.
    Edited {
        /// WhatsApp's id.
        wa_message_id: String,
        /// Whether the account itself wrote it.
        from_me: bool,
        /// What it says now.
        content: Map<String, Value>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was deleted for everyone: its content is gone.
    Revoked {
        /// WhatsApp's id.
        wa_message_id: String,
        /// Whether the account itself wrote it.
        from_me: bool,
        /// When.
        at: DateTime<Utc>,
    },
}

pub(super) async fn apply(
    connection: &mut PgConnection,
    owner: Owner,
    change: &MessageChange,
) -> Result<(), StoreError> {
    match change {
        MessageChange::Edited {
            wa_message_id,
            from_me,
            content,
            at,
        } => {
            sqlx::query!(
                "UPDATE message SET content = $4, edited_at = $5, updated_at = now()
                 WHERE session_id = $1 AND wa_message_id = $2 AND from_me = $3 AND tenant_id = $6
                   AND revoked_at IS NULL AND (edited_at IS NULL OR edited_at <= $5)",
                owner.session.uuid,
                wa_message_id,
                from_me,
                crate::store::to_json(content)?,
                at,
                owner.tenant.0
            )
            .execute(connection)
            .await?;
        }
        MessageChange::Revoked {
            wa_message_id,
            from_me,
            at,
        } => {
            sqlx::query!(
                "UPDATE message SET content = jsonb_build_object(type, '{}'::jsonb), revoked_at = $4, updated_at = now()
                 WHERE session_id = $1 AND wa_message_id = $2 AND from_me = $3 AND tenant_id = $5",
                owner.session.uuid,
                wa_message_id,
                from_me,
                at,
                owner.tenant.0
            )
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}
