//! What the holder of a session writes: events, messages, outcomes of commands, the session's status.
//!
//! Everything that became known at once is written by one statement, [`Store::record`]: it locks the lease row `FOR SHARE`, checks the epoch,
//! numbers the events and answers their numbers. Either all of it is stored or nothing, and nothing once another worker has claimed the session.
//! A plain `EXISTS` without the lock is no fence: a take-over can commit between the check and the write.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::read_model::{self, Change, Owner};
use super::{Store, StoreError};
use crate::event::Draft;
use crate::ids::{CommandId, EventId, MessageId, SessionId, TenantId};
use crate::message::{Message, MessageStatus};
use crate::session::SessionStatus;

/// The claim under which something is written is over.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another worker has claimed the session: whoever tried to write must stop at once.
    #[error("the claim is over")]
    Fenced,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became known at once.
#[derive(Debug, Default)]
pub struct Facts {
    /// Events, in order. Of two with one dedupe key only the first is kept, also across calls.
    pub events: Vec<Draft>,
    /// Messages that were unknown until now; those that are known already stay as they are.
    pub messages: Vec<NewMessage>,
    /// Own messages that came further. At most one entry a message.
    pub progress: Vec<MessageProgress>,
    /// Commands that ended.
    pub outcomes: Vec<CommandOutcome>,
    /// What changed about the session.
    pub session: SessionChange,
    /// What changed about chats, people, groups and messages that are known: stored in the same transaction, in order.
    pub changes: Vec<Change>,
}

impl Facts {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.messages.is_empty()
            && self.progress.is_empty()
            && self.outcomes.is_empty()
            && self.session == SessionChange::default()
            && self.changes.is_empty()
    }
}

/// A message row.
#[derive(Debug, Serialize)]
pub struct NewMessage {
    id: Uuid,
    /// WhatsApp's id.
    pub wa_message_id: String,
    from_me: bool,
    chat: String,
    chat_phone: Option<String>,
    chat_lid: Option<String>,
    sender: String,
    sender_phone: Option<String>,
    sender_lid: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    content: serde_json::Map<String, serde_json::Value>,
    context_wa_message_id: Option<String>,
    status: &'static str,
    sent_at: DateTime<Utc>,
}

impl From<&Message> for NewMessage {
    fn from(message: &Message) -> Self {
        Self {
            id: message.id.0,
            wa_message_id: message.wa_message_id.clone(),
            from_me: message.from_me,
            chat: message.chat.jid.clone(),
            chat_phone: message.chat.phone.clone(),
            chat_lid: message.chat.lid.clone(),
            sender: message.from.jid.clone(),
            sender_phone: message.from.phone.clone(),
            sender_lid: message.from.lid.clone(),
            kind: message.kind.clone(),
            content: message.content.clone(),
            context_wa_message_id: message.context.as_ref().map(|context| context.wa_message_id.clone()),
            status: message.status.as_str(),
            sent_at: message.timestamp,
        }
    }
}

/// How far an own message has come. A lower status than the stored one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageProgress {
    /// WhatsApp's id of the message.
    pub wa_message_id: String,
    /// The status it has reached.
    pub status: MessageStatus,
    /// Why it failed.
    pub error_code: Option<String>,
    /// The same for people.
    pub error_detail: Option<String>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandOutcome {
    /// The command's UUID.
    id: Uuid,
    status: &'static str,
    error_code: Option<String>,
    error_detail: Option<String>,
    result: Option<serde_json::Value>,
}

impl CommandOutcome {
    /// It was carried out.
    #[must_use]
    pub fn done(command: CommandId, result: Option<serde_json::Value>) -> Self {
        Self {
            id: command.0,
            status: "done",
            error_code: None,
            error_detail: None,
            result,
        }
    }

    /// It will not be carried out; `code` is a problem's code.
    #[must_use]
    pub fn failed(command: CommandId, code: &str, detail: &str) -> Self {
        Self {
            id: command.0,
            status: "failed",
            error_code: Some(code.to_owned()),
            error_detail: Some(detail.to_owned()),
            result: None,
        }
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> CommandId {
        CommandId(self.id)
    }
}

/// What changed about a session. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionChange {
    /// What it is now, and why.
    pub status: Option<(SessionStatus, Option<String>)>,
    /// The linked account, or `Some(None)` when it is unlinked.
    pub account: Option<Option<Account>>,
    /// The QR code to show and until when, or `Some(None)` when there is none any more.
    pub qr: Option<Option<(String, DateTime<Utc>)>>,
    /// The pairing code to enter and until when, likewise.
    pub pairing_code: Option<Option<(String, DateTime<Utc>)>>,
    /// Whether the imported credentials have been taken over.
    pub credentials_imported: bool,
}

