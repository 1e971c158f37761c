//! Messages out and in, each read by the other side: a phone, or a Baileys client.

use std::collections::HashSet;

use anyhow::{Context as _, ensure};
use harness::baileys::Baileys;
use harness::wait::{NotYet, wait_for};
use serde_json::json;
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    a_message_goes_out_and_the_answer_comes_back_as_a_signed_webhook,
    baileys_and_a_session_text_both_ways_by_phone_number_and_by_lid,
    receipts_move_a_message_from_sent_to_read,
    a_message_whose_frame_was_corrupted_is_asked_for_again_and_arrives,
    three_messages_to_an_offline_session_arrive_in_order,
    a_request_that_is_repeated_under_one_key_sends_one_message,
    a_recipient_without_whatsapp_is_reported,
    a_text_that_the_database_cannot_hold_stops_nothing,
];

async fn a_message_goes_out_and_the_answer_comes_back_as_a_signed_webhook(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;

    let sent = scene
        .api
        .send_text_and_wait(&session.id, &contact.number, "Hello", PATIENCE)
        .await?;
    let read = contact
        .first_message(PATIENCE, |message| message.id == sent.wa_message_id)
        .await?;
    ensure!(read.text.as_deref() == Some("Hello"), "{read:?}");
    ensure!(
        read.from_phone.as_deref() == Some(session.owner.number.as_str()),
        "{read:?}"
    );

    let answer = contact.send_text(&session.owner.number, "Hello back").await?;
    let webhook = scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains(&answer))
        .await?;
    ensure!(
        webhook.verified,
        "the official library refuses it: {:?}",
        webhook.verification_error
    );
    ensure!(
        webhook.legacy_verified,
        "X-Webhook-Signature is wrong: {:?}",
        webhook.headers
    );
    let event = webhook.event()?;
    ensure!(
        event["type"] == "message.received" && event["session_id"] == session.id,
        "{event}"
    );
    let data = &event["data"];
    ensure!(data["text"]["body"] == "Hello back", "{event}");
    ensure!(
        data["from"]["phone"] == contact.number && data["from"]["lid"] == contact.lid,
        "{event}"
    );
    ensure!(
        webhook.headers.get("webhook-id").map(String::as_str) == event["id"].as_str(),
        "{:?}",
        webhook.headers
    );
    Ok(())
}

async fn baileys_and_a_session_text_both_ways_by_phone_number_and_by_lid(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let bruno = scene.phone("Bruno").await?;
    let mut baileys = Baileys::paired(&scene, "bruno", &bruno).await?;

    for (to, text) in [
        (format!("{}@s.whatsapp.net", bruno.number), "to your number"),
        (format!("{}@lid", bruno.lid), "to your LID"),
    ] {
        let sent = scene.api.send_text_and_wait(&session.id, &to, text, PATIENCE).await?;
        let read = baileys.text(text).await?;
        ensure!(read.id == sent.wa_message_id, "{read:?}");
    }
    for (to, text) in [
        (format!("{}@s.whatsapp.net", session.owner.number), "to the number"),
        (format!("{}@lid", session.owner.lid), "to the LID"),
    ] {
        let id = baileys.send_text(&to, text).await?;
        let webhook = scene
            .sink()
            .first("shop", PATIENCE, |webhook| webhook.body.contains(&id))
            .await?;
        let event = webhook.event()?;
        ensure!(event["data"]["text"]["body"] == text, "{event}");
        ensure!(
            event["data"]["from"]["phone"] == bruno.number && event["data"]["from"]["lid"] == bruno.lid,
            "{event}"
        );
    }
    Ok(())
}

async fn receipts_move_a_message_from_sent_to_read(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    contact.set_online(false).await?;
    let sent = scene
        .api
        .send_text_and_wait(&session.id, &contact.number, "Hello", PATIENCE)
        .await?;
    ensure!(sent.status == "sent", "nobody has received it yet: {sent:?}");

    contact.set_online(true).await?;
    let status = async |wanted: &str| {
        wait_for(format!("the message to be {wanted}"), PATIENCE, async || {
            let messages = scene.api.messages(&session.id).await?;
            let message = messages
                .into_iter()
                .find(|message| message.wa_message_id == sent.wa_message_id);
            let message = message.context("the message is not in the list")?;
            if message.status.as_str() == wanted {
                return Ok(());
            }
            Err(NotYet::because(message.status))
        })
        .await
    };
    status("delivered").await?;
    contact.read(&[&sent.wa_message_id], &session.owner.number).await?;
    status("read").await
}

