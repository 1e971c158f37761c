//! Tenants never meet: every route of the document, called with what belongs to somebody else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::gateway::{Tenant, World, text_message};

/// Everything of one tenant that a path can name.
struct Belongings {
    by_parameter: BTreeMap<&'static str, String>,
}

impl Belongings {
    async fn of(tenant: &Tenant, world: &World) -> Self {
        let session = tenant.linked_session(&world.database).await;
        let sent = tenant
            .client
            .post(&format!("/v1/sessions/{session}/messages"), text_message("mine"))
            .await
            .expect(202);
        let post =
            json!({"type": "text", "text": {"body": "mine"}, "audience": {"mode": "allow", "people": ["15550001001"]}});
        let status = tenant
            .client
            .post(&format!("/v1/sessions/{session}/statuses"), post)
            .await
            .expect(202);
        let (webhook, _) = tenant.webhook().await;
        let test = tenant
            .client
            .post(&format!("/v1/webhooks/{webhook}/test"), json!({}))
            .await
            .expect(202);
        Self {
            by_parameter: BTreeMap::from([
                ("session_id", session.to_string()),
                ("message_id", sent.text("/id")),
                ("media_id", tenant.announced_media().await),
                ("command_id", sent.text("/command_id")),
                ("status_id", status.text("/id")),
                ("group_jid", "120363021033254949@g.us".to_owned()),
                ("community_jid", "120363021033254949@g.us".to_owned()),
                ("newsletter_jid", "120363021033254949@newsletter".to_owned()),
                ("server_id", "7".to_owned()),
                ("webhook_id", webhook),
                ("delivery_id", test.text("/delivery_id")),
                ("tenant_id", tenant.id.to_string()),
                ("api_key_id", tenant.key_id.clone()),
                ("user_id", "usr_00000000000000000000000000".to_owned()),
                ("contact", "15550001002".to_owned()),
                ("chat", "15550001002".to_owned()),
                ("label_id", "7".to_owned()),
                ("call_id", "9A7C0F6B5F1F4A6E".to_owned()),
            ]),
        }
    }

