//! A minute without the bucket: messages with files go on arriving, and their files follow when it is back. Everything is counted.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::memory::{measured, mebibytes};
use super::{DEADLINE, Events, Hash, Scene, file, hash};
use crate::network::{MediaKind, StoredFile};
use crate::progress::{heading, say, step};
use crate::report::{Table, quantile};
use crate::service::Service;
use crate::stack::Stack;
use crate::wait::{NotYet, wait_for};

/// How long the bucket is away.
const OUTAGE: Duration = Duration::from_secs(60);
/// The pause between two files.
const PACE: Duration = Duration::from_millis(400);
/// The size of a file, in bytes: that of a photo.
const SIZE: usize = 200_000;
/// How long the bucket may be down before it is started again, at most, besides [`OUTAGE`].
const SLACK: Duration = Duration::from_secs(20);

/// What came during the outage.
#[derive(Default)]
struct Sent {
    /// The SHA-256 of each file by the id of its message.
    files: HashMap<String, Hash>,
    texts: Vec<String>,
    /// From the moment at which the phone had sent a message to its event.
    delays: Vec<Duration>,
}

pub(super) async fn run(stack: &Stack, scene: &Scene) -> anyhow::Result<()> {
    heading("A minute without the bucket");
    let worker = stack.process(Service::Worker(1))?;
    let mut events = Events::of(&scene.api);
    events.read().await?;
    events.seen.clear();
    let before: HashSet<String> = uploads(stack, &scene.contact.number)
        .await?
        .into_iter()
        .map(|file| file.direct_path)
        .collect();
    stack.kill(Service::S3).await?;
    let away = Instant::now();
    let sending = step("messages with and without files, no bucket", send(scene, &mut events));
    let (mut sent, curve) = measured(&worker, sending).await?;
    stack.start(Service::S3).await?;
    let back = Instant::now();
    let lasted = back.duration_since(away);
    ensure!(
        (OUTAGE..OUTAGE + SLACK).contains(&lasted),
        "the bucket was away for {lasted:?}"
    );
    let early = events.data("media.stored").count() + events.data("media.failed").count();
    ensure!(early == 0, "{early} files have ended without a bucket");

    let following = step("the files follow", follow(&mut events, sent.files.len(), back));
    let caught_up = following.await?;
    step("every file is compared", compare(scene, &events, &sent)).await?;

    let asked = downloads(stack, &scene.contact.number, &before).await?;
    sent.delays.sort_unstable();
    let mut table = Table::new(&["a minute without the bucket", ""]);
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    for (what, value) in [
        ("the bucket was away for", seconds(lasted)),
        ("messages with a file, sent and told", sent.files.len().to_string()),
        ("messages without, sent and told", sent.texts.len().to_string()),
        (
            "from sent to told, p50",
            seconds(quantile(&sent.delays, 0.5).unwrap_or_default()),
        ),
        (
            "from sent to told, p99",
            seconds(quantile(&sent.delays, 0.99).unwrap_or_default()),
        ),
        ("files stored and equal", sent.files.len().to_string()),
        ("files lost, doubled or failed", "0".to_owned()),
        ("requests to WhatsApp's media servers for them", asked.to_string()),
        ("bucket back → half of the files", seconds(caught_up.half)),
        ("bucket back → the last file", seconds(caught_up.all)),
        (
            "worker's memory rose by (MiB)",
            format!("{:.1}", mebibytes(curve.rise())),
        ),
    ] {
        table.row([what.to_owned(), value]);
    }
    say(table);
    Ok(())
}

/// Sends files and texts until the time is over, and waits for the event of each before the next.
async fn send(scene: &Scene, events: &mut Events<'_>) -> anyhow::Result<Sent> {
    let start = Instant::now();
    let to = &scene.owner.number;
    let mut sent = Sent::default();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while start.elapsed() < OUTAGE {
        pace.tick().await;
        let number = sent.files.len();
        let document = file(1_000 + number, SIZE);
        let expected = hash(&document);
        let id = scene
            .contact
            .send_file(to, MediaKind::Document, "application/pdf", document)
            .await?;
        let at = Instant::now();
        let told = events.first("message.received", &id).await?;
        sent.delays.push(at.elapsed());
        ensure!(
            told["document"]["status"] == "pending",
            "a file without a bucket is pending: {told}"
        );
        sent.files.insert(id, expected);
        let text = scene.contact.send_text(to, &format!("number {number}")).await?;
        let at = Instant::now();
        events.first("message.received", &text).await?;
        sent.delays.push(at.elapsed());
        sent.texts.push(text);
    }
    Ok(sent)
}

async fn uploads(stack: &Stack, number: &str) -> anyhow::Result<Vec<StoredFile>> {
    let mut files = stack.network().media().await?;
    files.retain(|file| file.uploaded_by == number);
    Ok(files)
}

/// How often the files that `number` has uploaded since `before` were downloaded.
async fn downloads(stack: &Stack, number: &str, before: &HashSet<String>) -> anyhow::Result<u64> {
    let files = uploads(stack, number).await?;
    let new = files.iter().filter(|file| !before.contains(&file.direct_path));
    Ok(new.map(|file| file.downloads).sum())
}

/// Times from the bucket's return.
struct CaughtUp {
    half: Duration,
    all: Duration,
}

async fn follow(events: &mut Events<'_>, files: usize, back: Instant) -> anyhow::Result<CaughtUp> {
    let mut half = None;
    wait_for(format!("{files} files to be stored"), DEADLINE, async || {
        events.read().await?;
        let stored = events.data("media.stored").count();
        if stored * 2 >= files {
            half.get_or_insert(back.elapsed());
        }
        if stored >= files {
            return Ok(());
        }
        Err(NotYet::because(format!("{stored} are")))
    })
    .await?;
    Ok(CaughtUp {
        half: half.unwrap_or_default(),
        all: back.elapsed(),
    })
}

/// Every message was told once, every file stored once and is the one that was sent.
async fn compare(scene: &Scene, events: &Events<'_>, sent: &Sent) -> anyhow::Result<()> {
    let mut told: HashMap<&str, usize> = HashMap::new();
    for data in events.data("message.received") {
        *told
            .entry(data["wa_message_id"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    for id in sent.files.keys().chain(&sent.texts) {
        let times = told.get(id.as_str()).copied().unwrap_or_default();
        ensure!(times == 1, "the message {id} was told {times} times");
    }
    let failed = events.data("media.failed").count();
    ensure!(failed == 0, "{failed} files failed");
    let stored: Vec<_> = events.data("media.stored").collect();
    ensure!(
        stored.len() == sent.files.len(),
        "{} files are stored, {} were sent",
        stored.len(),
        sent.files.len()
    );
    let mut left = sent.files.clone();
    for data in stored {
        let id = data["wa_message_id"].as_str().unwrap_or_default();
        let expected = left
            .remove(id)
            .with_context(|| format!("the file of {id} is stored twice, or was never sent"))?;
        let media = data["media"]["media_id"].as_str().context("a file without an id")?;
        ensure!(
            scene.hash_in_bucket(media).await? == expected,
            "the file of {id} is another one"
        );
    }
    Ok(())
}
