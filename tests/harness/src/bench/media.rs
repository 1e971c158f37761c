//! Resident memory of one worker while a document of 100 MB comes in and goes out.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};

use super::released_stack;
use crate::client::Api;
use crate::network::{MediaKind, Phone};
use crate::process::Process;
use crate::progress::{heading, say, step};
use crate::report::Table;
use crate::service::Service;
use crate::wait::{NotYet, wait_for};

/// How large the document is, in bytes.
const SIZE: usize = 100 * 1024 * 1024;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of the printed curve.
const LINES: usize = 12;
const DEADLINE: Duration = Duration::from_secs(300);
/// By how much the worker's memory may rise.
const MOST: u64 = 16 * 1024 * 1024;

pub(super) async fn run(folder: &Path) -> anyhow::Result<()> {
    heading("Memory of one worker while a document of 100 MB is received and sent");
    let stack = released_stack(folder)?.start().await?;
    let admin = stack.gateway(1)?;
    let api = admin.create_key(&admin.create_tenant("Files").await?).await?;
    let owner = stack.network().phone(None, "Front desk").await?;
    let contact = stack.network().phone(None, "Carlos").await?;
    let session = api.create_session("Front desk").await?.id;
    owner.scan(&api.qr(&session, DEADLINE).await?).await?;
    // A small file first: what is only set up once (TLS, pools) is no part of the curve.
    let small = receive(&api, &owner, &contact, vec![1; 6_000_000]).await?;
    send(&api, &session, &contact, &small).await?;
    let worker = stack.process(Service::Worker(1))?;

    let document: Vec<u8> = (0..SIZE)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0])
        .collect();
    let incoming = measured(
        &worker,
        step(
            "100 MB from WhatsApp into the bucket",
            receive(&api, &owner, &contact, document),
        ),
    );
    let (media, received) = incoming.await?;
    print("received", &received);
    let outgoing = measured(
        &worker,
        step(
            "100 MB from the bucket to WhatsApp",
            send(&api, &session, &contact, &media),
        ),
    );
    let ((), sent) = outgoing.await?;
    print("sent", &sent);
    for (what, curve) in [("receiving", &received), ("sending", &sent)] {
        let rise = rise(curve);
        ensure!(rise < MOST, "{what} raised the worker's memory by {rise} bytes");
    }
    Ok(())
}

/// A moment and the memory at it.
type Curve = Vec<(Duration, u64)>;

/// Does `work` and looks at the worker's memory meanwhile.
async fn measured<T>(
    worker: &Arc<Process>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Curve)> {
    let curve = Arc::new(Mutex::new(Curve::new()));
    let start = Instant::now();
    curve.lock().push((Duration::ZERO, worker.resident_bytes()?));
    let looking = tokio::spawn({
        let (curve, worker) = (Arc::clone(&curve), Arc::clone(worker));
        async move {
            let mut tick = tokio::time::interval(LOOK_EVERY);
            loop {
                tick.tick().await;
                if let Ok(bytes) = worker.resident_bytes() {
                    curve.lock().push((start.elapsed(), bytes));
                }
            }
        }
    });
    let outcome = work.await;
    looking.abort();
    let curve = std::mem::take(&mut *curve.lock());
    Ok((outcome?, curve))
}

/// The contact sends a document; answers our id of it once it is stored.
async fn receive(api: &Api, owner: &Phone, contact: &Phone, document: Vec<u8>) -> anyhow::Result<String> {
    let id = contact
        .send_file(&owner.number, MediaKind::Document, "application/pdf", document)
        .await?;
    wait_for("the document to be stored", DEADLINE, async || {
        let events = api.events().await?;
        let stored = events
            .iter()
            .find(|event| event.event_type == "media.stored" && event.data["wa_message_id"] == id.as_str());
        match stored.and_then(|event| event.data["media"]["media_id"].as_str()) {
            Some(media) => Ok(media.to_owned()),
            None => Err(NotYet::because("it is not")),
        }
    })
    .await
}

async fn send(api: &Api, session: &str, contact: &Phone, media: &str) -> anyhow::Result<()> {
    let body = json!({ "to": contact.number, "type": "document", "document": { "media_id": media } });
    let path = format!("/v1/sessions/{session}/messages");
    let accepted: Value = api
        .request(Method::POST, &path)
        .json(&body)
        .send()
        .await?
        .expect(202)?
        .json()?;
    let id = accepted["wa_message_id"].as_str().context("a message without an id")?;
    contact.first_message(DEADLINE, |message| message.id == id).await?;
    Ok(())
}

fn rise(curve: &Curve) -> u64 {
    let before = curve.first().map_or(0, |first| first.1);
    let most = curve.iter().map(|look| look.1).max().unwrap_or(0);
    most.saturating_sub(before)
}

#[expect(clippy::cast_precision_loss, reason = "memory in MiB, rounded for people")]
fn print(what: &str, curve: &Curve) {
    let mebibytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let mut table = Table::new(&["seconds", "worker's memory (MiB)"]);
    for part in curve.chunks(curve.len().div_ceil(LINES).max(1)) {
        if let (Some(first), Some(most)) = (part.first(), part.iter().map(|look| look.1).max()) {
            table.row([
                format!("{:.2}", first.0.as_secs_f64()),
                format!("{:.1}", mebibytes(most)),
            ]);
        }
    }
    say(table);
    say(format!(
        "  100 MB {what}: the worker's memory rose by {:.1} MiB",
        mebibytes(rise(curve))
    ));
}
