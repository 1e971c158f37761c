//! People as tenants read them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::address::{Address, Party};
use crate::ids::SessionId;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The row.
    pub id: Uuid,
    /// The ids.
    pub party: Party,
    /// What the account's owner calls the person.
    pub name: Option<String>,
    /// The first name, likewise.
    pub first_name: Option<String>,
    /// What the person calls themselves.
    pub push_name: Option<String>,
    /// The name that WhatsApp has verified.
    pub verified_name: Option<String>,
    /// Whether it is a business.
    pub is_business: bool,
    /// The about.
    pub about: Option<String>,
    /// The picture's id.
    pub picture_id: Option<String>,
    /// Whether the account has blocked the person.
    pub is_blocked: bool,
    /// The last presence that was told.
    pub presence: Option<String>,
    /// When it was told.
    pub presence_at: Option<DateTime<Utc>>,
    /// When the person was last online, if they show it.
    pub last_seen: Option<DateTime<Utc>>,
    /// When the session first heard of the person.
    pub created_at: DateTime<Utc>,
    /// When something about the person was last different.
    pub updated_at: DateTime<Utc>,
}

/// Which people are listed.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// Those with this in a name or a number.
    pub search: Option<String>,
    /// Those whom the owner has saved, or has not.
    pub saved: Option<bool>,
    /// Those who are blocked, or are not.
    pub blocked: Option<bool>,
    /// Businesses, or others.
    pub business: Option<bool>,
    /// How many of them are left out first, for clients that count pages.
    pub skip: i64,
}

/// How many people a session knows, and how well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactStatistics {
    /// All of them.
    pub people: i64,
    /// Those of whom WhatsApp has not said that they do not use it.
    pub on_whatsapp: i64,
    /// Those with a name: the owner's, their own, or a verified one.
    pub named: i64,
    /// Those with a picture.
    pub with_picture: i64,
}

struct ContactRow {
    id: Uuid,
    phone: Option<String>,
    lid: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    push_name: Option<String>,
    verified_name: Option<String>,
    is_business: bool,
    about: Option<String>,
    picture_id: Option<String>,
    is_blocked: bool,
    presence: Option<String>,
    presence_at: Option<DateTime<Utc>>,
    last_seen: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ContactRow> for Contact {
    fn from(row: ContactRow) -> Self {
        let phone = row.phone.map(Address::Phone);
        let lid = row.lid.map(Address::Lid);
        let party = match (&phone, &lid) {
            (Some(phone), lid) => Party::new(phone, lid.as_ref()),
            (None, Some(lid)) => Party::new(lid, None),
            (None, None) => Party::default(),
        };
        Self {
            id: row.id,
            party,
            name: row.name,
            first_name: row.first_name,
            push_name: row.push_name,
            verified_name: row.verified_name,
            is_business: row.is_business,
            about: row.about,
            picture_id: row.picture_id,
            is_blocked: row.is_blocked,
            presence: row.presence,
            presence_at: row.presence_at,
            last_seen: row.last_seen,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl TenantTransaction {
    /// One person whom a session knows.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn contact(&mut self, session: SessionId, contact: &Address) -> Result<Option<Contact>, StoreError> {
        let row = sqlx::query_as!(
            ContactRow,
            "SELECT id, phone, lid, name, first_name, push_name, verified_name, is_business, about, picture_id, is_blocked, presence,
                    presence_at, last_seen, created_at, updated_at
             FROM contact WHERE session_id = $1 AND tenant_id = $2 AND (phone = $3 OR lid = $4)",
            session.uuid,
            self.tenant.0,
            contact.phone(),
            contact.lid()
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.map(Contact::from))
    }

    /// People whom a session knows, in the order in which it heard of them, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn contacts(
        &mut self,
        session: SessionId,
        filter: &ContactFilter,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Contact>, StoreError> {
        let rows = sqlx::query_as!(
            ContactRow,
            "SELECT id, phone, lid, name, first_name, push_name, verified_name, is_business, about, picture_id, is_blocked, presence,
                    presence_at, last_seen, created_at, updated_at
             FROM contact
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::text IS NULL OR position(lower($3) IN lower(concat_ws(' ', name, push_name, verified_name, phone, lid))) > 0)
               AND ($4::boolean IS NULL OR (name IS NOT NULL) = $4)
               AND ($5::boolean IS NULL OR is_blocked = $5)
               AND ($6::boolean IS NULL OR is_business = $6)
               AND ($7::uuid IS NULL OR id > $7)
             ORDER BY id LIMIT $8 OFFSET $9",
            session.uuid,
            self.tenant.0,
            filter.search,
            filter.saved,
            filter.blocked,
            filter.business,
            after,
            limit,
            filter.skip
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(Contact::from).collect())
    }

    /// How many people a session knows of whom a filter is true; what it leaves out first is counted too.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn count_contacts(&mut self, session: SessionId, filter: &ContactFilter) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM contact
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::text IS NULL OR position(lower($3) IN lower(concat_ws(' ', name, push_name, verified_name, phone, lid))) > 0)
               AND ($4::boolean IS NULL OR (name IS NOT NULL) = $4)
               AND ($5::boolean IS NULL OR is_blocked = $5)
               AND ($6::boolean IS NULL OR is_business = $6)"#,
            session.uuid,
            self.tenant.0,
            filter.search,
            filter.saved,
            filter.blocked,
            filter.business
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(count)
    }

    /// How many people a session knows, and how well.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn contact_statistics(&mut self, session: SessionId) -> Result<ContactStatistics, StoreError> {
        Ok(sqlx::query_as!(
            ContactStatistics,
            r#"SELECT count(*) AS "people!",
                      count(*) FILTER (WHERE NOT EXISTS (
                          SELECT 1 FROM number_check
                          WHERE number_check.session_id = $1 AND number_check.tenant_id = $2 AND NOT registered
                            AND number = contact.phone || '@s.whatsapp.net')) AS "on_whatsapp!",
                      count(*) FILTER (WHERE COALESCE(name, push_name, verified_name) IS NOT NULL) AS "named!",
                      count(*) FILTER (WHERE picture_id IS NOT NULL) AS "with_picture!"
             FROM contact WHERE session_id = $1 AND tenant_id = $2"#,
            session.uuid,
            self.tenant.0
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }
}

/// Removes everything that a session knows of people, labels and calls.
pub(super) async fn remove_people(connection: &mut PgConnection, session: SessionId) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM contact WHERE session_id = $1", session.uuid)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM label WHERE session_id = $1", session.uuid)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM chat_label WHERE session_id = $1", session.uuid)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM call WHERE session_id = $1", session.uuid)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM number_check WHERE session_id = $1", session.uuid)
        .execute(connection)
        .await?;
    Ok(())
}
