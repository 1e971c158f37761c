//! Messages as tenants read them, and those that a gateway accepts for sending.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{StoreError, TenantTransaction};

mod list;
use crate::address::{Address, Party};
use crate::content::ACTS;
use crate::ids::{CommandId, MessageId, Region, SessionId};
use crate::message::{GivenAnswer, GivenReaction, Message, MessageContext, MessageDetails, MessageError, MessageState};

/// Which messages are listed.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Those of one conversation.
    pub chat: Option<Address>,
    /// Those of one kind. Without it, those that stand for themselves: no reactions, edits and other acts on messages.
    pub kind: Option<String>,
    /// Own ones, or those of others.
    pub from_me: Option<bool>,
    /// Those written at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Those written before this time.
    pub until: Option<DateTime<Utc>>,
    /// Those of others that were not read yet.
    pub unread: bool,
    /// Those in which all of these words stand; the last one may go on.
    pub search: Option<String>,
}

struct MessageRow {
    id: Uuid,
    session_id: Uuid,
    wa_message_id: String,
    from_me: bool,
    chat: String,
    chat_phone: Option<String>,
    chat_lid: Option<String>,
    sender: String,
    sender_phone: Option<String>,
    sender_lid: Option<String>,
    r#type: String,
    content: serde_json::Value,
    context_wa_message_id: Option<String>,
    details: serde_json::Value,
    reactions: serde_json::Value,
    answers: serde_json::Value,
    starred: bool,
    pinned_until: Option<DateTime<Utc>>,
    edited_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    status: String,
    error_code: Option<String>,
    error_detail: Option<String>,
    sent_at: DateTime<Utc>,
}

impl MessageRow {
    pub(super) fn into_message(self, region: Region) -> Result<Message, StoreError> {
        let corrupt = |column| StoreError::Corrupt {
            table: "message",
            column,
        };
        let serde_json::Value::Object(content) = self.content else {
            return Err(corrupt("content"));
        };
        Ok(Message {
            id: MessageId(self.id),
            session_id: SessionId::new(region, self.session_id),
            wa_message_id: self.wa_message_id,
            chat: Party {
                jid: self.chat,
                phone: self.chat_phone,
                lid: self.chat_lid,
            },
            from: Party {
                jid: self.sender,
                phone: self.sender_phone,
                lid: self.sender_lid,
            },
            from_me: self.from_me,
            kind: self.r#type,
            details: MessageDetails::deserialize(&self.details).map_err(|_| corrupt("details"))?,
            state: MessageState {
                edited_at: self.edited_at,
                revoked_at: self.revoked_at,
                reactions: in_order(self.reactions, |reaction: &GivenReaction| reaction.at)
                    .ok_or_else(|| corrupt("reactions"))?,
                answers: in_order(self.answers, |answer: &GivenAnswer| answer.at).ok_or_else(|| corrupt("answers"))?,
                starred: self.starred,
                pinned_until: self.pinned_until.filter(|until| *until > Utc::now()),
            },
            content,
            context: self.context_wa_message_id.map(|wa_message_id| MessageContext {
                wa_message_id,
                ..self
                    .details
                    .get("context")
                    .and_then(|context| MessageContext::deserialize(context).ok())
                    .unwrap_or_default()
            }),
            status: self.status.parse().map_err(|_| corrupt("status"))?,
            error: self.error_code.map(|code| MessageError {
                code,
                detail: self.error_detail.unwrap_or_default(),
            }),
            timestamp: self.sent_at,
        })
    }
}

/// What a message's column `details` holds: its details, and what is known of the message that it answers.
pub(super) fn details(message: &Message) -> serde_json::Value {
    let mut details = serde_json::to_value(&message.details).unwrap_or_default();
    if let (Some(details), Some(context)) = (details.as_object_mut(), &message.context)
        && (context.from.is_some() || context.quoted.is_some())
    {
        details.insert("context".to_owned(), serde_json::to_value(context).unwrap_or_default());
    }
    details
}

/// The values of a JSON object, oldest first.
fn in_order<T: DeserializeOwned>(object: serde_json::Value, at: impl Fn(&T) -> DateTime<Utc>) -> Option<Vec<T>> {
    let by_person: HashMap<String, T> = serde_json::from_value(object).ok()?;
    let mut values: Vec<T> = by_person.into_values().collect();
    values.sort_by_key(at);
    Some(values)
}