    /// A route's path with these belongings in it.
    fn fill(&self, path: &str) -> String {
        let mut filled = path.to_owned();
        for (name, value) in &self.by_parameter {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        assert!(
            !filled.contains('{'),
            "{path} names something that this story does not know"
        );
        filled
    }
}

/// A body that the route would take.
fn valid_body(route: &str) -> Option<Value> {
    let body = match route {
        "post /v1/sessions" => json!({"name": "Support"}),
        "patch /v1/sessions/{session_id}" => json!({"name": "Renamed"}),
        "post /v1/sessions/{session_id}/pairing-code" => json!({"phone": "15550001001"}),
        "post /v1/sessions/{session_id}/messages" => text_message("hello"),
        "post /v1/sessions/{session_id}/groups" => json!({"subject": "Ours"}),
        "patch /v1/sessions/{session_id}/groups/{group_jid}" => json!({"subject": "Ours"}),
        "post /v1/sessions/{session_id}/groups/join" => json!({"code": "F0oBarB4zQux12345678Ab"}),
        "put /v1/sessions/{session_id}/groups/{group_jid}/picture" => json!({"base64": "/9j/4AAQ"}),
        "post /v1/sessions/{session_id}/groups/{group_jid}/requests" => {
            json!({"action": "approve", "participants": ["15550001001"]})
        }
        "post /v1/sessions/{session_id}/groups/{group_jid}/participants"
        | "delete /v1/sessions/{session_id}/groups/{group_jid}/participants"
        | "post /v1/sessions/{session_id}/groups/{group_jid}/promote"
        | "post /v1/sessions/{session_id}/groups/{group_jid}/demote" => json!({"participants": ["15550001001"]}),
        "post /v1/sessions/{session_id}/communities" => json!({"name": "Ours"}),
        "post /v1/sessions/{session_id}/communities/{community_jid}/groups" => json!({"subject": "Ours"}),
        "post /v1/sessions/{session_id}/communities/{community_jid}/groups/join" => {
            json!({"group": "120363021033254949@g.us"})
        }
        "post /v1/sessions/{session_id}/communities/{community_jid}/groups/link"
        | "post /v1/sessions/{session_id}/communities/{community_jid}/groups/unlink" => {
            json!({"groups": ["120363021033254949@g.us"]})
        }
        "post /v1/sessions/{session_id}/newsletters" => json!({"name": "Ours"}),
        "patch /v1/sessions/{session_id}/newsletters/{newsletter_jid}" => json!({"name": "Ours"}),
        "put /v1/sessions/{session_id}/newsletters/{newsletter_jid}/messages/{server_id}/reaction"
        | "put /v1/sessions/{session_id}/statuses/{status_id}/reaction" => json!({"emoji": "\u{1F44D}"}),
        "post /v1/sessions/{session_id}/statuses" => {
            json!({"type": "text", "text": {"body": "a"}, "audience": {"mode": "allow", "people": ["15550001001"]}})
        }
        "patch /v1/sessions/{session_id}/messages/{message_id}" => json!({"text": {"body": "changed"}}),
        "put /v1/sessions/{session_id}/messages/{message_id}/reaction" => json!({"emoji": "\u{1F44D}"}),
        "put /v1/sessions/{session_id}/chats/{chat}/typing" => json!({"state": "composing"}),
        "patch /v1/sessions/{session_id}/chats/{chat}" => json!({"archived": true}),
        "post /v1/tenants" => json!({"name": "Another"}),
        "post /v1/api-keys" => {
            json!({"tenant_id": "ten_00000000000000000000000000", "name": "a", "scopes": ["messages:read"]})
        }
        "post /v1/webhooks" => json!({"url": "https://shop.example/hook"}),
        "patch /v1/webhooks/{webhook_id}" => json!({"enabled": false}),
        "post /v1/webhooks/{webhook_id}/replay" => {
            json!({"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"})
        }
        "post /v1/sessions/{session_id}/contacts/check" => json!({"contacts": ["15550001002"]}),
        "put /v1/sessions/{session_id}/contacts/{contact}" => json!({"name": "Carlos"}),
        "post /v1/sessions/{session_id}/labels" => json!({"name": "Paid"}),
        "patch /v1/sessions/{session_id}/labels/{label_id}" => json!({"name": "Paid"}),
        "patch /v1/sessions/{session_id}/profile" => json!({"name": "Front desk"}),
        "put /v1/sessions/{session_id}/presence" => json!({"presence": "available"}),
        route if route.starts_with("post ") => json!({}),
        _ => return None,
    };
    Some(body)
}

/// Every protected route of the document as `method path`.
async fn routes(client: &Client) -> Vec<String> {
    let document = client.get("/openapi.json").await.expect(200).json;
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if path.starts_with("/v1/") {
                routes.push(format!("{method} {path}"));
            }
        }
    }
    assert!(routes.len() >= 33, "the document lists the API");
    routes
}

async fn call(client: &Client, route: &str, belongings: &Belongings) -> Answer {
    let (method, path) = route.split_once(' ').unwrap();
    let mut path = belongings.fill(path);
    if route.ends_with("/invite-info") {
        path.push_str("?code=F0oBarB4zQux12345678Ab");
    }
    let call = client.call(&method.to_ascii_uppercase(), &path);
    match valid_body(route) {
        Some(body) => call.json(&body).send().await,
        None => call.send().await,
    }
}

fn is_operators(route: &str) -> bool {
    ["/v1/tenants", "/v1/api-keys", "/v1/users", "/v1/cluster"]
        .iter()
        .any(|path| route.contains(path))
}

