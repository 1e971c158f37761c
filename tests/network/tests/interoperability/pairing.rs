//! Baileys is linked by QR code and by code, and stays linked.

use std::time::Duration;

use network::Config;
use reqwest::StatusCode;
use serde_json::json;

use crate::baileys::{Baileys, Credentials};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_scans_the_qr_code_and_the_client_logs_in_again_after_a_restart() {
    let world = World::start().await;
    let person = world.person().await;
    let credentials = Credentials::empty();
    let mut client = Baileys::start(&world, &credentials);
    let qr = client.event("qr").await["qr"].clone();
    let path = format!("/phones/{}/scan", person.number);
    let linked = world.post(&path, json!({ "qr": qr })).await;
    assert_eq!(linked["jid"], format!("{}:1@s.whatsapp.net", person.number));
    assert_eq!(linked["lid"], format!("{}:1@lid", person.lid));
    assert_eq!(linked["device"], 1);

    // The server orders a restart after pairing, and only then lets the client in.
    assert_eq!(client.event("close").await["status"], 515);
    let open = client.event("open").await;
    assert_eq!(open["id"], linked["jid"]);
    assert_eq!(open["lid"], linked["lid"]);
    client.stop().await;

    let mut client = Baileys::start(&world, &credentials);
    assert_eq!(client.event("open").await["id"], linked["jid"]);
    assert!(!client.has(|event| event["event"] == "qr"));
    // What it uploaded the first time is enough: the digest of its keys was right.
    world
        .until(&person, "the keys stay", |person| {
            person["companions"][0]["pre_keys"].as_u64() >= Some(800)
        })
        .await;
    let logins = world.ledger(&person, "login").await;
    assert_eq!(logins.len(), 2);
    assert_ne!(logins[0]["socket"], logins[1]["socket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qr_code_is_good_for_one_scan_and_for_a_limited_time() {
    let world = World::start_with(Config {
        qr_lifetime: Duration::from_millis(100),
        qr_renewal: Duration::from_secs(60),
        ..Config::default()
    })
    .await;
    let person = world.person().await;
    let credentials = Credentials::empty();
    let mut client = Baileys::start_with(&world, &credentials, &["--qr-timeout", "500"]);
    let first = client.event("qr").await["qr"].clone();
    let second = client.event("qr").await["qr"].clone();
    assert_ne!(first, second, "the client shows a new code");

    let path = format!("/phones/{}/scan", person.number);
    let (status, answer) = world.try_post(&path, json!({ "qr": first })).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (StatusCode::CONFLICT, Some("qr_expired"))
    );
    world.post(&path, json!({ "qr": second })).await;
    client.event("open").await;
    let (status, answer) = world.try_post(&path, json!({ "qr": second })).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (StatusCode::CONFLICT, Some("qr_expired"))
    );
    let (status, answer) = world.try_post(&path, json!({ "qr": "hello" })).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("not_a_qr_code"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_types_the_code_that_the_client_shows() {
    let world = World::start().await;
    let person = world.person().await;
    let path = format!("/phones/{}/enter-code", person.number);
    let (status, answer) = world.try_post(&path, json!({ "code": "ABCD1234" })).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (StatusCode::CONFLICT, Some("code_expired"))
    );

    let credentials = Credentials::empty();
    let mut client = Baileys::start(&world, &credentials);
    client
        .command(json!({ "do": "pair-code", "phone": person.number }))
        .await;
    let code = client.event("code").await["code"].clone();
    let wrong = if code == "WRNG2345" { "WRNG2346" } else { "WRNG2345" };
    let (status, answer) = world.try_post(&path, json!({ "code": wrong })).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (StatusCode::CONFLICT, Some("code_wrong"))
    );

    let linked = world.post(&path, json!({ "code": code })).await;
    assert_eq!(client.event("open").await["id"], linked["jid"]);
    world
        .phone_sends(&person, &person.by_number(), "a note to myself")
        .await;
    assert_eq!(client.text("a note to myself").await["from_me"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_suite_chooses_the_account_by_push_name() {
    let world = World::start().await;
    let mut numbers = Vec::new();
    for (name, device) in [("Ada", 1), ("Grace", 1), ("Ada", 2)] {
        let credentials = Credentials::empty();
        let mut client = Baileys::start_with(&world, &credentials, &["--name", name]);
        let qr = client.event("qr").await["qr"].as_str().unwrap().to_owned();
        let (status, linked) = world.send_text("/admin/mock-phone/scan-qr", qr).await;
        assert_eq!(status, StatusCode::OK, "{linked}");
        assert_eq!(linked["device"], device);
        client.event("open").await;
        let jid = linked["jid"].as_str().unwrap();
        numbers.push(jid.split(':').next().unwrap().to_owned());
        client.stop().await;
    }
    assert_eq!(numbers[0], numbers[2], "the same name is the same person");
    assert_ne!(numbers[0], numbers[1]);
}
