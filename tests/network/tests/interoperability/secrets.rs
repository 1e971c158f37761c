//! Polls, events, and messages of other kinds between Baileys clients and phones.

use buffa::MessageField;
use serde_json::{Value, json};
use waproto::whatsapp::message::poll_creation_message::Option as PollOption;
use waproto::whatsapp::message::{EventMessage, ExtendedTextMessage, LocationMessage, PollCreationMessage};
use waproto::whatsapp::{ContextInfo, Message};

use crate::baileys::Baileys;
use crate::world::{Person, World};

fn poll() -> Message {
    let option = |name: &str| PollOption {
        option_name: Some(name.to_owned()),
        ..Default::default()
    };
    Message {
        poll_creation_message_v3: MessageField::some(PollCreationMessage {
            name: Some("Lunch?".to_owned()),
            options: ["Soup", "Salad", "Nothing"].map(option).to_vec(),
            selectable_options_count: Some(1),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn votes(world: &World, person: &Person, poll: &str, complete: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/phones/{}/polls/{poll}", person.number);
    eventually(world, &path, "votes", complete).await
}

/// Reads a list until it is as expected.
async fn eventually(world: &World, path: &str, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let list = world.get(path).await[name].clone();
        if fits(&list) {
            return list;
        }
        assert!(tokio::time::Instant::now() < deadline, "{path}: {list}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_vote_in_each_others_polls() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;

    for address in [ada.by_number(), ada.by_lid()] {
        let id = world.phone_sends_message(&grace, &address, &poll()).await;
        of_ada
            .wait("the poll", |event| event["event"] == "message" && event["id"] == id)
            .await;
        for choice in [json!(["Salad"]), json!(["Soup"]), json!([])] {
            of_ada
                .command(json!({ "do": "vote", "poll": id, "options": choice }))
                .await;
            of_ada.outcome("sent").await;
            let read = votes(&world, &grace, &id, |votes| votes[0]["options"] == choice).await;
            assert_eq!(read[0]["voter"], json!(ada.number));
            assert_eq!(read.as_array().unwrap().len(), 1, "one vote for each person: {read}");
        }
    }

    let content = json!({ "poll": { "name": "Dinner?", "values": ["Fish", "Rice"], "selectableCount": 2 } });
    for address in [grace.by_number(), grace.by_lid()] {
        let id = of_ada.send_content(&address, content.clone()).await;
        let (received, _) = world.phone_reads_message(&grace, &id).await;
        assert_eq!(
            (&received["type"], &received["stanza_type"]),
            (&json!("poll"), &json!("poll"))
        );
        let path = format!("/phones/{}/votes", grace.number);
        world
            .post(&path, json!({ "poll": id, "options": ["Rice", "Fish"] }))
            .await;
        let vote = of_ada.event("vote").await;
        assert_eq!(
            (&vote["poll"], &vote["options"]),
            (&json!(id), &json!(["Rice", "Fish"]))
        );
        // The phone of the poll's author reads the vote as well, and the secret in its companion's copy.
        let read = votes(&world, &ada, &id, |votes| votes[0].is_object()).await;
        assert_eq!(read[0]["voter"], json!(grace.number));
    }
    let (status, _) = world
        .try_post(
            &format!("/phones/{}/votes", grace.number),
            json!({ "poll": "NONE", "options": [] }),
        )
        .await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_respond_to_each_others_events() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;

    let party = Message {
        event_message: MessageField::some(EventMessage {
            name: Some("Party".to_owned()),
            start_time: Some(4_102_444_800),
            ..Default::default()
        }),
        ..Default::default()
    };
    let id = world.phone_sends_message(&grace, &ada.by_number(), &party).await;
    of_ada
        .wait("the event", |event| event["event"] == "message" && event["id"] == id)
        .await;
    of_ada
        .command(json!({ "do": "respond", "event": id, "response": "MAYBE" }))
        .await;
    of_ada.outcome("sent").await;
    let path = format!("/phones/{}/events/{id}", grace.number);
    let responses = eventually(&world, &path, "responses", |list| list[0].is_object()).await;
    assert_eq!(responses[0]["responder"], json!(ada.number));
    assert_eq!(responses[0]["response"], "maybe");

    let event = json!({ "event": { "name": "Walk", "startDate": { "date": 4_102_444_800_000_u64 } } });
    let id = of_ada.send_content(&grace.by_number(), event).await;
    let (received, _) = world.phone_reads_message(&grace, &id).await;
    assert_eq!(received["type"], "event");
    let path = format!("/phones/{}/event-responses", grace.number);
    world.post(&path, json!({ "event": id, "response": "going" })).await;
    let response = of_ada.event("event-response").await;
    assert_eq!(
        (&response["target"], &response["response"]),
        (&json!(id), &json!("GOING"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_message_arrives_as_it_was_built() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;

    let location = Message {
        location_message: MessageField::some(LocationMessage {
            degrees_latitude: Some(52.5),
            degrees_longitude: Some(13.25),
            name: Some("Here".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let id = world.phone_sends_message(&grace, &ada.by_number(), &location).await;
    let message = of_ada
        .wait("the location", |event| event["event"] == "message" && event["id"] == id)
        .await;
    let said = &message["content"]["locationMessage"];
    assert_eq!(
        (&said["degreesLatitude"], &said["name"]),
        (&json!(52.5), &json!("Here"))
    );

    let forwarded = Message {
        extended_text_message: MessageField::some(ExtendedTextMessage {
            text: Some("forwarded often".to_owned()),
            context_info: MessageField::some(ContextInfo {
                is_forwarded: Some(true),
                forwarding_score: Some(7),
                expiration: Some(86_400),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let forwarded_id = world.phone_sends_message(&grace, &ada.by_number(), &forwarded).await;
    let message = of_ada.text("forwarded often").await;
    let context = &message["content"]["extendedTextMessage"]["contextInfo"];
    assert_eq!(
        (&context["forwardingScore"], &context["expiration"]),
        (&json!(7), &json!(86_400))
    );

    // The other way, with a quotation, a pin, and something to be seen once.
    of_ada
        .command(json!({
            "do": "send-content", "to": grace.by_number(),
            "content": { "text": "quoting" },
            "options": { "quoted": { "message": forwarded_id } },
        }))
        .await;
    let id = of_ada.outcome("sent").await["id"].as_str().unwrap().to_owned();
    let (_, message) = world.phone_reads_message(&grace, &id).await;
    let quoted = &message.extended_text_message.context_info.stanza_id;
    assert_eq!(quoted.as_deref(), Some(forwarded_id.as_str()));

    let pin = json!({ "pin": { "key": forwarded_id }, "type": 1, "time": 86_400 });
    let id = of_ada.send_content(&grace.by_number(), pin).await;
    let (received, message) = world.phone_reads_message(&grace, &id).await;
    assert_eq!(received["type"], "pin");
    assert_eq!(
        message.pin_in_chat_message.key.id.as_deref(),
        Some(forwarded_id.as_str())
    );

    let once = json!({ "image": { "base64": "AAAA" }, "jpegThumbnail": "", "viewOnce": true });
    let id = of_ada.send_content(&grace.by_number(), once).await;
    let (received, message) = world.phone_reads_message(&grace, &id).await;
    assert_eq!(received["type"], "image");
    assert!(network::phone::kinds::unwrap(&message).image_message.is_set());
    assert!(!message.image_message.is_set(), "it is wrapped: {message:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protobuf_that_is_none_is_refused() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let path = format!("/phones/{}/messages", ada.number);
    for protobuf in ["not base64!", "/////w=="] {
        let (status, answer) = world
            .try_post(&path, json!({ "to": grace.number, "protobuf": protobuf }))
            .await;
        assert_eq!(
            (status.as_u16(), &answer["error"]),
            (422, &json!("invalid_request")),
            "{protobuf}"
        );
    }
}
