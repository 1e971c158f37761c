//! The dialects at the gateway alone: who may, through which door, and what a GET must not do. What they answer is told by the scenario files.

use std::collections::HashMap;

use gateway::dialect::listed_routes;
use harness::wait::{SOON, until};
use serde_json::{Value, json};
use shared::dialect::Dialect;
use shared::store::dialect_numbers::NumberKind;
use uuid::Uuid;

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
            // Api Premium's server called a request without its token malformed.
            (Dialect::Premium, false) => 400,
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
            dialect == Dialect::Crm || (answer.json.get("type").is_none() && answer.json.get("code").is_none()),
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
        for (dialect, method, path, names) in routes(session) {
            let creates = path.ends_with("start-session") || path.ends_with("autenticacao");
            if !names || creates {
                continue;
            }
            let answer = call(&bob.client, &method, &path, session).await;
            if dialect == Dialect::Premium {
                // As its server said it of sessions that it did not know. Leaving one is leaving it already.
                let told = match path.ends_with("/sair") {
                    true => json!({"retorno": "Saiu com Sucesso"}),
                    false => json!({"message": "Esta sessão não está verificada."}),
                };
                assert_eq!(answer.expect(200).json, told, "{method} {path}");
                continue;
            }
            if dialect == Dialect::Multisession && path.contains("/send-") {
                // For its server a session that is not there was the sender's mistake.
                let told = json!({"success": false, "error": format!("Sesión {session} no encontrada")});
                assert_eq!(answer.expect(400).json, told, "{method} {path}");
                continue;
            }
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.json);
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
    let none = at_host("/sessions").await.expect(200);
    assert_eq!(
        none.json["message"], "Ainda não foi sincronizado algum numero",
        "it is not started"
    );
    let start = format!("/v1/sessions/{id}/start");
    tenant.client.post(&start, json!({})).await.expect(202);
    let known = at_host("/sessions").await.expect(200);
    assert_eq!(
        known.json,
        json!({"sessions": [id.as_str()]}),
        "one truth for all dialects"
    );
    let unknown = at_host("/panel/conexao").await.expect(200);
    assert_eq!(unknown.json["message"], NOT_VERIFIED);
    at_host("/panel").await.expect(200);
    at_host("/v1/sessions").await.expect(200);
    at_host("/compat/chatlink/api/MySessions").await.expect(200);
}

/// What Api Premium says of a session that it does not know.
const NOT_VERIFIED: &str = "Esta sessão não está verificada.";

/// Opens a session by Api Premium, until it is there: nobody works here who would show its code, for which that API waits. Answers its id.
async fn opened(client: &Client, name: &str, before: Option<&str>) -> String {
    let path = format!("/compat/premium/{name}/autenticacao");
    let there = until("the session", SOON, async || {
        let listed = client.get("/v1/sessions").await.expect(200);
        let id = listed.json["data"][0]["id"].as_str().map(str::to_owned);
        id.filter(|id| Some(id.as_str()) != before)
    });
    tokio::select! {
        answer = client.get(&path) => panic!("it did not wait for a code: {}", answer.json),
        id = there => id,
    }
}

#[tokio::test]
async fn a_sessions_name_survives_the_gateway_and_is_free_once_the_session_is_deleted() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let id = opened(&tenant.client, "loja%20centro", None).await;
    let listed = tenant.client.get("/v1/sessions").await.expect(200);
    assert_eq!(listed.json["data"][0]["name"], "loja centro");
    let again = tenant.client.get("/compat/premium/loja%20centro/autenticacao").await;
    assert_eq!(
        again.expect(200).json,
        json!({"message": "Autenticado ou em processo de autenticação."})
    );

    // Known, and without an account: only the routes that need one call it unverified.
    let missing = json!({"success": false, "message": "Request incompleto, necessita revisão!", "erro": "O parâmetro numero é obrigatório"});
    let second = world.second_gateway().await;
    let elsewhere = second.stranger().with_key(tenant.client.key());
    for session in ["loja%20centro", id.as_str()] {
        let asked = elsewhere.get(&format!("/compat/premium/{session}/status")).await;
        assert_eq!(asked.expect(400).json, missing);
        let asked = elsewhere.get(&format!("/compat/premium/{session}/conexao")).await;
        assert_eq!(asked.expect(200).json, json!({"message": NOT_VERIFIED}));
    }

    tenant.client.delete(&format!("/v1/sessions/{id}")).await.expect(204);
    let gone = elsewhere.get("/compat/premium/loja%20centro/status").await.expect(200);
    assert_eq!(gone.json, json!({"message": NOT_VERIFIED}));
    opened(&tenant.client, "loja%20centro", Some(&id)).await;
}

