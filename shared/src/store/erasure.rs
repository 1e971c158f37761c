//! Erasing what is stored of one person, on request.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::address::Party;
use crate::ids::SessionId;

/// What was erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Erased {
    /// Messages of the chat with the person, in both directions, and what the person wrote elsewhere.
    pub messages: u64,
    /// Files that arrived in these messages. Nobody sees them any more; their objects are deleted within minutes.
    pub files: u64,
    /// Chats.
    pub chats: u64,
    /// Entries about the person: among the contacts, checked numbers, calls and status posts.
    pub contacts: u64,
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
    /// Erases what is stored of a person in one session: messages with their files, the chat, what is known of the person, and the data of the events about
    /// them. At most `limit` messages and events at once, so that nobody else waits long. Groups keep their lists of members, which WhatsApp tells again.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn erase_person(&mut self, session: SessionId, person: &Party, limit: i64) -> Result<Erased, StoreError> {
        let person = self.with_all_ids(session, person).await?;
        let mut jids = vec![person.jid.clone()];
        jids.extend(person.phone.iter().map(|phone| format!("{phone}@s.whatsapp.net")));
        jids.extend(person.lid.iter().map(|lid| format!("{lid}@lid")));
        let (session, tenant) = (session.uuid, self.tenant.0);
        let gone = sqlx::query!(
            r#"WITH gone AS (
                 DELETE FROM message USING (
                     SELECT id FROM message WHERE session_id = $1 AND tenant_id = $2
                       AND (chat = ANY($3) OR sender = ANY($3) OR sender_lid = $4 OR sender_phone = $5) ORDER BY id LIMIT $6) old
                 WHERE message.session_id = $1 AND message.id = old.id RETURNING wa_message_id, message.id
             ), identities AS (
                 DELETE FROM message_identity identity USING gone
                 WHERE identity.session_id = $1 AND identity.wa_message_id = gone.wa_message_id AND identity.id = gone.id
             ), files AS (
                 -- A worker deletes the objects and then the rows.
                 UPDATE media SET deleted_at = now(), updated_at = now() FROM gone
                 WHERE media.message_id = gone.id AND media.session_id = $1 AND media.tenant_id = $2 AND deleted_at IS NULL RETURNING media.id
             ), downloads AS (
                 DELETE FROM media_download USING files WHERE media_download.media_id = files.id
             )
             SELECT (SELECT count(*) FROM gone) AS "messages!", (SELECT count(*) FROM files) AS "files!""#,
            session,
            tenant,
            &jids,
            person.lid,
            person.phone,
            limit
        )
        .fetch_one(&mut *self.transaction)
        .await?;
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
        let more = gone.messages >= limit || i64::try_from(events).unwrap_or(i64::MAX) >= limit;
        // The next request finds the person's other id by these.
        let (chats, contacts) = if more {
            (0, 0)
        } else {
            (
                self.erase_chats(session, &jids).await?,
                self.erase_entries(session, &person, &jids).await?,
            )
        };
        Ok(Erased {
            messages: u64::try_from(gone.messages).unwrap_or_default(),
            files: u64::try_from(gone.files).unwrap_or_default(),
            chats,
            contacts,
            events,
            deliveries,
            statistics,
            more,
        })
    }

    /// The person with both ids, where the session knows them.
    async fn with_all_ids(&mut self, session: SessionId, person: &Party) -> Result<Party, StoreError> {
        let known = sqlx::query!(
            "SELECT phone, lid FROM contact WHERE session_id = $1 AND tenant_id = $2 AND (phone = $3 OR lid = $4) LIMIT 1",
            session.uuid,
            self.tenant.0,
            person.phone,
            person.lid
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let (phone, lid) = known.map_or((None, None), |known| (known.phone, known.lid));
        Ok(Party {
            jid: person.jid.clone(),
            phone: person.phone.clone().or(phone),
            lid: person.lid.clone().or(lid),
        })
    }

    async fn erase_chats(&mut self, session: Uuid, jids: &[String]) -> Result<u64, StoreError> {
        sqlx::query!(
            "DELETE FROM chat_label WHERE session_id = $1 AND tenant_id = $2 AND chat = ANY($3)",
            session,
            self.tenant.0,
            jids
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(sqlx::query!(
            "DELETE FROM chat WHERE session_id = $1 AND tenant_id = $2 AND jid = ANY($3)",
            session,
            self.tenant.0,
            jids
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected())
    }

    /// What is known of the person besides what was written: answers how many contacts, number checks, calls and status posts are gone.
    async fn erase_entries(&mut self, session: Uuid, person: &Party, jids: &[String]) -> Result<u64, StoreError> {
        let entries = sqlx::query_scalar!(
            r#"WITH gone_contact AS (
                   DELETE FROM contact WHERE session_id = $1 AND tenant_id = $2 AND (phone = $4 OR lid = $5) RETURNING 1
               ), gone_check AS (
                   DELETE FROM number_check WHERE session_id = $1 AND tenant_id = $2 AND (number = ANY($3) OR phone = $4 OR lid = $5)
                   RETURNING 1
               ), gone_call AS (
                   DELETE FROM call WHERE session_id = $1 AND tenant_id = $2 AND (caller = ANY($3) OR caller_phone = $4 OR caller_lid = $5)
                   RETURNING 1
               ), gone_view AS (
                   DELETE FROM status_viewer WHERE session_id = $1 AND tenant_id = $2 AND (jid = ANY($3) OR phone = $4 OR lid = $5)
               ), gone_post AS (
                   DELETE FROM status_post WHERE session_id = $1 AND tenant_id = $2 AND NOT from_me
                       AND (author = ANY($3) OR author_phone = $4 OR author_lid = $5)
                   RETURNING 1
               )
               SELECT (SELECT count(*) FROM gone_contact) + (SELECT count(*) FROM gone_check)
                    + (SELECT count(*) FROM gone_call) + (SELECT count(*) FROM gone_post) AS "entries!""#,
            session,
            self.tenant.0,
            jids,
            person.phone,
            person.lid
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(u64::try_from(entries).unwrap_or_default())
    }
}
