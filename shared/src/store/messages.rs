//! Messages as tenants read them, and those that a gateway accepts for sending.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
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
    fn into_message(self, region: Region) -> Result<Message, StoreError> {
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
        sqlx::query!(
            "INSERT INTO message (id, tenant_id, session_id, wa_message_id, from_me, chat, chat_phone, chat_lid, sender, sender_phone, sender_lid,
                                  type, content, context_wa_message_id, status, command_id, sent_at, details)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
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
            details(message)
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
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

    /// Messages of a session, newest first, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn messages(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        after: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<Message>, StoreError> {
        let region = self.region;
        // A conversation is stored under the phone number where it is known, so a LID is looked for in both places.
        sqlx::query_as!(
            MessageRow,
            "SELECT id, session_id, wa_message_id, from_me, chat, chat_phone, chat_lid, sender, sender_phone, sender_lid, type, content,
                    context_wa_message_id, details, reactions, answers, starred, pinned_until, edited_at, revoked_at,
                    status, error_code, error_detail, sent_at
             FROM message
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::text IS NULL OR chat = $3 OR chat_lid = $4)
               AND CASE WHEN $5::text IS NULL THEN type <> ALL($11) ELSE type = $5 END
               AND ($6::boolean IS NULL OR from_me = $6)
               AND ($7::timestamptz IS NULL OR sent_at >= $7)
               AND ($8::timestamptz IS NULL OR sent_at < $8)
               AND ($9::uuid IS NULL OR id < $9)
             ORDER BY id DESC LIMIT $10",
            session.uuid,
            self.tenant.0,
            filter.chat.as_ref().map(Address::to_string),
            filter.chat.as_ref().and_then(Address::lid),
            filter.kind,
            filter.from_me,
            filter.since,
            filter.until,
            after.map(|after| after.0),
            limit,
            &ACTS.map(str::to_owned)
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(|row| row.into_message(region))
        .collect()
    }
}
