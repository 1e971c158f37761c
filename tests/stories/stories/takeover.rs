//! Holders that die, stop or leave: somebody else takes over, nothing is lost, nothing is done twice.
//!
//! The evidence is the network's ledger: what was accepted, on which connection, with which ratchet counters.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::network::{LedgerEntry, Phone};
use harness::process::Process;
use harness::service::Service;
use harness::wait::{NotYet, wait_for};
use serde_json::Value;
use stories::scene::PATIENCE;
use stories::{LinkedSession, Scene, Story};

/// How long a take-over may take: the lease must run out and be seen to run out, then a worker claims, connects and catches up.
const TAKE_OVER: Duration = Duration::from_secs(60);
/// Messages that are queued while the holder goes.
const MESSAGES: usize = 50;

stories::stories![
    a_holder_killed_while_fifty_messages_are_queued_loses_none_and_doubles_none,
    a_holder_that_is_stopped_and_continued_writes_nothing_stale_and_acts_on_no_second_socket,
    a_worker_that_is_asked_to_stop_hands_its_sessions_over_at_once,
];

/// The number of the worker that holds a session, and its process.
async fn holder(scene: &Scene, session: &LinkedSession) -> anyhow::Result<(usize, Arc<Process>)> {
    let id = wait_for("the session to have a live holder", PATIENCE, async || {
        let state = scene.api.state(&session.id).await?;
        match state.holder {
            Some(holder) if state.live => Ok(holder),
            _ => Err(NotYet::because(format!("{state:?}"))),
        }
    })
    .await?;
    for number in 1..=2 {
        let log = scene.log_tail(Service::Worker(number), usize::MAX);
        if log
            .iter()
            .any(|line| line.contains("worker is up") && line.contains(&id))
        {
            return Ok((number, scene.process(Service::Worker(number))?));
        }
    }
    anyhow::bail!("no worker's log names {id}")
}

/// Queues messages as fast as the API takes them; answers their ids on WhatsApp, in order.
async fn queue(scene: &Scene, session: &LinkedSession, to: &Phone, count: usize) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        let text = format!("message {number}");
        ids.push(scene.api.send_text(&session.id, &to.number, &text).await?.wa_message_id);
    }
    Ok(ids)
}

async fn messages_in_ledger(scene: &Scene, session: &LinkedSession) -> anyhow::Result<Vec<LedgerEntry>> {
    let ledger = scene.network().ledger(&session.owner.number).await?;
    Ok(ledger.into_iter().filter(|entry| entry.kind == "message").collect())
}

/// Waits until every message is accepted, and checks the ledger: each once, and no ratchet counter used twice.
async fn each_is_accepted_exactly_once(
    scene: &Scene,
    session: &LinkedSession,
    ids: &[String],
) -> anyhow::Result<Vec<LedgerEntry>> {
    let entries = wait_for("every queued message to be accepted", TAKE_OVER, async || {
        let entries = messages_in_ledger(scene, session).await?;
        let accepted: HashSet<&String> = entries.iter().filter_map(|entry| entry.id.as_ref()).collect();
        let missing = ids.iter().filter(|id| !accepted.contains(id)).count();
        if missing > 0 {
            return Err(NotYet::because(format!("{missing} of {} are missing", ids.len())));
        }
        Ok(entries)
    })
    .await?;
    let mut times: HashMap<&str, usize> = HashMap::new();
    for entry in entries.iter().filter(|entry| !entry.duplicate) {
        *times.entry(entry.id.as_deref().unwrap_or_default()).or_default() += 1;
    }
    for id in ids {
        ensure!(
            times.get(id.as_str()) == Some(&1),
            "{id} was accepted {:?} times",
            times.get(id.as_str())
        );
    }
    let mut used = HashSet::new();
    for ciphertext in entries.iter().flat_map(|entry| &entry.encrypted) {
        if let (Some(chain), Some(counter)) = (&ciphertext.chain, ciphertext.counter) {
            ensure!(
                used.insert((&ciphertext.to, chain, counter)),
                "counter {counter} of chain {chain} was used twice"
            );
        }
    }
    Ok(entries)
}