async fn a_message_whose_frame_was_corrupted_is_asked_for_again_and_arrives(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.received"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    // A first message, so that the next one belongs to a conversation that is set up.
    let first = contact.send_text(&session.owner.number, "one").await?;
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains(&first))
        .await?;

    scene
        .network()
        .fault(&json!({ "kind": "corrupt_frame", "session": session.owner.number, "count": 1 }))
        .await?;
    let second = contact.send_text(&session.owner.number, "two").await?;
    let webhook = scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains(&second))
        .await?;
    ensure!(webhook.event()?["data"]["text"]["body"] == "two", "{}", webhook.body);
    let ledger = scene.network().ledger(&contact.number).await?;
    let stats = scene.network().stats().await?;
    ensure!(
        stats["retries"].as_u64().is_some_and(|retries| retries >= 1),
        "the session never asked again: {stats}, {ledger:?}"
    );
    Ok(())
}

async fn three_messages_to_an_offline_session_arrive_in_order(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    scene
        .api
        .post(&format!("/v1/sessions/{}/stop", session.id), &json!({}))
        .send()
        .await?
        .expect(202)?;
    scene.wait_for_status(&session.id, "stopped").await?;

    let mut ids = Vec::new();
    for text in ["first", "second", "third"] {
        ids.push(contact.send_text(&session.owner.number, text).await?);
    }
    scene
        .api
        .post(&format!("/v1/sessions/{}/start", session.id), &json!({}))
        .send()
        .await?
        .expect(202)?;
    let texts = wait_for("all three messages", PATIENCE, async || {
        let events = scene.api.events().await?;
        let texts: Vec<String> = events
            .iter()
            .filter(|event| event.event_type == "message.received")
            .filter(|event| ids.iter().any(|id| event.data["wa_message_id"] == id.as_str()))
            .filter_map(|event| event.data["text"]["body"].as_str().map(str::to_owned))
            .collect();
        if texts.len() < 3 {
            return Err(NotYet::because(format!("{texts:?}")));
        }
        Ok(texts)
    })
    .await?;
    ensure!(texts == ["first", "second", "third"], "{texts:?}");
    Ok(())
}

async fn a_request_that_is_repeated_under_one_key_sends_one_message(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.gateways(2)).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let gateways = [scene.api_at(1)?, scene.api_at(2)?];

    let repeats = (0..20).map(|index| {
        let request = gateways[index % 2].text(&session.id, &contact.number, "once");
        request.idempotency_key("order-4711").send()
    });
    let answers = futures::future::try_join_all(repeats).await?;
    let mut ids = HashSet::new();
    for answer in answers {
        match answer.status {
            202 => ids.insert(answer.json::<harness::client::SentMessage>()?.wa_message_id),
            // The first is still running: the client tries again later.
            409 => continue,
            _ => anyhow::bail!("unexpected: {answer}"),
        };
    }
    ensure!(ids.len() == 1, "one request became {} messages", ids.len());
    let replayed = gateways[1].text(&session.id, &contact.number, "once");
    let replayed = replayed.idempotency_key("order-4711").send().await?.expect(202)?;
    ensure!(replayed.header("idempotency-replayed") == Some("true"), "{replayed}");
    let other = gateways[0].text(&session.id, &contact.number, "twice");
    let other = other.idempotency_key("order-4711").send().await?.expect(422)?;
    ensure!(other.problem_code()? == "idempotency_conflict", "{other}");

    contact
        .first_message(PATIENCE, |message| ids.contains(&message.id))
        .await?;
    let page = contact.received(0, std::time::Duration::ZERO).await?;
    ensure!(page.messages.len() == 1, "{:?}", page.messages);
    Ok(())
}

async fn a_recipient_without_whatsapp_is_reported(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let request = scene
        .api
        .text(&session.id, "19998887777", "anybody?")
        .prefer_wait(PATIENCE);
    let answer = request.send().await?.expect(422)?;
    ensure!(answer.problem_code()? == "not_on_whatsapp", "{answer}");
    Ok(())
}

async fn a_text_that_the_database_cannot_hold_stops_nothing(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["message.*"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Mallory").await?;
    let to = &session.owner.number;
    let reaction = json!({ "to": to, "type": "reaction", "id": "a\u{0}b", "emoji": "\u{0}" });
    contact.send(&reaction).await?;
    for (sent, received) in [("a\u{0}b", "a\u{FFFD}b"), ("and the next one", "and the next one")] {
        let id = contact.send_text(to, sent).await?;
        let webhook = scene
            .sink()
            .first("shop", PATIENCE, |webhook| webhook.body.contains(&id))
            .await?;
        let event = webhook.event()?;
        ensure!(event["data"]["text"]["body"] == received, "{event}");
    }
    Ok(())
}
