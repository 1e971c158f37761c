//! Texts, receipts, retries and backlogs between Baileys clients and phones.

use serde_json::{Value, json};

use crate::baileys::Baileys;
use crate::world::{Person, World};

/// Baileys' status of a message that has arrived, and of one that was read.
const DELIVERED: u64 = 3;
const READ: u64 = 4;

/// A receipt shows as an update, or in the message itself when it came while the message was being sent.
fn status_of(id: &str, status: u64) -> impl Fn(&Value) -> bool {
    move |event| {
        let told = event["event"] == "update" || event["event"] == "message";
        told && event["id"] == id && event["status"] == status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_text_each_other_by_number_and_by_lid() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;

    let id = of_ada.send(&grace.by_number(), "by number").await;
    let message = of_grace.text("by number").await;
    assert_eq!(
        (message["id"].as_str(), message["from_me"].as_bool()),
        (Some(id.as_str()), Some(false))
    );
    assert_eq!(message["type"], "notify");

    of_grace.send(&ada.by_number(), "answer by number").await;
    of_ada.text("answer by number").await;
    of_ada.send(&grace.by_lid(), "by lid").await;
    assert_eq!(of_grace.text("by lid").await["from"], ada.by_lid());
    of_grace.send(&ada.by_lid(), "answer by lid").await;
    assert_eq!(of_ada.text("answer by lid").await["from"], grace.by_lid());

    // The phones have read it all too: each device has its own copy.
    for (person, text) in [(&grace, "by lid"), (&ada, "answer by lid")] {
        let message = world.phone_reads(person, text).await;
        assert_eq!(message["retries"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_and_a_phone_text_each_other_and_see_delivery_and_reading() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;

    for address in [grace.by_number(), grace.by_lid()] {
        let text = format!("to {address}");
        let id = of_ada.send(&address, &text).await;
        let message = world.phone_reads(&grace, &text).await;
        assert_eq!(message["id"], id);
        assert_eq!(
            (&message["from_phone"], &message["from_lid"]),
            (&json!(ada.number), &json!(ada.lid))
        );
        assert_eq!(message["type"], "text");
        of_ada.wait("delivery", status_of(&id, DELIVERED)).await;
        world
            .post(&format!("/phones/{}/read", grace.number), json!({ "ids": [id] }))
            .await;
        of_ada.wait("reading", status_of(&id, READ)).await;
    }

    for address in [ada.by_number(), ada.by_lid()] {
        let text = format!("to {address}");
        let id = world.phone_sends(&grace, &address, &text).await;
        let message = of_ada.text(&text).await;
        assert_eq!(message["id"], id);
        let receipt = |kind: &'static str| {
            let id = id.clone();
            move |receipt: &Value| receipt["id"] == id && receipt["type"] == kind
        };
        world.phone_has(&grace, "receipts", receipt("delivered")).await;
        of_ada
            .command(json!({ "do": "read", "chat": message["from"], "ids": [id] }))
            .await;
        world.phone_has(&grace, "receipts", receipt("read")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_edits_and_revocations_arrive_both_ways() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;

    let id = of_ada.send(&grace.by_number(), "first words").await;
    world.phone_reads(&grace, "first words").await;
    let to = grace.by_number();
    for (command, kind, text) in [
        (
            json!({ "do": "react", "to": to, "id": id, "emoji": "👍", "from_me": true }),
            "reaction",
            json!("👍"),
        ),
        (
            json!({ "do": "edit", "to": to, "id": id, "text": "better words" }),
            "edit",
            json!("better words"),
        ),
        (json!({ "do": "revoke", "to": to, "id": id }), "revoke", Value::Null),
    ] {
        of_ada.command(command).await;
        let message = world
            .phone_has(&grace, "messages", |message| message["type"] == kind)
            .await;
        assert_eq!((&message["target"], &message["text"]), (&json!(id), &text), "{kind}");
    }

    let id = world.phone_sends(&grace, &ada.by_number(), "words from a phone").await;
    of_ada.text("words from a phone").await;
    let path = format!("/phones/{}/messages", grace.number);
    world
        .post(
            &path,
            json!({ "to": ada.number, "type": "reaction", "id": id, "emoji": "🎉", "from_me": true }),
        )
        .await;
    of_ada
        .wait("the reaction", |event| {
            event["kind"] == "reaction" && event["text"] == "🎉"
        })
        .await;
    world
        .post(
            &path,
            json!({ "to": ada.number, "type": "edit", "id": id, "text": "words edited" }),
        )
        .await;
    of_ada
        .wait("the edit", |event| {
            event["event"] == "update" && event["edited"] == "words edited"
        })
        .await;
    world
        .post(&path, json!({ "to": ada.number, "type": "revoke", "id": id }))
        .await;
    of_ada
        .wait("the revocation", |event| {
            event["event"] == "update" && event["revoked"] == true
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_messages_wait_in_order_for_a_client_that_is_away() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, credentials) = Baileys::paired(&world, &ada).await;
    world.phone_sends(&grace, &ada.by_number(), "while present").await;
    of_ada.text("while present").await;
    of_ada.stop().await;
    world
        .until(&ada, "the client is away", |ada| {
            ada["companions"][0]["connected"] == false
        })
        .await;

    for text in ["one", "two", "three"] {
        world.phone_sends(&grace, &ada.by_number(), text).await;
    }
    let mut of_ada = Baileys::start(&world, &credentials);
    let mut arrived = Vec::new();
    for _ in 0..3 {
        let message = of_ada
            .wait("a message", |event| {
                event["event"] == "message" && event["kind"] == "text"
            })
            .await;
        assert_eq!(message["type"], "append", "it is known to have waited");
        arrived.push(message["text"].as_str().unwrap().to_owned());
    }
    assert_eq!(arrived, ["one", "two", "three"]);

    // What was acknowledged does not come again.
    world
        .until(&ada, "all is acknowledged", |ada| {
            ada["companions"][0]["unacknowledged"] == 0
        })
        .await;
    of_ada.stop().await;
    let mut of_ada = Baileys::start(&world, &credentials);
    of_ada.event("open").await;
    world.phone_sends(&grace, &ada.by_number(), "four").await;
    of_ada.text("four").await;
    assert!(!of_ada.has(|event| event["text"] == "three"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_is_asked_for_again_and_read() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    world.phone_sends(&grace, &ada.by_number(), "whole").await;
    of_ada.text("whole").await;

    world
        .post("/faults", json!({ "kind": "corrupt_frame", "session": ada.number }))
        .await;
    let id = world.phone_sends(&grace, &ada.by_number(), "damaged on the way").await;
    let message = of_ada.text("damaged on the way").await;
    assert_eq!(message["id"], id);
    assert_eq!(world.get("/stats").await["retries"], 1);
    assert_eq!(world.get("/faults").await["faults"], json!([]), "the fault was used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_between_two_clients_is_encrypted_again_by_its_sender() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    of_grace.send(&ada.by_number(), "whole").await;
    of_ada.text("whole").await;

    world
        .post("/faults", json!({ "kind": "corrupt_frame", "session": ada.number }))
        .await;
    let id = of_grace.send(&ada.by_number(), "damaged on the way").await;
    assert_eq!(of_ada.text("damaged on the way").await["id"], id);
    let retries = world.ledger(&grace, "retry").await;
    assert_eq!(retries.len(), 1, "{retries:?}");
    assert_eq!(retries[0]["id"], id);
    assert_eq!(
        world.ledger(&grace, "message").await.len(),
        2,
        "a retry is not a new message"
    );
}

/// Baileys answers the retry of a phone by sending the whole message again, with the same identifier: it must reach the
/// phone that asked, and nobody else a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_lost_its_session_asks_again_and_others_see_no_second_copy() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (mut of_grace, _more_credentials) = Baileys::paired(&world, &grace).await;
    // Both directions, so that the session is established and a lost one shows.
    of_ada.send(&grace.by_number(), "before").await;
    of_grace.text("before").await;
    world.phone_sends(&grace, &ada.by_number(), "answer").await;
    of_ada.text("answer").await;

    forget_sessions(&world, &grace);
    let id = of_ada.send(&grace.by_number(), "after").await;
    let message = world.phone_reads(&grace, "after").await;
    assert_eq!(message["id"], id);
    assert!(message["retries"].as_u64().unwrap() >= 1, "{message}");
    of_grace.text("after").await;
    of_ada.send(&grace.by_number(), "last").await;
    of_grace.text("last").await;
    assert!(
        !of_grace.has(|event| event["text"] == "after"),
        "the companion got one copy"
    );
}

fn forget_sessions(world: &World, person: &Person) {
    let number = network::accounts::Number::parse(&person.number).unwrap();
    let account = world.network().accounts.by_number(number).unwrap();
    account.phone().signal = network::phone::signal::SignalState::default();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_identifier_is_acknowledged_and_not_delivered_twice() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    for text in ["once", "twice"] {
        let command = json!({ "do": "send", "to": grace.by_number(), "text": text, "id": "3EB0SAMEIDENTIFIER" });
        of_ada.command(command).await;
        of_ada.event("sent").await;
    }
    of_ada.send(&grace.by_number(), "something else").await;
    world.phone_reads(&grace, "something else").await;
    let page = world.phone_page(&grace).await;
    let texts: Vec<&str> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|message| message["text"].as_str())
        .collect();
    assert_eq!(texts, ["once", "something else"]);

    let entries = world.ledger(&ada, "message").await;
    let duplicates: Vec<bool> = entries
        .iter()
        .map(|entry| entry["duplicate"].as_bool().unwrap())
        .collect();
    assert_eq!(duplicates, [false, true, false]);
    for entry in &entries {
        assert!(entry["chain"].is_string() && entry["counter"].is_u64(), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_is_offline_holds_messages_and_receipts() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let switch = format!("/phones/{}/online", grace.number);
    for by_fault in [false, true] {
        if by_fault {
            world
                .post("/faults", json!({ "kind": "phone_offline", "session": grace.number }))
                .await;
        } else {
            world.post(&switch, json!({ "online": false })).await;
        }
        let text = |words: &str| format!("{words} (fault: {by_fault})");
        let id = of_ada.send(&grace.by_number(), &text("are you there")).await;
        let held = world.phone_sends(&grace, &ada.by_number(), &text("held back")).await;
        // Another conversation goes on meanwhile, so a receipt would have had its time.
        world.phone_sends(&ada, &ada.by_number(), &text("meanwhile")).await;
        of_ada.text(&text("meanwhile")).await;
        assert!(!of_ada.has(status_of(&id, DELIVERED)));
        assert!(!of_ada.has(|event| event["text"] == text("held back")));
        let page = world.phone_page(&grace).await;
        let arrived = page["messages"].as_array().unwrap().iter();
        assert!(!arrived.into_iter().any(|message| message["id"] == id));

        if by_fault {
            world.clear_faults().await;
        } else {
            world.post(&switch, json!({ "online": true })).await;
        }
        world.phone_reads(&grace, &text("are you there")).await;
        of_ada.wait("delivery", status_of(&id, DELIVERED)).await;
        assert_eq!(of_ada.text(&text("held back")).await["id"], held);
    }
}
