//! Status posts: those of a session as phones and a Baileys client see them, and those of phones as the session sees them.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use harness::baileys::Baileys;
use harness::sink::Received;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    a_post_is_seen_by_its_audience_and_nobody_else,
    who_has_seen_a_post_and_liked_it_is_told_until_it_is_taken_back,
    a_post_of_somebody_is_received_seen_liked_and_taken_back,
    a_session_that_ignores_posts_hears_nothing_of_them,
];

const PLACE: &str = "status@broadcast";

/// The body of a good answer.
async fn done(request: harness::client::Request) -> anyhow::Result<Value> {
    request.send().await?.expect(200)?.json()
}

/// The first webhook that fits.
async fn told(scene: &Scene, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let fits = |webhook: &Received| webhook.event().is_ok_and(|event| fits(&event));
    scene.sink().first("shop", PATIENCE, fits).await?.event()
}

/// The posts of a session once they fit.
async fn until(scene: &Scene, path: &str, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    wait_for(what.to_owned(), PATIENCE, async || {
        let seen = done(scene.api.get(path)).await?;
        if fits(&seen) {
            return Ok(seen);
        }
        Err(NotYet::because(seen))
    })
    .await
}

async fn a_post_is_seen_by_its_audience_and_nobody_else(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let (bruno, carla, dora) = (
        scene.phone("Bruno").await?,
        scene.phone("Carla").await?,
        scene.phone("Dora").await?,
    );
    let mut baileys = Baileys::paired(&scene, "dora", &dora).await?;
    let path = format!("/v1/sessions/{}/statuses", session.id);
    let body = json!({
        "type": "text",
        "text": { "body": "Open until ten", "background": "#102030", "font": 2 },
        "audience": { "mode": "allow", "people": [bruno.number, format!("{}@lid", dora.lid)] },
    });
    let posted = done(scene.api.post(&path, &body).prefer_wait(PATIENCE)).await?;
    ensure!(posted["status"] != "queued" && posted["from_me"] == true, "{posted}");
    let id = posted["wa_message_id"].as_str().context("no id")?;

    let read = bruno.first_message(PATIENCE, |message| message.id == id).await?;
    ensure!(
        read.text.as_deref() == Some("Open until ten") && read.chat == PLACE,
        "{read:?}"
    );
    ensure!(
        read.from_phone.as_deref() == Some(session.owner.number.as_str()),
        "{read:?}"
    );
    let decrypted = baileys.text("Open until ten").await?;
    ensure!(decrypted.id == id && decrypted.from == PLACE, "{decrypted:?}");

    // Everybody whom the account knows but Bruno: that is Carla, to whom it writes first.
    scene
        .api
        .send_text_and_wait(&session.id, &carla.number, "Hello", PATIENCE)
        .await?;
    let body = json!({
        "type": "text", "text": { "body": "Not for Bruno" },
        "audience": { "mode": "except", "people": [bruno.number] },
    });
    let second = done(scene.api.post(&path, &body).prefer_wait(PATIENCE)).await?;
    let second_id = second["wa_message_id"].as_str().context("no id")?;
    let mut before = Vec::new();
    carla
        .first_message(PATIENCE, |message| {
            before.push(message.id.clone());
            message.id == second_id
        })
        .await?;
    ensure!(
        !before.iter().any(|other| other == id),
        "Carla has seen a post that was not for her"
    );
    let marker = scene
        .api
        .send_text_and_wait(&session.id, &bruno.number, "Bye", PATIENCE)
        .await?;
    let mut seen = Vec::new();
    bruno
        .first_message(PATIENCE, |message| {
            seen.push(message.id.clone());
            message.id == marker.wa_message_id
        })
        .await?;
    ensure!(
        !seen.iter().any(|other| other == second_id),
        "Bruno has seen a post that was not for him"
    );
    let active = done(scene.api.get(&format!("{path}/active?from_me=true"))).await?;
    ensure!(
        active["data"].as_array().is_some_and(|posts| posts.len() == 2),
        "{active}"
    );
    Ok(())
}

