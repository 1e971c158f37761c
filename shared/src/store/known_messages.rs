//! Messages that are stored already, for whoever writes up what refers to them: receipts, reactions, edits, votes.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::address::Party;
use crate::ids::{MessageId, SessionId};
use crate::message::{GivenAnswer, Message};

/// A stored message.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownMessage {
    /// Our id.
    pub id: MessageId,
    /// Whether the account itself wrote it.
    pub from_me: bool,
    /// The conversation.
    pub chat: Party,
    /// The author.
    pub from: Party,
    /// The kind.
    pub kind: String,
    /// The content under its kind.
    pub content: Map<String, Value>,
    /// Everybody's answers, by the person's JID.
    pub answers: HashMap<String, GivenAnswer>,
}

/// Stored messages by WhatsApp's ids, which are only unique within one author in one conversation.
#[derive(Debug, Clone, Default)]
pub struct KnownMessages(HashMap<String, Vec<KnownMessage>>);

impl KnownMessages {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Our id of the account's own message with WhatsApp's id.
    #[must_use]
    pub fn own(&self, wa_message_id: &str) -> Option<MessageId> {
        let known = self.0.get(wa_message_id)?;
        known.iter().find(|message| message.from_me).map(|message| message.id)
    }

    /// The message of `chat` with WhatsApp's id.
    #[must_use]
    pub fn find(&self, wa_message_id: &str, from_me: bool, chat: &Party) -> Option<&KnownMessage> {
        let known = self.0.get(wa_message_id)?;
        known
            .iter()
            .find(|message| message.from_me == from_me && same(&message.chat, chat))
    }

    /// Our id of whatever stands in `chat` under WhatsApp's id, whoever wrote it.
    #[must_use]
    pub fn id_in(&self, wa_message_id: &str, chat: &Party) -> Option<MessageId> {
        let known = self.0.get(wa_message_id)?;
        known
            .iter()
            .find(|message| same(&message.chat, chat))
            .map(|message| message.id)
    }

    /// The same, to note something about it.
    #[must_use]
    pub fn find_mut(&mut self, wa_message_id: &str, from_me: bool, chat: &Party) -> Option<&mut KnownMessage> {
        let known = self.0.get_mut(wa_message_id)?;
        known
            .iter_mut()
            .find(|message| message.from_me == from_me && same(&message.chat, chat))
    }

    /// Adds one.
    pub fn add(&mut self, wa_message_id: String, message: KnownMessage) {
        self.0.entry(wa_message_id).or_default().push(message);
    }

    /// Adds one that is about to be stored.
    pub fn add_new(&mut self, message: &Message) {
        let known = KnownMessage {
            id: message.id,
            from_me: message.from_me,
            chat: message.chat.clone(),
            from: message.from.clone(),
            kind: message.kind.clone(),
            content: message.content.clone(),
            answers: HashMap::new(),
        };
        self.add(message.wa_message_id.clone(), known);
    }
}

/// Whether two parties are one person or one group, as far as is known of them.
#[must_use]
pub fn same(one: &Party, other: &Party) -> bool {
    one.jid == other.jid || (one.lid.is_some() && one.lid == other.lid)
}

struct Row {
    id: Uuid,
    wa_message_id: String,
    from_me: bool,
    chat: String,
    chat_phone: Option<String>,
    chat_lid: Option<String>,
    sender: String,
    sender_phone: Option<String>,
    sender_lid: Option<String>,
    r#type: String,
    content: Value,
    answers: Value,
}

impl Store {
    /// A session's messages and status posts with WhatsApp's ids, by whomever and wherever.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn known_messages(
        &self,
        session: SessionId,
        wa_message_ids: &[String],
    ) -> Result<KnownMessages, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id AS "id!", wa_message_id AS "wa_message_id!", from_me AS "from_me!", chat AS "chat!", chat_phone, chat_lid,
                      sender AS "sender!", sender_phone, sender_lid, type AS "type!", content AS "content!", answers AS "answers!"
               FROM message WHERE session_id = $1
                 AND id = ANY(ARRAY(SELECT id FROM message_identity WHERE session_id = $1 AND wa_message_id = ANY($2)))
               UNION ALL
               SELECT id, wa_message_id, from_me, 'status@broadcast', NULL, NULL, author, author_phone, author_lid, type, content, '{}'::jsonb
               FROM status_post WHERE session_id = $1 AND wa_message_id = ANY($2)"#,
            session.uuid,
            wa_message_ids
        )
        .fetch_all(&self.pool)
        .await?;
        let mut known = KnownMessages::new();
        for row in rows {
            let Value::Object(content) = row.content else { continue };
            let message = KnownMessage {
                id: MessageId(row.id),
                from_me: row.from_me,
                chat: Party {
                    jid: row.chat,
                    phone: row.chat_phone,
                    lid: row.chat_lid,
                },
                from: Party {
                    jid: row.sender,
                    phone: row.sender_phone,
                    lid: row.sender_lid,
                },
                kind: row.r#type,
                content,
                answers: serde_json::from_value(row.answers).unwrap_or_default(),
            };
            known.add(row.wa_message_id, message);
        }
        Ok(known)
    }
}
