//! What WhatsApp answered when it was asked whether a number uses it: a cache, so that the same question is not asked again and again.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{StoreError, TenantTransaction};
use crate::ids::SessionId;
use crate::query::contact::OnWhatsapp;

/// A number, and what WhatsApp answered about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberCheck {
    /// The address as it was asked for, `…@s.whatsapp.net` or `…@lid`.
    pub number: String,
    /// The answer.
    pub found: OnWhatsapp,
    /// When.
    pub checked_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Row<'a> {
    number: &'a str,
    #[serde(flatten)]
    found: &'a OnWhatsapp,
}

impl TenantTransaction {
    /// What is known of these numbers that is not older than `max_age` seconds.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn number_checks(
        &mut self,
        session: SessionId,
        numbers: &[String],
        max_age: u32,
    ) -> Result<Vec<NumberCheck>, StoreError> {
        let rows = sqlx::query!(
            "SELECT number, registered, phone, lid, is_business, verified_name, checked_at FROM number_check
             WHERE session_id = $1 AND tenant_id = $2 AND number = ANY($3) AND checked_at > now() - make_interval(secs => $4)",
            session.uuid,
            self.tenant.0,
            numbers,
            f64::from(max_age)
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| NumberCheck {
                number: row.number,
                found: OnWhatsapp {
                    exists: row.registered,
                    phone: row.phone,
                    lid: row.lid,
                    is_business: row.is_business,
                    verified_name: row.verified_name,
                },
                checked_at: row.checked_at,
            })
            .collect())
    }

    /// Remembers what WhatsApp answered just now.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn remember_number_checks(
        &mut self,
        session: SessionId,
        answers: &[(String, OnWhatsapp)],
    ) -> Result<(), StoreError> {
        let rows: Vec<Row<'_>> = answers.iter().map(|(number, found)| Row { number, found }).collect();
        sqlx::query!(
            r#"INSERT INTO number_check (tenant_id, session_id, number, registered, phone, lid, is_business, verified_name)
               SELECT DISTINCT ON (number) $1::uuid, $2::uuid, number, "exists", phone, lid, is_business, verified_name
               FROM jsonb_to_recordset($3::jsonb) AS input (
                   number text, "exists" boolean, phone text, lid text, is_business boolean, verified_name text)
               ORDER BY number
               ON CONFLICT (session_id, number) DO UPDATE SET registered = excluded.registered, phone = excluded.phone, lid = excluded.lid,
                   is_business = excluded.is_business, verified_name = excluded.verified_name, checked_at = now()"#,
            self.tenant.0,
            session.uuid,
            super::to_json(&rows)?
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
