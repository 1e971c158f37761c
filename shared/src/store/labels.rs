//! Labels as tenants read them.

use chrono::{DateTime, Utc};

use super::{StoreError, TenantTransaction};
use crate::ids::SessionId;

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// WhatsApp's id.
    pub id: String,
    /// What it says.
    pub name: String,
    /// The number of its colour in WhatsApp's palette.
    pub color: i32,
    /// The JIDs of the chats that have it.
    pub chats: Vec<String>,
    /// When it was last different.
    pub updated_at: DateTime<Utc>,
}

impl TenantTransaction {
    /// A session's labels, or one of them. WhatsApp allows some dozens, so there are no pages.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn labels(&mut self, session: SessionId, only: Option<&str>) -> Result<Vec<Label>, StoreError> {
        let rows = sqlx::query_as!(
            Label,
            r#"SELECT label_id AS id, name, color, updated_at,
                      ARRAY(SELECT chat FROM chat_label WHERE chat_label.session_id = label.session_id AND chat_label.label_id = label.label_id
                            AND chat_label.tenant_id = $2 ORDER BY chat LIMIT 1000) AS "chats!"
               FROM label WHERE session_id = $1 AND tenant_id = $2 AND ($3::text IS NULL OR label_id = $3)
               ORDER BY length(label_id), label_id LIMIT 1000"#,
            session.uuid,
            self.tenant.0,
            only
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows)
    }
}
