//! Status, both ways between Baileys clients and phones.

use serde_json::json;

use crate::baileys::Baileys;
use crate::world::World;

const STATUS: &str = "status@broadcast";

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_seen_by_whom_it_is_for_and_by_nobody_else() {
    let world = World::start().await;
    let (ada, grace, mary) = (world.person().await, world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;

    let audience = json!([grace.by_number(), ada.by_number()]);
    of_ada
        .command(json!({ "do": "status", "to": audience, "text": "on holiday" }))
        .await;
    let id = of_ada.event("sent").await["id"].as_str().unwrap().to_owned();
    let shown = of_grace.text("on holiday").await;
    assert_eq!((&shown["from"], &shown["id"]), (&json!(STATUS), &json!(id)));
    assert_eq!(world.phone_reads(&grace, "on holiday").await["chat"], STATUS);
    assert_eq!(world.phone_reads(&ada, "on holiday").await["from_me"], true);
    world
        .post(&format!("/phones/{}/read", grace.number), json!({ "ids": [id] }))
        .await;
    of_ada
        .wait("a view", |event| {
            event["event"] == "receipt" && event["id"] == id && event["type"] == "read"
        })
        .await;
    let page = world.phone_page(&mary).await;
    assert_eq!(page["messages"], json!([]));
    assert_eq!(world.ledger(&ada, "message").await[0]["to"], STATUS);

    // A phone reacts; only the author hears of it.
    let react = json!({ "to": STATUS, "type": "reaction", "id": id, "emoji": "🏖" });
    world.post(&format!("/phones/{}/messages", grace.number), react).await;
    let reaction = of_ada.text("🏖").await;
    assert_eq!(reaction["kind"], "reaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_a_status_and_takes_it_back() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_grace, _credentials) = Baileys::paired(&world, &grace).await;
    let path = format!("/phones/{}/status", ada.number);
    let shown = world
        .post(&path, json!({ "to": [grace.number], "text": "at work" }))
        .await;
    let message = of_grace.text("at work").await;
    assert_eq!((&message["id"], &message["from"]), (&shown["id"], &json!(STATUS)));
    of_grace
        .command(json!({ "do": "read", "chat": STATUS, "ids": [shown["id"]], "participant": message["participant"] }))
        .await;
    world
        .phone_has(&ada, "receipts", |receipt| {
            receipt["id"] == shown["id"] && receipt["type"] == "read"
        })
        .await;
    let revoke = json!({ "to": STATUS, "type": "revoke", "id": shown["id"] });
    world.post(&format!("/phones/{}/messages", ada.number), revoke).await;
    let id = shown["id"].as_str().unwrap().to_owned();
    of_grace
        .wait("the revocation", |event| {
            event["event"] == "update" && event["id"] == id && event["revoked"] == true
        })
        .await;
}
