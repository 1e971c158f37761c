//! What operators and tenants do with sessions, keys and webhooks besides the main story.

use anyhow::{Context as _, ensure};
use chrono::{TimeDelta, Utc};
use futures::StreamExt as _;
use harness::sink::Behaviour;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

stories::stories![
    an_operator_sees_tenants_and_keys_and_takes_a_key_away,
    a_session_is_renamed_restarted_unlinked_and_removed,
    a_webhook_is_changed_gets_a_new_secret_and_is_removed,
    what_a_receiver_missed_is_retried_and_replayed,
    typing_reaches_a_webhook,
    a_tenant_is_suspended_and_comes_back,
    a_restricted_account_says_so,
    a_used_up_quota_and_a_webhook_that_is_gone_are_told_to_the_others,
    messages_that_do_not_get_any_further_are_reported_once,
    events_are_followed_over_a_websocket,
];

async fn an_operator_sees_tenants_and_keys_and_takes_a_key_away(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.workers(0).dispatchers(0)).await?;
    let metrics = scene
        .admin
        .anonymous(reqwest::Method::GET, "/metrics")
        .ok()
        .await?
        .text();
    ensure!(metrics.contains("rookery_gateway_request"), "{metrics}");
    let tenants: Value = scene.admin.get("/v1/tenants").ok().await?.json()?;
    let listed = tenants["data"].as_array().context("tenants are listed")?;
    ensure!(
        listed.iter().any(|tenant| tenant["id"] == scene.tenant.as_str()),
        "{tenants}"
    );
    let path = format!("/v1/tenants/{}", scene.tenant);
    let tenant: Value = scene.admin.get(&path).ok().await?.json()?;
    ensure!(tenant["name"] == "Story", "{tenant}");

    let other = scene.admin.create_key(&scene.tenant).await?;
    other.get("/v1/sessions").ok().await?;
    let keys: Value = scene
        .admin
        .get(&format!("/v1/api-keys?tenant_id={}", scene.tenant))
        .ok()
        .await?
        .json()?;
    let keys = keys["data"].as_array().context("keys are listed")?;
    ensure!(keys.len() == 2, "{keys:?}");
    ensure!(
        keys.iter().all(|key| !key.to_string().contains(other.key())),
        "a list shows no key"
    );
    let taken = keys
        .iter()
        .find(|key| key["hint"].as_str().is_some_and(|hint| other.key().starts_with(hint)))
        .and_then(|key| key["id"].as_str())
        .context("the key is listed")?;
    let answer = scene.admin.delete(&format!("/v1/api-keys/{taken}")).send().await?;
    ensure!((200..300).contains(&answer.status), "{answer}");
    // Gateways that have the key in memory learn of it by a hint.
    wait_for("the key to be refused", PATIENCE, async || {
        let answer = other.get("/v1/sessions").send().await?;
        if answer.status == 401 {
            return Ok(());
        }
        Err(NotYet::because(answer))
    })
    .await?;
    scene.api.get("/v1/sessions").ok().await?;
    Ok(())
}

async fn a_session_is_renamed_restarted_unlinked_and_removed(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let path = format!("/v1/sessions/{}", session.id);
    let renamed: Value = scene
        .api
        .patch(&path, &json!({ "name": "Reception", "metadata": { "floor": "2" } }))
        .ok()
        .await?
        .json()?;
    ensure!(
        renamed["name"] == "Reception" && renamed["metadata"]["floor"] == "2",
        "{renamed}"
    );

    let epoch = scene.api.state(&session.id).await?.epoch;
    scene
        .api
        .post(&format!("{path}/restart"), &json!({}))
        .prefer_wait(PATIENCE)
        .ok()
        .await?;
    scene.wait_for_status(&session.id, "connected").await?;
    ensure!(
        scene.api.state(&session.id).await?.epoch == epoch,
        "the same worker has gone on"
    );
    let contact = scene.phone("Carlos").await?;
    let accepted = scene
        .api
        .send_text(&session.id, &contact.number, "After the restart")
        .await?;
    contact
        .first_message(PATIENCE, |message| message.id == accepted.wa_message_id)
        .await?;
    let command = accepted.command_id.context("an accepted message names its command")?;
    wait_for("the command to be done", PATIENCE, async || {
        let command: Value = scene.api.get(&format!("/v1/commands/{command}")).ok().await?.json()?;
        if command["status"] == "done" {
            return Ok(());
        }
        Err(NotYet::because(command))
    })
    .await?;
    let message: Value = scene
        .api
        .get(&format!("{path}/messages/{}", accepted.id))
        .ok()
        .await?
        .json()?;
    ensure!(message["text"]["body"] == "After the restart", "{message}");

    scene
        .api
        .post(&format!("{path}/logout"), &json!({}))
        .prefer_wait(PATIENCE)
        .ok()
        .await?;
    let unlinked = scene.wait_for_status(&session.id, "logged_out").await?;
    ensure!(unlinked.account.is_none(), "{unlinked:?}");

    let answer = scene.api.delete(&path).send().await?;
    ensure!((200..300).contains(&answer.status), "{answer}");
    wait_for("the session to be gone", PATIENCE, async || {
        let answer = scene.api.get(&path).send().await?;
        if answer.status == 404 {
            return Ok(());
        }
        Err(NotYet::because(answer))
    })
    .await
}

