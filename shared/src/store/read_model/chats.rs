//! What becomes of chats: their marks, their names, and two chats that turn out to be with one person.
//!
//! That a message stands in a chat is written with the message itself (see [`crate::store::records`]); everything else is here.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Owner;
use crate::address::{Address, Party};
use crate::store::StoreError;

/// Messages that are deleted at once when a chat is cleared; housekeeping removes the rest.
const CLEARED_AT_ONCE: i64 = 5_000;
/// The most unread messages that are counted anew.
const MOST_UNREAD: i64 = 10_000;

/// A chat has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatChange {
    /// Which, by every id that is known.
    pub chat: Party,
    /// How.
    pub state: ChatState,
}

/// What is different about a chat.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatState {
    /// Nothing: the chat exists, by these ids.
    Known,
    /// What people call it.
    Named(String),
    /// Whether it is put away.
    Archived(bool),
    /// Since when it stands at the top; `None`: no longer.
    Pinned(Option<DateTime<Utc>>),
    /// Until when it is silent; [`crate::chat::FOREVER`]: for ever; `None`: no longer.
    Muted(Option<DateTime<Utc>>),
    /// Whether the owner wants to come back to it.
    MarkedUnread(bool),
    /// After how many seconds its messages disappear; 0: never.
    Ephemeral(u32),
    /// Everything in it is read.
    Read,
    /// It is read up to the newest of these messages (WhatsApp's ids).
    ReadUntil(Vec<String>),
    /// Its messages are gone.
    Cleared,
    /// It is gone, until somebody writes again.
    Deleted,
    /// How the phone's history tells it.
    History(ChatHistory),
}

/// A chat as the phone's history tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatHistory {
    /// What people call it.
    pub name: Option<String>,
    /// How many messages wait to be read.
    pub unread_count: u32,
    /// Whether the owner wants to come back to it.
    pub marked_unread: bool,
    /// Whether it is put away.
    pub archived: bool,
    /// Since when it stands at the top.
    pub pinned_at: Option<DateTime<Utc>>,
    /// Until when it is silent.
    pub muted_until: Option<DateTime<Utc>>,
    /// After how many seconds its messages disappear; 0: never.
    pub ephemeral_seconds: u32,
}

fn kind(jid: &str) -> &'static str {
    match jid.parse() {
        Ok(Address::Group(_)) => "group",
        Ok(Address::Newsletter(_)) => "newsletter",
        _ => "person",
    }
}

/// Finds or makes the chat, unites it with another one of the same person, and answers the name under which it is kept.
pub(super) async fn settle(connection: &mut PgConnection, owner: Owner, chat: &Party) -> Result<String, StoreError> {
    let session = owner.session.uuid;
    let mut jid = chat.jid.clone();
    if let (None, Some(lid)) = (&chat.phone, &chat.lid) {
        let known = sqlx::query_scalar!(
            "SELECT jid FROM chat WHERE session_id = $1 AND lid = $2 ORDER BY phone LIMIT 1",
            session,
            lid
        )
        .fetch_optional(&mut *connection)
        .await?;
        jid = known.unwrap_or(jid);
    }
    sqlx::query!(
        "INSERT INTO chat AS known (tenant_id, session_id, jid, phone, lid, kind, activity) VALUES ($1, $2, $3, $4, $5, $6, uuid_at(now()))
         ON CONFLICT (session_id, jid) DO UPDATE SET phone = COALESCE(known.phone, excluded.phone), lid = COALESCE(known.lid, excluded.lid)
         WHERE known.phone IS NULL AND excluded.phone IS NOT NULL OR known.lid IS NULL AND excluded.lid IS NOT NULL",
        owner.tenant.0,
        session,
        jid,
        chat.phone,
        chat.lid,
        kind(&jid)
    )
    .execute(&mut *connection)
    .await?;
    if let (Some(phone), Some(lid)) = (&chat.phone, &chat.lid) {
        let by_lid = Address::Lid(lid.clone()).to_string();
        if by_lid != jid {
            unite(connection, owner, &by_lid, &jid, phone).await?;
        }
    }
    Ok(jid)
}

