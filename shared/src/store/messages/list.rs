//! Lists of messages, newest first.
//!
//! One statement for each question, because each has its own index: a plan that must serve all of them would serve none at ten million messages.
//! Ids are in the order of time, so a page reads the newest partitions first and stops when it is full.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{MessageFilter, MessageRow};
use crate::address::Address;
use crate::ids::{MessageId, SessionId};
use crate::message::Message;
use crate::store::{StoreError, TenantTransaction};

/// Newest messages of a session, and of a chat, that a search looks through one by one: they fill the page when the word is common.
const LOOKED_THROUGH: i64 = 500;
const LOOKED_THROUGH_IN_CHAT: i64 = 2_000;
/// How much further than before a search goes back with each look into the index of words, and how often before it takes all that is left. What was found
/// in the span before did not fill a page, so about this many pages are found in the next one, however common the word is.
const FURTHER: u64 = 20;
const LOOKS: u32 = 2;
/// The least span of time, in milliseconds, from which a search goes further: messages of one moment say nothing about how many there are in an hour.
const LEAST_SPAN: u64 = 3_600_000;
/// How much later than its author's clock says a message may have reached us and still be found by that time: it waited for an offline session. What came
/// earlier than its clock says is found within the same span.
const CLOCKS_APART: TimeDelta = TimeDelta::days(1);

/// Reads messages by a statement that selects from `message` and `known`, what is known of the chat.
macro_rules! messages {
    ($transaction:expr, $from:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            MessageRow,
            r#"SELECT message.id AS "id!", message.session_id AS "session_id!", message.wa_message_id AS "wa_message_id!", message.from_me AS "from_me!",
                      message.chat AS "chat!", COALESCE(message.chat_phone, known.phone) AS chat_phone, COALESCE(message.chat_lid, known.lid) AS chat_lid,
                      message.sender AS "sender!", message.sender_phone, message.sender_lid, message.type AS "type!", message.content AS "content!",
                      message.context_wa_message_id, message.details AS "details!", message.reactions AS "reactions!", message.answers AS "answers!",
                      message.starred AS "starred!", message.pinned_until, message.edited_at, message.revoked_at, message.status AS "status!", message.error_code, message.error_detail, message.sent_at AS "sent_at!" "#
            + $from
            $(, $value)*
        )
        .fetch_all(&mut *$transaction.transaction)
        .await?
    };
}

/// Between which ids a list looks, the upper one excluded.
#[derive(Clone, Copy)]
struct Between {
    lower: Uuid,
    upper: Uuid,
}

/// What is known of a chat before its messages are read.
struct KnownChat {
    jid: String,
    /// Everything up to here is gone.
    cleared_until: Option<Uuid>,
    /// Everything up to here is read.
    read_until: Option<Uuid>,
}

/// The least id of a moment.
fn id_at(moment: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(moment.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis & 0xFFFF_FFFF_FFFF) << 80)
}

/// When an id was made, in milliseconds.
fn milliseconds(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap_or(u64::MAX)
}

/// The least id of the moment that is `span` milliseconds before that of `id`.
fn earlier(id: Uuid, span: u64) -> Uuid {
    Uuid::from_u128(u128::from(milliseconds(id).saturating_sub(span)) << 80)
}