async fn a_webhook_is_changed_gets_a_new_secret_and_is_removed(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let webhook = scene.webhook("shop", &["session.status"]).await?;
    let path = format!("/v1/webhooks/{webhook}");
    let shown: Value = scene.api.get(&path).ok().await?.json()?;
    ensure!(
        shown["events"] == json!(["session.status"]) && shown["secret"].is_null(),
        "{shown}"
    );
    let changed: Value = scene
        .api
        .patch(&path, &json!({ "events": ["message.*"] }))
        .ok()
        .await?
        .json()?;
    ensure!(changed["events"] == json!(["message.*"]), "{changed}");

    // From now on only the new secret counts for the receiver; the old one goes on signing beside it.
    let rotated: Value = scene
        .api
        .post(&format!("{path}/rotate-secret"), &json!({}))
        .ok()
        .await?
        .json()?;
    let secret = rotated["secret"].as_str().context("the new secret is shown once")?;
    scene.sink().expect_secret("renewed", secret).await?;
    scene
        .api
        .patch(&path, &json!({ "url": scene.sink().url("renewed") }))
        .ok()
        .await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let id = contact.send_text(&session.owner.number, "Hello").await?;
    let arrived = scene
        .sink()
        .first("renewed", PATIENCE, |one| one.body.contains(&id))
        .await?;
    ensure!(arrived.verified, "{:?}", arrived.verification_error);
    let signatures = arrived.headers.get("webhook-signature").context("it is signed")?;
    ensure!(signatures.split(' ').count() == 2, "both secrets sign: {signatures}");

    let answer = scene.api.delete(&path).send().await?;
    ensure!((200..300).contains(&answer.status), "{answer}");
    ensure!(scene.api.get(&path).send().await?.status == 404, "it is gone");
    Ok(())
}

async fn what_a_receiver_missed_is_retried_and_replayed(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.variable("ROOKERY_RETRY_SCHEDULE", "600")).await?;
    let webhook = scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let begin = Utc::now() - TimeDelta::minutes(1);
    let failing = Behaviour {
        status: Some(500),
        count: Some(1),
        ..Behaviour::default()
    };
    scene.sink().behave(&failing).await?;
    let id = contact.send_text(&session.owner.number, "Hello").await?;
    let deliveries = format!("/v1/webhooks/{webhook}/deliveries");
    let delivery = wait_for("the failed attempt to be recorded", PATIENCE, async || {
        let page: Value = scene.api.get(&deliveries).ok().await?.json()?;
        if page["data"][0]["last_status_code"] == 500 {
            let id = page["data"][0]["id"].as_str().map(str::to_owned);
            return id.ok_or_else(|| NotYet::because("a delivery without an id"));
        }
        Err(NotYet::because(page))
    })
    .await?;

    let retried = scene
        .api
        .post(&format!("{deliveries}/{delivery}/retry"), &json!({}))
        .send()
        .await?
        .expect(202)?;
    let retried: Value = retried.json()?;
    ensure!(retried["id"] == delivery.as_str(), "{retried}");
    let second = scene
        .sink()
        .first("shop", PATIENCE, |one| {
            one.body.contains(&id) && one.answered == Some(200)
        })
        .await?;
    ensure!(second.attempts == 2 && second.verified, "{second:?}");

    let range = json!({ "since": begin, "until": Utc::now() + TimeDelta::minutes(1) });
    let replayed: Value = scene
        .api
        .post(&format!("/v1/webhooks/{webhook}/replay"), &range)
        .send()
        .await?
        .expect(202)?
        .json()?;
    ensure!(replayed["count"] == 1, "{replayed}");
    let third = scene
        .sink()
        .first("shop", PATIENCE, |one| one.body.contains(&id) && one.attempts == 3)
        .await?;
    ensure!(third.body == second.body, "the same event, byte for byte");
    Ok(())
}

async fn typing_reaches_a_webhook(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["presence.updated"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    contact.type_to(&session.owner.number, "composing").await?;
    let arrived = scene
        .sink()
        .first("shop", PATIENCE, |one| one.body.contains("composing"))
        .await?;
    let event = arrived.event()?;
    ensure!(event["data"]["from"]["phone"] == contact.number.as_str(), "{event}");
    Ok(())
}

async fn a_tenant_is_suspended_and_comes_back(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.workers(0).dispatchers(0)).await?;
    let path = format!("/v1/tenants/{}", scene.tenant);
    scene.api.get("/v1/sessions").ok().await?;
    let change = async |body: Value| scene.admin.patch(&path, &body).ok().await?.json::<Value>();
    let suspended = change(json!({ "suspended": true, "name": "Late payer" })).await?;
    ensure!(
        suspended["suspended_at"].is_string() && suspended["name"] == "Late payer",
        "{suspended}"
    );
    let answers = async |status: u16| {
        wait_for(
            format!("the tenant's key to be answered with {status}"),
            PATIENCE,
            async || {
                let answer = scene.api.get("/v1/sessions").send().await?;
                if answer.status == status {
                    return Ok(());
                }
                Err(NotYet::because(answer))
            },
        )
        .await
    };
    answers(403).await?;
    let back = change(json!({ "suspended": false })).await?;
    ensure!(back["suspended_at"].is_null(), "{back}");
    answers(200).await
}

