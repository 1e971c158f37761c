//! What becomes known about calls.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Owner;
use crate::address::Party;
use crate::event::people::CallEnd;
use crate::store::StoreError;

/// A call that rings, or rang while the session was away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// WhatsApp's id.
    pub call_id: String,
    /// Who calls.
    pub from: Party,
    /// The group's JID.
    pub group: Option<String>,
    /// Whether with pictures.
    pub is_video: bool,
    /// Who calls, as WhatsApp named the caller, device included.
    pub peer: String,
    /// Who began the call, likewise.
    pub creator: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A call is different from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallChange {
    /// It rings. One that is known stays as it is.
    Received(Box<NewCall>),
    /// It has ended. The first end of a call counts.
    Ended {
        /// WhatsApp's id.
        call_id: String,
        /// How.
        outcome: CallEnd,
        /// When.
        at: DateTime<Utc>,
    },
}

pub(super) async fn apply(connection: &mut PgConnection, owner: Owner, change: &CallChange) -> Result<(), StoreError> {
    match change {
        CallChange::Received(call) => {
            sqlx::query!(
                "INSERT INTO call (id, tenant_id, session_id, call_id, caller, caller_phone, caller_lid, group_jid, is_video, peer, creator,
                                   status, received_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'ringing', $12) ON CONFLICT (session_id, call_id) DO NOTHING",
                Uuid::now_v7(),
                owner.tenant.0,
                owner.session.uuid,
                call.call_id,
                call.from.jid,
                call.from.phone,
                call.from.lid,
                call.group,
                call.is_video,
                call.peer,
                call.creator,
                call.at
            )
            .execute(connection)
            .await?;
        }
        CallChange::Ended { call_id, outcome, at } => {
            sqlx::query!(
                "UPDATE call SET status = $4, ended_at = $5
                 WHERE session_id = $1 AND call_id = $2 AND tenant_id = $3 AND status = 'ringing'",
                owner.session.uuid,
                call_id,
                owner.tenant.0,
                outcome.as_str(),
                at
            )
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}
