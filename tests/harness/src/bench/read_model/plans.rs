//! How the database answers the gateway's questions: the plans of the very statements that the gateway was built with, read from `.sqlx`.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use uuid::Uuid;

use super::load::{HUGE_CHAT, Load, WORDS};

/// A question, by a piece of its statement that no other has, and the values that are asked with.
#[derive(Debug, Clone)]
pub struct Question {
    /// The name; a plan is kept in a file of this name.
    pub name: &'static str,
    pieces: &'static [&'static str],
    values: String,
    tenant: Uuid,
    session: Uuid,
    /// What is searched for; empty where nothing is.
    words: &'static str,
}

/// The questions that must stay fast however much is stored.
#[must_use]
pub fn questions(load: &Load, deep: Uuid) -> Vec<Question> {
    let session = load.sessions.first().copied().unwrap_or_default();
    let (tenant, jid) = (load.tenant, format!("{HUGE_CHAT}@s.whatsapp.net"));
    let (least, most) = (Uuid::nil(), Uuid::max());
    let [common, .., rarest] = WORDS;
    let question = |name, pieces, rest: &str| Question {
        name,
        pieces,
        values: format!("'{session}', '{tenant}', {rest}"),
        tenant,
        session,
        words: "",
    };
    let chat: &[&str] = &["chat = $3 AND id >= $4", "message.answers", "LIMIT $10"];
    let of_chat = |upper: Uuid| format!("'{jid}', '{least}', '{upper}', NULL, NULL, NULL, NULL, 51");
    let between = format!("'{least}', '{most}'");
    vec![
        question("newest-page-of-a-chat", chat, &of_chat(most)),
        question("page-deep-inside-a-chat", chat, &of_chat(deep)),
        question(
            "unread-messages",
            &["UNION ALL", "unread_count > 0 AND activity >= $4"],
            &format!("{between}, NULL, NULL, NULL, NULL, 51"),
        ),
        question(
            "search-through-the-newest",
            &[
                "strpos(lower(message.content::text), $13)",
                "id < $4 ORDER BY id DESC LIMIT $5",
            ],
            &format!("{between}, 500, '''{session}{common}'':*', NULL, NULL, NULL, NULL, 51, false, '{common}'"),
        ),
        Question {
            words: rarest,
            ..question(
                "search-by-the-index-of-words",
                &["WITH found AS MATERIALIZED", "SELECT * FROM found WHERE session_id"],
                &format!("{between}, NULL, NULL, NULL, NULL, NULL, 51, false"),
            )
        },
        question(
            "list-of-chats",
            &[
                "FROM (SELECT * FROM chat",
                "OR (unread_count > 0 OR marked_unread) = $7",
                "LIMIT $8",
            ],
            &format!("'{most}', NULL, NULL, NULL, NULL, 51"),
        ),
        question(
            "list-of-unread-chats",
            &["AND (unread_count > 0 OR marked_unread)\n", "LIMIT $7"],
            &format!("'{most}', NULL, NULL, NULL, 51"),
        ),
    ]
}

impl Question {
    /// The statement, from the record of all statements in `folder`.
    fn statement(&self, folder: &Path) -> anyhow::Result<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let record: Value = serde_json::from_slice(&std::fs::read(entry?.path())?)?;
            let statement = record["query"].as_str().unwrap_or_default();
            if self.pieces.iter().all(|piece| statement.contains(piece)) {
                found.push(statement.to_owned());
            }
        }
        ensure!(
            found.len() == 1,
            "{} statements are the one of {}",
            found.len(),
            self.name
        );
        found.pop().context("there is one")
    }

    /// How the database answers the tenant when it does not know the values beforehand, as a statement that is asked often. With `small` it reads whole
    /// tables only where no index would do, however few rows there are.
    ///
    /// # Errors
    /// When the statement is not recorded or the database refuses it.
    pub async fn plan(&self, pool: &PgPool, folder: &Path, small: bool) -> anyhow::Result<String> {
        let statement = self.statement(folder)?;
        let mut connection = pool.acquire().await?;
        for preparation in [
            "SET plan_cache_mode = force_generic_plan".to_owned(),
            format!("SET enable_seqscan = {}", if small { "off" } else { "on" }),
            "DEALLOCATE ALL".to_owned(),
            format!("SET rookery.tenant = '{}'", self.tenant),
            format!(
                "SELECT set_config('rookery.words', COALESCE(message_query('{}', '{}'), ''), false)",
                self.session, self.words
            ),
            format!("PREPARE question AS {statement}"),
            // What is read for the first time is not what matters.
            format!("EXECUTE question ({})", self.values),
        ] {
            sqlx::raw_sql(AssertSqlSafe(preparation))
                .execute(&mut *connection)
                .await?;
        }
        let explain = format!(
            "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE question ({})",
            self.values
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(explain))
            .fetch_all(&mut *connection)
            .await?;
        sqlx::raw_sql(
            "RESET plan_cache_mode; RESET enable_seqscan; RESET rookery.tenant; RESET rookery.words; DEALLOCATE ALL",
        )
        .execute(&mut *connection)
        .await?;
        let lines = rows
            .iter()
            .map(|row| row.try_get::<String, _>(0))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(normalised(&lines.join("\n")))
    }
}

/// The plan without what differs from run to run: ids, and the months in the names of partitions.
fn normalised(plan: &str) -> String {
    let mut text = String::with_capacity(plan.len());
    for (index, word) in plan.split('\'').enumerate() {
        if index > 0 {
            text.push('\'');
        }
        if word.parse::<Uuid>().is_ok() {
            text.push('…');
        } else {
            text.push_str(word);
        }
    }
    text.push('\n');
    text
}
