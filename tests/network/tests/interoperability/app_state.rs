//! App state in both directions between a phone and Baileys.

use serde_json::{Value, json};

use crate::baileys::Baileys;
use crate::world::{Person, World};

async fn phone_does(world: &World, person: &Person, action: Value) -> Value {
    world
        .post(&format!("/phones/{}/app-state", person.number), action)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_phone_changes_its_companion_sees() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;
    let id = world.phone_sends(&grace, &ada.by_number(), "a message to star").await;
    client.text("a message to star").await;
    let chat = grace.by_number();

    let of_chat = |event: &Value| event["event"] == "chat" && event["id"] == grace.by_number();
    phone_does(&world, &ada, json!({ "action": "archive", "chat": chat })).await;
    client
        .wait("archived", |event| of_chat(event) && event["archived"] == true)
        .await;
    phone_does(&world, &ada, json!({ "action": "archive", "chat": chat, "on": false })).await;
    client
        .wait("fetched back", |event| of_chat(event) && event["archived"] == false)
        .await;
    phone_does(&world, &ada, json!({ "action": "pin", "chat": chat })).await;
    client
        .wait("pinned", |event| of_chat(event) && event["pinned"].is_number())
        .await;
    phone_does(
        &world,
        &ada,
        json!({ "action": "mute", "chat": chat, "until": 4_102_444_800_000_i64 }),
    )
    .await;
    client
        .wait("muted", |event| {
            of_chat(event) && event["muteEndTime"] == 4_102_444_800_000_i64
        })
        .await;
    phone_does(&world, &ada, json!({ "action": "read", "chat": chat, "on": false })).await;
    client
        .wait("unread", |event| of_chat(event) && event["unreadCount"] == -1)
        .await;
    let star = json!({ "action": "star", "chat": chat, "id": id, "from_me": false });
    phone_does(&world, &ada, star).await;
    client
        .wait("starred", |event| event["event"] == "starred" && event["id"] == id)
        .await;
    let contact = json!({ "action": "contact", "who": grace.number, "name": "Grace Hopper", "first_name": "Grace" });
    phone_does(&world, &ada, contact).await;
    let named = |event: &Value| event["event"] == "contact" && event["name"] == "Grace Hopper";
    client.wait("the saved contact", named).await;
    phone_does(
        &world,
        &ada,
        json!({ "action": "label", "id": "4", "name": "Friends", "color": 3 }),
    )
    .await;
    client
        .wait("the label", |event| {
            event["event"] == "label" && event["name"] == "Friends"
        })
        .await;
    phone_does(
        &world,
        &ada,
        json!({ "action": "label_chat", "label": "4", "chat": chat }),
    )
    .await;
    let labelled = |event: &Value| {
        event["event"] == "labelled" && event["type"] == "add" && event["association"]["chatId"] == grace.by_number()
    };
    client.wait("the labelled chat", labelled).await;
    phone_does(&world, &ada, json!({ "action": "push_name", "name": "Ada L." })).await;
    client
        .wait("the name", |event| {
            event["event"] == "account" && event["name"] == "Ada L."
        })
        .await;
    let delete = json!({ "action": "delete_message", "chat": chat, "id": id });
    phone_does(&world, &ada, delete).await;
    client
        .wait("the deleted message", |event| {
            event["event"] == "deleted-message" && event["id"] == id
        })
        .await;
    phone_does(&world, &ada, json!({ "action": "clear_chat", "chat": chat })).await;
    phone_does(&world, &ada, json!({ "action": "delete_chat", "chat": chat })).await;
    client
        .wait("the deleted chat", |event| event["event"] == "deleted-chat")
        .await;

    // Everything above was understood: a companion that could not verify a patch would have stopped at it.
    let state = world.get(&format!("/phones/{}/app-state", ada.number)).await;
    let present = state["present"].as_array().unwrap();
    let entry = |name: &str| present.iter().find(|entry| entry["index"][0] == name).unwrap().clone();
    assert_eq!(
        entry("archive")["value"]["archive_chat_action"]["archived"],
        false,
        "{state}"
    );
    assert_eq!(entry("clearChat")["collection"], "regular_high");
    let (gone, refused) = world
        .try_post(
            &format!("/phones/{}/app-state", ada.number),
            json!({ "action": "contact", "who": "15559999999", "on": false }),
        )
        .await;
    assert_eq!((gone.as_u16(), &refused["error"]), (404, &json!("not_there")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_companion_changes_the_phone_reads_also_between_its_own_changes() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;
    world.phone_sends(&grace, &ada.by_number(), "hello").await;
    client.text("hello").await;
    let chat = grace.by_number();

    client
        .command(json!({ "do": "modify", "change": { "pin": true }, "chat": chat }))
        .await;
    until_present(&world, &ada, &["pin_v1", &chat], |entry| {
        entry["device"] == 1 && entry["value"]["pin_action"]["pinned"] == true
    })
    .await;
    // The companion's next change is based on a version that the phone has made old: 409, then again.
    phone_does(&world, &ada, json!({ "action": "archive", "chat": chat })).await;
    client
        .command(json!({ "do": "modify", "change": { "pin": false }, "chat": chat }))
        .await;
    let unpinned = |entry: &Value| entry["value"]["pin_action"]["pinned"] == false;
    until_present(&world, &ada, &["pin_v1", &chat], unpinned).await;
    let contact = json!({ "contact": { "fullName": "Grace Hopper" } });
    client
        .command(json!({ "do": "modify", "change": contact, "chat": chat }))
        .await;
    until_present(&world, &ada, &["contact", &chat], |entry| {
        entry["value"]["contact_action"]["full_name"] == "Grace Hopper"
    })
    .await;
    let profile = world.get(&format!("/phones/{}/profile", ada.number)).await;
    assert_eq!(profile["contacts"][&grace.number], "Grace Hopper");
    phone_does(
        &world,
        &ada,
        json!({ "action": "contact", "who": grace.number, "on": false }),
    )
    .await;
    let profile = world.get(&format!("/phones/{}/profile", ada.number)).await;
    assert_eq!(profile["contacts"], json!({}));
}

async fn until_present(world: &World, person: &Person, index: &[&str], fits: impl Fn(&Value) -> bool) {
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let state = world.get(&format!("/phones/{}/app-state", person.number)).await;
        let entry = state["present"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["index"] == json!(index))
            .cloned();
        if entry.as_ref().is_some_and(&fits) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{index:?}: {entry:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
