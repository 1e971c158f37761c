//! The dialects at the gateway alone: who may, through which door, and what a GET must not do. What they answer is told by the scenario files.

use gateway::dialect::listed_routes;
use harness::wait::{SOON, until};
use serde_json::{Value, json};
use shared::dialect::Dialect;

use crate::client::{Answer, Client};
use crate::gateway::{Options, World};

/// A body that is complete for every route that wants one.
fn body(session: &str) -> Value {
    json!({
        "sessionId": session, "number": "5491123456789", "message": "Hola", "mediaBase64": "aGk=",
        "To": "5491123456789", "text": "Hola", "Webhook": "https://shop.example/hook", "webhookUrl": "https://shop.example/hook",
        "Email": "ana@example.com", "Password": "equivocado", "numero": "5491123456789", "doc": "aGk=", "id": "3EB0AA",
        "to": "5491123456789", "reply_to": "5491123456789", "reply_message": "Hola", "url": "https://shop.example/hook",
    })
}

/// Every listed route of every dialect, with the session's name filled in: the dialect, the method, the path, and whether it names a session.
fn routes(session: &str) -> Vec<(Dialect, String, String, bool)> {
    let mut routes = Vec::new();
    for dialect in Dialect::ALL {
        for line in listed_routes(*dialect).lines() {
            let mut words = line.split_whitespace();
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let mut names = path.contains("/send-") || path.contains("start-session");
            let filled: Vec<&str> = path
                .split('/')
                .map(|part| {
                    if part.starts_with([':', '{']) {
                        names = true;
                        return session;
                    }
                    part
                })
                .collect();
            let path = format!("/compat/{dialect}{}", filled.join("/"));
            routes.push((*dialect, method.to_owned(), path, names));
        }
    }
    assert_eq!(routes.len(), 9 + 32 + 15 + 43 + 12);
    routes
}

async fn call(client: &Client, method: &str, path: &str, session: &str) -> Answer {
    let query = "numero=5491123456789&msg=Hola&msgid=3EB0AA&contato=5491123456788&link=F0oBarB4zQux12345678Ab";
    let call = client.call(method, &format!("{path}?{query}"));
    match method {
        "POST" => call.json(&body(session)).send().await,
        _ => call.send().await,
    }
}

#[tokio::test]
async fn every_listed_route_is_there_and_almost_none_without_a_credential() {
    let world = World::new().await;
    let stranger = world.gateway.stranger();
    for (dialect, method, path, _) in routes("any") {
        let answer = call(&stranger, &method, &path, "any").await;
        let public = matches!(
            path.strip_prefix("/compat/multisession"),
            Some("/" | "/info" | "/api/health")
        );
        let expected = match (dialect, public) {
            (_, true) if path.ends_with("multisession/") => 307,
            (_, true) => 200,
            (_, false) => 401,
        };
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.json);
        let told = ["error", "erro", "message"]
            .iter()
            .find_map(|field| answer.json.get(field));
        assert!(
            public || told.is_some_and(Value::is_string),
            "{method} {path}: {}",
            answer.json
        );
        assert!(
            answer.json.get("type").is_none(),
            "a dialect's failures are its own: {}",
            answer.json
        );
    }
}

#[tokio::test]
async fn a_tenant_cannot_touch_a_session_of_another_one_by_any_dialect() {
    let world = World::new().await;
    let alice = world.tenant().await;
    let bob = world.tenant().await;
    let by_id = alice.session().await.to_string();
    let name = json!({"sessionId": "mi-sesion-01"});
    let start = "/compat/multisession/api/start-session";
    alice.client.post(start, name.clone()).await.expect(200);
    for session in [by_id.as_str(), "mi-sesion-01"] {
        for (_, method, path, names) in routes(session) {
            let creates = path.ends_with("start-session") || path.ends_with("autenticacao");
            if names && !creates {
                let answer = call(&bob.client, &method, &path, session).await;
                assert_eq!(answer.status, 404, "{method} {path}: {}", answer.json);
            }
        }
    }
    // The same name is free for everybody else, and stays each one's own.
    bob.client.post(start, name).await.expect(200);
    let of_bob = bob.client.get("/compat/multisession/api/sessions").await.expect(200);
    assert_eq!(of_bob.json["total"], 1);
    alice.client.get(&format!("/v1/sessions/{by_id}")).await.expect(200);
}

