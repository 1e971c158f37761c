//! Time from the REST call of a send to WhatsApp's acknowledgement, at idle, beside what the disk needs for one fsync in the same run.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};

use super::Subject;
use crate::network::Phone;
use crate::progress::{heading, say, step};
use crate::report::{Table, quantile};
use crate::stack::Stack;
use crate::wait::{NotYet, wait_for};

/// Sends that are measured.
const SENDS: usize = 500;
/// Sends before, which are not.
const WARM_UP: usize = 20;
/// The size of a page of PostgreSQL's log: the least that a commit writes.
const PAGE: usize = 8_192;
const PATIENCE: Duration = Duration::from_secs(30);

/// One send.
struct Send {
    /// WhatsApp's id.
    id: String,
    /// When the call was made.
    called_at: DateTime<Utc>,
    /// From the call to the answer that says `sent`.
    answered: Duration,
}

pub(super) async fn run(subject: &Subject) -> anyhow::Result<()> {
    heading("Time to send a message at idle");
    let stack = subject.stack()?.start().await?;
    let scene = step("a linked session", link(&stack)).await?;
    let (sends, syncs) = step(format!("{SENDS} sends, one after the other"), measure(&stack, &scene)).await?;
    let accepted = accepted(&stack, &scene, &sends).await?;
    print(&sends, &accepted, &syncs)
}

struct Scene {
    api: crate::client::Api,
    session: String,
    owner: Phone,
    contact: Phone,
}

async fn link(stack: &Stack) -> anyhow::Result<Scene> {
    let admin = stack.gateway(1)?;
    let api = admin.create_key(&admin.create_tenant("Load").await?).await?;
    let owner = stack.network().phone(None, "Owner").await?;
    let contact = stack.network().phone(None, "Contact").await?;
    let session = api.create_session("Sender").await?.id;
    owner.scan(&api.qr(&session, PATIENCE).await?).await?;
    wait_for("the session to be connected", PATIENCE, async || {
        let seen = api.session(&session).await?;
        if seen.status == "connected" {
            return Ok(());
        }
        Err(NotYet::because(seen.status))
    })
    .await?;
    Ok(Scene {
        api,
        session,
        owner,
        contact,
    })
}

/// Sends and syncs in turn, so that both meet the same disk.
async fn measure(stack: &Stack, scene: &Scene) -> anyhow::Result<(Vec<Send>, Vec<Duration>)> {
    let mut file = File::create(stack.site().directory.data_of("fsync-probe"))?;
    let mut sends = Vec::new();
    let mut syncs = Vec::new();
    for number in 0..WARM_UP + SENDS {
        let (called_at, start) = (Utc::now(), Instant::now());
        let text = format!("message {number}");
        let sent = scene
            .api
            .send_text_and_wait(&scene.session, &scene.contact.number, &text, PATIENCE)
            .await?;
        let answered = start.elapsed();
        let sync = sync_one_page(&mut file)?;
        if number >= WARM_UP {
            sends.push(Send {
                id: sent.wa_message_id,
                called_at,
                answered,
            });
            syncs.push(sync);
        }
    }
    Ok((sends, syncs))
}

fn sync_one_page(file: &mut File) -> anyhow::Result<Duration> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&[7; PAGE])?;
    let start = Instant::now();
    file.sync_data()?;
    Ok(start.elapsed())
}

/// From each call to the moment at which the network accepted the message, by its ledger.
async fn accepted(stack: &Stack, scene: &Scene, sends: &[Send]) -> anyhow::Result<Vec<Duration>> {
    let ledger = stack.network().ledger(&scene.owner.number).await?;
    let accepted_at: HashMap<String, DateTime<Utc>> = ledger
        .into_iter()
        .filter(|entry| entry.kind == "message")
        .filter_map(|entry| Some((entry.id?, entry.at)))
        .collect();
    let times: Vec<Duration> = sends
        .iter()
        .filter_map(|send| (*accepted_at.get(&send.id)? - send.called_at).to_std().ok())
        .collect();
    ensure!(
        times.len() == sends.len(),
        "the ledger knows only {} of {} messages",
        times.len(),
        sends.len()
    );
    Ok(times)
}

fn print(sends: &[Send], accepted: &[Duration], syncs: &[Duration]) -> anyhow::Result<()> {
    let mut table = Table::new(&["what", "p50 (ms)", "p99 (ms)", "p50 in fsyncs", "p99 in fsyncs"]);
    let sync = Quantiles::of(syncs.to_vec())?;
    let answered = sends.iter().map(|send| send.answered).collect();
    for (what, times) in [
        ("fsync of one page", syncs.to_vec()),
        ("REST call → the network has the message", accepted.to_vec()),
        ("REST call → answer with status sent", answered),
    ] {
        let times = Quantiles::of(times)?;
        table.row([
            what.to_owned(),
            format!("{:.2}", times.median),
            format!("{:.2}", times.slowest),
            format!("{:.1}", times.median / sync.median),
            format!("{:.1}", times.slowest / sync.slowest),
        ]);
    }
    say(table);
    Ok(())
}

/// Milliseconds.
struct Quantiles {
    median: f64,
    slowest: f64,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> anyhow::Result<Self> {
        times.sort_unstable();
        let at = |share| quantile(&times, share).map(|time| time.as_secs_f64() * 1_000.0);
        Ok(Self {
            median: at(0.5).context("nothing was measured")?,
            slowest: at(0.99).context("nothing was measured")?,
        })
    }
}