/// Checks that the recipient shows each message once, in order.
async fn recipient_shows_each_once(to: &Phone, ids: &[String]) -> anyhow::Result<()> {
    let shown = wait_for("the recipient to have every message", PATIENCE, async || {
        let page = to.received(0, Duration::ZERO).await?;
        let shown: Vec<String> = page
            .messages
            .into_iter()
            .map(|message| message.id)
            .filter(|id| ids.contains(id))
            .collect();
        if shown.len() < ids.len() {
            return Err(NotYet::because(format!("{} of {}", shown.len(), ids.len())));
        }
        Ok(shown)
    })
    .await?;
    ensure!(
        shown == ids,
        "the recipient shows them in another order or more than once: {shown:?}"
    );
    Ok(())
}

/// Checks that the session's events are numbered without gaps and that no later one was written under an earlier claim.
async fn events_have_no_gap_and_no_stale_epoch(scene: &Scene, session: &LinkedSession) -> anyhow::Result<()> {
    let events = scene.api.events().await?;
    let mut events: Vec<_> = events
        .into_iter()
        .filter(|event| event.session_id.to_string() == session.id)
        .collect();
    events.sort_by_key(|event| event.seq);
    for (event, expected) in events.iter().zip(1..) {
        ensure!(
            event.seq == expected,
            "event {} follows event {}",
            event.seq,
            expected - 1
        );
    }
    let epochs: Vec<i64> = events
        .iter()
        .filter(|event| event.event_type == "session.status")
        .filter_map(|event| event.data["epoch"].as_i64())
        .collect();
    ensure!(
        epochs.is_sorted(),
        "a status was written under an earlier claim: {epochs:?}"
    );
    Ok(())
}

async fn the_operator_sees_the_takeover(scene: &Scene, session: &LinkedSession) -> anyhow::Result<()> {
    let cluster: Value = scene.admin.get("/v1/cluster").ok().await?.json()?;
    let takeover = &cluster["takeovers"][0];
    ensure!(
        takeover["session_id"] == session.id.as_str() && takeover["from"] != takeover["to"],
        "{cluster}"
    );
    let holder = cluster["workers"].as_array().and_then(|workers| {
        workers
            .iter()
            .find(|worker| worker["id"] == takeover["to"] && worker["alive"] == true)
    });
    ensure!(holder.is_some_and(|worker| worker["sessions"] == 1), "{cluster}");
    Ok(())
}

async fn a_holder_killed_while_fifty_messages_are_queued_loses_none_and_doubles_none(
    story: &Story,
) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.gateways(2).workers(2)).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    // The conversation is set up, so that the others follow each other quickly.
    scene
        .api
        .send_text_and_wait(&session.id, &contact.number, "first", PATIENCE)
        .await?;
    let (number, process) = holder(&scene, &session).await?;

    let ids = queue(&scene, &session, &contact, MESSAGES).await?;
    process.kill().await?;
    let before = messages_in_ledger(&scene, &session).await?.len() - 1;

    let entries = each_is_accepted_exactly_once(&scene, &session, &ids).await?;
    recipient_shows_each_once(&contact, &ids).await?;
    let repeated = entries.iter().filter(|entry| entry.duplicate).count();
    harness::progress::say(format!(
        "killed after {before} of {MESSAGES}; {repeated} went out a second time under their own id and were dropped by the network"
    ));
    scene.wait_for_status(&session.id, "connected").await?;
    let (now, _) = holder(&scene, &session).await?;
    ensure!(now != number, "the killed worker cannot hold it");
    the_operator_sees_the_takeover(&scene, &session).await?;
    events_have_no_gap_and_no_stale_epoch(&scene, &session).await
}

