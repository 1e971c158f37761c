//! The dialect management at the gateway alone: who may without a credential, its numbers, its webhooks and its pages. What it answers is told by the
//! scenario files.

use harness::wait::{SOON, until};
use serde_json::{Value, json};
use shared::ids::{DeliveryId, MessageId, WebhookId};
use uuid::Uuid;

use crate::client::Client;
use crate::gateway::{Gateway, Options, Tenant, World, text_message};

const BASE: &str = "/compat/management/api";

/// A gateway that serves requests without a credential for `tenant` with `key`.
async fn open_gateway(world: &World, tenant: &str, key: &str) -> Gateway {
    let flags = [
        format!("--management-open-tenant={tenant}"),
        format!("--management-open-key={key}"),
    ];
    let options = Options {
        flags: flags.iter().map(String::as_str).collect(),
        ..Options::default()
    };
    Gateway::start(&world.database, &world.region_key, options).await
}

/// A session that a client of this dialect creates: its number.
async fn created(client: &Client, name: &str) -> i64 {
    let body = json!({ "session_name": name, "user_id": 1 });
    let answer = client.post(&format!("{BASE}/sessions"), body).await.expect(201);
    answer.json["data"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn without_a_key_nothing_is_served_unless_the_operator_has_opened_it_for_a_tenant() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    created(&tenant.client, "Support").await;
    let sessions = format!("{BASE}/sessions");
    let refused = world.gateway.stranger().get(&sessions).await.expect(401);
    assert_eq!(
        refused.json,
        json!({ "status": "error", "message": "The request carries no credential." })
    );

    let scopes = json!({ "scopes": ["sessions:read"] });
    let (key_id, key) = world.key(&tenant.id.to_string(), scopes).await;
    let open = open_gateway(&world, &tenant.id.to_string(), &key).await;
    let anybody = open.stranger();
    let listed = anybody.get(&sessions).await.expect(200);
    assert_eq!(listed.json["data"][0]["sessionName"], "Support");
    // The key's scopes bound what anybody may.
    anybody
        .post(&format!("{sessions}/1/start"), json!({}))
        .await
        .expect(403);
    // Only this dialect is open, and only for those who carry nothing.
    anybody.get("/v1/sessions").await.expect(401);
    anybody.get("/compat/multisession/api/sessions").await.expect(401);
    for (name, value) in [
        ("x-api-key", "wrong"),
        ("authorization", "Basic eDp5"),
        ("authorization", "Digest x"),
    ] {
        let carrying = anybody.call("GET", &sessions).header(name, value);
        carrying.send().await.expect(401);
    }

    world
        .operator()
        .delete(&format!("/v1/api-keys/{key_id}"))
        .await
        .expect(204);
    until("the door to be closed", SOON, async || {
        (anybody.get(&sessions).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_open_door_leads_to_the_named_tenant_and_not_from_other_sites_pages() {
    let world = World::new().await;
    let (alice, bob) = (world.tenant().await, world.tenant().await);
    let sessions = format!("{BASE}/sessions");
    let other = open_gateway(&world, &alice.id.to_string(), bob.client.key()).await;
    other.stranger().get(&sessions).await.expect(401);

    let open = open_gateway(&world, &alice.id.to_string(), alice.client.key()).await;
    let body = json!({ "session_name": "Support", "user_id": 1 });
    let post = |name: &str, value: &str| {
        let call = open.stranger().call("POST", &sessions);
        call.header("host", "rookery.lan")
            .header(name, value)
            .json(&body)
            .send()
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let refused = post(name, value).await.expect(403);
        assert_eq!(refused.json["status"], "error");
    }
    assert_eq!(open.stranger().get(&sessions).await.expect(200).json["data"], json!([]));
    post("origin", "http://rookery.lan").await.expect(201);
    // With a key of its own a page of another site may: whoever has the key has chosen to.
    let page = alice
        .client
        .call("GET", &sessions)
        .header("origin", "https://evil.example");
    page.send().await.expect(200);
}

#[tokio::test]
async fn numbers_are_each_tenants_own_and_stay() {
    let world = World::new().await;
    let (alice, bob) = (world.tenant().await, world.tenant().await);
    assert_eq!(created(&alice.client, "One").await, 1);
    assert_eq!(created(&alice.client, "Two").await, 2);
    assert_eq!(created(&bob.client, "One").await, 1);
    let one = format!("{BASE}/sessions/1");
    assert_eq!(
        alice.client.get(&one).await.expect(200).json["data"]["sessionName"],
        "One"
    );
    alice.client.delete(&one).await.expect(200);
    alice.client.get(&one).await.expect(404);
    let (listed, third) = (
        alice.client.get("/v1/sessions").await,
        created(&alice.client, "Three").await,
    );
    assert_eq!(third, 3, "a number is never given again");
    // By our own id too; a session that was made elsewhere has a number once it is seen here.
    let id = listed.text("/data/0/id");
    let second = alice.client.get(&format!("{BASE}/sessions/{id}")).await.expect(200);
    assert_eq!(second.json["data"]["id"], 2);
    let elsewhere = alice.session().await;
    let listed = alice.client.get(&format!("{BASE}/sessions")).await.expect(200).json;
    let numbers: Vec<i64> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["id"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 3, 4], "the first one first");
    assert_eq!(listed["data"][2]["userId"], Value::Null);

    let (_, key) = world
        .key(&alice.id.to_string(), json!({ "sessions": [elsewhere] }))
        .await;
    let bounded = alice.client.with_key(&key);
    let listed = bounded.get(&format!("{BASE}/sessions")).await.expect(200).json;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    bounded.get(&format!("{BASE}/sessions/2")).await.expect(404);
}

#[tokio::test]
async fn a_sessions_own_address_is_no_registered_webhook_and_changes_only_when_it_is_given() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let body = json!({ "session_name": "Support", "user_id": "2", "webhook_url": "https://shop.example/news" });
    let answer = tenant.client.post(&format!("{BASE}/sessions"), body).await.expect(201);
    assert_eq!(answer.json["data"]["webhookUrl"], "https://shop.example/news");
    assert_eq!(answer.json["data"]["userId"], 2);
    let put = async |body: Value| {
        let call = tenant.client.call("PUT", &format!("{BASE}/sessions/1"));
        call.json(&body).send().await.expect(200).json["data"].clone()
    };
    let renamed = put(json!({ "session_name": "Sales" })).await;
    assert_eq!(renamed["sessionName"], "Sales");
    assert_eq!(renamed["webhookUrl"], "https://shop.example/news");
    assert!(renamed["updatedAt"].as_str() > renamed["createdAt"].as_str());
    let webhooks = tenant.client.get("/v1/webhooks").await.expect(200).json;
    assert_eq!(webhooks["data"].as_array().unwrap().len(), 1);
    assert_eq!(webhooks["data"][0]["format"], "management");
    let list = format!("{BASE}/webhook/1");
    assert_eq!(tenant.client.get(&list).await.expect(200).json["data"], json!([]));

    let moved = put(json!({ "webhook_url": "https://shop.example/other" })).await;
    assert_eq!(
        (&moved["sessionName"], &moved["webhookUrl"]),
        (&json!("Sales"), &json!("https://shop.example/other"))
    );
    assert_eq!(put(json!({ "webhook_url": null })).await["webhookUrl"], Value::Null);
    let webhooks = tenant.client.get("/v1/webhooks").await.expect(200).json;
    assert_eq!(webhooks["data"], json!([]));
    // What is refused has made nothing.
    for webhook_url in [json!("ftp://shop.example"), json!("https://10.0.0.1/"), json!(7)] {
        let body = json!({ "session_name": "Other", "user_id": 2, "webhook_url": webhook_url });
        tenant.client.post(&format!("{BASE}/sessions"), body).await.expect(400);
    }
    let sessions = tenant.client.get(&format!("{BASE}/sessions")).await.expect(200).json;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_url_is_registered_once_and_its_secret_is_shown_to_whoever_gives_it_only() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    created(&tenant.client, "Support").await;
    let register = async |body: Value| tenant.client.post(&format!("{BASE}/webhook/1/register"), body).await;
    let first = register(
        json!({ "url": "https://shop.example/hook", "secret": "my-secret-key", "events": ["message", "status"] }),
    );
    let first = first.await.expect(201).json["data"].clone();
    assert_eq!(first["secret"], "my-secret-key");
    let again = register(json!({ "url": "https://shop.example/hook", "events": ["status"] })).await;
    let again = again.expect(200).json["data"].clone();
    assert_eq!((&again["id"], &again["secret"]), (&first["id"], &Value::Null));
    assert_eq!(again["events"], json!(["status"]));
    let second = register(json!({ "url": "https://shop.example/hook2" }))
        .await
        .expect(201)
        .json;
    assert_eq!(second["data"]["events"], json!(["message"]));
    let secrets = world.database.count("webhook_secret").await;
    assert_eq!(secrets, 2, "a secret that is not given again stays");

    let listed = tenant.client.get(&format!("{BASE}/webhook/1")).await.expect(200).json;
    let numbers: Vec<&Value> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(numbers, [&json!(1), &json!(2)]);
    assert!(
        listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["secret"].is_null())
    );
    for (body, message) in [
        (json!({}), "Webhook URL is required"),
        (
            json!({ "url": "https://shop.example/hook", "events": ["group"] }),
            "events must be a list of message and status",
        ),
    ] {
        assert_eq!(register(body).await.expect(400).json["message"], message);
    }
    register(json!({ "url": "http://127.0.0.1/" })).await.expect(400);

    // Another tenant's numbers, and webhooks in other words, are not there.
    let bob = world.tenant().await;
    bob.client.delete(&format!("{BASE}/webhook/1")).await.expect(404);
    let (own, _) = tenant.webhook().await;
    tenant.client.delete(&format!("{BASE}/webhook/{own}")).await.expect(404);
    tenant.client.delete(&format!("{BASE}/webhook/1")).await.expect(200);
    let gone = tenant.client.delete(&format!("{BASE}/webhook/1")).await.expect(404);
    assert_eq!(
        gone.json,
        json!({ "status": "error", "message": "Webhook with ID 1 not found" })
    );
}

/// A session with messages that wait to be sent, and its number.
async fn with_messages(world: &World, tenant: &Tenant, texts: &[&str]) -> (i64, Vec<MessageId>) {
    let session = tenant.linked_session(&world.database).await;
    let mut messages = Vec::new();
    let path = format!("/v1/sessions/{session}/messages");
    for text in texts {
        let sent = tenant.client.post(&path, text_message(text)).await.expect(202);
        messages.push(sent.text("/id").parse().unwrap());
    }
    let listed = tenant
        .client
        .get(&format!("{BASE}/sessions/{session}"))
        .await
        .expect(200);
    (listed.json["data"]["id"].as_i64().unwrap(), messages)
}

#[tokio::test]
async fn messages_are_paged_by_offset_and_read_by_number() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (session, _) = with_messages(&world, &tenant, &["one", "two", "three"]).await;
    let page = async |query: &str| {
        let path = format!("{BASE}/messages/session/{session}?{query}");
        let page = tenant.client.get(&path).await.expect(200).json["data"].clone();
        let shown = page["messages"].as_array().unwrap();
        let texts: Vec<String> = shown
            .iter()
            .map(|one| one["content"].as_str().unwrap().to_owned())
            .collect();
        (texts, page["pagination"].clone(), page["messages"][0]["id"].clone())
    };
    let (texts, pagination, newest) = page("").await;
    assert_eq!(texts, ["three", "two", "one"]);
    assert_eq!(pagination, json!({ "total": 3, "limit": 50, "offset": 0 }));
    let (texts, pagination, _) = page("limit=1&offset=1&phone=15550009999@c.us").await;
    assert_eq!(texts, ["two"]);
    assert_eq!(pagination, json!({ "total": 3, "limit": 1, "offset": 1 }));
    for (query, total) in [("offset=3", 3), ("limit=0", 3), ("phone=15550001234", 0)] {
        let (texts, pagination, _) = page(query).await;
        assert_eq!((texts.len(), &pagination["total"]), (0, &json!(total)), "{query}");
    }
    for query in ["limit=many", "offset=-1", "offset=100001", "phone=nobody"] {
        let path = format!("{BASE}/messages/session/{session}?{query}");
        tenant.client.get(&path).await.expect(400);
    }

    let read = tenant
        .client
        .get(&format!("{BASE}/messages/{newest}"))
        .await
        .expect(200)
        .json;
    assert_eq!(read["data"]["content"], "three");
    assert_eq!(read["data"]["toNumber"], "15550009999@c.us");
    assert_eq!(read["data"]["fromNumber"], "15550001001@c.us");
    let bob = world.tenant().await;
    let hidden = bob.client.get(&format!("{BASE}/messages/{newest}")).await.expect(404);
    assert_eq!(hidden.json["message"], format!("Message with ID {newest} not found"));
    let (_, key) = world
        .key(&tenant.id.to_string(), json!({ "sessions": [tenant.session().await] }))
        .await;
    tenant
        .client
        .with_key(&key)
        .get(&format!("{BASE}/messages/{newest}"))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_message_was_sent_to_webhooks_unless_a_delivery_of_it_has_not_succeeded() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (session, messages) = with_messages(&world, &tenant, &["told", "untold"]).await;
    let body = json!({ "url": "https://shop.example/hook" });
    tenant
        .client
        .post(&format!("{BASE}/webhook/{session}/register"), body)
        .await
        .expect(201);
    let webhook = tenant.client.get("/v1/webhooks").await.expect(200).text("/data/0/id");
    let webhook: WebhookId = webhook.parse().unwrap();
    let sent = async || {
        let list = tenant
            .client
            .get(&format!("{BASE}/messages/session/{session}"))
            .await
            .expect(200)
            .json;
        let flags = list["data"]["messages"].as_array().unwrap().iter();
        flags
            .map(|one| one["webhookSent"].as_bool().unwrap())
            .collect::<Vec<bool>>()
    };
    assert_eq!(sent().await, [true, true], "nothing was due");
    for message in &messages {
        sqlx::query(
            "INSERT INTO delivery (id, tenant_id, webhook_id, event_id, session_id, event_type, body)
             VALUES ($1, $2, $3, $4, $5, 'message.received', $6)",
        )
        .bind(DeliveryId::generate().0)
        .bind(tenant.id.0)
        .bind(webhook.0)
        .bind(Uuid::now_v7())
        .bind(Uuid::nil())
        .bind(json!({ "data": { "id": message } }).to_string())
        .execute(&world.database.pool)
        .await
        .unwrap();
    }
    assert_eq!(sent().await, [false, false], "both are due");
    let told = format!("%{}%", messages[0]);
    sqlx::query("UPDATE delivery SET status = 'succeeded' WHERE body LIKE $1")
        .bind(told)
        .execute(&world.database.pool)
        .await
        .unwrap();
    assert_eq!(sent().await, [false, true], "the newest one stands first");
}

#[tokio::test]
async fn what_is_missing_or_of_the_wrong_type_is_named() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let sessions = format!("{BASE}/sessions");
    created(&tenant.client, "Support").await;
    for (body, message) in [
        (json!({ "session_name": "A" }), "Session name and user ID are required"),
        (json!({ "user_id": 1 }), "Session name and user ID are required"),
        (
            json!({ "session_name": "A", "user_id": "one" }),
            "user_id must be a number",
        ),
        (
            json!({ "session_name": "A", "user_id": [1] }),
            "user_id must be a number",
        ),
        (
            json!({ "session_name": ["A"], "user_id": 1 }),
            "session_name must be a text",
        ),
        (
            json!({ "session_name": "Support", "user_id": 1 }),
            "Session with name Support already exists for this user",
        ),
        (
            json!({ "session_name": "A".repeat(101), "user_id": 1 }),
            "session_name must have 1 to 100 characters, none of them a control character",
        ),
    ] {
        let refused = tenant.client.post(&sessions, body).await.expect(400);
        assert_eq!(refused.json, json!({ "status": "error", "message": message }));
    }
    let body = json!({ "session_name": "Support", "user_id": 2 });
    tenant.client.post(&sessions, body).await.expect(201);
    let send = format!("{BASE}/messages/session/1/send");
    for (body, message) in [
        (
            json!({ "to": "15550009999" }),
            "Recipient (to) and message are required",
        ),
        (
            json!({ "to": "15550009999", "message": "Hi" }),
            "Session 1 is not connected",
        ),
    ] {
        let refused = tenant.client.post(&send, body).await.expect(400);
        assert_eq!(refused.json, json!({ "status": "error", "message": message }));
    }
    // A receiver that only says that it has got something.
    let noted = tenant
        .client
        .post(&format!("{BASE}/webhook/1"), json!({ "message_id": "ABC" }))
        .await
        .expect(200);
    assert_eq!(
        noted.json,
        json!({ "status": "success", "message": "Webhook received" })
    );
    let broken = tenant
        .client
        .call("POST", &sessions)
        .header("content-type", "application/json");
    assert_eq!(broken.raw("{").send().await.expect(400).json["status"], "error");
}