/// Moves everything of the chat `from` into the chat `into`, if `from` exists.
async fn unite(
    connection: &mut PgConnection,
    owner: Owner,
    from: &str,
    into: &str,
    phone: &str,
) -> Result<(), StoreError> {
    let session = owner.session.uuid;
    let gone = sqlx::query!(
        "WITH gone AS (DELETE FROM chat WHERE session_id = $1 AND jid = $2 RETURNING *)
         UPDATE chat SET name = COALESCE(chat.name, gone.name), activity = GREATEST(chat.activity, gone.activity),
                last_message_id = GREATEST(chat.last_message_id, gone.last_message_id), read_until = GREATEST(chat.read_until, gone.read_until),
                unread_count = chat.unread_count + gone.unread_count, marked_unread = chat.marked_unread OR gone.marked_unread,
                archived = chat.archived AND gone.archived, pinned_at = COALESCE(chat.pinned_at, gone.pinned_at),
                muted_until = GREATEST(chat.muted_until, gone.muted_until),
                ephemeral_seconds = GREATEST(chat.ephemeral_seconds, gone.ephemeral_seconds),
                cleared_until = GREATEST(chat.cleared_until, gone.cleared_until),
                deleted_at = CASE WHEN gone.deleted_at IS NULL THEN NULL ELSE chat.deleted_at END, updated_at = now()
         FROM gone WHERE chat.session_id = $1 AND chat.jid = $3",
        session,
        from,
        into
    )
    .execute(&mut *connection)
    .await?;
    if gone.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE message SET chat = $3, chat_phone = $4, sender = CASE WHEN sender = $2 THEN $3 ELSE sender END,
                sender_phone = CASE WHEN sender = $2 THEN $4 ELSE sender_phone END
         WHERE session_id = $1 AND chat = $2",
        session,
        from,
        into,
        phone
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE message_identity old SET chat = $3, sender = CASE WHEN old.sender = $2 THEN $3 ELSE old.sender END
         FROM message WHERE message.session_id = $1 AND message.chat = $3 AND old.session_id = $1 AND old.wa_message_id = message.wa_message_id
           AND old.chat = $2
           AND NOT EXISTS (SELECT 1 FROM message_identity new WHERE new.session_id = $1 AND new.wa_message_id = old.wa_message_id
                           AND new.from_me = old.from_me AND new.chat = $3)",
        session,
        from,
        into
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "WITH gone AS (DELETE FROM message_statistic WHERE session_id = $1 AND chat = $2 RETURNING *)
         INSERT INTO message_statistic AS known (tenant_id, session_id, chat, starts_at, type, from_me, messages)
         SELECT tenant_id, session_id, $3, starts_at, type, from_me, messages FROM gone
         ON CONFLICT (session_id, chat, starts_at, type, from_me) DO UPDATE SET messages = known.messages + excluded.messages",
        session,
        from,
        into
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn apply(connection: &mut PgConnection, owner: Owner, change: &ChatChange) -> Result<(), StoreError> {
    if change.chat.jid.parse() == Ok(Address::Status) {
        return Ok(());
    }
    let jid = settle(connection, owner, &change.chat).await?;
    let session = owner.session.uuid;
    macro_rules! set {
        ($statement:literal $(, $value:expr)*) => {
            sqlx::query!($statement, session, jid $(, $value)*).execute(connection).await?
        };
    }
    match &change.state {
        ChatState::Known => return Ok(()),
        ChatState::Named(name) => set!(
            "UPDATE chat SET name = $3, updated_at = now() WHERE session_id = $1 AND jid = $2 AND name IS DISTINCT FROM $3",
            name
        ),
        ChatState::Archived(archived) => set!(
            // What is put away does not stay at the top.
            "UPDATE chat SET archived = $3, pinned_at = CASE WHEN $3 THEN NULL ELSE pinned_at END, updated_at = now() WHERE session_id = $1 AND jid = $2",
            archived
        ),
        ChatState::Pinned(since) => set!(
            "UPDATE chat SET pinned_at = $3, archived = archived AND $3::timestamptz IS NULL, updated_at = now() WHERE session_id = $1 AND jid = $2",
            *since
        ),
        ChatState::Muted(until) => set!(
            "UPDATE chat SET muted_until = $3, updated_at = now() WHERE session_id = $1 AND jid = $2",
            *until
        ),
        ChatState::MarkedUnread(marked) => set!(
            "UPDATE chat SET marked_unread = $3, updated_at = now() WHERE session_id = $1 AND jid = $2",
            marked
        ),
        ChatState::Ephemeral(seconds) => set!(
            "UPDATE chat SET ephemeral_seconds = $3, updated_at = now() WHERE session_id = $1 AND jid = $2",
            bounded(*seconds)
        ),
        ChatState::Read => set!(
            "UPDATE chat SET read_until = GREATEST(read_until, last_message_id), unread_count = 0, marked_unread = false, updated_at = now()
             WHERE session_id = $1 AND jid = $2"
        ),
        ChatState::ReadUntil(ids) => set!(
            "WITH newest AS (
                 SELECT id FROM message_identity WHERE session_id = $1 AND wa_message_id = ANY($3) AND chat = $2 ORDER BY id DESC LIMIT 1
             ), rest AS (
                 SELECT count(*) AS unread FROM (SELECT 1 FROM message, newest
                     WHERE message.session_id = $1 AND message.chat = $2 AND message.id > newest.id AND NOT from_me LIMIT $4) later
             )
             UPDATE chat SET read_until = newest.id, unread_count = LEAST(unread_count, rest.unread), marked_unread = false, updated_at = now()
             FROM newest, rest
             WHERE session_id = $1 AND jid = $2 AND (read_until IS NULL OR read_until < newest.id)",
            ids,
            MOST_UNREAD
        ),
        ChatState::Cleared | ChatState::Deleted => {
            let deleted = change.state == ChatState::Deleted;
            return clear(connection, owner, &jid, deleted).await;
        }
        ChatState::History(chat) => set!(
            // What the phone's history says of a chat is older than what we have heard of it since.
            "UPDATE chat SET name = COALESCE(name, $3), unread_count = GREATEST(unread_count, $4), marked_unread = marked_unread OR $5,
                    archived = archived OR $6, pinned_at = COALESCE(pinned_at, $7), muted_until = COALESCE(muted_until, $8),
                    ephemeral_seconds = GREATEST(ephemeral_seconds, $9), updated_at = now(),
                    activity = COALESCE(last_message_id, activity),
                    read_until = COALESCE(read_until, (
                        SELECT id FROM message WHERE message.session_id = $1 AND message.chat = $2 AND NOT from_me ORDER BY id DESC OFFSET $10 LIMIT 1))
             WHERE session_id = $1 AND jid = $2",
            chat.name,
            bounded(chat.unread_count),
            chat.marked_unread,
            chat.archived,
            chat.pinned_at,
            chat.muted_until,
            bounded(chat.ephemeral_seconds),
            i64::from(chat.unread_count).min(MOST_UNREAD)
        ),
    };
    Ok(())
}