async fn a_used_up_quota_and_a_webhook_that_is_gone_are_told_to_the_others(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("operations", &["tenant.*", "webhook.*"]).await?;
    let gone = scene.webhook("gone", &["message.received"]).await?;
    let path = format!("/v1/tenants/{}", scene.tenant);
    scene
        .admin
        .patch(&path, &json!({ "quotas": { "sessions": 1 } }))
        .ok()
        .await?;
    let session = scene.linked_session("Front desk").await?;
    for _ in 0..2 {
        let refused = scene
            .api
            .post("/v1/sessions", &json!({ "name": "one too many" }))
            .send()
            .await?;
        ensure!(refused.status == 429, "{refused}");
    }
    let told = scene
        .sink()
        .first("operations", PATIENCE, |one| one.event_type() == "tenant.quota")
        .await?;
    ensure!(
        told.event()?["data"] == json!({ "quota": "sessions", "limit": 1 }),
        "{told:?}"
    );

    let behaviour = Behaviour {
        name: Some("gone".to_owned()),
        status: Some(410),
        ..Behaviour::default()
    };
    scene.sink().behave(&behaviour).await?;
    let contact = scene.phone("Carlos").await?;
    contact.send_text(&session.owner.number, "Hello").await?;
    let told = scene
        .sink()
        .first("operations", PATIENCE, |one| one.event_type() == "webhook.disabled")
        .await?;
    ensure!(
        told.verified && told.event()?["data"]["webhook_id"] == gone.as_str(),
        "{told:?}"
    );
    let webhook: Value = scene.api.get(&format!("/v1/webhooks/{gone}")).ok().await?.json()?;
    ensure!(
        webhook["enabled"] == false && webhook["disabled_reason"] == "gone",
        "{webhook}"
    );
    let all = scene
        .sink()
        .received("operations", 0, std::time::Duration::ZERO)
        .await?
        .webhooks;
    let quota = all.iter().filter(|one| one.event_type() == "tenant.quota").count();
    ensure!(quota == 1, "the second refusal is told to nobody: {quota}");
    Ok(())
}

async fn messages_that_do_not_get_any_further_are_reported_once(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.variable("ROOKERY_STALLED_AFTER_SECONDS", "2")).await?;
    scene.webhook("shop", &["session.stalled"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    // Neither the server nor the contact's phone says that it has the message.
    contact.set_online(false).await?;
    let rule = json!({ "kind": "lose_ack", "session": session.owner.number });
    scene.network().fault(&rule).await?;
    scene.api.send_text(&session.id, &contact.number, "Hello").await?;
    let told = scene
        .sink()
        .first("shop", PATIENCE, |one| one.event_type() == "session.stalled")
        .await?;
    let event = told.event()?;
    ensure!(event["data"]["waiting"] == 1, "{event}");
    scene.network().clear_faults().await
}

async fn events_are_followed_over_a_websocket(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let url = format!(
        "{}/v1/events/ws?type=message.received",
        scene.api.base().replacen("http", "ws", 1)
    );
    let mut request = url.into_client_request()?;
    // As a browser must: it can set no other header.
    let protocols = format!("rookery.v1, {}", scene.api.key());
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocols.parse()?);
    let (mut socket, answer) = connect_async(request).await?;
    let chosen = answer
        .headers()
        .get("sec-websocket-protocol")
        .context("a protocol is chosen")?;
    ensure!(chosen == "rookery.v1", "the key is not repeated: {chosen:?}");

    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let mut sent = Vec::new();
    for number in 1..=3 {
        sent.push(
            contact
                .send_text(&session.owner.number, &format!("message {number}"))
                .await?,
        );
    }
    for id in &sent {
        let event = loop {
            let message = tokio::time::timeout(PATIENCE, socket.next())
                .await?
                .context("the socket goes on")??;
            if let Message::Text(text) = message {
                break serde_json::from_str::<Value>(&text)?;
            }
        };
        ensure!(event["data"]["wa_message_id"] == id.as_str(), "in order: {event}");
    }
    Ok(())
}

async fn a_restricted_account_says_so(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["session.restricted", "message.failed"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    contact.restrict(true).await?;
    scene.api.send_text(&session.id, &contact.number, "Hello").await?;
    let told = scene
        .sink()
        .first("shop", PATIENCE, |one| one.event_type() == "session.restricted")
        .await?;
    ensure!(told.event()?["data"]["code"] == "463", "{told:?}");
    scene
        .sink()
        .first("shop", PATIENCE, |one| one.event_type() == "message.failed")
        .await?;
    Ok(())
}
