//! App state, presence and typing.

use serde_json::{Value, json};

use crate::baileys::Baileys;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_companion_mutes_and_archives_the_other_sees() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut first, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut second, _more_credentials) = Baileys::paired(&world, &ada).await;
    let id = world.phone_sends(&grace, &ada.by_number(), "a chat to mute").await;
    first.text("a chat to mute").await;
    second.text("a chat to mute").await;

    let chat = grace.by_number();
    first
        .command(json!({ "do": "mute", "chat": chat, "until": 4_102_444_800_000_u64 }))
        .await;
    let muted = |event: &Value| event["event"] == "chat" && event["id"] == chat && !event["muteEndTime"].is_null();
    second.wait("the muted chat", muted).await;
    second
        .command(json!({ "do": "archive", "chat": chat, "on": true, "id": id }))
        .await;
    let archived = |event: &Value| event["event"] == "chat" && event["id"] == chat && event["archived"] == true;
    first.wait("the archived chat", archived).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_and_presence_go_both_ways() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;

    of_grace.command(json!({ "do": "typing", "to": ada.by_number() })).await;
    let state = |chat: String, state: &'static str| {
        move |event: &Value| event["event"] == "presence" && event["chat"] == chat && event["state"] == state
    };
    of_ada.wait("typing", state(grace.by_number(), "composing")).await;
    world
        .phone_has(&ada, "typing", |typing| typing["state"] == "composing")
        .await;
    let path = format!("/phones/{}/typing", grace.number);
    world
        .post(&path, json!({ "to": ada.number, "state": "recording" }))
        .await;
    of_ada.wait("recording", state(grace.by_number(), "recording")).await;

    of_ada
        .command(json!({ "do": "subscribe", "to": grace.by_number() }))
        .await;
    of_ada.wait("available", state(grace.by_number(), "available")).await;
    // Nobody says goodbye: the server notices.
    drop(of_grace);
    of_ada
        .wait("unavailable", state(grace.by_number(), "unavailable"))
        .await;
    let path = format!("/phones/{}/presence", grace.number);
    world.post(&path, json!({ "state": "available" })).await;
    of_ada
        .wait("available again", state(grace.by_number(), "available"))
        .await;
}