#[tokio::test]
async fn the_last_news_of_a_session_outlives_it() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    world.database.hold(session).await;
    let hook = json!({"url": "https://shop.example/hook", "sessions": [session], "format": "premium", "events": ["session.status"]});
    let hook = tenant.client.post("/v1/webhooks", hook).await.expect(201).text("/id");
    let (alone, other) = (tenant.session().await, format!("/v1/webhooks/{hook}"));
    let (_, restricted) = world.key(&tenant.id.to_string(), json!({"sessions": [alone]})).await;
    let restricted = world.gateway.stranger().with_key(&restricted);

    tenant
        .client
        .delete(&format!("/v1/sessions/{session}"))
        .await
        .expect(204);
    let store = super::people::Holder::beside(&world, session).store;
    assert!(
        store.remove_session(session, 1).await.unwrap(),
        "its own webhook is no obstacle"
    );
    let planned = tenant.client.get(&format!("{other}/deliveries")).await.expect(200);
    assert_eq!(
        planned.json["data"].as_array().map(Vec::len),
        Some(1),
        "{}",
        planned.json
    );
    assert_eq!(planned.text("/data/0/status"), "pending");
    assert_eq!(planned.text("/data/0/event_type"), "session.status");
    let left = tenant.client.get(&other).await.expect(200).json;
    assert_eq!((&left["enabled"], &left["sessions"]), (&json!(true), &json!([])));
    restricted.get(&other).await.expect(404);

    store.clean_up().await.unwrap();
    let left = tenant.client.get(&other).await.expect(200).json;
    assert_eq!(left["enabled"], true, "something is planned for it");
    let done = "UPDATE delivery SET status = 'succeeded', finished_at = now() WHERE session_id = $1";
    world.database.change(done, session.uuid).await;
    store.clean_up().await.unwrap();
    let left = tenant.client.get(&other).await.expect(200).json;
    assert_eq!(left["enabled"], false);
}

#[tokio::test]
async fn a_number_is_given_once_however_many_ask_at_the_same_time() {
    let world = World::new().await;
    let second = world.second_gateway().await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let messages: Vec<Uuid> = (0..40).map(|_| Uuid::now_v7()).collect();
    // Each asks for twenty of them, beginning elsewhere, in a transaction of its own.
    let asking = (0..10).map(|number: usize| {
        let app = if number.is_multiple_of(2) {
            &world.gateway.app
        } else {
            &second.app
        };
        let wanted: Vec<_> = messages
            .iter()
            .cycle()
            .skip(number * 4)
            .take(20)
            .map(|message| (*message, Some(session)))
            .collect();
        async move {
            let mut transaction = app.store().tenant(tenant.id).await.unwrap();
            let given = transaction.dialect_numbers(NumberKind::Message, &wanted).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(given.len(), wanted.len());
            given
        }
    });
    let mut numbers: HashMap<Uuid, i64> = HashMap::new();
    for given in futures::future::join_all(asking).await {
        for (message, number) in given {
            assert_eq!(*numbers.entry(message).or_insert(number), number, "a number stays");
        }
    }
    let mut all: Vec<i64> = numbers.values().copied().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=40).collect::<Vec<i64>>(), "each once, none left out");

    let mut transaction = second.app.store().tenant(tenant.id).await.unwrap();
    let found = transaction.numbered(NumberKind::Message, numbers[&messages[0]]).await;
    assert_eq!(found.unwrap().unwrap().subject, messages[0]);
    // Sessions count for themselves, and so does every tenant.
    assert_eq!(transaction.session_number(session).await.unwrap(), Some(1));
    let other = world.tenant().await;
    let mut transaction = second.app.store().tenant(other.id).await.unwrap();
    assert_eq!(transaction.numbered(NumberKind::Message, 1).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_is_found_by_its_number_only_where_the_dialect_has_numbers() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let id = tenant.session().await.to_string();
    let listed = tenant.client.get("/compat/crm/api/sessions").await.expect(200);
    assert_eq!(listed.json["data"]["sessions"][0]["id"], 1);
    assert_eq!(listed.json["data"]["sessions"][0]["sessionId"], id.as_str());
    for name in ["1", id.as_str()] {
        let found = tenant
            .client
            .get(&format!("/compat/crm/api/sessions/{name}/status"))
            .await;
        assert_eq!(found.expect(200).json["data"]["sessionId"], id.as_str());
    }
    tenant.client.get("/compat/multisession/api/status/1").await.expect(404);
    let other = world.tenant().await;
    other.client.get("/compat/crm/api/sessions/1/status").await.expect(404);
    tenant.client.delete(&format!("/v1/sessions/{id}")).await.expect(204);
    tenant.client.get("/compat/crm/api/sessions/1/status").await.expect(404);
    let next = tenant.session().await.to_string();
    let listed = tenant.client.get("/compat/crm/api/sessions").await.expect(200);
    assert_eq!(listed.json["data"]["sessions"][0]["sessionId"], next.as_str());
    assert_eq!(
        listed.json["data"]["sessions"][0]["id"], 2,
        "a number is never given again"
    );
}