#[tokio::test]
async fn a_tenant_cannot_touch_anything_of_another_one_by_any_route() {
    let world = World::new().await;
    let alice = world.tenant().await;
    let bob = world.tenant().await;
    let of_alice = Belongings::of(&alice, &world).await;

    let mut others = Vec::new();
    for route in routes(&bob.client).await {
        let answer = call(&bob.client, &route, &of_alice).await;
        if is_operators(&route) {
            answer.expect(403).expect_problem("forbidden");
        } else if route.contains('{') {
            let code = answer.json["code"].as_str().unwrap_or_default();
            if answer.status != 404 || !code.ends_with("_not_found") {
                others.push(format!("{route}: {} {}", answer.status, answer.json));
            }
        } else if route == "get /v1/events/ws" {
            // Not a request for a WebSocket; what one carries has its own story.
            answer.expect(422);
        } else if route == "get /v1/streams/credentials" {
            // This gateway's broker has no accounts for tenants; what a credential opens has its own story.
            answer.expect(409);
        } else if route.starts_with("get ") {
            assert_eq!(
                answer.expect(200).json["data"],
                json!([]),
                "{route} lists nothing of Alice's"
            );
        }
    }

    assert!(others.is_empty(), "not hidden from Bob: {others:#?}");

    // Alice's things are as they were.
    let webhook = &of_alice.by_parameter["webhook_id"];
    let webhook = alice.client.get(&format!("/v1/webhooks/{webhook}")).await.expect(200);
    assert_eq!(webhook.json["enabled"], true);
    let session = &of_alice.by_parameter["session_id"];
    let session = alice.client.get(&format!("/v1/sessions/{session}")).await.expect(200);
    assert_eq!(
        (session.text("/name"), session.text("/goal")),
        ("Support".into(), "started".into())
    );
}

#[tokio::test]
async fn every_route_refuses_a_stranger_and_a_key_without_the_scope() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let belongings = Belongings::of(&tenant, &world).await;
    let with = async |scope: &str| {
        let (_, key) = world.key(&tenant.id.to_string(), json!({"scopes": [scope]})).await;
        tenant.client.with_key(&key)
    };
    let (for_media, for_webhooks) = (with("media:read").await, with("webhooks:write").await);

    for route in routes(&tenant.client).await {
        // The one route to which nobody comes with a key.
        if route == "post /v1/login" {
            continue;
        }
        let answer = call(&world.gateway.stranger(), &route, &belongings).await;
        assert_eq!(answer.status, 401, "{route}: {}", answer.json);
        let is_media = route.contains("/media");
        let powerless = if is_media { &for_webhooks } else { &for_media };
        let answer = call(powerless, &route, &belongings).await;
        assert_eq!(answer.status, 403, "{route}: {}", answer.json);
        answer.expect_problem("forbidden");
    }
}

#[tokio::test]
async fn each_scope_opens_its_routes_and_no_other() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let belongings = Belongings::of(&tenant, &world).await;
    for (scope, allowed) in [
        (
            "sessions:read",
            vec![
                "get /v1/sessions",
                "get /v1/sessions/{session_id}/status",
                "get /v1/commands/{command_id}",
            ],
        ),
        (
            "sessions:write",
            vec![
                "patch /v1/sessions/{session_id}",
                "post /v1/sessions/{session_id}/start",
                "get /v1/commands/{command_id}",
            ],
        ),
        (
            "messages:read",
            vec![
                "get /v1/sessions/{session_id}/messages",
                "get /v1/events",
                "get /v1/commands/{command_id}",
            ],
        ),
        (
            "messages:send",
            vec![
                "post /v1/sessions/{session_id}/messages",
                "get /v1/commands/{command_id}",
            ],
        ),
        (
            "webhooks:write",
            vec!["get /v1/webhooks", "post /v1/webhooks/{webhook_id}/test"],
        ),
    ] {
        let (_, key) = world.key(&tenant.id.to_string(), json!({"scopes": [scope]})).await;
        let client = tenant.client.with_key(&key);
        let all = [
            "get /v1/sessions",
            "get /v1/sessions/{session_id}/status",
            "patch /v1/sessions/{session_id}",
            "post /v1/sessions/{session_id}/start",
            "get /v1/sessions/{session_id}/messages",
            "get /v1/events",
            "get /v1/commands/{command_id}",
            "post /v1/sessions/{session_id}/messages",
            "get /v1/webhooks",
            "post /v1/webhooks/{webhook_id}/test",
        ];
        for route in all {
            let answer = call(&client, route, &belongings).await;
            assert_eq!(
                answer.status.is_success(),
                allowed.contains(&route),
                "{scope}: {route}: {}",
                answer.json
            );
        }
    }
}

