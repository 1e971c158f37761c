//! Chats as tenants read them, and what a command on a chat must know of it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, TenantTransaction};
use crate::address::{Address, Party};
use crate::chat::{Chat, LastMessage};
use crate::content::Content;
use crate::ids::{MessageId, Region, SessionId};

/// The longest summary, in characters.
const SUMMARY: usize = 200;

/// Which chats are listed.
#[derive(Debug, Clone, Default)]
pub struct ChatFilter {
    /// Those with something to read, or without.
    pub unread: Option<bool>,
    /// Those put away, or not.
    pub archived: Option<bool>,
    /// Those at the top, or not.
    pub pinned: Option<bool>,
    /// Those whose name, phone number or LID contains this.
    pub search: Option<String>,
}

/// A chat, and its place in the list.
#[derive(Debug)]
pub struct ListedChat {
    /// The chat.
    pub chat: Chat,
    /// Its place.
    pub place: Uuid,
}

/// A message of a chat, as WhatsApp names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// Whether the account wrote it.
    pub from_me: bool,
    /// The author.
    pub sender: String,
    /// When it was written.
    pub at: DateTime<Utc>,
}

struct ChatRow {
    session_id: Uuid,
    jid: String,
    phone: Option<String>,
    lid: Option<String>,
    kind: String,
    name: Option<String>,
    activity: Uuid,
    unread_count: i32,
    marked_unread: bool,
    archived: bool,
    pinned_at: Option<DateTime<Utc>>,
    muted_until: Option<DateTime<Utc>>,
    ephemeral_seconds: i32,
    active_at: DateTime<Utc>,
    message_id: Option<Uuid>,
    wa_message_id: Option<String>,
    message_type: Option<String>,
    content: Option<serde_json::Value>,
    from_me: Option<bool>,
    status: Option<String>,
    sent_at: Option<DateTime<Utc>>,
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt { table: "chat", column }
}

fn summary(content: serde_json::Value) -> Option<String> {
    let serde_json::Value::Object(map) = content else {
        return None;
    };
    let content = Content::of_map(&map)?;
    content.summary().map(|text| text.chars().take(SUMMARY).collect())
}

impl ChatRow {
    fn into_chat(self, region: Region) -> Result<ListedChat, StoreError> {
        let last_message = match (
            self.message_id,
            self.wa_message_id,
            self.message_type,
            self.from_me,
            self.status,
            self.sent_at,
        ) {
            (Some(id), Some(wa_message_id), Some(kind), Some(from_me), Some(status), Some(timestamp)) => {
                Some(LastMessage {
                    id: MessageId(id),
                    wa_message_id,
                    kind,
                    summary: self.content.and_then(summary),
                    from_me,
                    status: status.parse().map_err(|_| corrupt("last_message_id"))?,
                    timestamp,
                })
            }
            _ => None,
        };
        Ok(ListedChat {
            place: self.activity,
            chat: Chat {
                session_id: SessionId::new(region, self.session_id),
                party: Party {
                    jid: self.jid,
                    phone: self.phone,
                    lid: self.lid,
                },
                kind: self.kind.parse().map_err(|_| corrupt("kind"))?,
                name: self.name,
                last_message,
                unread_count: u32::try_from(self.unread_count).unwrap_or_default(),
                marked_unread: self.marked_unread,
                archived: self.archived,
                pinned: self.pinned_at.is_some(),
                pinned_at: self.pinned_at,
                muted_until: self.muted_until,
                ephemeral: u32::try_from(self.ephemeral_seconds).unwrap_or_default(),
                last_activity_at: self.active_at,
            },
        })
    }
}

/// Reads chats by a statement that selects from `chat`.
macro_rules! chats {
    ($from:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            ChatRow,
            r#"SELECT chat.session_id AS "session_id!", chat.jid AS "jid!", chat.phone, chat.lid, chat.kind AS "kind!", chat.name, chat.activity AS "activity!",
                      chat.unread_count AS "unread_count!", chat.marked_unread AS "marked_unread!", chat.archived AS "archived!", chat.pinned_at,
                      CASE WHEN chat.muted_until > now() THEN chat.muted_until END AS muted_until, chat.ephemeral_seconds AS "ephemeral_seconds!",
                      uuid_time(chat.activity) AS "active_at!", message.id AS "message_id?", message.wa_message_id AS "wa_message_id?",
                      message.type AS "message_type?", message.content AS "content?", message.from_me AS "from_me?", message.status AS "status?",
                      message.sent_at AS "sent_at?" "#
            + $from
            $(, $value)*
        )
    };
}