async fn a_holder_that_is_stopped_and_continued_writes_nothing_stale_and_acts_on_no_second_socket(
    story: &Story,
) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.workers(2)).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    scene
        .api
        .send_text_and_wait(&session.id, &contact.number, "first", PATIENCE)
        .await?;
    let (number, process) = holder(&scene, &session).await?;
    let old_epoch = scene.api.state(&session.id).await?.epoch.context("no epoch")?;

    // Stopped in the middle of its work: some messages are out, some are on their way, some are only rows.
    let first = queue(&scene, &session, &contact, 20).await?;
    process.pause()?;
    let second = queue(&scene, &session, &contact, 20).await?;
    // Something arrives for it too, which the next holder gets.
    let arriving = contact.send_text(&session.owner.number, "are you there?").await?;

    let new_epoch = wait_for("the other worker to take over", TAKE_OVER, async || {
        let state = scene.api.state(&session.id).await?;
        match state.epoch {
            Some(epoch) if epoch > old_epoch && state.status == "connected" => Ok(epoch),
            _ => Err(NotYet::because(format!("{state:?}"))),
        }
    })
    .await?;
    let ids = [first, second].concat();
    each_is_accepted_exactly_once(&scene, &session, &ids).await?;

    process.resume()?;
    wait_for(
        "the continued worker to notice that it has lost the session",
        PATIENCE,
        async || {
            let log = scene.log_tail(Service::Worker(number), 200);
            let noticed = ["another worker has this session now", "the claim is over", "Replaced"];
            if log.iter().any(|line| noticed.iter().any(|text| line.contains(text))) {
                return Ok(());
            }
            Err(NotYet::because("its log does not say so"))
        },
    )
    .await?;
    // Life goes on with the new holder, while the old one is awake.
    let after = queue(&scene, &session, &contact, 5).await?;
    let ids = [ids, after].concat();
    let entries = each_is_accepted_exactly_once(&scene, &session, &ids).await?;
    recipient_shows_each_once(&contact, &ids).await?;

    let ledger = scene.network().ledger(&session.owner.number).await?;
    let last_login = ledger
        .iter()
        .rev()
        .find(|entry| entry.kind == "login")
        .context("nobody logged in")?;
    let stale: Vec<_> = entries
        .iter()
        .filter(|entry| entry.cursor > last_login.cursor && entry.socket != last_login.socket)
        .collect();
    ensure!(
        stale.is_empty(),
        "another socket acted after the new holder had logged in: {stale:?}"
    );
    let state = scene.api.state(&session.id).await?;
    ensure!(
        state.epoch == Some(new_epoch) && state.status == "connected",
        "the continued worker disturbed the new holder: {state:?}"
    );

    wait_for("the message that arrived meanwhile", PATIENCE, async || {
        let events = scene.api.events().await?;
        let arrived = events
            .iter()
            .filter(|event| event.data["wa_message_id"] == arriving.as_str())
            .count();
        match arrived {
            0 => Err(NotYet::because("it has not arrived")),
            1 => Ok(()),
            _ => Err(NotYet::because(format!("it arrived {arrived} times"))),
        }
    })
    .await?;
    events_have_no_gap_and_no_stale_epoch(&scene, &session).await
}

async fn a_worker_that_is_asked_to_stop_hands_its_sessions_over_at_once(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.workers(2)).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let (number, _) = holder(&scene, &session).await?;
    let ids = queue(&scene, &session, &contact, 10).await?;

    let start = std::time::Instant::now();
    scene.stop(Service::Worker(number), Duration::from_secs(20)).await?;
    let stopped_after = start.elapsed();
    scene.wait_for_status(&session.id, "connected").await?;
    let (now, _) = holder(&scene, &session).await?;
    harness::progress::say(format!(
        "the worker stopped after {stopped_after:.1?}, the session lives on after {:.1?}",
        start.elapsed()
    ));
    ensure!(now != number, "a stopped worker holds the session");
    each_is_accepted_exactly_once(&scene, &session, &ids).await?;
    let replaced = scene
        .network()
        .ledger(&session.owner.number)
        .await?
        .into_iter()
        .filter(|entry| entry.kind == "replaced")
        .count();
    ensure!(
        replaced == 0,
        "the old connection was closed in order, nobody had to be replaced"
    );
    events_have_no_gap_and_no_stale_epoch(&scene, &session).await
}
