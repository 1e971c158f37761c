//! Fills a database as if an installation had run for a year: messages of many sessions, one of them large, with one huge chat.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::progress::step;

/// The phone number of the huge chat: every tenth message is in it.
pub const HUGE_CHAT: &str = "15550000000";
/// A word that every third message contains, one that is rarer, and one that hardly any contains.
pub const WORDS: [&str; 3] = ["hello", "w4711", "zebra"];
/// Months over which the messages are spread.
const MONTHS: i64 = 12;

/// What is loaded.
#[derive(Debug, Clone)]
pub struct Load {
    /// Whose it is.
    pub tenant: Uuid,
    /// The sessions, at least two; a fifth of all messages is in the first.
    pub sessions: Vec<Uuid>,
    /// How many messages.
    pub messages: i64,
}

impl Load {
    /// Loads it. The index of words is built afterwards, which is much faster; ids of WhatsApp are not registered, because no list reads them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn run(&self, pool: &PgPool) -> anyhow::Result<()> {
        self.make_months(pool).await?;
        let index: String = sqlx::query_scalar("SELECT indexdef FROM pg_indexes WHERE indexname = 'message_search'")
            .fetch_one(pool)
            .await?;
        sqlx::query("DROP INDEX message_search").execute(pool).await?;
        let share = (self.messages + MONTHS - 1) / MONTHS;
        for month in 0..MONTHS {
            let (from, to) = (month * share, ((month + 1) * share).min(self.messages) - 1);
            let text = format!("messages {from} to {to}");
            step(text, self.insert(pool, month, from, to, share)).await?;
        }
        step("the index of words", async {
            let mut connection = pool.acquire().await?;
            sqlx::query("SET maintenance_work_mem = '256MB'")
                .execute(&mut *connection)
                .await?;
            let statement = index.replacen("ON ONLY ", "ON ", 1);
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
            anyhow::Ok(())
        })
        .await?;
        step("chats and counters", self.summarise(pool)).await?;
        step("the planner's figures", async {
            for table in ["message", "message_found", "chat", "message_statistic"] {
                sqlx::query(AssertSqlSafe(format!("VACUUM ANALYZE {table}")))
                    .execute(pool)
                    .await?;
            }
            anyhow::Ok(())
        })
        .await
    }

    /// Gives every month of the last year a partition of its own, as if they had been made when they came.
    async fn make_months(&self, pool: &PgPool) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(format!(
            "ALTER TABLE message_found DETACH PARTITION message_past;
             DO $$
             DECLARE month timestamptz := date_trunc('month', now(), 'UTC') - interval '{MONTHS} months';
             BEGIN
                 EXECUTE format('ALTER TABLE message_found ATTACH PARTITION message_past FOR VALUES FROM (MINVALUE) TO (%L)', uuid_at(month));
                 WHILE month < date_trunc('month', now(), 'UTC') LOOP
                     PERFORM make_partition('message', month, month + interval '1 month', 'YYYYMM');
                     month := month + interval '1 month';
                 END LOOP;
             END $$"
        )))
        .execute(pool)
        .await
        .context("the months of the past")?;
        Ok(())
    }

    async fn insert(&self, pool: &PgPool, month: i64, from: i64, to: i64, share: i64) -> anyhow::Result<()> {
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO message (id, tenant_id, session_id, wa_message_id, from_me, chat, chat_phone, sender, sender_phone, type, content, status, sent_at,
                                  created_at, updated_at)
             SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
                    $1, session, 'B' || n, from_me, phone || '@s.whatsapp.net', phone, CASE WHEN from_me THEN '15559999999' ELSE phone END || '@s.whatsapp.net',
                    CASE WHEN from_me THEN '15559999999' ELSE phone END, 'text',
                    jsonb_build_object('text', jsonb_build_object('body',
                        'message ' || n || ' w' || (n * 7919 % 5003) || ' w' || (n * 104729 % 5003)
                        || CASE WHEN n % 3 = 0 THEN ' hello' ELSE ' and some more words' END || CASE WHEN n % 9973 = 0 THEN ' zebra' ELSE '' END)),
                    CASE WHEN from_me THEN 'read' ELSE 'received' END, at, at, at
             FROM (
                 SELECT n, at, n % 2 = 0 AND n % 10 <> 0 AS from_me,
                        ($2::uuid[])[CASE WHEN n % 5 = 0 THEN 1 ELSE 2 + n / 5 % (array_length($2, 1) - 1) END] AS session,
                        CASE WHEN n % 10 = 0 THEN '{HUGE_CHAT}' ELSE '1555' || lpad((1 + n / 10 % 500)::text, 7, '0') END AS phone
                 FROM (SELECT n, date_trunc('month', now(), 'UTC') - make_interval(months => ({MONTHS} - $3)::integer)
                                 + interval '27 days' * ((n - $4)::float8 / $6::float8) AS at
                       FROM generate_series($4::bigint, $5::bigint) n) numbered) message"
        )))
        .bind(self.tenant)
        .bind(&self.sessions)
        .bind(month)
        .bind(from)
        .bind(to)
        .bind(share)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// The chats as they would have become, the last twenty messages of every tenth one unread, and the counters.
    async fn summarise(&self, pool: &PgPool) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO chat (tenant_id, session_id, jid, phone, kind, activity, last_message_id, read_until, unread_count)
             SELECT tenant_id, session_id, chat, chat_phone, 'person', last, last,
                    CASE WHEN chat_phone LIKE '%0' THEN (SELECT id FROM message m WHERE m.session_id = grouped.session_id AND m.chat = grouped.chat
                                                         ORDER BY m.session_id DESC, m.chat DESC, id DESC OFFSET 20 LIMIT 1) ELSE last END,
                    CASE WHEN chat_phone LIKE '%0' THEN 20 ELSE 0 END
             FROM (SELECT tenant_id, session_id, chat, chat_phone, max(id::text)::uuid AS last FROM message GROUP BY 1, 2, 3, 4) grouped",
        )
        .execute(pool)
        .await?;
        sqlx::query(
            "INSERT INTO message_statistic (tenant_id, session_id, chat, starts_at, type, from_me, messages)
             SELECT tenant_id, session_id, '', date_trunc('hour', sent_at, 'UTC'), type, from_me, count(*) FROM message GROUP BY 1, 2, 3, 4, 5, 6",
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}
