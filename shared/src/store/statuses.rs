//! Status posts as tenants read them, and those that a gateway accepts for posting.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::address::{Address, Party};
use crate::ids::{Region, SessionId, StatusId};
use crate::message::MessageError;
use crate::status::{Status, StatusViewer};

/// Which posts are listed.
#[derive(Debug, Clone, Default)]
pub struct StatusFilter {
    /// Own ones, or those of others.
    pub from_me: Option<bool>,
    /// Those of one person.
    pub author: Option<Address>,
    /// Those that can still be seen: neither expired nor taken back, nor failed.
    pub active: bool,
    /// How many of them are left out first, for clients that count pages.
    pub skip: i64,
}

struct StatusRow {
    id: Uuid,
    session_id: Uuid,
    wa_message_id: String,
    from_me: bool,
    author: String,
    author_phone: Option<String>,
    author_lid: Option<String>,
    r#type: String,
    content: serde_json::Value,
    status: String,
    error_code: Option<String>,
    error_detail: Option<String>,
    posted_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
    viewed_at: Option<DateTime<Utc>>,
    reaction: Option<String>,
    views: i64,
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "status_post",
        column,
    }
}

impl StatusRow {
    fn into_status(self, region: Region) -> Result<Status, StoreError> {
        let serde_json::Value::Object(content) = self.content else {
            return Err(corrupt("content"));
        };
        Ok(Status {
            id: StatusId(self.id),
            session_id: SessionId::new(region, self.session_id),
            wa_message_id: self.wa_message_id,
            from: Party {
                jid: self.author,
                phone: self.author_phone,
                lid: self.author_lid,
            },
            from_me: self.from_me,
            kind: self.r#type,
            content,
            status: self.status.parse().map_err(|_| corrupt("status"))?,
            error: self.error_code.map(|code| MessageError {
                code,
                detail: self.error_detail.unwrap_or_default(),
            }),
            timestamp: self.posted_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            viewed_at: self.viewed_at,
            reaction: self.reaction,
            views: u32::try_from(self.views).map_err(|_| corrupt("views"))?,
            viewers: Vec::new(),
        })
    }
}

impl TenantTransaction {
    /// Stores a post that a command is to send, with those who may see it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn insert_outgoing_status(&mut self, status: &Status, audience: &[Address]) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO status_post (id, tenant_id, session_id, wa_message_id, from_me, author, author_phone, author_lid, type, content, audience,
                                      status, posted_at, expires_at)
             VALUES ($1, $2, $3, $4, true, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            status.id.0,
            self.tenant.0,
            status.session_id.uuid,
            status.wa_message_id,
            status.from.jid,
            status.from.phone,
            status.from.lid,
            status.kind,
            super::to_json(&status.content)?,
            super::to_json(audience)?,
            status.status.as_str(),
            status.timestamp,
            status.expires_at
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// One post, with those who have seen it if it is an own one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn status(&mut self, session: SessionId, status: StatusId) -> Result<Option<Status>, StoreError> {
        let row = sqlx::query_as!(
            StatusRow,
            "SELECT id, session_id, wa_message_id, from_me, author, author_phone, author_lid, type, content, status, error_code, error_detail,
                    posted_at, expires_at, revoked_at, viewed_at, reaction, views
             FROM status_post WHERE id = $1 AND session_id = $2 AND tenant_id = $3",
            status.0,
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut status = row.into_status(self.region)?;
        let viewers = sqlx::query!(
            "SELECT jid, phone, lid, viewed_at, reaction FROM status_viewer
             WHERE status_id = $1 AND session_id = $2 AND tenant_id = $3 ORDER BY viewed_at, jid",
            status.id.0,
            session.uuid,
            self.tenant.0
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        status.viewers = viewers
            .into_iter()
            .map(|row| StatusViewer {
                party: Party {
                    jid: row.jid,
                    phone: row.phone,
                    lid: row.lid,
                },
                viewed_at: row.viewed_at,
                reaction: row.reaction,
            })
            .collect();
        Ok(Some(status))
    }

    /// Who may see an own post.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn status_audience(&mut self, session: SessionId, status: StatusId) -> Result<Vec<Address>, StoreError> {
        let audience = sqlx::query_scalar!(
            "SELECT audience FROM status_post WHERE id = $1 AND session_id = $2 AND tenant_id = $3 AND from_me",
            status.0,
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .unwrap_or_default();
        match audience {
            serde_json::Value::Null => Ok(Vec::new()),
            audience => serde_json::from_value(audience).map_err(|_| corrupt("audience")),
        }
    }

    /// Posts of a session, newest first, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn statuses(
        &mut self,
        session: SessionId,
        filter: &StatusFilter,
        after: Option<StatusId>,
        limit: i64,
    ) -> Result<Vec<Status>, StoreError> {
        let region = self.region;
        sqlx::query_as!(
            StatusRow,
            "SELECT id, session_id, wa_message_id, from_me, author, author_phone, author_lid, type, content, status, error_code, error_detail,
                    posted_at, expires_at, revoked_at, viewed_at, reaction, views
             FROM status_post
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::boolean IS NULL OR from_me = $3)
               AND ($4::text IS NULL OR author = $4 OR author_lid = $5)
               AND (NOT $6 OR (expires_at > now() AND revoked_at IS NULL AND status <> 'failed'))
               AND ($7::uuid IS NULL OR id < $7)
             ORDER BY id DESC LIMIT $8 OFFSET $9",
            session.uuid,
            self.tenant.0,
            filter.from_me,
            filter.author.as_ref().map(Address::to_string),
            filter.author.as_ref().and_then(Address::lid),
            filter.active,
            after.map(|after| after.0),
            limit,
            filter.skip
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_status(region))
        .collect()
    }

    /// How many posts of a session a filter is true of; what it leaves out first is counted too.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn count_statuses(&mut self, session: SessionId, filter: &StatusFilter) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM status_post
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::boolean IS NULL OR from_me = $3)
               AND ($4::text IS NULL OR author = $4 OR author_lid = $5)
               AND (NOT $6 OR (expires_at > now() AND revoked_at IS NULL AND status <> 'failed'))"#,
            session.uuid,
            self.tenant.0,
            filter.from_me,
            filter.author.as_ref().map(Address::to_string),
            filter.author.as_ref().and_then(Address::lid),
            filter.active
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(count)
    }

    /// The people in the account's address book who are not blocked: those whom its owner shows posts when nobody is named, in the order in which
    /// the session heard of them. At most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn saved_people(&mut self, session: SessionId, limit: i64) -> Result<Vec<Party>, StoreError> {
        let people = sqlx::query!(
            "SELECT phone, lid FROM contact
             WHERE session_id = $1 AND tenant_id = $2 AND name IS NOT NULL AND NOT is_blocked ORDER BY id LIMIT $3",
            session.uuid,
            self.tenant.0,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let party = |phone: Option<String>, lid: Option<String>| {
            let (phone, lid) = (phone.map(Address::Phone), lid.map(Address::Lid));
            let address = phone.as_ref().or(lid.as_ref())?;
            Some(Party::new(address, lid.as_ref()))
        };
        Ok(people
            .into_iter()
            .filter_map(|person| party(person.phone, person.lid))
            .collect())
    }
}
