//! What becomes of messages after they were stored.
//!
//! Whoever sends an edit or a deletion names the message themselves, so a change reaches only messages of the chat it came in, and an edit only those of
//! its own author.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::Owner;
use crate::address::Party;
use crate::message::{GivenAnswer, GivenReaction};
use crate::store::StoreError;

/// Which message is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTarget {
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// Whether the account itself wrote it.
    pub from_me: bool,
    /// The conversation.
    pub chat: Party,
    /// Its author, where only a message of theirs may be changed.
    pub author: Option<Party>,
}

/// A message that may be known has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageChange {
    /// Which.
    pub target: MessageTarget,
    /// How.
    pub what: MessageChanged,
}

/// How a message has changed.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageChanged {
    /// It says something else now. Of a file only the caption counts.
    Edited {
        /// What it says now.
        content: Map<String, Value>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was deleted for everyone: its content is gone.
    Revoked {
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody reacted; an empty emoji takes the reaction back.
    Reacted(GivenReaction),
    /// Somebody answered a poll or an invitation.
    Answered(GivenAnswer),
    /// The account has starred it, or no longer.
    Starred(bool),
    /// It is pinned in its chat until then, or no longer.
    Pinned(Option<DateTime<Utc>>),
}

pub(super) async fn apply(
    connection: &mut PgConnection,
    owner: Owner,
    change: &MessageChange,
) -> Result<(), StoreError> {
    let id = &change.target.wa_message_id;
    let from_me = change.target.from_me;
    let (chat, chat_lid) = (&change.target.chat.jid, change.target.chat.lid.as_deref());
    let (author, author_lid) = match &change.target.author {
        // A group may know the account by another id than the one under which it was stored.
        Some(author) if !from_me => (Some(author.jid.as_str()), author.lid.as_deref()),
        _ => (None, None),
    };
    let (session, tenant) = (owner.session.uuid, owner.tenant.0);
    match &change.what {
        MessageChanged::Edited { content, at } => {
            // What says the same kind of thing is merged: the edit of a caption says nothing of the file.
            sqlx::query!(
                "UPDATE message SET content = CASE WHEN $9::jsonb ? type AND type NOT IN ('text', 'event', 'poll')
                                                   THEN jsonb_build_object(type, (content -> type) || jsonb_strip_nulls($9::jsonb -> type))
                                                   WHEN $9::jsonb ? type THEN $9::jsonb
                                                   WHEN content -> type ? 'mime_type' AND $9::jsonb ? 'text'
                                                   THEN jsonb_set(content, ARRAY[type, 'caption'], $9::jsonb -> 'text' -> 'body')
                                                   ELSE $9::jsonb END,
                        type = CASE WHEN $9::jsonb ? type OR content -> type ? 'mime_type' THEN type ELSE $11 END,
                        edited_at = $10, updated_at = now()
                 WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 AND from_me = $4 AND (chat = $5 OR chat_lid = $6)
                   AND ($7::text IS NULL OR sender = $7 OR sender_lid = $8)
                   AND revoked_at IS NULL AND (edited_at IS NULL OR edited_at <= $10)",
                session,
                tenant,
                id,
                from_me,
                chat,
                chat_lid,
                author,
                author_lid,
                crate::store::to_json(content)?,
                at,
                content.keys().next().map_or("unsupported", String::as_str)
            )
            .execute(connection)
            .await?;
        }
        MessageChanged::Revoked { at } => {
            sqlx::query!(
                "UPDATE message SET content = jsonb_build_object(type, '{}'::jsonb), revoked_at = $9, updated_at = now()
                 WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 AND from_me = $4 AND (chat = $5 OR chat_lid = $6)
                   AND ($7::text IS NULL OR sender = $7 OR sender_lid = $8) AND revoked_at IS NULL",
                session,
                tenant,
                id,
                from_me,
                chat,
                chat_lid,
                author,
                author_lid,
                at
            )
            .execute(connection)
            .await?;
        }
        MessageChanged::Reacted(reaction) => {
            let value = (!reaction.emoji.is_empty())
                .then(|| crate::store::to_json(reaction))
                .transpose()?;
            sqlx::query!(
                "UPDATE message SET reactions = CASE WHEN $8::jsonb IS NULL THEN reactions - $7::text
                                                     ELSE reactions || jsonb_build_object($7::text, $8::jsonb) END, updated_at = now()
                 WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 AND from_me = $4 AND (chat = $5 OR chat_lid = $6)
                   AND COALESCE((reactions -> $7::text ->> 'at')::timestamptz, '-infinity') <= $9",
                session,
                tenant,
                id,
                from_me,
                chat,
                chat_lid,
                reaction.from.jid,
                value,
                reaction.at
            )
            .execute(connection)
            .await?;
        }
        MessageChanged::Answered(answer) => {
            sqlx::query!(
                "UPDATE message SET answers = answers || jsonb_build_object($7::text, $8::jsonb), updated_at = now()
                 WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 AND from_me = $4 AND (chat = $5 OR chat_lid = $6)
                   AND COALESCE((answers -> $7::text ->> 'at')::timestamptz, '-infinity') <= $9",
                session,
                tenant,
                id,
                from_me,
                chat,
                chat_lid,
                answer.from.jid,
                crate::store::to_json(answer)?,
                answer.at
            )
            .execute(connection)
            .await?;
        }
        MessageChanged::Starred(starred) => {
            sqlx::query!(
                "UPDATE message SET starred = $7, updated_at = now()
                 WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 AND from_me = $4 AND (chat = $5 OR chat_lid = $6)",
                session,
                tenant,
                id,
                from_me,
                chat,
                chat_lid,
                starred
            )
            .execute(connection)
            .await?;
        }
        MessageChanged::Pinned(until) => {
            sqlx::query!(
                "UPDATE message SET pinned_until = $7, updated_at = now()
                 WHERE session_id = $1 AND tenant_id = $2 AND wa_message_id = $3 AND from_me = $4 AND (chat = $5 OR chat_lid = $6)",
                session,
                tenant,
                id,
                from_me,
                chat,
                chat_lid,
                *until
            )
            .execute(connection)
            .await?;
        }
    }
    Ok(())
}
