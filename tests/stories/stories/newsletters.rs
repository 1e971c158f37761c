//! Newsletters: followed, read, made and written in.

use anyhow::{Context as _, ensure};
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    a_newsletter_is_followed_read_reacted_to_and_left,
    an_own_newsletter_is_made_renamed_and_written_in,
];

async fn a_newsletter_is_followed_read_reacted_to_and_left(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["newsletter.message"]).await?;
    let session = scene.linked_session("Front desk").await?;
    let editor = scene.phone("Edith").await?;
    let newsletter = editor.create_newsletter("Weekly offers").await?;
    let here = format!("/v1/sessions/{}/newsletters", session.id);
    let path = format!("{here}/{newsletter}");

    scene
        .api
        .request(reqwest::Method::PUT, &format!("{path}/follow"))
        .ok()
        .await?;
    let followed: Value = scene.api.get(&here).ok().await?.json()?;
    ensure!(followed["data"][0]["jid"] == newsletter.as_str(), "{followed}");
    let shown: Value = scene.api.get(&path).ok().await?.json()?;
    ensure!(shown["name"] == "Weekly offers", "{shown}");

    let id = editor.send_text(&newsletter, "Half price on Monday").await?;
    let told = scene
        .sink()
        .first("shop", PATIENCE, |one| one.body.contains(&id))
        .await?;
    let event = told.event()?;
    ensure!(event["data"]["text"]["body"] == "Half price on Monday", "{event}");
    ensure!(event["data"]["chat"]["jid"] == newsletter.as_str(), "{event}");

    let messages: Value = scene.api.get(&format!("{path}/messages")).ok().await?.json()?;
    let message = &messages["data"][0];
    ensure!(message["text"]["body"] == "Half price on Monday", "{messages}");
    let number = message["server_id"].as_u64().context("a message has its number")?;
    let reaction = format!("{path}/messages/{number}/reaction");
    let reactions = async |count: usize| {
        wait_for(format!("{count} reactions"), PATIENCE, async || {
            let seen = scene.network().newsletter(&newsletter).await?;
            let reactions = &seen["messages"][0]["reactions"];
            let counted = reactions
                .as_array()
                .map(Vec::len)
                .or(reactions.as_object().map(serde_json::Map::len));
            if counted == Some(count) {
                return Ok(());
            }
            Err(NotYet::because(seen))
        })
        .await
    };
    scene
        .api
        .request(reqwest::Method::PUT, &reaction)
        .json(&json!({ "emoji": "👍" }))
        .ok()
        .await?;
    reactions(1).await?;
    scene.api.delete(&reaction).ok().await?;
    reactions(0).await?;

    scene
        .api
        .request(reqwest::Method::PUT, &format!("{path}/mute"))
        .ok()
        .await?;
    scene.api.delete(&format!("{path}/mute")).ok().await?;
    scene.api.delete(&format!("{path}/follow")).ok().await?;
    let seen = scene.network().newsletter(&newsletter).await?;
    ensure!(
        !seen["followers"].to_string().contains(&session.owner.number),
        "it is left: {seen}"
    );
    Ok(())
}

async fn an_own_newsletter_is_made_renamed_and_written_in(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let here = format!("/v1/sessions/{}/newsletters", session.id);
    let made = scene
        .api
        .post(&here, &json!({ "name": "News", "description": "All of it" }))
        .send()
        .await?;
    ensure!((200..300).contains(&made.status), "{made}");
    let made: Value = made.json()?;
    let newsletter = made["jid"].as_str().context("a newsletter has an address")?.to_owned();
    scene
        .api
        .patch(&format!("{here}/{newsletter}"), &json!({ "name": "Better news" }))
        .ok()
        .await?;
    let sent = scene
        .api
        .send_text_and_wait(&session.id, &newsletter, "First issue", PATIENCE)
        .await?;
    let seen = scene.network().newsletter(&newsletter).await?;
    ensure!(seen["name"] == "Better news", "{seen}");
    ensure!(seen["messages"][0]["text"] == "First issue", "{seen}");
    ensure!(seen["messages"][0]["id"] == sent.wa_message_id.as_str(), "{seen}");
    Ok(())
}
