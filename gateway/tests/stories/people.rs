//! People, profile, labels and calls: what a gateway reads, refuses, asks the holder and gives as an operation.

use std::io::Cursor;

use futures::StreamExt as _;
use serde_json::{Value, json};
use shared::command::{Command, Envelope};
use shared::ids::{SessionId, WorkerId};
use shared::operation::{CallOperation, ContactOperation, LabelOperation, Operation, ProfileOperation};
use shared::query::contact::OnWhatsapp;
use shared::query::{Answer, ContactLookup, Lookup, Query, Question};
use shared::store::read_model::calls::NewCall;
use shared::store::read_model::contacts::{ContactFacts, ContactIds};
use shared::store::read_model::{CallChange, Change, ContactChange, LabelChange};
use shared::store::records::Facts;
use shared::store::{Scope, Store};
use shared::subject;
use tokio::time::timeout;

use crate::gateway::{Options, REGION, Tenant, World};
use harness::scratch::Nats;
use harness::wait::{SOON, until};

/// What a holder writes.
struct Holder {
    store: Store,
    session: SessionId,
}

impl Holder {
    async fn of(world: &World, session: SessionId) -> (Self, WorkerId) {
        let worker = world.database.hold(session).await;
        let url = world.database.url(None).into();
        let store = Store::connect(&url, 2, REGION.parse().unwrap(), Scope::Everyone).unwrap();
        (Self { store, session }, worker)
    }

    async fn write(&self, changes: Vec<Change>) {
        let facts = Facts {
            changes,
            ..Facts::default()
        };
        self.store.record(self.session, 1, &facts).await.unwrap();
    }

    async fn person(&self, phone: Option<&str>, lid: Option<&str>, facts: ContactFacts) {
        let ids = ids(phone, lid);
        self.write(vec![Change::Contact(ContactChange::Known { ids, facts })])
            .await;
    }
}

fn ids(phone: Option<&str>, lid: Option<&str>) -> ContactIds {
    ContactIds {
        phone: phone.map(str::to_owned),
        lid: lid.map(str::to_owned),
    }
}

fn named(name: &str) -> ContactFacts {
    ContactFacts {
        name: Some(Some(name.to_owned())),
        ..ContactFacts::default()
    }
}