impl TenantTransaction {
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
        let Some((chat, lower)) = self.bounds(session, filter).await? else {
            return Ok(Vec::new());
        };
        let between = Between {
            lower,
            upper: after.map_or(Uuid::max(), |after| after.0),
        };
        let rows = match (&filter.search, &chat) {
            (Some(text), chat) => {
                self.search(session, filter, text, chat.as_deref(), between, limit)
                    .await?
            }
            (None, Some(chat)) => self.messages_of_chat(session, filter, chat, between, limit).await?,
            (None, None) if filter.unread => self.unread_messages(session, filter, between, limit).await?,
            (None, None) => self.messages_of_session(session, filter, between, limit).await?,
        };
        let region = self.region;
        rows.into_iter().map(|row| row.into_message(region)).collect()
    }

    /// The JID under which the filter's chat is kept, if it names one, and the least id that a message can have; `None`: there is no such chat.
    pub(in crate::store) async fn bounds(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
    ) -> Result<Option<(Option<String>, Uuid)>, StoreError> {
        let lower = filter.since.map_or(Uuid::nil(), |since| id_at(since - CLOCKS_APART));
        let Some(chat) = &filter.chat else {
            return Ok(Some((None, lower)));
        };
        let Some(chat) = self.known_chat(session, chat).await? else {
            return Ok(None);
        };
        let mut lower = lower.max(chat.cleared_until.map_or(Uuid::nil(), next));
        if filter.unread {
            lower = lower.max(chat.read_until.map_or(Uuid::nil(), next));
        }
        Ok(Some((Some(chat.jid), lower)))
    }

    /// The chat of an address, also when it is kept under the person's other id.
    async fn known_chat(&mut self, session: SessionId, chat: &Address) -> Result<Option<KnownChat>, StoreError> {
        Ok(sqlx::query_as!(
            KnownChat,
            "SELECT jid, cleared_until, read_until FROM chat
             WHERE session_id = $1 AND tenant_id = $2 AND (jid = $3 OR lid = $4) ORDER BY jid = $3 DESC LIMIT 1",
            session.uuid,
            self.tenant.0,
            chat.to_string(),
            chat.lid()
        )
        .fetch_optional(&mut *self.transaction)
        .await?)
    }

    async fn messages_of_session(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        between: Between,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        Ok(messages!(
            self,
            "FROM (SELECT * FROM message
                   WHERE session_id = $1 AND tenant_id = $2 AND id >= $3 AND id < $4 AND CASE WHEN $5::text IS NULL THEN type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE type = $5 END
                     AND ($6::boolean IS NULL OR from_me = $6) AND ($7::timestamptz IS NULL OR sent_at >= $7) AND ($8::timestamptz IS NULL OR sent_at < $8)
                   ORDER BY id DESC LIMIT $9) message
             LEFT JOIN chat known ON known.session_id = message.session_id AND known.jid = message.chat
             ORDER BY message.id DESC",
            session.uuid,
            self.tenant.0,
            between.lower,
            between.upper,
            filter.kind,
            filter.from_me,
            filter.since,
            filter.until,
            limit
        ))
    }

    async fn messages_of_chat(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        chat: &str,
        between: Between,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let from_me = if filter.unread { Some(false) } else { filter.from_me };
        Ok(messages!(
            self,
            "FROM (SELECT * FROM message
                   WHERE session_id = $1 AND tenant_id = $2 AND chat = $3 AND id >= $4 AND id < $5 AND CASE WHEN $6::text IS NULL THEN type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE type = $6 END
                     AND ($7::boolean IS NULL OR from_me = $7) AND ($8::timestamptz IS NULL OR sent_at >= $8) AND ($9::timestamptz IS NULL OR sent_at < $9)
                   ORDER BY session_id DESC, chat DESC, id DESC LIMIT $10) message
             LEFT JOIN chat known ON known.session_id = message.session_id AND known.jid = message.chat
             ORDER BY message.id DESC",
            session.uuid,
            self.tenant.0,
            chat,
            between.lower,
            between.upper,
            filter.kind,
            from_me,
            filter.since,
            filter.until,
            limit
        ))
    }

    /// Unread messages of all chats. The newest ones are in the chats that were active last, so a page needs no more chats than messages, besides those
    /// whose newest message lies on an earlier page. `CASE` and not `COALESCE`: below a policy, only the former may be looked up in an index.
    async fn unread_messages(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        between: Between,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        Ok(messages!(
            self,
            "FROM (
                 (SELECT * FROM chat WHERE session_id = $1 AND tenant_id = $2 AND unread_count > 0 AND activity >= $4)
                 UNION ALL
                 (SELECT * FROM chat WHERE session_id = $1 AND tenant_id = $2 AND unread_count > 0 AND activity < $4 AND activity >= $3
                  ORDER BY activity DESC LIMIT $9)) known
             CROSS JOIN LATERAL (
                 SELECT * FROM message
                 WHERE session_id = $1 AND tenant_id = $2 AND chat = known.jid AND NOT from_me
                   AND id > CASE WHEN known.read_until IS NULL THEN '00000000-0000-0000-0000-000000000000' ELSE known.read_until END
                   AND id >= $3 AND id < $4
                   AND CASE WHEN $5::text IS NULL THEN type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE type = $5 END AND ($6::boolean IS NULL OR from_me = $6)
                   AND ($7::timestamptz IS NULL OR sent_at >= $7) AND ($8::timestamptz IS NULL OR sent_at < $8)
                 ORDER BY session_id DESC, chat DESC, id DESC LIMIT $9) message
             ORDER BY message.id DESC LIMIT $9",
            session.uuid,
            self.tenant.0,
            between.lower,
            between.upper,
            filter.kind,
            filter.from_me,
            filter.since,
            filter.until,
            limit
        ))
    }

    /// Messages with certain words.
    ///
    /// First the newest messages are looked through, which is enough for a word that is common. Otherwise the index of words is asked for spans of time that
    /// grow: it answers all that it finds in a span, so a span must not hold thousands.
    async fn search(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        text: &str,
        chat: Option<&str>,
        between: Between,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        // Until the transaction ends, `message_found` shows what contains these words.
        let query = sqlx::query_scalar!(
            r#"SELECT set_config('rookery.words', COALESCE(message_query($1, $2), ''), true) AS "query!""#,
            session.uuid,
            text
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let looked_through = if chat.is_some() {
            LOOKED_THROUGH_IN_CHAT
        } else {
            LOOKED_THROUGH
        };
        let ids = self.newest_ids(session, chat, between, looked_through).await?;
        let (Some(newest), Some(oldest)) = (ids.first().copied(), ids.last().copied()) else {
            return Ok(Vec::new());
        };
        let seen = Between {
            lower: oldest,
            upper: between.upper,
        };
        let mut found = self.newest_with(session, filter, &query, chat, seen, limit).await?;
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        if found.len() >= full || i64::try_from(ids.len()).unwrap_or(i64::MAX) < looked_through {
            return Ok(found);
        }
        let mut span = (milliseconds(newest) - milliseconds(oldest)).max(LEAST_SPAN);
        let mut upper = oldest;
        for look in 0..=LOOKS {
            span = span.saturating_mul(FURTHER);
            let lower = if look == LOOKS {
                between.lower
            } else {
                earlier(oldest, span).max(between.lower)
            };
            let wanted = limit - i64::try_from(found.len()).unwrap_or(limit);
            let step = Between { lower, upper };
            found.extend(self.indexed_with(session, filter, chat, step, wanted).await?);
            if found.len() >= full || lower <= between.lower {
                break;
            }
            upper = lower;
        }
        Ok(found)
    }

    /// The ids of the newest messages of a session, or of a chat, newest first.
    async fn newest_ids(
        &mut self,
        session: SessionId,
        chat: Option<&str>,
        between: Between,
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let Some(chat) = chat else {
            return Ok(sqlx::query_scalar!(
                "SELECT id FROM message WHERE session_id = $1 AND tenant_id = $2 AND id >= $3 AND id < $4 ORDER BY session_id DESC, id DESC LIMIT $5",
                session.uuid,
                self.tenant.0,
                between.lower,
                between.upper,
                limit
            )
            .fetch_all(&mut *self.transaction)
            .await?);
        };
        Ok(sqlx::query_scalar!(
            "SELECT id FROM message WHERE session_id = $1 AND tenant_id = $2 AND chat = $3 AND id >= $4 AND id < $5
             ORDER BY session_id DESC, chat DESC, id DESC LIMIT $6",
            session.uuid,
            self.tenant.0,
            chat,
            between.lower,
            between.upper,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }

    /// Looks through messages one by one.
    async fn newest_with(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        query: &str,
        chat: Option<&str>,
        between: Between,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let from_me = if filter.unread { Some(false) } else { filter.from_me };
        // The words are without the session that stands before each.
        let run = longest_run(&query.replace(&session.uuid.to_string(), " "));
        if let Some(chat) = chat {
            return Ok(messages!(
                self,
                "FROM (SELECT * FROM message
                       WHERE session_id = $1 AND tenant_id = $2 AND chat = $3 AND id >= $4 AND id < $5
                       ORDER BY session_id DESC, chat DESC, id DESC LIMIT $6) message
                 LEFT JOIN chat known ON known.session_id = message.session_id AND known.jid = message.chat
                 WHERE strpos(lower(message.content::text), $13) > 0 AND message_words(message.session_id, message.type, message.content) @@ $7::text::tsquery
                   AND CASE WHEN $8::text IS NULL THEN message.type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE message.type = $8 END AND ($9::boolean IS NULL OR message.from_me = $9)
                   AND ($10::timestamptz IS NULL OR sent_at >= $10) AND ($11::timestamptz IS NULL OR sent_at < $11)
                 ORDER BY message.id DESC LIMIT $12",
                session.uuid,
                self.tenant.0,
                chat,
                between.lower,
                between.upper,
                LOOKED_THROUGH_IN_CHAT,
                query,
                filter.kind,
                from_me,
                filter.since,
                filter.until,
                limit,
                run
            ));
        }
        Ok(messages!(
            self,
            "FROM (SELECT * FROM message
                   WHERE session_id = $1 AND tenant_id = $2 AND id >= $3 AND id < $4 ORDER BY id DESC LIMIT $5) message
             LEFT JOIN chat known ON known.session_id = message.session_id AND known.jid = message.chat
             WHERE strpos(lower(message.content::text), $13) > 0 AND message_words(message.session_id, message.type, message.content) @@ $6::text::tsquery
               AND CASE WHEN $7::text IS NULL THEN message.type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE message.type = $7 END AND ($8::boolean IS NULL OR message.from_me = $8)
               AND ($9::timestamptz IS NULL OR sent_at >= $9) AND ($10::timestamptz IS NULL OR sent_at < $10)
               AND (NOT $12 OR message.id > COALESCE(known.read_until, '00000000-0000-0000-0000-000000000000'))
             ORDER BY message.id DESC LIMIT $11",
            session.uuid,
            self.tenant.0,
            between.lower,
            between.upper,
            LOOKED_THROUGH,
            query,
            filter.kind,
            from_me,
            filter.since,
            filter.until,
            limit,
            filter.unread,
            run
        ))
    }

    /// Asks the index of words for a span of time. See the migration of the search for why `message_found` and not `message`.
    async fn indexed_with(
        &mut self,
        session: SessionId,
        filter: &MessageFilter,
        chat: Option<&str>,
        between: Between,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let from_me = if filter.unread { Some(false) } else { filter.from_me };
        // `MATERIALIZED`: otherwise the limit would tempt the planner to read the session's messages in order instead, and so would the session inside. Each
        // word has its session in front, so nothing of another session is found.
        Ok(messages!(
            self,
            "FROM (WITH found AS MATERIALIZED (
                       SELECT * FROM message_found
                       WHERE id >= $3 AND id < $4
                         AND ($5::text IS NULL OR chat = $5) AND CASE WHEN $6::text IS NULL THEN type NOT IN ('reaction', 'edit', 'revoke', 'pin', 'keep', 'poll_vote', 'event_response') ELSE type = $6 END AND ($7::boolean IS NULL OR from_me = $7)
                         AND ($8::timestamptz IS NULL OR sent_at >= $8) AND ($9::timestamptz IS NULL OR sent_at < $9))
                   SELECT * FROM found WHERE session_id = $1 AND tenant_id = $2) message
             LEFT JOIN chat known ON known.session_id = message.session_id AND known.jid = message.chat
             WHERE NOT $11 OR message.id > COALESCE(known.read_until, '00000000-0000-0000-0000-000000000000')
             ORDER BY message.id DESC LIMIT $10",
            session.uuid,
            self.tenant.0,
            between.lower,
            between.upper,
            chat,
            filter.kind,
            from_me,
            filter.since,
            filter.until,
            limit,
            filter.unread
        ))
    }
}

/// The longest run of ASCII letters and digits in a search, in lower case: every message that is found contains it, which is seen much faster than its words.
fn longest_run(text: &str) -> String {
    let runs = text.split(|character: char| !character.is_ascii_alphanumeric());
    runs.max_by_key(|run| run.len())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// The id after `id`.
fn next(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::longest_run;
    use crate::content::ACTS;

    #[test]
    fn the_longest_run_stands_in_every_message_that_is_found() {
        assert_eq!(longest_run("The PARCEL's late"), "parcel");
        assert_eq!(longest_run("\u{e9}\u{e8}"), "");
    }

    #[test]
    fn lists_leave_out_every_act_and_nothing_else() {
        let words = ACTS.map(|act| format!("'{act}'")).join(", ");
        let conditions = include_str!("list.rs").matches("NOT IN (").count();
        let complete = include_str!("list.rs").matches(&format!("NOT IN ({words})")).count();
        // This test names the condition twice itself.
        assert_eq!(conditions, complete + 2);
    }
}
