//! A phone's history, as a new companion gets it and asks for more.

use std::collections::BTreeSet;
use std::io::Read as _;

use buffa::Message as _;
use flate2::read::ZlibDecoder;
use serde_json::{Value, json};
use waproto::whatsapp::HistorySync;

use crate::baileys::{Baileys, Credentials};
use crate::world::World;

fn texts(event: &Value) -> Vec<String> {
    let messages = event["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_companion_gets_the_chats_then_more_messages_and_the_rest_on_demand() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let messages: Vec<Value> = (1..=30)
        .map(|count| {
            json!({
                "id": format!("OLD{count}"),
                "text": format!("old {count}"),
                "from_me": count % 2 == 0,
                "timestamp": 1_700_000_000 + count,
                "status": "read",
            })
        })
        .collect();
    let history = json!({
        "chats": [
            { "id": grace.number, "unread": 3, "archived": true, "pinned": 1_700_000_100, "messages": messages },
            { "id": "120363000000000001@g.us", "name": "Compilers", "messages": [
                { "text": "in the group", "sender": grace.number, "timestamp": 1_700_000_050 },
            ] },
        ],
        "push_names": [{ "who": grace.number, "name": "Grace" }],
        "initial": 2,
        "unasked": 12,
        "part_size": 6,
    });
    world.post(&format!("/phones/{}/history", ada.number), history).await;
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;

    let bootstrap = |event: &Value| event["event"] == "history" && !texts(event).is_empty();
    let first = client.wait("the bootstrap", bootstrap).await;
    let chat = first["chats"]
        .as_array()
        .unwrap()
        .iter()
        .find(|chat| chat["id"] == grace.by_number());
    let chat = chat.unwrap_or_else(|| panic!("{first}"));
    assert_eq!(
        (&chat["unread"], &chat["archived"], &chat["pinned"]),
        (&json!(3), &json!(true), &json!(1_700_000_100))
    );
    let mut got: BTreeSet<String> = texts(&first).into_iter().collect();
    let expected: BTreeSet<String> = (19..=30)
        .map(|count| format!("old {count}"))
        .chain(["in the group".to_owned()])
        .collect();
    while got.len() < expected.len() {
        got.extend(texts(&client.event("history").await));
    }
    assert_eq!(got, expected);

    client
        .command(json!({
            "do": "older", "chat": grace.by_number(), "id": "OLD19", "from_me": false,
            "timestamp": 1_700_000_019, "count": 5,
        }))
        .await;
    let session = client
        .wait("the request", |event| {
            event["event"] == "answer" && event["do"] == "older"
        })
        .await;
    let answer = |event: &Value| event["event"] == "history" && event["session"] == session["value"];
    let older = client.wait("older messages", answer).await;
    assert_eq!(
        texts(&older),
        ["old 18", "old 17", "old 16", "old 15", "old 14"],
        "{older}"
    );
    assert_eq!(older["kind"], "ON_DEMAND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_history_comes_through_the_media_store() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let messages = [
        json!({ "text": "from the store", "timestamp": 1_700_000_000 }),
        json!({ "text": "the newest", "timestamp": 1_700_000_001 }),
    ];
    let history = json!({ "chats": [{ "id": grace.number, "messages": messages }], "inline": 0 });
    world.post(&format!("/phones/{}/history", ada.number), history).await;
    let (mut client, _credentials) = Baileys::paired(&world, &ada).await;
    // Baileys would download it from WhatsApp's own host, whatever it was told (Utils/history.ts, `downloadHistory`), so the
    // test reads what the notification leads to.
    let announced =
        |event: &Value| event["content"]["protocolMessage"]["historySyncNotification"]["syncType"] == "RECENT";
    let message = client.wait("the notification", announced).await;
    let notification = &message["content"]["protocolMessage"]["historySyncNotification"];
    let file = json!({
        "direct_path": notification["directPath"], "media_key": notification["mediaKey"], "kind": "md-msg-hist",
    });
    let path = format!("/phones/{}/media/read", ada.number);
    let (status, compressed) = world.post_file(&path, file.to_string().into_bytes()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&compressed));
    let mut bytes = Vec::new();
    ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
    let part = HistorySync::decode_from_slice(&bytes).unwrap();
    let message = &part.conversations[0].messages[0].message;
    assert_eq!(message.message.conversation.as_deref(), Some("from the store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_history_a_companion_is_usable_at_once() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let credentials = Credentials::empty();
    let mut client = Baileys::start(&world, &credentials);
    let qr = client.event("qr").await;
    world
        .post(&format!("/phones/{}/scan", ada.number), json!({ "qr": qr["qr"] }))
        .await;
    client.event("open").await;
    world.phone_sends(&grace, &ada.by_number(), "hello").await;
    client.text("hello").await;
}