async fn list(tenant: &Tenant, session: SessionId, query: &str) -> Vec<Value> {
    let path = format!("/v1/sessions/{session}/contacts{query}");
    let page = tenant.client.get(&path).await.expect(200);
    page.json["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_person_known_by_two_ids_is_one_person_once_the_two_are_known_to_be_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let (holder, _) = Holder::of(&world, session).await;
    holder.person(Some("15550001002"), None, named("Carlos")).await;
    let by_lid = ContactFacts {
        push_name: Some("charly".into()),
        about: Some(Some("at work".into())),
        ..ContactFacts::default()
    };
    holder.person(None, Some("100000000001002"), by_lid).await;
    assert_eq!(list(&tenant, session, "").await.len(), 2);

    holder
        .person(Some("15550001002"), Some("100000000001002"), ContactFacts::default())
        .await;
    let people = list(&tenant, session, "").await;
    assert_eq!(people.len(), 1, "{people:?}");
    for (field, value) in [
        ("jid", "15550001002@s.whatsapp.net"),
        ("phone", "15550001002"),
        ("lid", "100000000001002"),
        ("name", "Carlos"),
        ("push_name", "charly"),
        ("about", "at work"),
    ] {
        assert_eq!(people[0][field], value, "{people:?}");
    }
    for id in ["15550001002", "+1 555 000 1002", "100000000001002@lid"] {
        let path = format!("/v1/sessions/{session}/contacts/{}", id.replace(' ', "%20"));
        let person = tenant.client.get(&path).await.expect(200);
        assert_eq!(person.json, people[0], "{id}");
    }

    // A new number: the same person.
    holder
        .write(vec![Change::Contact(ContactChange::Moved {
            old: ids(Some("15550001002"), None),
            new: ids(Some("15550001777"), None),
        })])
        .await;
    let people = list(&tenant, session, "").await;
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!(
        (&people[0]["phone"], &people[0]["lid"], &people[0]["name"]),
        (&json!("15550001777"), &json!("100000000001002"), &json!("Carlos"))
    );

    // What is taken away is gone; what is not mentioned stays.
    let facts = ContactFacts {
        name: Some(None),
        ..ContactFacts::default()
    };
    holder.person(None, Some("100000000001002"), facts).await;
    let people = list(&tenant, session, "").await;
    assert_eq!(
        (&people[0]["name"], &people[0]["about"]),
        (&Value::Null, &json!("at work"))
    );
}

#[tokio::test]
async fn people_are_searched_filtered_and_paged() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let other = tenant.linked_session(&world.database).await;
    let (holder, _) = Holder::of(&world, session).await;
    let (elsewhere, _) = Holder::of(&world, other).await;
    elsewhere
        .person(Some("15550009999"), None, named("Somebody else"))
        .await;
    for (phone, name) in [
        ("15550001002", Some("Carlos Pérez")),
        ("15550001003", Some("Bruno")),
        ("15550001004", None),
    ] {
        let facts = name.map(named).unwrap_or_default();
        holder.person(Some(phone), None, facts).await;
    }
    let shop = ContactFacts {
        is_business: Some(true),
        verified_name: Some(Some("Perla Shop".into())),
        ..ContactFacts::default()
    };
    holder.person(None, Some("100000000001005"), shop).await;
    holder
        .write(vec![Change::Contact(ContactChange::BlockList {
            people: vec![ids(Some("15550001003"), Some("100000000001003"))],
        })])
        .await;

    let phones = |people: Vec<Value>| -> Vec<String> {
        people
            .iter()
            .map(|person| person["jid"].as_str().unwrap().split('@').next().unwrap().to_owned())
            .collect()
    };
    for (query, expected) in [
        ("?search=P%C3%A9rez", vec!["15550001002"]),
        ("?search=p%C3%A9REZ", vec!["15550001002"]),
        ("?search=per", vec!["100000000001005"]),
        ("?search=0001003", vec!["15550001003"]),
        ("?search=%25", vec![]),
        ("?saved=true", vec!["15550001002", "15550001003"]),
        ("?saved=false", vec!["15550001004", "100000000001005"]),
        ("?blocked=true", vec!["15550001003"]),
        ("?business=true", vec!["100000000001005"]),
    ] {
        assert_eq!(phones(list(&tenant, session, query).await), expected, "{query}");
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/sessions/{session}/contacts?limit=1{cursor}");
        let page = tenant.client.get(&path).await.expect(200).json;
        seen.extend(phones(page["data"].as_array().unwrap().clone()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["15550001002", "15550001003", "15550001004", "100000000001005"]);

    // The block list is the whole truth: who is not on it is not blocked.
    holder
        .write(vec![Change::Contact(ContactChange::BlockList { people: Vec::new() })])
        .await;
    assert_eq!(list(&tenant, session, "?blocked=true").await.len(), 0);
    tenant
        .client
        .get(&format!("/v1/sessions/{session}/contacts/15550008888"))
        .await
        .expect(404)
        .expect_problem("contact_not_found");
}

#[tokio::test]
async fn presence_is_kept_and_an_older_word_does_not_undo_a_newer_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let (holder, _) = Holder::of(&world, session).await;
    let path = format!("/v1/sessions/{session}/contacts/15550001002/presence");
    tenant
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("contact_not_found");
    let told = |presence, last_seen: Option<&str>, at: &str| {
        vec![Change::Contact(ContactChange::Presence {
            ids: ids(Some("15550001002"), None),
            presence,
            last_seen: last_seen.map(|time| time.parse().unwrap()),
            at: at.parse().unwrap(),
        })]
    };
    holder.write(told("available", None, "2026-11-21T10:00:00Z")).await;
    let presence = tenant.client.get(&path).await.expect(200);
    assert_eq!(presence.text("/presence"), "available");
    assert_eq!(presence.text("/last_seen"), "2026-11-21T10:00:00.000Z");
    let gone = told("unavailable", Some("2026-11-21T10:05:00Z"), "2026-11-21T10:06:00Z");
    holder.write(gone).await;
    holder.write(told("available", None, "2026-11-21T10:01:00Z")).await;
    let presence = tenant.client.get(&path).await.expect(200);
    assert_eq!(presence.text("/presence"), "unavailable");
    assert_eq!(presence.text("/last_seen"), "2026-11-21T10:05:00.000Z");
}

#[tokio::test]
async fn labels_and_calls_are_listed_as_the_holder_wrote_them() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let (holder, _) = Holder::of(&world, session).await;
    let label = |name: &str| {
        Change::Label(LabelChange::Saved {
            label: "7".into(),
            name: name.into(),
            color: 3,
        })
    };
    let attached = |chat: &str| {
        Change::Label(LabelChange::Attached {
            label: "7".into(),
            chat: chat.into(),
        })
    };
    holder
        .write(vec![
            attached("15550001002@s.whatsapp.net"),
            label("Due"),
            label("Paid"),
            attached("120363021033254949@g.us"),
        ])
        .await;
    let labels = tenant
        .client
        .get(&format!("/v1/sessions/{session}/labels"))
        .await
        .expect(200);
    assert_eq!(labels.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (labels.text("/data/0/id"), labels.text("/data/0/name")),
        ("7".into(), "Paid".into())
    );
    assert_eq!(
        labels.json["data"][0]["chats"],
        json!(["120363021033254949@g.us", "15550001002@s.whatsapp.net"])
    );
    holder
        .write(vec![Change::Label(LabelChange::Deleted { label: "7".into() })])
        .await;
    assert_eq!(world.database.count("chat_label").await, 0);

    for call_id in ["CALL1", "CALL2"] {
        let call = NewCall {
            call_id: call_id.into(),
            from: shared::address::Party::new(&"15550001002".parse().unwrap(), None),
            group: None,
            is_video: false,
            peer: "100000000001002:3@lid".into(),
            creator: "100000000001002:3@lid".into(),
            at: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        holder
            .write(vec![Change::Call(CallChange::Received(Box::new(call)))])
            .await;
    }
    for outcome in [
        shared::event::people::CallEnd::Rejected,
        shared::event::people::CallEnd::Missed,
    ] {
        let ended = CallChange::Ended {
            call_id: "CALL1".into(),
            outcome,
            at: "2026-11-21T10:00:05Z".parse().unwrap(),
        };
        holder.write(vec![Change::Call(ended)]).await;
    }
    let calls = format!("/v1/sessions/{session}/calls");
    let listed = tenant.client.get(&calls).await.expect(200);
    assert_eq!(listed.text("/data/0/id"), "CALL2", "newest first");
    assert_eq!(listed.text("/data/0/status"), "ringing");
    assert_eq!(listed.text("/data/1/status"), "rejected", "the first end counts");
    for gone in ["CALL1", "CALL9"] {
        tenant
            .client
            .post(&format!("{calls}/{gone}/reject"), json!({}))
            .await
            .expect(404)
            .expect_problem("call_not_found");
    }
    tenant
        .client
        .call("DELETE", &format!("/v1/sessions/{session}"))
        .send()
        .await
        .expect(202);
    holder.store.remove_session(session, 1).await.unwrap();
    for table in ["contact", "label", "chat_label", "call", "number_check"] {
        assert_eq!(world.database.count(table).await, 0, "{table} goes with the session");
    }
}

#[tokio::test]
async fn bad_input_is_refused_and_the_field_named() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let base = format!("/v1/sessions/{session}");
    let before = world.database.count("command").await;
    for (method, path, body, field) in [
        ("GET", "/contacts?search=", json!(null), "search"),
        ("GET", "/contacts?saved=perhaps", json!(null), "saved"),
        ("GET", "/contacts?sort=name", json!(null), "sort"),
        ("GET", "/contacts/15550001002?refresh=yes", json!(null), "refresh"),
        ("GET", "/contacts/15550001002/picture?type=huge", json!(null), "type"),
        ("POST", "/contacts/check", json!({"contacts": []}), "contacts"),
        (
            "POST",
            "/contacts/check",
            json!({"contacts": ["15550001002", "x"]}),
            "contacts[1]",
        ),
        (
            "POST",
            "/contacts/check",
            json!({"contacts": ["15550001002"], "max_age": -1}),
            "max_age",
        ),
        ("PUT", "/contacts/15550001002", json!({}), "name"),
        ("PUT", "/contacts/15550001002", json!({"name": "a\u{0}"}), "name"),
        (
            "PUT",
            "/contacts/15550001002",
            json!({"name": "a", "nick": "b"}),
            "nick",
        ),
        ("POST", "/labels", json!({"name": ""}), "name"),
        ("POST", "/labels", json!({"name": "a", "color": 20}), "color"),
        ("PATCH", "/profile", json!({}), ""),
        (
            "PATCH",
            "/profile",
            json!({"privacy": {"online": "none"}}),
            "privacy.online",
        ),
        ("PUT", "/presence", json!({"presence": "busy"}), "presence"),
    ] {
        let call = tenant.client.call(method, &format!("{base}{path}"));
        let answer = if body.is_null() {
            call.send().await
        } else {
            call.json(&body).send().await
        };
        let answer = answer.expect(422).expect_problem("validation_failed");
        assert_eq!(
            answer.text("/errors/0/field"),
            field,
            "{method} {path}: {}",
            answer.json
        );
    }
    for (path, code) in [
        ("/contacts/nobody", "contact_not_found"),
        ("/contacts/120363021033254949@g.us/presence", "contact_not_found"),
        ("/contacts/status@broadcast/about", "contact_not_found"),
    ] {
        tenant
            .client
            .get(&format!("{base}{path}"))
            .await
            .expect(404)
            .expect_problem(code);
    }
    for (path, code) in [
        ("/labels/7", "label_not_found"),
        ("/labels/%00", "label_not_found"),
        ("/labels/7/chats/nobody", "contact_not_found"),
    ] {
        tenant
            .client
            .delete(&format!("{base}{path}"))
            .await
            .expect(404)
            .expect_problem(code);
    }
    let picture = format!("{base}/profile/picture");
    let put = |content_type: &str, body: Vec<u8>| {
        let call = tenant.client.call("PUT", &picture).header("content-type", content_type);
        call.raw(body).send()
    };
    put("application/json", b"{}".to_vec())
        .await
        .expect(415)
        .expect_problem("unsupported_media_type");
    put("image/png", b"not a picture".to_vec())
        .await
        .expect(422)
        .expect_problem("validation_failed");
    put("image/png", vec![0; 5 * 1024 * 1024 + 1])
        .await
        .expect(413)
        .expect_problem("body_too_large");
    assert_eq!(
        world.database.count("command").await,
        1,
        "only the session's start was given"
    );
}

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
    assert_eq!(second.json["data"][0]["checked_at"].is_string(), true);
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
    let url = world.database.url(None).into();
    let store = Store::connect(&url, 2, REGION.parse().unwrap(), Scope::Everyone).unwrap();
    let holder = Holder { store, session };
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
