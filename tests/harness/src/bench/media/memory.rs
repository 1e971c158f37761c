//! Resident memory of one worker while a document of 100 MiB comes in and goes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;

use super::{Events, Scene, file, hash};
use crate::network::MediaKind;
use crate::process::Process;
use crate::progress::{heading, say, step};
use crate::report::Table;
use crate::service::Service;
use crate::stack::Stack;

/// How large the document is, in bytes.
const SIZE: usize = 100 * MEBIBYTE;
const MEBIBYTE: usize = 1024 * 1024;
/// How large the file is that comes and goes before: what is only set up once (TLS, pools) is no part of the curve, buffers are.
const SMALL: usize = 10_000;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of the printed curve.
const LINES: usize = 12;
/// By how much the worker's memory may rise.
const MOST: u64 = 16 * 1024 * 1024;

pub(super) async fn run(stack: &Stack, scene: &Scene) -> anyhow::Result<()> {
    heading("Memory of one worker while a document of 100 MiB is received and sent");
    let worker = stack.process(Service::Worker(1))?;
    let small = receive(scene, file(1, SMALL)).await?;
    scene.send(&small).await?;

    let document = file(2, SIZE);
    let sent_by_phone = hash(&document);
    let incoming = step("100 MiB from WhatsApp into the bucket", receive(scene, document));
    let (media, received) = measured(&worker, incoming).await?;
    ensure!(
        scene.hash_in_bucket(&media).await? == sent_by_phone,
        "the bucket has another document than the one that was sent"
    );
    print("received", &received);

    let outgoing = step("100 MiB from the bucket to WhatsApp", scene.send(&media));
    let (message, sent) = measured(&worker, outgoing).await?;
    let message = scene
        .contact
        .first_message(super::DEADLINE, |found| found.id == message)
        .await?;
    let read = scene.contact.read_media(&message.media()?).await?;
    ensure!(
        hash(&read) == sent_by_phone,
        "the phone decrypts another document than the one in the bucket"
    );
    print("sent", &sent);
    say("  Both times the SHA-256 at the other end was that of the document.");
    for (what, curve) in [("receiving", &received), ("sending", &sent)] {
        let rise = curve.rise();
        ensure!(rise < MOST, "{what} raised the worker's memory by {rise} bytes");
    }
    Ok(())
}

/// The contact sends a document; answers our id of it once it is stored.
async fn receive(scene: &Scene, document: Vec<u8>) -> anyhow::Result<String> {
    let to = &scene.owner.number;
    let id = scene
        .contact
        .send_file(to, MediaKind::Document, "application/pdf", document)
        .await?;
    let stored = Events::of(&scene.api).first("media.stored", &id).await?;
    let media = stored["media"]["media_id"].as_str().context("a file without an id")?;
    Ok(media.to_owned())
}

/// The worker's memory over time, in bytes.
pub(super) struct Curve {
    looks: Vec<(Duration, u64)>,
    /// The highest that the kernel has seen, which no look can miss. `None`: it does not forget earlier heights when asked to.
    highest: Option<u64>,
}

impl Curve {
    /// From the first look to the highest.
    pub(super) fn rise(&self) -> u64 {
        let before = self.looks.first().map_or(0, |first| first.1);
        let most = self.looks.iter().map(|look| look.1).chain(self.highest).max();
        most.unwrap_or(0).saturating_sub(before)
    }
}

/// Does `work` and looks at the worker's memory meanwhile.
pub(super) async fn measured<T>(
    worker: &Arc<Process>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Curve)> {
    let start = Instant::now();
    let forgotten = worker.forget_highest_resident().is_ok();
    let looks = Arc::new(Mutex::new(vec![(Duration::ZERO, worker.resident_bytes()?)]));
    let looking = tokio::spawn({
        let (looks, worker) = (Arc::clone(&looks), Arc::clone(worker));
        async move {
            let mut tick = tokio::time::interval(LOOK_EVERY);
            loop {
                tick.tick().await;
                if let Ok(bytes) = worker.resident_bytes() {
                    looks.lock().push((start.elapsed(), bytes));
                }
            }
        }
    });
    let outcome = work.await;
    looking.abort();
    let highest = if forgotten {
        Some(worker.highest_resident_bytes()?)
    } else {
        None
    };
    let looks = std::mem::take(&mut *looks.lock());
    Ok((outcome?, Curve { looks, highest }))
}

#[expect(clippy::cast_precision_loss, reason = "memory in MiB, rounded for people")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE as f64
}

#[expect(clippy::cast_precision_loss, reason = "a share, rounded for people")]
fn print(what: &str, curve: &Curve) {
    let mut table = Table::new(&["seconds", "worker's memory (MiB)"]);
    for part in curve.looks.chunks(curve.looks.len().div_ceil(LINES).max(1)) {
        if let (Some(first), Some(most)) = (part.first(), part.iter().map(|look| look.1).max()) {
            table.row([
                format!("{:.2}", first.0.as_secs_f64()),
                format!("{:.1}", mebibytes(most)),
            ]);
        }
    }
    say(table);
    let rise = curve.rise();
    say(format!(
        "  100 MiB {what}: the worker's memory rose by {:.1} MiB at most, {:.1} % of the document ({})",
        mebibytes(rise),
        rise as f64 / SIZE as f64 * 100.0,
        if curve.highest.is_some() {
            "the kernel's count"
        } else {
            "by looks"
        },
    ));
}
