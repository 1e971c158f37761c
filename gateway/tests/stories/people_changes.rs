//! People, profile, labels and calls: what is asked of the holder, and what a change becomes.

use std::io::Cursor;

use futures::StreamExt as _;
use serde_json::{Value, json};
use shared::command::{Command, Envelope};
use shared::ids::{SessionId, WorkerId};
use shared::operation::{CallOperation, ContactOperation, LabelOperation, Operation, ProfileOperation};
use shared::query::contact::OnWhatsapp;
use shared::query::{Answer, ContactLookup, Lookup, Query, Question};
use shared::store::read_model::calls::NewCall;
use shared::store::read_model::{CallChange, Change, LabelChange};
use shared::subject;
use tokio::time::timeout;

use crate::gateway::{Options, Tenant, World};
use crate::people::Holder;
use harness::scratch::Nats;
use harness::wait::{SOON, until};

/// A world whose session has a holder that somebody plays.
async fn held_world(nats: &Nats) -> (World, Tenant, SessionId, WorkerId, async_nats::Client) {
    let world = World::with(Options {
        nats: Some(nats.url()),
        ..Options::default()
    })
    .await;
    until("the gateway is connected to its broker", SOON, async || {
        world.gateway.app.broker().is_connected().then_some(())
    })
    .await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let worker = world.database.hold(session).await;
    let somebody = async_nats::connect(nats.url()).await.unwrap();
    (world, tenant, session, worker, somebody)
}

#[tokio::test]
async fn whatsapp_is_asked_once_about_a_number_until_the_answer_is_too_old() {
    let nats = Nats::start().await;
    let (world, tenant, session, worker, somebody) = held_world(&nats).await;
    let region = world.gateway.app.region();
    let mut questions = somebody.subscribe(subject::queries_of(region, worker)).await.unwrap();
    somebody.flush().await.unwrap();
    let path = format!("/v1/sessions/{session}/contacts/check");
    let check = |contacts: Value, max_age: u32| {
        let body = json!({"contacts": contacts, "max_age": max_age});
        let call = tenant.client.call("POST", &path).json(&body);
        call.send()
    };
    // The holder says: whoever has an even number uses WhatsApp. It tells about whom it was asked.
    let holder = tokio::spawn({
        let somebody = somebody.clone();
        async move {
            let mut asked = Vec::new();
            while let Ok(Some(message)) = timeout(SOON, questions.next()).await {
                let question: Question = serde_json::from_slice(&message.payload).unwrap();
                let Query::LookUp {
                    what: Lookup::Contact(ContactLookup::OnWhatsapp { contacts }),
                } = question.query
                else {
                    panic!("only numbers are asked about");
                };
                let answers: Vec<OnWhatsapp> = contacts
                    .iter()
                    .map(|contact| OnWhatsapp {
                        exists: contact.phone().unwrap().ends_with(['0', '2', '4']),
                        phone: contact.phone().map(str::to_owned),
                        lid: Some(format!("1000{}", contact.phone().unwrap())),
                        is_business: false,
                        verified_name: None,
                    })
                    .collect();
                asked.push(contacts.iter().map(ToString::to_string).collect::<Vec<_>>());
                let value = serde_json::to_value(answers).unwrap();
                let reply = serde_json::to_vec(&Answer::Found { value }).unwrap();
                somebody.publish(message.reply.unwrap(), reply.into()).await.unwrap();
                if asked.len() == 3 {
                    break;
                }
            }
            asked
        }
    });
    let first = check(json!(["+1 555 000 1002", "15550001003", "15550001002@c.us"]), 3_600)
        .await
        .expect(200);
    let data = first.json["data"].as_array().unwrap();
    assert_eq!(data.len(), 3, "one answer for each question");
    assert_eq!(
        (data[0]["exists"].clone(), data[1]["exists"].clone()),
        (json!(true), json!(false))
    );
    assert_eq!(data[0]["input"], "+1 555 000 1002");
    assert_eq!(
        (&data[0]["lid"], &data[2]["lid"]),
        (&json!("100015550001002"), &json!("100015550001002"))
    );

    let second = check(json!(["15550001003", "15550001004"]), 3_600).await.expect(200);
    assert!(second.json["data"][0]["checked_at"].is_string());
    check(json!(["15550001002"]), 3_600).await.expect(200);
    check(json!(["15550001002"]), 0).await.expect(200);
    let asked = timeout(SOON, holder).await.unwrap().unwrap();
    let expected = [
        vec!["15550001002@s.whatsapp.net", "15550001003@s.whatsapp.net"],
        vec!["15550001004@s.whatsapp.net"],
        vec!["15550001002@s.whatsapp.net"],
    ];
    assert_eq!(asked, expected);

    // Another session of the same tenant has answers of its own, and nobody to ask.
    let other = tenant.linked_session(&world.database).await;
    tenant
        .client
        .post(
            &format!("/v1/sessions/{other}/contacts/check"),
            json!({"contacts": ["15550001002"]}),
        )
        .await
        .expect(409)
        .expect_problem("session_not_connected");
}

