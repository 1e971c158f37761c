//! Webhooks as a receiver sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::service::Service;
use harness::sink::Behaviour;
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    a_receiver_that_fails_gets_the_same_webhook_again,
    a_receiver_that_hangs_delays_no_other,
    two_dispatchers_deliver_every_event_once,
    a_test_webhook_arrives_signed,
];

async fn a_receiver_that_fails_gets_the_same_webhook_again(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.variable("ROOKERY_RETRY_SCHEDULE", "1,1,1")).await?;
    let webhook = scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let failing = Behaviour {
        status: Some(500),
        count: Some(2),
        ..Behaviour::default()
    };
    scene.sink().behave(&failing).await?;

    let id = contact.send_text(&session.owner.number, "Hello").await?;
    let last = scene
        .sink()
        .first("shop", PATIENCE, |webhook| {
            webhook.body.contains(&id) && webhook.attempts == 3
        })
        .await?;
    ensure!(last.verified && last.answered == Some(200), "{last:?}");
    let all = scene.sink().received("shop", 0, Duration::ZERO).await?.webhooks;
    let ids: Vec<Option<&String>> = all.iter().map(|one| one.headers.get("webhook-id")).collect();
    ensure!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    let path = format!("/v1/webhooks/{webhook}/deliveries");
    let deliveries = harness::wait::wait_for("the delivery to be recorded", PATIENCE, async || {
        let page: Value = scene.api.get(&path).ok().await?.json()?;
        if page["data"][0]["status"] == "succeeded" {
            return Ok(page);
        }
        Err(harness::wait::NotYet::because(page))
    })
    .await?;
    let attempts = deliveries["data"][0]["attempts"]
        .as_array()
        .context("attempts are listed")?;
    ensure!(attempts.len() == 3, "{deliveries}");
    Ok(())
}

async fn a_receiver_that_hangs_delays_no_other(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("slow", &["message.received"]).await?;
    scene.webhook("quick", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let hanging = Behaviour {
        name: Some("slow".to_owned()),
        hang: true,
        ..Behaviour::default()
    };
    scene.sink().behave(&hanging).await?;
    let start = std::time::Instant::now();
    let mut last = String::new();
    for number in 1..=20 {
        last = contact
            .send_text(&session.owner.number, &format!("message {number}"))
            .await?;
    }
    scene
        .sink()
        .first("quick", PATIENCE, |webhook| webhook.body.contains(&last))
        .await?;
    // The hanging receiver is given up after 15 seconds at the earliest: whoever waited for it would be later.
    ensure!(
        start.elapsed() < Duration::from_secs(10),
        "the last took {:?}",
        start.elapsed()
    );
    Ok(())
}

async fn two_dispatchers_deliver_every_event_once(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.dispatchers(2)).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let mut sent = Vec::new();
    for number in 1..=30 {
        sent.push(
            contact
                .send_text(&session.owner.number, &format!("message {number}"))
                .await?,
        );
        if number == 15 {
            scene.stop(Service::Dispatcher(1), PATIENCE).await?;
        }
    }
    for id in &sent {
        scene
            .sink()
            .first("shop", PATIENCE, |webhook| webhook.body.contains(id))
            .await?;
    }
    let all = scene.sink().received("shop", 0, Duration::ZERO).await?.webhooks;
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for webhook in &all {
        let id = sent
            .iter()
            .find(|id| webhook.body.contains(*id))
            .context("an unknown webhook")?;
        *times.entry(id).or_default() += 1;
    }
    ensure!(times.values().all(|times| *times == 1), "{times:?}");
    ensure!(all.iter().all(|webhook| webhook.verified), "a signature is wrong");
    Ok(())
}

async fn a_test_webhook_arrives_signed(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let webhook = scene.webhook("shop", &["message.received"]).await?;
    let answer = scene
        .api
        .post(&format!("/v1/webhooks/{webhook}/test"), &json!({}))
        .send()
        .await?;
    ensure!((200..300).contains(&answer.status), "{answer}");
    let arrived = scene
        .sink()
        .first("shop", PATIENCE, |one| one.event_type() == "webhook.test")
        .await?;
    ensure!(arrived.verified && arrived.legacy_verified, "{arrived:?}");
    Ok(())
}