/// Messages were read, and only they tell where.
pub(super) async fn read_elsewhere(
    connection: &mut PgConnection,
    owner: Owner,
    ids: &[String],
) -> Result<(), StoreError> {
    let chat = sqlx::query_scalar!(
        "SELECT chat FROM message_identity WHERE session_id = $1 AND wa_message_id = ANY($2) AND NOT from_me LIMIT 1",
        owner.session.uuid,
        ids
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(jid) = chat else { return Ok(()) };
    let change = ChatChange {
        chat: Party {
            jid,
            phone: None,
            lid: None,
        },
        state: ChatState::ReadUntil(ids.to_vec()),
    };
    apply(connection, owner, &change).await
}

fn bounded(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

async fn clear(connection: &mut PgConnection, owner: Owner, jid: &str, deleted: bool) -> Result<(), StoreError> {
    let session = owner.session.uuid;
    sqlx::query!(
        "UPDATE chat SET cleared_until = GREATEST(cleared_until, last_message_id), last_message_id = NULL, unread_count = 0, marked_unread = false,
                read_until = GREATEST(read_until, last_message_id),
                deleted_at = CASE WHEN $3 THEN now() ELSE deleted_at END, pinned_at = CASE WHEN $3 THEN NULL ELSE pinned_at END, updated_at = now()
         WHERE session_id = $1 AND jid = $2",
        session,
        jid,
        deleted
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM message USING (
                 SELECT id FROM message JOIN chat ON chat.session_id = message.session_id AND chat.jid = message.chat AND message.id <= cleared_until
                 WHERE message.session_id = $1 AND message.chat = $2 ORDER BY id DESC LIMIT $3) old
             WHERE message.session_id = $1 AND message.id = old.id
             RETURNING wa_message_id, message.id)
         DELETE FROM message_identity identity USING gone
         WHERE identity.session_id = $1 AND identity.wa_message_id = gone.wa_message_id AND identity.id = gone.id",
        session,
        jid,
        CLEARED_AT_ONCE
    )
    .execute(connection)
    .await?;
    Ok(())
}
