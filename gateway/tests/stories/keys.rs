//! API keys: made once, shown once, and gone everywhere soon after they are revoked.

use std::time::Duration;

use chrono::Utc;
use serde_json::json;
use tokio::time::Instant;

use crate::client::Client;
use crate::gateway::{Gateway, Options, World};
use harness::scratch::Nats;
use harness::wait::{SOON, until};

/// How long a revoked key may go on working anywhere.
const REVOCATION: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_revoked_key_stops_working_on_another_gateway_within_two_seconds() {
    let world = World::new().await;
    let second = world.second_gateway().await;
    let tenant = world.tenant().await;
    let (id, key) = world.key(&tenant.id.to_string(), json!({})).await;
    let there = Client::new(second.router.clone(), None).with_key(&key);
    there.get("/v1/sessions").await.expect(200);

    world.operator().delete(&format!("/v1/api-keys/{id}")).await.expect(204);
    let revoked = Instant::now();
    until("the other gateway refuses the key", SOON, async || {
        let answer = there.get("/v1/sessions").await;
        (answer.status == 401).then_some(())
    })
    .await;
    let worked_for = revoked.elapsed();
    assert!(worked_for < REVOCATION, "it worked for another {worked_for:?}");

    let here = tenant.client.with_key(&key);
    here.get("/v1/sessions")
        .await
        .expect(401)
        .expect_problem("unauthorized");
    tenant.client.get("/v1/sessions").await.expect(200);
    world.operator().delete(&format!("/v1/api-keys/{id}")).await.expect(204);
    let unknown = world
        .operator()
        .delete("/v1/api-keys/key_00000000000000000000000000")
        .await;
    unknown.expect(404).expect_problem("api_key_not_found");
}

#[tokio::test]
async fn with_a_broker_the_other_gateway_hears_of_it_at_once() {
    let nats = Nats::start().await;
    let with_broker = || Options {
        nats: Some(nats.url()),
        ..Options::default()
    };
    let world = World::with(with_broker()).await;
    let second = Gateway::start(&world.database, &world.region_key, with_broker()).await;
    for gateway in [&world.gateway, &second] {
        until("the gateway is connected to its broker", SOON, async || {
            gateway.app.broker().is_connected().then_some(())
        })
        .await;
    }
    let tenant = world.tenant().await;
    let there = Client::new(second.router.clone(), None);
    // The subscription is made in the background, so the first hints may be too early. A key that is forgotten in less than its time in the
    // memory was forgotten because of the hint.
    until("a hint arrives", SOON, async || {
        let (id, key) = world.key(&tenant.id.to_string(), json!({})).await;
        let there = there.with_key(&key);
        there.get("/v1/sessions").await.expect(200);
        world.operator().delete(&format!("/v1/api-keys/{id}")).await.expect(204);
        let revoked = Instant::now();
        until("the key is refused", SOON, async || {
            (there.get("/v1/sessions").await.status == 401).then_some(())
        })
        .await;
        (revoked.elapsed() < Duration::from_millis(500)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_expired_key_and_a_suspended_tenant_are_refused() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let soon = Utc::now() + chrono::Duration::milliseconds(800);
    let (_, key) = world.key(&tenant.id.to_string(), json!({"expires_at": soon})).await;
    let client = tenant.client.with_key(&key);
    client.get("/v1/sessions").await.expect(200);
    until("the key expires", SOON, async || {
        (client.get("/v1/sessions").await.status == 401).then_some(())
    })
    .await;

    world
        .database
        .change("UPDATE tenant SET suspended_at = now() WHERE id = $1", tenant.id.0)
        .await;
    let suspended = until("the suspension is noticed", SOON, async || {
        let answer = tenant.client.get("/v1/sessions").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    suspended.expect(403).expect_problem("tenant_suspended");
    let shown = world
        .operator()
        .get(&format!("/v1/tenants/{}", tenant.id))
        .await
        .expect(200);
    assert!(shown.json["suspended_at"].is_string());
}

#[tokio::test]
async fn keys_are_listed_without_themselves_and_their_use_is_noted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let other = world.tenant().await;
    tenant.client.get("/v1/sessions").await.expect(200);
    let path = format!("/v1/api-keys?tenant_id={}", tenant.id);
    let listed = until("the use is noted", SOON, async || {
        let listed = world.operator().get(&path).await.expect(200);
        listed.json["data"][0]["last_used_at"].is_string().then_some(listed)
    })
    .await;
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 1);
    assert!(listed.json["data"][0].get("key").is_none());
    assert!(listed.text("/data/0/hint").starts_with("rk_"));
    let all = world.operator().get("/v1/api-keys").await.expect(200);
    assert_eq!(all.json["data"].as_array().unwrap().len(), 2);
    assert_eq!(all.text("/data/0/tenant_id"), other.id.to_string(), "newest first");
}

#[tokio::test]
async fn a_key_needs_real_scopes_a_future_and_sessions_of_its_tenant() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let other = world.tenant().await;
    let foreign = other.session().await;
    let key = |changes: serde_json::Value| {
        let mut body = json!({"tenant_id": tenant.id, "name": "a", "scopes": ["messages:read"]});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (changes, field) in [
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["admin"]}), "scopes"),
        (json!({"scopes": ["messages:burn"]}), "scopes[0]"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"sessions": []}), "sessions"),
        (json!({"sessions": [foreign]}), "sessions[0]"),
        (json!({"name": ""}), "name"),
    ] {
        let answer = world.operator().post("/v1/api-keys", key(changes)).await.expect(422);
        let answer = answer.expect_problem("validation_failed");
        assert_eq!(answer.text("/errors/0/field"), field);
    }
    let nobody = key(json!({"tenant_id": "ten_00000000000000000000000000"}));
    world
        .operator()
        .post("/v1/api-keys", nobody)
        .await
        .expect(404)
        .expect_problem("tenant_not_found");
}

#[tokio::test]
async fn tenants_are_listed_page_by_page() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let body = json!({"name": format!("Tenant {number}"), "quotas": {"sessions": number}});
        expected.insert(
            0,
            world.operator().post("/v1/tenants", body).await.expect(201).text("/id"),
        );
    }
    let mut found = Vec::new();
    let mut path = "/v1/tenants?limit=2".to_owned();
    loop {
        let page = world.operator().get(&path).await.expect(200);
        for tenant in page.json["data"].as_array().unwrap() {
            found.push(tenant["id"].as_str().unwrap().to_owned());
        }
        match page.json["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/tenants?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, expected);
}
