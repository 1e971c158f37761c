//! The read model with ten million messages: how long lists and searches take through the gateway, and by which plans.
//!
//! The plans are kept in `tests/harness/plans`, so that a change of one shows in a review.

use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use shared::ids::MessageId;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use super::Subject;
use crate::client::Api;
use crate::progress::{heading, say, step};
use crate::report::{Table, quantile};
use crate::repository;
use crate::stack::StackBuilder;

pub mod load;
pub mod plans;

use load::{HUGE_CHAT, Load, WORDS};

/// Messages, unless it is said otherwise.
pub const MESSAGES: u64 = 10_000_000;
/// Sessions over which they are spread.
const SESSIONS: usize = 100;
/// How often each question is asked, after some that are not counted.
const ASKED: usize = 200;
const WARM_UP: usize = 20;
/// What everything else is compared with.
const ONE_ROW: &str = "one message by its id";

pub(super) async fn run(subject: &Subject, messages: u64) -> anyhow::Result<()> {
    measure(subject.stack()?, messages).await
}

/// Loads, asks and writes the plans.
///
/// # Errors
/// When something cannot be started, loaded or asked.
pub async fn measure(stack: StackBuilder, messages: u64) -> anyhow::Result<()> {
    heading("The read model");
    let stack = stack.workers(0).dispatchers(0).start().await?;
    let admin = stack.gateway(1)?;
    let tenant = admin.create_tenant("Load").await?;
    let api = admin.create_key(&tenant).await?;
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let body = json!({ "name": format!("Session {number}"), "start": false });
        sessions.push(api.create_session_from(&body).await?.id);
    }
    let pool = pool(&stack.site().database_url()?).await?;
    let load = Load {
        tenant: tenant.parse::<shared::ids::TenantId>()?.0,
        sessions: sessions
            .iter()
            .map(|id| Ok(id.parse::<shared::ids::SessionId>()?.uuid))
            .collect::<anyhow::Result<_>>()?,
        messages: i64::try_from(messages)?,
    };
    load.run(&pool).await?;
    let session = sessions.first().context("a session")?;
    let places = places(&pool, &load).await?;
    let deep = *places.get(places.len() / 2).context("the huge chat has messages")?;
    ask(&api, session, &places, messages).await?;
    write_plans(&pool, &load, deep).await?;
    let size: String = sqlx::query_scalar("SELECT pg_size_pretty(pg_database_size(current_database()))")
        .fetch_one(&pool)
        .await?;
    say(format!("{messages} messages take {size}."));
    Ok(())
}

async fn pool(url: &str) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([("rookery.tenant", "*"), ("statement_timeout", "0"), ("jit", "off")]);
    Ok(PgPoolOptions::new().max_connections(2).connect_with(options).await?)
}

/// Places all over the huge chat.
async fn places(pool: &PgPool, load: &Load) -> anyhow::Result<Vec<Uuid>> {
    let rows = sqlx::query_scalar(
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS place, count(*) OVER () AS total FROM message
                         WHERE session_id = $1 AND chat = $2) huge
         WHERE place % GREATEST(total / 100, 1) = 0 ORDER BY id DESC",
    )
    .bind(load.sessions.first().context("a session")?)
    .bind(format!("{HUGE_CHAT}@s.whatsapp.net"))
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// Asks every question often and prints how long the answers took. How fast the machine is shows in the first row, the read of one row by its key in the
/// same way: every other time is printed as a multiple of it too.
async fn ask(api: &Api, session: &str, places: &[Uuid], messages: u64) -> anyhow::Result<()> {
    let base = format!("/v1/sessions/{session}");
    let huge = format!("{base}/chats/{HUGE_CHAT}/messages?limit=50");
    let [common, rare, rarest] = WORDS;
    let one = places.first().map(|place| MessageId(*place)).context("a message")?;
    let same = |path: String| vec![path];
    let questions = [
        (ONE_ROW, same(format!("{base}/messages/{one}"))),
        ("newest page of the huge chat", same(huge.clone())),
        (
            "pages deep inside the huge chat",
            places
                .iter()
                .map(|place| format!("{huge}&cursor={}", URL_SAFE_NO_PAD.encode(place.as_bytes())))
                .collect(),
        ),
        ("newest page of the session", same(format!("{base}/messages?limit=50"))),
        ("unread messages", same(format!("{base}/messages?unread=true&limit=50"))),
        ("chats", same(format!("{base}/chats?limit=50"))),
        ("unread chats", same(format!("{base}/chats?unread=true&limit=50"))),
        (
            "search for a common word",
            same(format!("{base}/messages?search={common}")),
        ),
        ("search for a rare word", same(format!("{base}/messages?search={rare}"))),
        (
            "search for one in 10,000",
            same(format!("{base}/messages?search={rarest}")),
        ),
        (
            "search in the huge chat",
            same(format!("{base}/messages?search={rare}&chat={HUGE_CHAT}")),
        ),
        (
            "search for what is not there",
            same(format!("{base}/messages?search=nowhere")),
        ),
        (
            "search for one message",
            same(format!("{base}/messages?search={}", messages / 20 * 10)),
        ),
        ("statistics of 30 days", same(format!("{base}/statistics"))),
    ];
    let mut one_row = None;
    let mut table = Table::new(&[
        "question",
        "p50 (ms)",
        "p99 (ms)",
        "p50 : one row",
        "p99 : one row",
        "rows",
    ]);
    for (name, paths) in questions {
        let mut times = Vec::with_capacity(ASKED);
        let mut rows = 0;
        for (number, path) in paths.iter().cycle().take(WARM_UP + ASKED).enumerate() {
            let start = Instant::now();
            let answer: serde_json::Value = api.get(path).ok().await?.json()?;
            if number >= WARM_UP {
                times.push(start.elapsed());
            }
            rows = answer["data"].as_array().map_or(1, Vec::len);
        }
        times.sort_unstable();
        let [middle, slowest] = [0.5, 0.99].map(|share| quantile(&times, share).unwrap_or_default().as_secs_f64());
        let [one_middle, one_slowest] = *one_row.get_or_insert([middle, slowest]);
        table.row([
            name.to_owned(),
            format!("{:.2}", middle * 1_000.0),
            format!("{:.2}", slowest * 1_000.0),
            format!("{:.1}", middle / one_middle),
            format!("{:.1}", slowest / one_slowest),
            rows.to_string(),
        ]);
    }
    say(format!(
        "With {messages} messages, a fifth of them in the session that is asked:"
    ));
    say(table);
    Ok(())
}

async fn write_plans(pool: &PgPool, load: &Load, deep: Uuid) -> anyhow::Result<()> {
    let folder = repository::root().join("tests/harness/plans");
    std::fs::create_dir_all(&folder)?;
    step("query plans", async {
        for question in plans::questions(load, deep) {
            let plan = question.plan(pool, &repository::root().join(".sqlx"), false).await?;
            let plan = format!("With {} messages:\n\n{plan}", load.messages);
            std::fs::write(folder.join(format!("{}.txt", question.name)), plan)?;
        }
        anyhow::Ok(())
    })
    .await
}
