//! Erasing what is stored of one person, on request.

use serde::{Deserialize, Serialize};

use super::{StoreError, TenantTransaction};
use crate::address::Party;
use crate::ids::SessionId;

/// What was erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Erased {
    /// Messages of the chat with the person, in both directions, and what the person wrote elsewhere.
    pub messages: u64,
    /// Chats.
    pub chats: u64,
    /// Events whose data were emptied; their numbers stay.
    pub events: u64,
    /// Bodies of webhook deliveries that were emptied.
    pub deliveries: u64,
    /// Counters of the chat.
    pub statistics: u64,
    /// Whether there is more: the same request goes on.
    pub more: bool,
}

impl TenantTransaction {
    /// Erases what is stored of a person in one session: messages, the chat, and the data of the events about them. At most `limit` messages and events at
    /// once, so that nobody else waits long.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn erase_person(&mut self, session: SessionId, person: &Party, limit: i64) -> Result<Erased, StoreError> {
        let mut jids = vec![person.jid.clone()];
        jids.extend(person.phone.iter().map(|phone| format!("{phone}@s.whatsapp.net")));
        jids.extend(person.lid.iter().map(|lid| format!("{lid}@lid")));
        let (session, tenant) = (session.uuid, self.tenant.0);
        let messages = sqlx::query!(
            "WITH gone AS (
                 DELETE FROM message USING (
                     SELECT id FROM message WHERE session_id = $1 AND tenant_id = $2
                       AND (chat = ANY($3) OR sender = ANY($3) OR sender_lid = $4 OR sender_phone = $5) ORDER BY id LIMIT $6) old
                 WHERE message.session_id = $1 AND message.id = old.id RETURNING wa_message_id, message.id)
             DELETE FROM message_identity identity USING gone
             WHERE identity.session_id = $1 AND identity.wa_message_id = gone.wa_message_id AND identity.id = gone.id",
            session,
            tenant,
            &jids,
            person.lid,
            person.phone,
            limit
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        let chats = sqlx::query!(
            "DELETE FROM chat WHERE session_id = $1 AND tenant_id = $2 AND jid = ANY($3)",
            session,
            tenant,
            &jids
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        let statistics = sqlx::query!(
            "DELETE FROM message_statistic WHERE session_id = $1 AND tenant_id = $2 AND chat = ANY($3)",
            session,
            tenant,
            &jids
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        // The envelope stays, so that the numbers have no gap; who it was about and what was said go. Ids stand in JSON between quotes or before an `@`.
        let patterns: Vec<String> = person
            .phone
            .iter()
            .chain(person.lid.iter())
            .map(|digits| format!("%\"{digits}%"))
            .collect();
        let events = sqlx::query!(
            r#"UPDATE event SET body = left(body, position(',"data":' IN body) - 1) || ',"data":{"erased":true}}'
               FROM (SELECT id FROM event WHERE session_id = $1 AND tenant_id = $2 AND body LIKE ANY($3) AND position(',"data":' IN body) > 0
                     ORDER BY sequence LIMIT $4) old
               WHERE event.id = old.id"#,
            session,
            tenant,
            &patterns,
            limit
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        sqlx::query!(
            "DELETE FROM event_identity WHERE session_id = $1 AND tenant_id = $2 AND key LIKE ANY(SELECT '%:' || jid || '%' FROM unnest($3::text[]) jid)",
            session,
            tenant,
            &jids
        )
        .execute(&mut *self.transaction)
        .await?;
        let deliveries = sqlx::query!(
            r#"UPDATE delivery SET body = left(body, position(',"data":' IN body) - 1) || ',"data":{"erased":true}}'
               WHERE session_id = $1 AND tenant_id = $2 AND body LIKE ANY($3) AND position(',"data":' IN body) > 0"#,
            session,
            tenant,
            &patterns
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        let full = u64::try_from(limit).unwrap_or(u64::MAX);
        Ok(Erased {
            messages,
            chats,
            events,
            deliveries,
            statistics,
            more: messages >= full || events >= full,
        })
    }
}
