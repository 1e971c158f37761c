//! Parts that go away for some seconds and come back: everything recovers by itself, and accepted messages go out once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use harness::network::Phone;
use harness::service::Service;
use harness::wait::{NotYet, wait_for};
use serde_json::json;
use stories::scene::PATIENCE;
use stories::{LinkedSession, Scene, Story};

/// How long a recovery may take: connections are tried again with growing pauses.
const RECOVERY: Duration = Duration::from_secs(60);
/// Messages that are sent as fast as the API takes them.
const BURST: usize = 60;

stories::stories![
    messages_accepted_while_nats_is_away_go_out_once,
    a_nats_server_that_lost_its_store_delays_and_loses_nothing,
    postgres_that_restarts_is_reported_and_waited_for,
    a_burst_that_postgres_interrupts_goes_out_once_and_what_arrives_meanwhile_is_kept,
    a_lost_connection_to_whatsapp_is_made_again,
    messages_received_while_the_dispatcher_is_away_arrive_later,
];

/// Sends texts and returns their ids on WhatsApp.
async fn send(scene: &Scene, session: &LinkedSession, to: &Phone, texts: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(scene.api.send_text(&session.id, &to.number, text).await?.wa_message_id);
    }
    Ok(ids)
}

/// Waits until the network has accepted every message, and checks that it accepted each once and in this order.
async fn each_went_out_once(scene: &Scene, session: &LinkedSession, ids: &[String]) -> anyhow::Result<()> {
    let accepted = wait_for("every message to be accepted", RECOVERY, async || {
        let ledger = scene.network().ledger(&session.owner.number).await?;
        let accepted: Vec<String> = ledger
            .into_iter()
            .filter(|entry| entry.kind == "message")
            .filter_map(|entry| entry.id)
            .filter(|id| ids.contains(id))
            .collect();
        let missing = ids.iter().filter(|id| !accepted.contains(id)).count();
        if missing > 0 {
            return Err(NotYet::because(format!("{missing} of {} are missing", ids.len())));
        }
        Ok(accepted)
    })
    .await?;
    let mut times: HashMap<&String, u32> = HashMap::new();
    for id in &accepted {
        *times.entry(id).or_default() += 1;
    }
    ensure!(
        times.values().all(|times| *times == 1),
        "some went out more than once: {times:?}"
    );
    ensure!(accepted == ids, "they went out in another order: {accepted:?}");
    Ok(())
}

async fn messages_accepted_while_nats_is_away_go_out_once(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let mut ids = send(&scene, &session, &contact, &["before"]).await?;

    scene.kill(Service::Nats).await?;
    ids.extend(send(&scene, &session, &contact, &["one", "two", "three"]).await?);
    scene.start(Service::Nats).await?;
    ids.extend(send(&scene, &session, &contact, &["after"]).await?);

    each_went_out_once(&scene, &session, &ids).await
}

async fn a_nats_server_that_lost_its_store_delays_and_loses_nothing(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;

    scene.kill(Service::Nats).await?;
    std::fs::remove_dir_all(scene.site().directory.data_of("nats"))?;
    let ids = send(&scene, &session, &contact, &["one", "two"]).await?;
    let received = contact.send_text(&session.owner.number, "in the meantime").await?;
    scene.start(Service::Nats).await?;

    each_went_out_once(&scene, &session, &ids).await?;
    scene
        .sink()
        .first("shop", RECOVERY, |webhook| webhook.body.contains(&received))
        .await?;
    Ok(())
}