impl TenantTransaction {
    /// Chats of a session, the last active ones first, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn chats(
        &mut self,
        session: SessionId,
        filter: &ChatFilter,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<ListedChat>, StoreError> {
        let after = after.unwrap_or(Uuid::max());
        let rows = if filter.unread == Some(true) {
            // An index of its own: most chats are read.
            chats!(
                "FROM (SELECT * FROM chat WHERE session_id = $1 AND tenant_id = $2 AND activity < $3 AND deleted_at IS NULL
                         AND (unread_count > 0 OR marked_unread)
                         AND ($4::boolean IS NULL OR archived = $4) AND ($5::boolean IS NULL OR (pinned_at IS NOT NULL) = $5)
                         AND ($6::text IS NULL OR position(lower($6) IN lower(name)) > 0 OR position($6 IN phone) > 0 OR position($6 IN lid) > 0)
                       ORDER BY session_id DESC, activity DESC LIMIT $7) chat
                 LEFT JOIN message ON message.session_id = chat.session_id AND message.id = chat.last_message_id
                 ORDER BY chat.activity DESC",
                session.uuid,
                self.tenant.0,
                after,
                filter.archived,
                filter.pinned,
                filter.search,
                limit
            )
            .fetch_all(&mut *self.transaction)
            .await?
        } else {
            chats!(
                "FROM (SELECT * FROM chat WHERE session_id = $1 AND tenant_id = $2 AND activity < $3 AND deleted_at IS NULL
                         AND ($4::boolean IS NULL OR archived = $4) AND ($5::boolean IS NULL OR (pinned_at IS NOT NULL) = $5)
                         AND ($6::text IS NULL OR position(lower($6) IN lower(name)) > 0 OR position($6 IN phone) > 0 OR position($6 IN lid) > 0)
                         AND ($7::boolean IS NULL OR (unread_count > 0 OR marked_unread) = $7)
                       ORDER BY session_id DESC, activity DESC LIMIT $8) chat
                 LEFT JOIN message ON message.session_id = chat.session_id AND message.id = chat.last_message_id
                 ORDER BY chat.activity DESC",
                session.uuid,
                self.tenant.0,
                after,
                filter.archived,
                filter.pinned,
                filter.search,
                filter.unread,
                limit
            )
            .fetch_all(&mut *self.transaction)
            .await?
        };
        let region = self.region;
        rows.into_iter().map(|row| row.into_chat(region)).collect()
    }

    /// Chats of all sessions in which messages wait to be read, the last active ones first, at most `limit`. `within` are the sessions that the
    /// caller's key may touch; `None`: all.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn unread_chats(&mut self, within: Option<&[Uuid]>, limit: i64) -> Result<Vec<ListedChat>, StoreError> {
        // Each session has its own index of unread chats.
        let rows = chats!(
            "FROM (SELECT newest.* FROM session
                   CROSS JOIN LATERAL (SELECT * FROM chat WHERE session_id = session.id AND tenant_id = $1 AND deleted_at IS NULL
                                         AND unread_count > 0
                                       ORDER BY session_id DESC, activity DESC LIMIT $3) newest
                   WHERE session.tenant_id = $1 AND session.deleted_at IS NULL AND ($2::uuid[] IS NULL OR session.id = ANY($2))
                   ORDER BY newest.activity DESC LIMIT $3) chat
             LEFT JOIN message ON message.session_id = chat.session_id AND message.id = chat.last_message_id
             ORDER BY chat.activity DESC",
            self.tenant.0,
            within,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let region = self.region;
        rows.into_iter().map(|row| row.into_chat(region)).collect()
    }

    /// One chat, by any id of the person.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn chat(&mut self, session: SessionId, chat: &Address) -> Result<Option<Chat>, StoreError> {
        let row = chats!(
            "FROM (SELECT * FROM chat WHERE session_id = $1 AND tenant_id = $2 AND (jid = $3 OR lid = $4) AND deleted_at IS NULL
                   ORDER BY jid = $3 DESC LIMIT 1) chat
             LEFT JOIN message ON message.session_id = chat.session_id AND message.id = chat.last_message_id",
            session.uuid,
            self.tenant.0,
            chat.to_string(),
            chat.lid()
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let region = self.region;
        Ok(row
            .map(|row| row.into_chat(region))
            .transpose()?
            .map(|listed| listed.chat))
    }

    /// Seconds after which messages in a chat disappear, as far as the session knows; 0: they stay. A group's own settings count before what was
    /// said in it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn timer_of_chat(&mut self, session: SessionId, chat: &Address) -> Result<u32, StoreError> {
        let seconds = sqlx::query_scalar!(
            r#"SELECT COALESCE(
                   (SELECT ephemeral FROM group_info WHERE session_id = $1 AND tenant_id = $2 AND jid = $3),
                   (SELECT ephemeral_seconds::bigint FROM chat WHERE session_id = $1 AND tenant_id = $2 AND (jid = $3 OR lid = $4)
                    ORDER BY jid = $3 DESC LIMIT 1),
                   0) AS "seconds!""#,
            session.uuid,
            self.tenant.0,
            chat.to_string(),
            chat.lid()
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(u32::try_from(seconds).unwrap_or_default())
    }

    /// The unread messages of others in a chat, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn unread_of_chat(
        &mut self,
        session: SessionId,
        jid: &str,
        limit: i64,
    ) -> Result<Vec<ChatMessage>, StoreError> {
        Ok(sqlx::query_as!(
            ChatMessage,
            r#"SELECT wa_message_id, from_me, sender, sent_at AS at FROM message
               WHERE session_id = $1 AND tenant_id = $2 AND chat = $3 AND NOT from_me
                 AND id > (SELECT COALESCE((SELECT read_until FROM chat WHERE session_id = $1 AND jid = $3), '00000000-0000-0000-0000-000000000000'))
               ORDER BY session_id DESC, chat DESC, id DESC LIMIT $4"#,
            session.uuid,
            self.tenant.0,
            jid,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }

    /// The newest and the oldest message of a chat.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn ends_of_chat(
        &mut self,
        session: SessionId,
        jid: &str,
    ) -> Result<Option<(ChatMessage, ChatMessage)>, StoreError> {
        let newest = sqlx::query_as!(
            ChatMessage,
            "SELECT wa_message_id, from_me, sender, sent_at AS at FROM message WHERE session_id = $1 AND tenant_id = $2 AND chat = $3
             ORDER BY session_id DESC, chat DESC, id DESC LIMIT 1",
            session.uuid,
            self.tenant.0,
            jid
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let oldest = sqlx::query_as!(
            ChatMessage,
            "SELECT wa_message_id, from_me, sender, sent_at AS at FROM message WHERE session_id = $1 AND tenant_id = $2 AND chat = $3
             ORDER BY session_id, chat, id LIMIT 1",
            session.uuid,
            self.tenant.0,
            jid
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(newest.zip(oldest))
    }
}
