//! Kicks, refusals, lost and replaced connections, as Baileys sees them.

use reqwest::StatusCode;
use serde_json::json;

use crate::baileys::Baileys;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_of_the_same_device_replaces_the_first() {
    let world = World::start().await;
    let ada = world.person().await;
    let (mut first, credentials) = Baileys::paired(&world, &ada).await;
    let mut second = Baileys::start(&world, &credentials);
    second.event("open").await;
    assert_eq!(first.event("close").await["status"], 440);
    let replaced = world.ledger(&ada, "replaced").await;
    let logins = world.ledger(&ada, "login").await;
    assert_eq!(replaced.len(), 1);
    assert_eq!(replaced[0]["socket"], logins[0]["socket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_error_arrives_with_its_code() {
    let world = World::start().await;
    let ada = world.person().await;
    let (client, credentials) = Baileys::paired(&world, &ada).await;
    client.stop().await;
    for code in [503, 429, 409] {
        let mut client = Baileys::start(&world, &credentials);
        client.event("open").await;
        let fault = json!({ "kind": "stream_error", "session": ada.number, "code": code });
        assert_eq!(world.post("/faults", fault).await["affected"], 1);
        assert_eq!(client.event("close").await["status"], code);
        client.stop().await;
    }
    let mut client = Baileys::start(&world, &credentials);
    client.event("open").await;
    let fault = json!({ "kind": "stream_error", "session": ada.number, "conflict": "replaced" });
    world.post("/faults", fault).await;
    assert_eq!(client.event("close").await["status"], 440);
    client.stop().await;
    // 515 means "come again", and so it does.
    let mut client = Baileys::start(&world, &credentials);
    client.event("open").await;
    world
        .post(
            "/faults",
            json!({ "kind": "stream_error", "session": ada.number, "code": 515 }),
        )
        .await;
    assert_eq!(client.event("close").await["status"], 515);
    client.event("open").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_refused_as_often_as_wished_and_then_works() {
    let world = World::start().await;
    let ada = world.person().await;
    let (client, credentials) = Baileys::paired(&world, &ada).await;
    client.stop().await;
    let fault = json!({ "kind": "failure", "session": ada.number, "reason": 403, "count": 1 });
    world.post("/faults", fault).await;
    let mut client = Baileys::start(&world, &credentials);
    assert_eq!(client.event("close").await["status"], 403);
    client.stop().await;
    let mut client = Baileys::start(&world, &credentials);
    client.event("open").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_and_a_new_certificate_do_not_lose_a_message() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut client, credentials) = Baileys::paired(&world, &ada).await;
    let dropped = world
        .post("/faults", json!({ "kind": "drop_connections", "session": ada.number }))
        .await;
    assert_eq!(dropped["affected"], 1);
    client.event("close").await;
    client.stop().await;
    world.phone_sends(&grace, &ada.by_number(), "while cut off").await;

    let before = world.network().server_identity();
    world.post("/faults", json!({ "kind": "rotate_certificate" })).await;
    let after = world.network().server_identity();
    assert_ne!(before.certificate_chain, after.certificate_chain);
    let mut client = Baileys::start(&world, &credentials);
    client.event("open").await;
    client.text("while cut off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_tells_its_code() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;
    let fault = json!({ "kind": "nack", "session": ada.number, "code": 479, "count": 1 });
    world.post("/faults", fault).await;
    let id = client.send(&grace.by_number(), "refused").await;
    let refusal = client
        .wait("the refusal", |event| event["event"] == "update" && event["id"] == id)
        .await;
    assert_eq!(refusal["error"], "479", "{refusal}");
    assert_eq!(world.ledger(&ada, "refused").await[0]["detail"], "479");
    assert_eq!(world.phone_page(&grace).await["messages"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_over_http_is_answered_with_a_problem() {
    let world = World::start().await;
    let person = world.person().await;
    let messages = format!("/phones/{}/messages", person.number);
    for (path, body, status, code) in [
        (
            "/phones",
            json!({ "number": "abc" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
        ),
        (
            "/phones",
            json!({ "nummer": "1" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
        ),
        (
            "/phones/15559999999/read",
            json!({ "ids": [] }),
            StatusCode::NOT_FOUND,
            "unknown_phone",
        ),
        (
            &messages,
            json!({ "to": "15559999999", "type": "text", "text": "x" }),
            StatusCode::NOT_FOUND,
            "unknown_recipient",
        ),
        (
            &messages,
            json!({ "to": "x", "type": "song" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
        ),
        (
            "/faults",
            json!({ "kind": "earthquake" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
        ),
        (
            "/provision",
            json!({ "count": 0 }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
        ),
        ("/nowhere", json!({}), StatusCode::NOT_FOUND, "no_such_route"),
    ] {
        let (got, answer) = world.try_post(path, body).await;
        assert_eq!((got, answer["error"].as_str()), (status, Some(code)), "{path}");
        assert!(answer["detail"].is_string());
    }
}
