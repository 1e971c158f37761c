//! What becomes known about labels.

use sqlx::PgConnection;

use super::Owner;
use crate::store::StoreError;

/// A label is different from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// It exists, and is like this.
    Saved {
        /// WhatsApp's id.
        label: String,
        /// What it says.
        name: String,
        /// The number of its colour.
        color: i32,
    },
    /// It is gone, from every chat too.
    Deleted {
        /// WhatsApp's id.
        label: String,
    },
    /// A chat has it.
    Attached {
        /// WhatsApp's id.
        label: String,
        /// The chat's JID.
        chat: String,
    },
    /// A chat has it no more.
    Detached {
        /// WhatsApp's id.
        label: String,
        /// The chat's JID.
        chat: String,
    },
}

pub(super) async fn apply(connection: &mut PgConnection, owner: Owner, change: &LabelChange) -> Result<(), StoreError> {
    let (tenant, session) = (owner.tenant.0, owner.session.uuid);
    match change {
        LabelChange::Saved { label, name, color } => {
            sqlx::query!(
                "INSERT INTO label (tenant_id, session_id, label_id, name, color) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (session_id, label_id) DO UPDATE SET name = excluded.name, color = excluded.color, updated_at = now()",
                tenant,
                session,
                label,
                name,
                color
            )
            .execute(connection)
            .await?;
        }
        LabelChange::Deleted { label } => {
            sqlx::query!(
                "WITH gone AS (DELETE FROM label WHERE session_id = $1 AND label_id = $2 AND tenant_id = $3)
                 DELETE FROM chat_label WHERE session_id = $1 AND label_id = $2 AND tenant_id = $3",
                session,
                label,
                tenant
            )
            .execute(connection)
            .await?;
        }
        LabelChange::Attached { label, chat } => {
            sqlx::query!(
                "INSERT INTO chat_label (tenant_id, session_id, label_id, chat) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                tenant,
                session,
                label,
                chat
            )
            .execute(connection)
            .await?;
        }
        LabelChange::Detached { label, chat } => {
            sqlx::query!(
                "DELETE FROM chat_label WHERE session_id = $1 AND label_id = $2 AND chat = $3 AND tenant_id = $4",
                session,
                label,
                chat,
                tenant
            )
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}