async fn who_has_seen_a_post_and_liked_it_is_told_until_it_is_taken_back(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["status.*", "message.reaction"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let bruno = scene.phone("Bruno").await?;
    let path = format!("/v1/sessions/{}/statuses", session.id);
    let body = json!({
        "type": "text", "text": { "body": "Open" }, "audience": { "mode": "allow", "people": [bruno.number] },
    });
    let posted = done(scene.api.post(&path, &body).prefer_wait(PATIENCE)).await?;
    let id = posted["wa_message_id"].as_str().context("no id")?;
    let one = format!("{path}/{}", posted["id"].as_str().context("no id")?);
    bruno.first_message(PATIENCE, |message| message.id == id).await?;

    bruno.read(&[id], &session.owner.number).await?;
    let viewed = told(&scene, |event| event["type"] == "status.viewed").await?;
    ensure!(
        viewed["data"]["status_id"] == posted["id"] && viewed["data"]["viewer"]["phone"] == bruno.number.as_str(),
        "{viewed}"
    );
    let like = json!({ "to": PLACE, "type": "reaction", "id": id, "emoji": "🎉" });
    bruno.send(&like).await?;
    let liked = told(&scene, |event| event["type"] == "message.reaction").await?;
    ensure!(
        liked["data"]["emoji"] == "🎉" && liked["data"]["wa_message_id"] == id,
        "{liked}"
    );
    let read = until(&scene, &one, "the view and the reaction", |post| {
        post["viewers"][0]["reaction"] == "🎉" && post["views"] == 1
    })
    .await?;
    ensure!(read["viewers"][0]["phone"] == bruno.number.as_str(), "{read}");

    done(scene.api.delete(&one)).await?;
    let revoked = bruno
        .first_message(PATIENCE, |message| message.kind == "revoke")
        .await?;
    ensure!(revoked.target.as_deref() == Some(id), "{revoked:?}");
    let gone = done(scene.api.get(&one)).await?;
    ensure!(gone["revoked_at"].is_string() && gone["text"] == json!({}), "{gone}");
    let active = done(scene.api.get(&format!("{path}/active"))).await?;
    ensure!(active["data"] == json!([]), "{active}");
    Ok(())
}

async fn a_post_of_somebody_is_received_seen_liked_and_taken_back(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["status.received", "message.revoked"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let bruno = scene.phone("Bruno").await?;
    let path = format!("/v1/sessions/{}/statuses", session.id);
    let id = bruno.post_status(&[&session.owner.number], "at the beach").await?;

    let event = told(&scene, |event| event["data"]["wa_message_id"] == id.as_str()).await?;
    let post = &event["data"];
    ensure!(
        event["type"] == "status.received" && post["text"]["body"] == "at the beach",
        "{event}"
    );
    ensure!(
        post["from"]["phone"] == bruno.number.as_str() && post["from"]["lid"] == bruno.lid.as_str(),
        "{event}"
    );
    let time = |name: &str| -> anyhow::Result<DateTime<Utc>> { Ok(post[name].as_str().context("no time")?.parse()?) };
    ensure!(
        time("expires_at")? - time("timestamp")? == TimeDelta::hours(24),
        "{event}"
    );
    let active = done(scene.api.get(&format!("{path}/active?author={}", bruno.number))).await?;
    ensure!(active["data"][0]["id"] == post["id"], "{active}");
    let one = format!("{path}/{}", post["id"].as_str().context("no id")?);

    done(scene.api.post(&format!("{one}/view"), &json!({}))).await?;
    wait_for("the author to hear that it was seen", PATIENCE, async || {
        let page = bruno.received(0, std::time::Duration::ZERO).await?;
        if page
            .receipts
            .iter()
            .any(|receipt| receipt.id == id && receipt.kind == "read")
        {
            return Ok(());
        }
        Err(NotYet::because(format!("{:?}", page.receipts)))
    })
    .await?;
    done(scene.api.put(&format!("{one}/reaction"), &json!({ "emoji": "🏖" }))).await?;
    let liked = bruno
        .first_message(PATIENCE, |message| message.kind == "reaction")
        .await?;
    ensure!(
        liked.text.as_deref() == Some("🏖") && liked.target.as_deref() == Some(id.as_str()),
        "{liked:?}"
    );
    let read = until(&scene, &one, "the account's view and reaction", |post| {
        post["viewed_at"].is_string() && post["reaction"] == "🏖"
    })
    .await?;
    ensure!(read["from_me"] == false, "{read}");
    done(scene.api.delete(&format!("{one}/reaction"))).await?;
    bruno
        .first_message(PATIENCE, |message| {
            message.kind == "reaction" && message.text.as_deref().is_none_or(str::is_empty)
        })
        .await?;
    until(&scene, &one, "no reaction", |post| post["reaction"] == Value::Null).await?;

    bruno.send(&json!({ "to": PLACE, "type": "revoke", "id": id })).await?;
    told(&scene, |event| event["type"] == "message.revoked").await?;
    let gone = until(&scene, &one, "the revocation", |post| post["revoked_at"].is_string()).await?;
    ensure!(gone["text"] == json!({}), "{gone}");
    let all = done(scene.api.get(&path)).await?;
    ensure!(all["data"].as_array().is_some_and(|posts| posts.len() == 1), "{all}");
    Ok(())
}

async fn a_session_that_ignores_posts_hears_nothing_of_them(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let body = json!({ "name": "Front desk", "settings": { "ignore": { "statuses": true } } });
    let id = scene.api.create_session_from(&body).await?.id;
    let owner = scene.phone("Front desk").await?;
    let qr = scene.api.qr(&id, PATIENCE).await?;
    owner.scan(&qr).await?;
    scene.wait_for_status(&id, "connected").await?;
    let bruno = scene.phone("Bruno").await?;
    bruno.post_status(&[&owner.number], "at the beach").await?;
    let direct = bruno.send_text(&owner.number, "to you").await?;
    let events = wait_for("the direct message", PATIENCE, async || {
        let events = scene.api.events().await?;
        if events
            .iter()
            .any(|event| event.data["wa_message_id"] == direct.as_str())
        {
            return Ok(events);
        }
        Err(NotYet::because(format!("{} events", events.len())))
    })
    .await?;
    ensure!(
        !events.iter().any(|event| event.event_type.starts_with("status.")),
        "{events:?}"
    );
    let posts = done(scene.api.get(&format!("/v1/sessions/{id}/statuses"))).await?;
    ensure!(posts["data"] == json!([]), "{posts}");
    Ok(())
}