/// The account that is linked to a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The device's JID: `15550001001:3@s.whatsapp.net`.
    pub jid: String,
    /// The phone number in digits.
    pub phone: Option<String>,
    /// The LID in digits.
    pub lid: Option<String>,
    /// The name that contacts see.
    pub push_name: Option<String>,
}

/// An event as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its id.
    pub id: EventId,
    /// Whose session it is about.
    pub tenant: TenantId,
    /// Its number within the session.
    pub sequence: i64,
    /// Its type.
    pub event_type: String,
    /// The envelope.
    pub body: String,
}

impl Store {
    /// Writes what became known, under the claim `epoch`, and answers the events that are new, in order.
    ///
    /// # Errors
    /// [`RecordError::Fenced`] when the claim is over; [`RecordError::Store`] when the database is unavailable, in which case it is unknown whether
    /// the facts are stored: repeat the call, everything in it may be repeated.
    pub async fn record(
        &self,
        session: SessionId,
        epoch: i64,
        facts: &Facts,
    ) -> Result<Vec<RecordedEvent>, RecordError> {
        if facts.changes.is_empty() {
            // One statement is a transaction of its own: one round trip.
            let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
            return record_in(&mut connection, session, epoch, facts)
                .await
                .map(|(_, events)| events);
        }
        let mut transaction = self.pool.begin().await.map_err(StoreError::from)?;
        let (tenant, events) = record_in(&mut transaction, session, epoch, facts).await?;
        // The statement before holds the lease until the commit.
        let owner = Owner { tenant, session };
        read_model::apply(&mut transaction, owner, &facts.changes).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(events)
    }
}

