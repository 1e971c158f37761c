//! Newsletters between Baileys clients and phones.

use serde_json::json;

use crate::baileys::Baileys;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_writes_a_newsletter_and_a_phone_reads_it() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let created = of_ada.invoke("newsletterCreate", json!(["News", "All of it"])).await;
    let id = created["id"].as_str().unwrap();
    assert_eq!(
        (&created["name"], &created["description"]),
        (&json!("News"), &json!("All of it"))
    );
    let short = id.split('@').next().unwrap();
    let following = format!("/phones/{}/newsletters/{short}/following", grace.number);
    world.post(&following, json!({ "follow": true })).await;

    let sent = of_ada.send(id, "first issue").await;
    let message = world.phone_reads(&grace, "first issue").await;
    assert_eq!((&message["chat"], &message["id"]), (&json!(id), &json!(sent)));

    of_ada.invoke("subscribeNewsletterUpdates", json!([id])).await;
    let reactions = format!("/phones/{}/newsletters/{short}/reactions", grace.number);
    world.post(&reactions, json!({ "server_id": 100, "emoji": "👏" })).await;
    let seen = world.get(&format!("/newsletters/{short}")).await;
    assert_eq!(seen["messages"][0]["text"], "first issue");
    assert_eq!(seen["messages"][0]["reactions"], json!({ "👏": 1 }));

    of_ada.invoke("newsletterUpdateName", json!([id, "Old news"])).await;
    let metadata = of_ada.invoke("newsletterMetadata", json!(["jid", id])).await;
    assert_eq!(metadata["thread_metadata"]["name"]["text"], "Old news");
    assert_eq!(metadata["thread_metadata"]["subscribers_count"], "2");
    let (status, problem) = world
        .try_post(
            &format!("/phones/{}/messages", grace.number),
            json!({ "to": id, "type": "text", "text": "may I?" }),
        )
        .await;
    assert_eq!((status.as_u16(), &problem["error"]), (404, &json!("unknown_recipient")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_writes_a_newsletter_and_a_client_follows_it() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_grace, _credentials) = Baileys::paired(&world, &grace).await;
    let path = format!("/phones/{}/newsletters", ada.number);
    let created = world.post(&path, json!({ "name": "Weather" })).await;
    let id = created["id"].as_str().unwrap();
    let found = of_grace
        .invoke("newsletterMetadata", json!(["invite", created["invite_code"]]))
        .await;
    assert_eq!(
        (&found["id"], &found["viewer_metadata"]["role"]),
        (&json!(id), &json!("guest"))
    );

    world.phone_sends(&ada, id, "before she followed").await;
    of_grace.invoke("newsletterFollow", json!([id])).await;
    let sent = world.phone_sends(&ada, id, "sunny").await;
    let message = of_grace.text("sunny").await;
    assert_eq!((&message["id"], &message["from"]), (&json!(sent), &json!(id)));
    of_grace.invoke("newsletterMute", json!([id])).await;
    let metadata = of_grace.invoke("newsletterMetadata", json!(["jid", id])).await;
    assert_eq!(metadata["viewer_metadata"]["mute"], "ON");

    let history = of_grace
        .invoke("newsletterFetchMessages", json!([id, 10, 0, 100]))
        .await;
    let messages = &history["content"][0]["content"][0]["content"];
    assert_eq!(messages.as_array().unwrap().len(), 1, "{history}");
    assert_eq!(messages[0]["attrs"]["server_id"], "101");

    // Who may not write is refused; the next answer comes after that.
    of_grace.send(id, "rainy").await;
    of_grace.invoke("newsletterUnfollow", json!([id])).await;
    let refused = world.ledger(&grace, "refused").await;
    assert_eq!((&refused[0]["to"], &refused[0]["detail"]), (&json!(id), &json!("403")));
    let followers = world
        .get(&format!("/newsletters/{}", id.split('@').next().unwrap()))
        .await;
    assert_eq!(followers["followers"].as_array().unwrap().len(), 1);
}
