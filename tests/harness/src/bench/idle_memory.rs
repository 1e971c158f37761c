//! Resident memory of one worker that holds idle sessions.

use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::Subject;
use crate::client::Api;
use crate::network::ProvisionedAccount;
use crate::progress::{heading, say, step};
use crate::report::Table;
use crate::service::Service;
use crate::stack::Stack;
use crate::wait::{NotYet, wait_for};

/// How many sessions the worker holds at each measurement.
const SESSIONS: [usize; 4] = [0, 100, 500, 1_000];
/// Requests that create sessions at the same time.
const AT_ONCE: usize = 16;
/// How long the sessions of one step may take to connect.
const CONNECTED_DEADLINE: Duration = Duration::from_secs(180);
/// Memory counts as settled when so many looks in a row…
const STEADY_LOOKS: usize = 10;
/// …see it change by less than one part in so many.
const STEADY_SHARE: u64 = 500;
const SETTLED_DEADLINE: Duration = Duration::from_secs(60);
const KIBIBYTE: f64 = 1024.0;

pub(super) async fn run(subject: &Subject) -> anyhow::Result<()> {
    heading("Memory of one worker with idle sessions");
    let stack = subject.stack()?.start().await?;
    let admin = stack.gateway(1)?;
    let api = admin.create_key(&admin.create_tenant("Load").await?).await?;
    let most = SESSIONS.last().copied().unwrap_or(0);
    let mut accounts = stack.network().provision(most, "idle").await?.into_iter();
    let mut measured: Vec<(usize, u64)> = Vec::new();
    for count in SESSIONS {
        let new: Vec<ProvisionedAccount> = accounts
            .by_ref()
            .take(count - measured.last().map_or(0, |last| last.0))
            .collect();
        let work = async {
            import(&api, new).await?;
            wait_until_connected(&api, count).await?;
            settled_memory(&stack).await
        };
        let bytes = step(format!("{count} sessions"), work).await?;
        measured.push((count, bytes));
    }
    print(&measured);
    Ok(())
}

async fn import(api: &Api, accounts: Vec<ProvisionedAccount>) -> anyhow::Result<()> {
    let requests = accounts.into_iter().map(|account| async move {
        let body = json!({ "name": account.number, "credentials": account.credentials });
        api.create_session_from(&body).await.map(|_| ())
    });
    futures::stream::iter(requests)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

async fn wait_until_connected(api: &Api, count: usize) -> anyhow::Result<()> {
    wait_for(format!("{count} connected sessions"), CONNECTED_DEADLINE, async || {
        let connected = connected_sessions(api).await?;
        if connected == count {
            return Ok(());
        }
        Err(NotYet::because(format!("{connected} are")))
    })
    .await
}

async fn connected_sessions(api: &Api) -> anyhow::Result<usize> {
    let mut count = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/sessions?status=connected&limit=100{cursor}");
        let page: Value = api.get(&path).ok().await?.json()?;
        count += page["data"].as_array().context("a page without data")?.len();
        let Some(next) = page["next_cursor"].as_str() else {
            return Ok(count);
        };
        cursor = format!("&cursor={next}");
    }
}

/// The worker's memory once it no longer changes: logins leave work behind that takes a moment.
async fn settled_memory(stack: &Stack) -> anyhow::Result<u64> {
    let worker = stack.process(Service::Worker(1))?;
    let mut looks: Vec<u64> = Vec::new();
    wait_for("the worker's memory to settle", SETTLED_DEADLINE, async || {
        looks.push(worker.resident_bytes()?);
        let latest = &looks[looks.len().saturating_sub(STEADY_LOOKS)..];
        let (least, most) = (
            latest.iter().min().copied().unwrap_or(0),
            latest.iter().max().copied().unwrap_or(0),
        );
        if latest.len() == STEADY_LOOKS && most - least <= most / STEADY_SHARE {
            return Ok(most);
        }
        Err(NotYet::because(format!("between {least} and {most} bytes")))
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB, rounded for people")]
fn print(measured: &[(usize, u64)]) {
    let kibibytes = |bytes: u64| bytes as f64 / KIBIBYTE;
    let mut table = Table::new(&["sessions", "memory (MiB)", "more than before, per session (KiB)"]);
    let mut before: Option<(usize, u64)> = None;
    for (sessions, bytes) in measured.iter().copied() {
        let slope = before.map_or("-".to_owned(), |(fewer, less)| {
            format!(
                "{:.1}",
                (kibibytes(bytes) - kibibytes(less)) / (sessions - fewer) as f64
            )
        });
        table.row([
            sessions.to_string(),
            format!("{:.1}", kibibytes(bytes) / KIBIBYTE),
            slope,
        ]);
        before = Some((sessions, bytes));
    }
    say(table);
    if let [(_, _), (few, little), .., (many, much)] = measured {
        let slope = (kibibytes(*much) - kibibytes(*little)) / (many - few) as f64;
        say(format!(
            "  slope from {few} to {many} sessions: {slope:.1} KiB per session"
        ));
    }
}
