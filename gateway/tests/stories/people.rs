//! People, labels and calls: what a gateway reads of what holders have written, and what it refuses.

use serde_json::{Value, json};
use shared::ids::SessionId;
use shared::store::read_model::calls::NewCall;
use shared::store::read_model::contacts::{ContactFacts, ContactIds};
use shared::store::read_model::{CallChange, Change, ContactChange, LabelChange};
use shared::store::records::Facts;
use shared::store::{Scope, Store};

use crate::gateway::{REGION, Tenant, World};

/// What a holder writes.
pub(crate) struct Holder {
    pub(crate) store: Store,
    session: SessionId,
}

impl Holder {
    async fn of(world: &World, session: SessionId) -> Self {
        world.database.hold(session).await;
        Self::beside(world, session)
    }

    /// The holder of a session that is held already.
    pub(crate) fn beside(world: &World, session: SessionId) -> Self {
        let url = world.database.url(None).into();
        let store = Store::connect(&url, 2, REGION.parse().unwrap(), Scope::Everyone).unwrap();
        Self { store, session }
    }

    pub(crate) async fn write(&self, changes: Vec<Change>) {
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
    let holder = Holder::of(&world, session).await;
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
    let holder = Holder::of(&world, session).await;
    let elsewhere = Holder::of(&world, other).await;
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
    let holder = Holder::of(&world, session).await;
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
    let holder = Holder::of(&world, session).await;
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
        .expect(204);
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
        before,
        "nothing was given to the session"
    );
}