/// The facts besides the changes, in one statement; and whose session it is.
async fn record_in(
    connection: &mut PgConnection,
    session: SessionId,
    epoch: i64,
    facts: &Facts,
) -> Result<(TenantId, Vec<RecordedEvent>), RecordError> {
    let ids: Vec<Uuid> = facts.events.iter().map(|event| event.id.0).collect();
    let types: Vec<&str> = facts.events.iter().map(|event| event.event_type.as_str()).collect();
    let dedupe_keys: Vec<Option<&str>> = facts.events.iter().map(|event| event.dedupe_key.as_deref()).collect();
    let heads: Vec<&str> = facts.events.iter().map(|event| event.head.as_str()).collect();
    let tails: Vec<&str> = facts.events.iter().map(|event| event.tail.as_str()).collect();
    let change = &facts.session;
    let (status, reason) = change.status.as_ref().map_or((None, None), |(status, reason)| {
        (Some(status.as_str()), reason.as_deref())
    });
    let account = change.account.clone().flatten().unwrap_or_default();
    let (qr, qr_expires_at) = change.qr.clone().flatten().unzip();
    let (pairing_code, pairing_code_expires_at) = change.pairing_code.clone().flatten().unzip();

    let rows = sqlx::query!(
            r#"WITH lease AS MATERIALIZED (
                SELECT session_id, tenant_id FROM session_lease WHERE session_id = $1 AND epoch = $2 FOR SHARE
            ), fresh AS MATERIALIZED (
                SELECT input.*, row_number() OVER (ORDER BY input.position) AS number
                FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
                     WITH ORDINALITY AS input (id, type, dedupe_key, head, tail, position)
                WHERE NOT EXISTS (SELECT 1 FROM event known WHERE known.session_id = $1 AND (known.dedupe_key = input.dedupe_key OR known.id = input.id))
            ), counter AS (
                UPDATE event_counter SET sequence = sequence + (SELECT count(*) FROM fresh)
                FROM lease WHERE event_counter.session_id = lease.session_id AND EXISTS (SELECT 1 FROM fresh)
                RETURNING sequence - (SELECT count(*) FROM fresh) AS base
            ), new_event AS (
                INSERT INTO event (id, tenant_id, session_id, sequence, type, body, dedupe_key)
                SELECT fresh.id, lease.tenant_id, lease.session_id, counter.base + fresh.number, fresh.type,
                       fresh.head || (counter.base + fresh.number) || fresh.tail, fresh.dedupe_key
                FROM fresh, counter, lease
                RETURNING id, sequence, type, body
            ), new_message AS (
                INSERT INTO message (id, tenant_id, session_id, wa_message_id, from_me, chat, chat_phone, chat_lid, sender, sender_phone,
                                     sender_lid, type, content, context_wa_message_id, status, sent_at)
                SELECT input.id, lease.tenant_id, lease.session_id, wa_message_id, from_me, chat, chat_phone, chat_lid, sender, sender_phone,
                       sender_lid, type, content, context_wa_message_id, status, sent_at
                FROM lease, jsonb_to_recordset($8::jsonb) AS input (
                    id uuid, wa_message_id text, from_me boolean, chat text, chat_phone text, chat_lid text, sender text, sender_phone text,
                    sender_lid text, type text, content jsonb, context_wa_message_id text, status text, sent_at timestamptz)
                ON CONFLICT DO NOTHING
            ), message_progress AS (
                UPDATE message SET status = input.status, error_code = input.error_code, error_detail = input.error_detail, updated_at = now()
                FROM lease, jsonb_to_recordset($9::jsonb) AS input (wa_message_id text, status text, error_code text, error_detail text)
                WHERE message.session_id = lease.session_id AND message.wa_message_id = input.wa_message_id AND message.from_me
                  AND array_position(ARRAY['queued', 'failed', 'sent', 'delivered', 'read', 'played'], message.status)
                    < array_position(ARRAY['queued', 'failed', 'sent', 'delivered', 'read', 'played'], input.status)
            ), command_outcome AS (
                UPDATE command SET status = input.status, error_code = input.error_code, error_detail = input.error_detail,
                       result = input.result, finished_at = now()
                FROM lease, jsonb_to_recordset($10::jsonb) AS input (id uuid, status text, error_code text, error_detail text, result jsonb)
                WHERE command.id = input.id AND command.session_id = lease.session_id AND command.status = 'queued'
            ), session_change AS (
                UPDATE session SET
                    status = COALESCE($11::text, status),
                    status_reason = CASE WHEN $11::text IS NULL THEN status_reason ELSE $12::text END,
                    status_at = CASE WHEN $11::text IS NULL THEN status_at ELSE now() END,
                    connected_at = CASE WHEN $11::text IS NULL THEN connected_at WHEN $11::text = 'connected' THEN now() END,
                    jid = CASE WHEN $13::boolean THEN NULLIF($14::text, '') ELSE jid END,
                    phone = CASE WHEN $13::boolean THEN $15::text ELSE phone END,
                    lid = CASE WHEN $13::boolean THEN $16::text ELSE lid END,
                    push_name = CASE WHEN $13::boolean THEN $17::text ELSE push_name END,
                    qr_code = CASE WHEN $18::boolean THEN $19::text ELSE qr_code END,
                    qr_expires_at = CASE WHEN $18::boolean THEN $20::timestamptz ELSE qr_expires_at END,
                    pairing_code = CASE WHEN $21::boolean THEN $22::text ELSE pairing_code END,
                    pairing_code_expires_at = CASE WHEN $21::boolean THEN $23::timestamptz ELSE pairing_code_expires_at END,
                    imported_credentials = CASE WHEN $24::boolean THEN NULL ELSE imported_credentials END,
                    last_event_at = now()
                FROM lease WHERE session.id = lease.session_id
                  -- The time of the last event is kept to within half a minute, so that a busy session does not rewrite its row each time.
                  AND ($11::text IS NOT NULL OR $13::boolean OR $18::boolean OR $21::boolean OR $24::boolean OR last_event_at IS NULL OR last_event_at < now() - interval '30 seconds')
            )
            SELECT lease.tenant_id AS "tenant_id!", new_event.id AS "id?", new_event.sequence AS "sequence?", new_event.type AS "type?", new_event.body AS "body?"
            FROM lease LEFT JOIN new_event ON true ORDER BY new_event.sequence"#,
            session.uuid,
            epoch,
            &ids,
            &types as &[&str],
            &dedupe_keys as &[Option<&str>],
            &heads as &[&str],
            &tails as &[&str],
            to_json(&facts.messages)?,
            to_json(&facts.progress)?,
            to_json(&facts.outcomes)?,
            status,
            reason,
            change.account.is_some(),
            account.jid,
            account.phone,
            account.lid,
            account.push_name,
            change.qr.is_some(),
            qr,
            qr_expires_at,
            change.pairing_code.is_some(),
            pairing_code,
            pairing_code_expires_at,
            change.credentials_imported,
        )
        .fetch_all(connection)
        .await
        .map_err(StoreError::from)?;
    let Some(tenant) = rows.first().map(|row| TenantId(row.tenant_id)) else {
        return Err(RecordError::Fenced);
    };
    let events = rows
        .into_iter()
        .filter_map(|row| {
            Some(RecordedEvent {
                id: EventId(row.id?),
                tenant: TenantId(row.tenant_id),
                sequence: row.sequence?,
                event_type: row.r#type?,
                body: row.body?,
            })
        })
        .collect();
    Ok((tenant, events))
}

fn to_json<T: Serialize>(rows: &[T]) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(rows).map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))
}

impl Store {
    /// Our ids of a session's messages, by WhatsApp's. Of several messages with one id (in different conversations) the account's own one.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message_ids(
        &self,
        session: SessionId,
        wa_message_ids: &[String],
    ) -> Result<std::collections::HashMap<String, MessageId>, StoreError> {
        let rows = sqlx::query!(
            "SELECT wa_message_id, id FROM message WHERE session_id = $1 AND wa_message_id = ANY($2) ORDER BY from_me",
            session.uuid,
            wa_message_ids
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.wa_message_id, MessageId(row.id)))
            .collect())
    }
}
