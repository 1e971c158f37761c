//! The numbers by which the older APIs call sessions, messages and webhooks. They are given when something is first shown to such a client and stay; every
//! tenant counts for itself. Nothing but the dialects may know them.

use std::collections::HashMap;

use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::ids::SessionId;
use crate::session::words;

words! {
    /// What can have a number.
    NumberKind {
        /// A session.
        Session = "session",
        /// A message.
        Message = "message",
        /// A webhook.
        Webhook = "webhook",
    }
}

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// The session, message or webhook.
    pub subject: Uuid,
    /// The session that it belongs to, or that it is; `None` for a webhook of all sessions.
    pub session: Option<SessionId>,
}

impl TenantTransaction {
    /// The numbers of `subjects`, by subject. Those that have none get one, in the order given; each belongs to the session beside it.
    ///
    /// Whoever gives numbers waits for others of the tenant who do, so this belongs at the end of a short transaction, which must be committed.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn dialect_numbers(
        &mut self,
        kind: NumberKind,
        subjects: &[(Uuid, Option<SessionId>)],
    ) -> Result<HashMap<Uuid, i64>, StoreError> {
        let ids: Vec<Uuid> = subjects.iter().map(|(subject, _)| *subject).collect();
        let mut known = self.known_numbers(kind, &ids).await?;
        if ids.iter().all(|id| known.contains_key(id)) {
            return Ok(known);
        }
        // Whoever holds the counter is alone, so what is missing now stays missing until we have given it.
        let last = sqlx::query_scalar!(
            "INSERT INTO dialect_counter (tenant_id, kind, last) VALUES ($1, $2, 0)
             ON CONFLICT (tenant_id, kind) DO UPDATE SET last = dialect_counter.last RETURNING last",
            self.tenant.0,
            kind.as_str()
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        known = self.known_numbers(kind, &ids).await?;
        let mut next = last;
        let (mut numbers, mut missing, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
        for (subject, session) in subjects {
            if known.contains_key(subject) {
                continue;
            }
            next += 1;
            known.insert(*subject, next);
            numbers.push(next);
            missing.push(*subject);
            sessions.push(session.map(|session| session.uuid));
        }
        sqlx::query!(
            "INSERT INTO dialect_number (tenant_id, kind, number, subject, session_id)
             SELECT $1, $2, * FROM unnest($3::bigint[], $4::uuid[], $5::uuid[])",
            self.tenant.0,
            kind.as_str(),
            &numbers,
            &missing,
            &sessions as &[Option<Uuid>]
        )
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query!(
            "UPDATE dialect_counter SET last = $3 WHERE tenant_id = $1 AND kind = $2",
            self.tenant.0,
            kind.as_str(),
            next
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(known)
    }

    /// A session's number, given now if it has none. See [`Self::dialect_numbers`].
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn session_number(&mut self, session: SessionId) -> Result<Option<i64>, StoreError> {
        let subject = [(session.uuid, Some(session))];
        let mut numbers = self.dialect_numbers(NumberKind::Session, &subject).await?;
        Ok(numbers.remove(&session.uuid))
    }

    async fn known_numbers(&mut self, kind: NumberKind, subjects: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        let rows = sqlx::query!(
            "SELECT subject, number FROM dialect_number WHERE tenant_id = $1 AND kind = $2 AND subject = ANY($3)",
            self.tenant.0,
            kind.as_str(),
            subjects
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.subject, row.number)).collect())
    }

    /// What a number stands for. That it still exists is for the caller to find out.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn numbered(&mut self, kind: NumberKind, number: i64) -> Result<Option<Numbered>, StoreError> {
        let row = sqlx::query!(
            "SELECT subject, session_id FROM dialect_number WHERE tenant_id = $1 AND kind = $2 AND number = $3",
            self.tenant.0,
            kind.as_str(),
            number
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.map(|row| Numbered {
            subject: row.subject,
            session: row.session_id.map(|uuid| SessionId::new(self.region, uuid)),
        }))
    }
}
