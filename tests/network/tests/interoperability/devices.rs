//! Several companions of one account.

use serde_json::json;

use crate::baileys::Baileys;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_companion_gets_copies_of_everything_at_once() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut first, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    // Grace's client now holds a list of Ada's devices that will soon be out of date.
    of_grace.send(&ada.by_number(), "to one device").await;
    first.text("to one device").await;
    first.send(&grace.by_number(), "from one device").await;
    of_grace.text("from one device").await;

    let (mut second, _even_more_credentials) = Baileys::paired(&world, &ada).await;
    of_grace.send(&ada.by_number(), "to both devices").await;
    first.text("to both devices").await;
    second.text("to both devices").await;
    let id = first.send(&grace.by_number(), "from the first").await;
    let copy = second.text("from the first").await;
    assert_eq!(
        (copy["id"].as_str(), copy["from_me"].as_bool()),
        (Some(id.as_str()), Some(true))
    );
    assert_eq!(
        copy["from"],
        grace.by_number(),
        "the copy belongs to the chat with Grace"
    );
    of_grace.text("from the first").await;
    world.phone_sends(&grace, &ada.by_lid(), "from a phone to both").await;
    first.text("from a phone to both").await;
    second.text("from a phone to both").await;
    let own = world.phone_reads(&ada, "from the first").await;
    assert_eq!(
        (&own["from_me"], &own["chat"]),
        (&json!(true), &json!(grace.by_number()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_companion_is_out_and_the_others_go_on() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut first, credentials) = Baileys::paired(&world, &ada).await;
    let (mut second, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    of_grace.send(&ada.by_number(), "to both").await;
    first.text("to both").await;
    second.text("to both").await;

    let path = format!("/phones/{}/unlink", ada.number);
    assert_eq!(world.post(&path, json!({ "device": 1 })).await["unlinked"], json!([1]));
    assert_eq!(first.event("close").await["status"], 401);
    of_grace.send(&ada.by_number(), "to the one that is left").await;
    second.text("to the one that is left").await;
    let sent = world.ledger(&grace, "message").await;
    let to: Vec<&str> = sent.last().unwrap()["encrypted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["to"].as_str().unwrap())
        .collect();
    assert!(!to.iter().any(|jid| jid.contains(":1@")), "{to:?}");

    // Its credentials are worthless now.
    first.stop().await;
    let mut first = Baileys::start(&world, &credentials);
    assert_eq!(first.event("close").await["status"], 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companion_logs_itself_out() {
    let world = World::start().await;
    let ada = world.person().await;
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;
    client.command(json!({ "do": "logout" })).await;
    assert_eq!(client.event("close").await["status"], 401);
    world
        .until(&ada, "no companion is left", |ada| ada["companions"] == json!([]))
        .await;
    assert_eq!(world.ledger(&ada, "unlinked").await.len(), 1);
}