#[tokio::test]
async fn every_change_becomes_the_operation_that_it_says() {
    let nats = Nats::start().await;
    let (world, tenant, session, worker, somebody) = held_world(&nats).await;
    let region = world.gateway.app.region();
    let holder = Holder::beside(&world, session);
    let label = LabelChange::Saved {
        label: "7".into(),
        name: "Due".into(),
        color: 3,
    };
    let call = NewCall {
        call_id: "CALL1".into(),
        from: shared::address::Party::new(&"15550001002".parse().unwrap(), None),
        group: None,
        is_video: false,
        peer: "100000000001002@lid".into(),
        creator: "100000000001002:3@lid".into(),
        at: "2026-11-21T10:00:00Z".parse().unwrap(),
    };
    holder
        .write(vec![
            Change::Label(label),
            Change::Call(CallChange::Received(Box::new(call))),
        ])
        .await;
    let mut commands = somebody.subscribe(subject::commands_of(region, worker)).await.unwrap();
    somebody.flush().await.unwrap();
    let contact: shared::address::Address = "15550001002".parse().unwrap();
    let named = |label: &str, name: &str| {
        Operation::Label(LabelOperation::Save {
            label: label.into(),
            name: name.into(),
            color: 3,
        })
    };
    let cases = [
        (
            (
                "PUT",
                "/contacts/15550001002",
                json!({"name": "Carlos", "first_name": "C", "on_phone": true}),
            ),
            Operation::Contact(ContactOperation::Save {
                contact: contact.clone(),
                name: "Carlos".into(),
                first_name: Some("C".into()),
                on_phone: true,
            }),
        ),
        (
            ("DELETE", "/contacts/15550001002", json!(null)),
            Operation::Contact(ContactOperation::Forget {
                contact: contact.clone(),
            }),
        ),
        (
            ("PUT", "/contacts/15550001002/block", json!(null)),
            Operation::Contact(ContactOperation::Block {
                contact: contact.clone(),
            }),
        ),
        (
            ("DELETE", "/contacts/15550001002/block", json!(null)),
            Operation::Contact(ContactOperation::Unblock {
                contact: contact.clone(),
            }),
        ),
        (
            ("POST", "/contacts/15550001002/presence", json!(null)),
            Operation::Contact(ContactOperation::SubscribePresence {
                contact: contact.clone(),
            }),
        ),
        (("PATCH", "/labels/7", json!({"name": "Paid"})), named("7", "Paid")),
        (
            ("DELETE", "/labels/7", json!(null)),
            Operation::Label(LabelOperation::Delete { label: "7".into() }),
        ),
        (
            ("PUT", "/labels/7/chats/15550001002", json!(null)),
            Operation::Label(LabelOperation::Attach {
                label: "7".into(),
                chat: contact.clone(),
            }),
        ),
        (
            ("DELETE", "/labels/7/chats/15550001002", json!(null)),
            Operation::Label(LabelOperation::Detach {
                label: "7".into(),
                chat: contact.clone(),
            }),
        ),
        (
            ("POST", "/calls/CALL1/reject", json!({})),
            Operation::Call(CallOperation::Reject {
                call: "CALL1".into(),
                peer: "100000000001002@lid".into(),
                creator: "100000000001002:3@lid".into(),
            }),
        ),
        (
            ("PUT", "/presence", json!({"presence": "available"})),
            Operation::Profile(ProfileOperation::SetPresence {
                presence: shared::session::Presence::Available,
            }),
        ),
        (
            ("DELETE", "/profile/picture", json!(null)),
            Operation::Profile(ProfileOperation::RemovePicture),
        ),
    ];
    for ((method, path, body), expected) in cases {
        let call = tenant
            .client
            .call(method, &format!("/v1/sessions/{session}{path}"))
            .header("prefer", "wait=0");
        let call = if body.is_null() { call } else { call.json(&body) };
        call.send().await.expect(202);
        let message = timeout(SOON, commands.next()).await.unwrap().unwrap();
        let envelope = Envelope::decode(&message.payload).unwrap();
        assert_eq!(envelope.command, Command::Operation(expected), "{method} {path}");
    }

    // A picture travels as the square JPEG that WhatsApp wants.
    let mut png = Vec::new();
    image::RgbImage::from_pixel(800, 400, image::Rgb([0, 128, 0]))
        .write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png)
        .unwrap();
    tenant
        .client
        .call("PUT", &format!("/v1/sessions/{session}/profile/picture"))
        .header("content-type", "image/png")
        .header("prefer", "wait=0")
        .raw(png)
        .send()
        .await
        .expect(202);
    let message = timeout(SOON, commands.next()).await.unwrap().unwrap();
    let Command::Operation(Operation::Profile(ProfileOperation::SetPicture { jpeg })) =
        Envelope::decode(&message.payload).unwrap().command
    else {
        panic!("a picture is set");
    };
    let jpeg = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, jpeg).unwrap();
    let picture = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg).unwrap();
    assert_eq!((picture.width(), picture.height()), (400, 400));
}