#[tokio::test]
async fn a_key_that_is_restricted_to_one_session_sees_only_that_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let own = tenant.linked_session(&world.database).await;
    let other = tenant.linked_session(&world.database).await;
    world.database.record_event(tenant.id, own, "session.status").await;
    world.database.record_event(tenant.id, other, "session.status").await;
    world.database.all_events_visible().await;
    let (all_webhook, _) = tenant.webhook().await;
    let (_, key) = world.key(&tenant.id.to_string(), json!({"sessions": [own]})).await;
    let client = tenant.client.with_key(&key);

    let sessions = client.get("/v1/sessions").await.expect(200);
    assert_eq!(sessions.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(sessions.text("/data/0/id"), own.to_string());
    client
        .get(&format!("/v1/sessions/{other}"))
        .await
        .expect(404)
        .expect_problem("session_not_found");
    client
        .get(&format!("/v1/events?session_id={other}"))
        .await
        .expect(404)
        .expect_problem("session_not_found");
    let events = client.get("/v1/events").await.expect(200);
    assert_eq!(events.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(events.text("/data/0/session_id"), own.to_string());

    client
        .post("/v1/sessions", json!({"name": "More"}))
        .await
        .expect(403)
        .expect_problem("forbidden");
    client
        .get(&format!("/v1/webhooks/{all_webhook}"))
        .await
        .expect(404)
        .expect_problem("webhook_not_found");
    let everywhere = json!({"url": "https://shop.example/hook"});
    client
        .post("/v1/webhooks", everywhere)
        .await
        .expect(403)
        .expect_problem("forbidden");
    let elsewhere = json!({"url": "https://shop.example/hook", "sessions": [other]});
    client
        .post("/v1/webhooks", elsewhere)
        .await
        .expect(403)
        .expect_problem("forbidden");
    let here = json!({"url": "https://shop.example/hook", "sessions": [own]});
    let webhook = client.post("/v1/webhooks", here).await.expect(201).text("/id");
    let listed = client.get("/v1/webhooks").await.expect(200);
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 1);
    let widened = client
        .patch(&format!("/v1/webhooks/{webhook}"), json!({"sessions": null}))
        .await;
    widened.expect(403).expect_problem("forbidden");

    let sent = tenant
        .client
        .post(&format!("/v1/sessions/{other}/messages"), text_message("a"))
        .await
        .expect(202);
    let command = sent.text("/command_id");
    client
        .get(&format!("/v1/commands/{command}"))
        .await
        .expect(404)
        .expect_problem("command_not_found");
}

#[tokio::test]
async fn the_operator_acts_for_the_tenant_that_it_names() {
    let world = World::new().await;
    let alice = world.tenant().await;
    let bob = world.tenant().await;
    let session = alice.session().await;
    let for_alice = world.operator().for_tenant(&alice.id.to_string());
    let for_bob = world.operator().for_tenant(&bob.id.to_string());
    for_alice.get(&format!("/v1/sessions/{session}")).await.expect(200);
    for_alice.get("/v1/sessions?limit=5").await.expect(200);
    for_bob
        .get(&format!("/v1/sessions/{session}"))
        .await
        .expect(404)
        .expect_problem("session_not_found");
    let created = for_bob
        .post("/v1/sessions", json!({"name": "By the operator"}))
        .await
        .expect(201);
    bob.client
        .get(&format!("/v1/sessions/{}", created.text("/id")))
        .await
        .expect(200);
}