impl TenantTransaction {
    /// Stores a message that `command` is to send.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn insert_outgoing_message(&mut self, message: &Message, command: CommandId) -> Result<(), StoreError> {
        // The same effects as `record` has for a message of another device, in the same order of locks.
        sqlx::query!(
            "WITH known AS MATERIALIZED (
                 SELECT jid, phone, lid FROM chat
                 WHERE session_id = $3 AND (jid = $6 AND lid IS NOT NULL OR $7::text IS NULL AND lid = $8) ORDER BY phone LIMIT 1
             ), identity AS (
                 INSERT INTO message_identity (tenant_id, session_id, wa_message_id, from_me, chat, sender, id)
                 VALUES ($2, $3, $4, $5, COALESCE((SELECT jid FROM known), $6), $9, $1)
             ), chat_change AS (
                 INSERT INTO chat AS before (tenant_id, session_id, jid, phone, lid, kind, activity, last_message_id)
                 VALUES ($2, $3, COALESCE((SELECT jid FROM known), $6), COALESCE($7, (SELECT phone FROM known)), $8,
                         CASE WHEN $6 LIKE '%@g.us' THEN 'group' WHEN $6 LIKE '%@newsletter' THEN 'newsletter' ELSE 'person' END, $1,
                         CASE WHEN $12 <> ALL($19::text[]) THEN $1 END)
                 ON CONFLICT (session_id, jid) DO UPDATE SET activity = GREATEST(before.activity, excluded.activity),
                     last_message_id = GREATEST(before.last_message_id, excluded.last_message_id), deleted_at = NULL, updated_at = now()
                 RETURNING jid
             ), statistic AS (
                 INSERT INTO message_statistic AS before (tenant_id, session_id, chat, starts_at, type, from_me, messages)
                 SELECT $2, $3, bucket.chat, bucket.starts_at, $12, $5, 1
                 FROM chat_change, LATERAL (VALUES ('', date_trunc('hour', now(), 'UTC')), (jid, date_trunc('day', now(), 'UTC'))) AS bucket (chat, starts_at)
                 ORDER BY bucket.chat
                 ON CONFLICT (session_id, chat, starts_at, type, from_me) DO UPDATE SET messages = before.messages + 1
             )
             INSERT INTO message (id, tenant_id, session_id, wa_message_id, from_me, chat, chat_phone, chat_lid, sender, sender_phone, sender_lid,
                                  type, content, context_wa_message_id, status, command_id, sent_at, details)
             VALUES ($1, $2, $3, $4, $5, COALESCE((SELECT jid FROM known), $6), COALESCE($7, (SELECT phone FROM known)),
                     COALESCE($8, (SELECT lid FROM known)), $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            message.id.0,
            self.tenant.0,
            message.session_id.uuid,
            message.wa_message_id,
            message.from_me,
            message.chat.jid,
            message.chat.phone,
            message.chat.lid,
            message.from.jid,
            message.from.phone,
            message.from.lid,
            message.kind,
            super::to_json(&message.content)?,
            message.context.as_ref().map(|context| context.wa_message_id.as_str()),
            message.status.as_str(),
            command.0,
            message.timestamp,
            details(message),
            &ACTS.map(str::to_owned)
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Our id of the message that stands under WhatsApp's id in a session, the newest one if several have it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message_of_whatsapp(
        &mut self,
        session: SessionId,
        wa_message_id: &str,
    ) -> Result<Option<MessageId>, StoreError> {
        let found = sqlx::query_scalar!(
            "SELECT id FROM message_identity WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 ORDER BY id DESC LIMIT 1",
            session.uuid,
            self.tenant.0,
            wa_message_id
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(found.map(MessageId))
    }

    /// One message of a session.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn message(&mut self, session: SessionId, message: MessageId) -> Result<Option<Message>, StoreError> {
        sqlx::query_as!(
            MessageRow,
            "SELECT id, session_id, wa_message_id, from_me, chat, chat_phone, chat_lid, sender, sender_phone, sender_lid, type, content,
                    context_wa_message_id, details, reactions, answers, starred, pinned_until, edited_at, revoked_at,
                    status, error_code, error_detail, sent_at
             FROM message WHERE id = $1 AND session_id = $2 AND tenant_id = $3",
            message.0,
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?
        .map(|row| row.into_message(self.region))
        .transpose()
    }
}