#[tokio::test]
async fn a_get_that_acts_acts_once_and_neither_for_prefetching_nor_for_head() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let new = "/compat/chatlink/api/NewSession";
    for header in ["purpose", "sec-purpose", "x-moz"] {
        let refused = tenant.client.call("GET", new).header(header, "prefetch").send().await;
        assert_eq!(refused.status, 403);
    }
    assert_eq!(tenant.client.call("HEAD", new).send().await.status, 405);
    let list = "/compat/chatlink/api/MySessions";
    assert_eq!(tenant.client.get(list).await.expect(200).json, json!([]));

    let (first, second, third) = tokio::join!(tenant.client.get(new), tenant.client.get(new), tenant.client.get(new));
    let id = first.expect(200).text("/idSession");
    assert_eq!(second.expect(200).text("/idSession"), id);
    assert_eq!(third.expect(200).text("/idSession"), id);
    let other = tenant.client.get(&format!("{new}?another=1")).await.expect(200);
    assert_ne!(other.text("/idSession"), id, "another URL is another request");
    let listed = tenant.client.get(list).await.expect(200).json;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    // After a moment the same request is a new one.
    until("the request to be a new one", SOON, async || {
        let later = tenant.client.get(new).await.expect(200).text("/idSession");
        (later != id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn old_base_addresses_stay_valid_and_our_own_routes_too() {
    let flags = vec!["--root-dialect=chatlink", "--dialect-hosts=zap.example.com=premium"];
    let world = World::with(Options {
        flags,
        ..Options::default()
    })
    .await;
    let tenant = world.tenant().await;
    let id = tenant
        .client
        .get("/api/NewSession")
        .await
        .expect(200)
        .text("/idSession");
    assert_eq!(
        tenant.client.get("/api/MySessions").await.expect(200).json[0]["idSession"],
        id
    );
    let nothing = tenant.client.get("/nothing").await.expect(404);
    assert_eq!(nothing.json, json!({"error": "Ruta no encontrada"}));
    for path in ["/healthz", "/readyz", "/metrics", "/panel", "/docs/", "/openapi.json"] {
        tenant.client.get(path).await.expect(200);
    }
    let session = tenant.client.get(&format!("/v1/sessions/{id}")).await.expect(200);
    assert_eq!(session.json["id"], id.as_str());

    let at_host = async |path: &str| {
        tenant
            .client
            .call("GET", path)
            .header("host", "Zap.example.com:443")
            .send()
            .await
    };
    let known = at_host("/sessions").await.expect(200);
    assert_eq!(
        known.json["json"][0]["sessao"],
        id.as_str(),
        "one truth for all dialects"
    );
    at_host("/panel/conexao").await.expect(404);
    assert_eq!(at_host("/panel/conexao").await.json["erro"], "Sessão não encontrada");
    at_host("/panel").await.expect(200);
    at_host("/v1/sessions").await.expect(200);
    at_host("/compat/chatlink/api/MySessions").await.expect(200);
}

#[tokio::test]
async fn a_sessions_name_survives_the_gateway_and_is_free_once_the_session_is_deleted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let opened = tenant
        .client
        .get("/compat/premium/loja%20centro/autenticacao")
        .await
        .expect(200);
    assert_eq!(opened.json["sessao"], "loja centro");
    let listed = tenant.client.get("/v1/sessions").await.expect(200);
    let id = listed.text("/data/0/id");
    assert_eq!(listed.json["data"][0]["name"], "loja centro");

    let second = world.second_gateway().await;
    let elsewhere = second.stranger().with_key(tenant.client.key());
    elsewhere.get("/compat/premium/loja%20centro/conexao").await.expect(200);
    elsewhere
        .get(&format!("/compat/premium/{id}/conexao"))
        .await
        .expect(200);

    tenant.client.delete(&format!("/v1/sessions/{id}")).await.expect(204);
    elsewhere.get("/compat/premium/loja%20centro/conexao").await.expect(404);
    tenant
        .client
        .get("/compat/premium/loja%20centro/autenticacao")
        .await
        .expect(200);
    let again = tenant.client.get("/v1/sessions").await.expect(200);
    assert_ne!(again.text("/data/0/id"), id);
}
