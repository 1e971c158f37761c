//! Calls as tenants read them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::address::Party;
use crate::ids::SessionId;

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The row.
    pub row: Uuid,
    /// WhatsApp's id.
    pub call_id: String,
    /// Who called.
    pub from: Party,
    /// The group's JID.
    pub group: Option<String>,
    /// Whether with pictures.
    pub is_video: bool,
    /// Who called, as WhatsApp named the caller, device included.
    pub peer: String,
    /// Who began the call, likewise.
    pub creator: String,
    /// `ringing`, or how it ended.
    pub status: String,
    /// Since when it rang.
    pub received_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

impl TenantTransaction {
    /// A session's calls, newest first, at most `limit`: the first ones or those after `after`; or the one with WhatsApp's id `only`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn calls(
        &mut self,
        session: SessionId,
        only: Option<&str>,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Call>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, call_id, caller, caller_phone, caller_lid, group_jid, is_video, peer, creator, status, received_at, ended_at
             FROM call WHERE session_id = $1 AND tenant_id = $2 AND ($3::text IS NULL OR call_id = $3) AND ($4::uuid IS NULL OR id < $4)
             ORDER BY id DESC LIMIT $5",
            session.uuid,
            self.tenant.0,
            only,
            after,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Call {
                row: row.id,
                call_id: row.call_id,
                from: Party {
                    jid: row.caller,
                    phone: row.caller_phone,
                    lid: row.caller_lid,
                },
                group: row.group_jid,
                is_video: row.is_video,
                peer: row.peer,
                creator: row.creator,
                status: row.status,
                received_at: row.received_at,
                ended_at: row.ended_at,
            })
            .collect())
    }
}