#[tokio::test]
async fn a_session_that_comes_from_frappe_needs_somewhere_to_tell_its_messages() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let create = async |client: &Client, body: Value| {
        client
            .call("POST", "/compat/crm/api/sessions")
            .header("x-frappe-origin", "true")
            .json(&body)
            .send()
            .await
    };
    let refused = create(&tenant.client, json!({"sessionId": "mi_sesion_crm_123"}))
        .await
        .expect(400);
    assert_eq!(refused.json["code"], "VALIDATION_ERROR");
    assert!(refused.text("/error").contains("webhookUrl"), "{}", refused.json);
    assert_eq!(tenant.client.get("/v1/sessions").await.json["data"], json!([]));
    let session = tenant.session().await.to_string();
    let configure = format!("/compat/crm/api/sessions/{session}/frappe/configure");
    tenant
        .client
        .post(&configure, json!({"sendToFrappe": true}))
        .await
        .expect(400);
    tenant
        .client
        .post(&configure, json!({"sendToFrappe": false}))
        .await
        .expect(200);
}

#[tokio::test]
async fn switching_frappe_on_and_off_keeps_one_webhook_with_its_url() {
    const HOOK: &str = "https://crm.example.com/api/method/app.api.webhook.handle_webhook";
    let url = format!("--crm-webhook-url={HOOK}");
    let world = World::with(Options {
        flags: vec![&url, "--crm-webhook-secret=tu_secreto"],
        ..Options::default()
    })
    .await;
    let tenant = world.tenant().await;
    let session = tenant.session().await.to_string();
    let base = format!("/compat/crm/api/sessions/{session}/frappe");
    let webhooks = async || tenant.client.get("/v1/webhooks").await.expect(200).json["data"].clone();
    assert_eq!(webhooks().await, json!([]));
    for enabled in [true, false, true] {
        let configured = tenant
            .client
            .post(&format!("{base}/configure"), json!({"sendToFrappe": enabled}))
            .await;
        let data = json!({"sessionId": session, "sendToFrappe": enabled});
        assert_eq!(configured.expect(200).json["data"], data);
        let status = tenant.client.get(&format!("{base}/status")).await.expect(200);
        assert_eq!(status.json["data"]["sendToFrappe"], enabled);
        let found = webhooks().await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        assert_eq!(found[0]["url"], HOOK);
        assert_eq!(found[0]["format"], "crm");
        assert_eq!(found[0]["sessions"], json!([session]));
        assert_eq!(found[0]["enabled"], enabled);
    }
    // A key that may not manage webhooks switches nothing.
    let (_, reader) = world
        .key(&tenant.id.to_string(), json!({"scopes": ["sessions:read"]}))
        .await;
    let reader = tenant.client.with_key(&reader);
    let refused = reader
        .post(&format!("{base}/configure"), json!({"sendToFrappe": false}))
        .await
        .expect(403);
    assert_eq!(refused.json["code"], "AUTHORIZATION_FAILED");
    reader.get(&format!("{base}/status")).await.expect(200);
}