async fn postgres_that_restarts_is_reported_and_waited_for(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let mut ids = send(&scene, &session, &contact, &["before"]).await?;
    each_went_out_once(&scene, &session, &ids).await?;

    scene.stop(Service::Postgres, PATIENCE).await?;
    let start = Instant::now();
    let refused = scene
        .api
        .text(&session.id, &contact.number, "nobody keeps this")
        .send()
        .await?;
    ensure!(
        refused.status == 503 && refused.problem_code()? == "unavailable",
        "{refused}"
    );
    ensure!(refused.header("retry-after").is_some(), "{refused}");
    ensure!(
        start.elapsed() < Duration::from_secs(5),
        "the refusal took {:?}",
        start.elapsed()
    );
    let unready = scene.api.anonymous(reqwest::Method::GET, "/readyz").send().await?;
    ensure!(unready.status == 503, "{unready}");
    let alive = scene.api.anonymous(reqwest::Method::GET, "/healthz").send().await?;
    ensure!(alive.status == 200, "{alive}");
    scene.start(Service::Postgres).await?;

    let sent = wait_for("a message to be accepted again", RECOVERY, async || {
        Ok(scene.api.send_text(&session.id, &contact.number, "after").await?)
    })
    .await?;
    ids.push(sent.wa_message_id);
    each_went_out_once(&scene, &session, &ids).await?;
    scene.wait_for_status(&session.id, "connected").await?;
    Ok(())
}

async fn a_burst_that_postgres_interrupts_goes_out_once_and_what_arrives_meanwhile_is_kept(
    story: &Story,
) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let first = contact.send_text(&session.owner.number, "before").await?;
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains(&first))
        .await?;

    let texts: Vec<String> = (0..BURST).map(|number| format!("message {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ids = send(&scene, &session, &contact, &texts).await?;
    scene.stop(Service::Postgres, PATIENCE).await?;
    let accepted = scene.network().ledger(&session.owner.number).await?;
    let accepted = accepted.iter().filter(|entry| entry.kind == "message").count();
    ensure!(accepted < BURST, "the burst was over before Postgres went");
    let mut arrived = Vec::new();
    for text in ["one", "two", "three"] {
        arrived.push(contact.send_text(&session.owner.number, text).await?);
    }
    scene.start(Service::Postgres).await?;

    each_went_out_once(&scene, &session, &ids).await?;
    for id in &arrived {
        scene
            .sink()
            .first("shop", RECOVERY, |webhook| webhook.body.contains(id))
            .await?;
    }
    let events = scene.api.events().await?;
    let kept: Vec<&str> = events
        .iter()
        .filter(|event| event.event_type == "message.received")
        .filter_map(|event| event.data["wa_message_id"].as_str())
        .collect();
    ensure!(kept.len() == 1 + arrived.len(), "not each is kept once: {kept:?}");
    Ok(())
}

async fn a_lost_connection_to_whatsapp_is_made_again(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let number = &session.owner.number;
    let first = current_socket(&scene, number).await?;

    // For some seconds nobody gets in.
    scene.network().fault(&json!({ "kind": "refuse_connections" })).await?;
    scene.network().fault(&json!({ "kind": "drop_connections" })).await?;
    let ids = send(&scene, &session, &contact, &["one", "two", "three"]).await?;
    let seen = scene.wait_for_status(&session.id, "disconnected").await?;
    ensure!(seen.account.is_some(), "the account is still linked: {seen:?}");
    scene.network().clear_faults().await?;

    each_went_out_once(&scene, &session, &ids).await?;
    scene.wait_for_status(&session.id, "connected").await?;
    let second = current_socket(&scene, number).await?;
    ensure!(first != second, "it is the same connection: {first}");
    Ok(())
}

/// The connection of the account's latest login.
async fn current_socket(scene: &Scene, number: &str) -> anyhow::Result<u64> {
    let ledger = scene.network().ledger(number).await?;
    let login = ledger.iter().rev().find(|entry| entry.kind == "login");
    login
        .and_then(|entry| entry.socket)
        .context("the account never logged in")
}

async fn messages_received_while_the_dispatcher_is_away_arrive_later(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    scene.kill(Service::Dispatcher(1)).await?;
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(contact.send_text(&session.owner.number, text).await?);
    }
    scene.start(Service::Dispatcher(1)).await?;
    for id in ids {
        scene
            .sink()
            .first("shop", RECOVERY, |webhook| webhook.body.contains(&id))
            .await?;
    }
    Ok(())
}
