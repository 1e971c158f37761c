//! Bad input: the right status, a problem with a stable code, the field at fault, and nothing done.

use serde_json::{Value, json};
use shared::ids::{MessageId, SessionId};

use crate::gateway::{OPERATOR_KEY, REGION, Tenant, World, text_message};

/// A request that must be refused.
struct Wrong {
    what: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    code: &'static str,
    field: Option<&'static str>,
}

fn wrong(what: &'static str, method: &'static str, path: impl Into<String>, code: &'static str) -> Wrong {
    Wrong {
        what,
        method,
        path: path.into(),
        headers: Vec::new(),
        body: Vec::new(),
        code,
        field: None,
    }
}

impl Wrong {
    fn json(self, body: &Value) -> Self {
        self.raw(body.to_string()).header("content-type", "application/json")
    }

    fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn at(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

fn bodies(messages: &str) -> Vec<Wrong> {
    let post = |what, code| wrong(what, "POST", messages, code);
    let with = |name: &str, value: Value| {
        let mut body = text_message("hello");
        body[name] = value;
        body
    };
    vec![
        post("an unknown field", "validation_failed")
            .json(&with("colour", json!("red")))
            .at("colour"),
        post("an unknown field inside", "validation_failed")
            .json(&with("text", json!({"body": "a", "bold": true})))
            .at("text.bold"),
        post("a wrong type", "validation_failed")
            .json(&with("to", json!(15_550_001_001_u64)))
            .at("to"),
        post("a missing field", "validation_failed")
            .json(&json!({"type": "text", "text": {"body": "a"}}))
            .at("to"),
        post("no body at all", "validation_failed").at("type"),
        post("a number that is no phone", "validation_failed")
            .json(&with("to", json!("123")))
            .at("to"),
        post("an empty text", "validation_failed")
            .json(&with("text", json!({"body": ""})))
            .at("text.body"),
        post("a text with NUL", "validation_failed")
            .json(&with("text", json!({"body": "a\0b"})))
            .at("text.body"),
        post("a kind that does not exist", "validation_failed")
            .json(&with("type", json!("song")))
            .at("type"),
        post("a message that does not exist is answered", "validation_failed")
            .json(&with("context", json!({"message_id": MessageId::generate()})))
            .at("context.message_id"),
        post("an array instead of an object", "validation_failed")
            .json(&json!([]))
            .at(""),
        post("broken JSON", "malformed_body")
            .raw("{\"to\":")
            .header("content-type", "application/json"),
        post("bytes that are no text", "malformed_body")
            .raw(vec![0xff, 0xfe])
            .header("content-type", "application/json"),
        post("text instead of JSON", "unsupported_media_type")
            .raw("hello")
            .header("content-type", "text/plain"),
        post("no content type", "unsupported_media_type").raw(text_message("a").to_string()),
        post("a body that is too large", "body_too_large").json(&text_message(&"x".repeat(24_200_000))),
        post("a body that says it is too large", "body_too_large")
            .header("content-length", "9000000000")
            .header("content-type", "application/json"),
        post("an idempotency key with a space", "validation_failed")
            .json(&text_message("a"))
            .header("idempotency-key", "two words")
            .at("Idempotency-Key"),
    ]
}

fn queries(session: &SessionId) -> Vec<Wrong> {
    let get = |what, path: String| wrong(what, "GET", path, "validation_failed");
    vec![
        get("an unknown parameter", "/v1/sessions?colour=red".into()).at("colour"),
        get("a limit of nothing", "/v1/sessions?limit=0".into()).at("limit"),
        get("a limit that is too high", "/v1/sessions?limit=101".into()).at("limit"),
        get("a limit that is no number", "/v1/webhooks?limit=many".into()).at("limit"),
        get("a cursor of nowhere", "/v1/sessions?cursor=abc".into()).at("cursor"),
        get("an unknown status", "/v1/sessions?status=asleep".into()).at("status[0]"),
        get("metadata with NUL", "/v1/sessions?metadata[a]=%00".into()).at("metadata.a"),
        get("an unknown event type", "/v1/events?type=message.recieved".into()).at("type[0]"),
        get("a session that is no id", "/v1/events?session_id=mine".into()).at("session_id[0]"),
        get(
            "a chat that is nobody",
            format!("/v1/sessions/{session}/messages?chat=nobody"),
        )
        .at("chat"),
        get(
            "a time that is none",
            format!("/v1/sessions/{session}/messages?since=yesterday"),
        )
        .at("since"),
        get(
            "a time before all",
            format!("/v1/sessions/{session}/messages?since=0001-01-01T00:00:00Z"),
        )
        .at("since"),
        get("an event id of nowhere", "/v1/events".into())
            .header("accept", "text/event-stream")
            .header("last-event-id", "nonsense")
            .at("Last-Event-ID"),
    ]
}

fn paths(session: &SessionId) -> Vec<Wrong> {
    let other_session = SessionId::generate(REGION.parse().unwrap());
    let elsewhere = SessionId::generate("mars".parse().unwrap());
    let get = |what, path: String, code| wrong(what, "GET", path, code);
    vec![
        get("no such route", "/v1/nothing".into(), "route_not_found"),
        get("a slash too many", "/v1/sessions/".into(), "route_not_found"),
        get("no such version", "/v2/sessions".into(), "route_not_found"),
        get(
            "no such file of the documentation",
            "/docs/nothing.js".into(),
            "route_not_found",
        ),
        wrong(
            "a method that the route lacks",
            "PUT",
            "/v1/sessions",
            "method_not_allowed",
        ),
        get(
            "an unknown session",
            format!("/v1/sessions/{other_session}"),
            "session_not_found",
        ),
        get(
            "a session that is no id",
            "/v1/sessions/mine".into(),
            "session_not_found",
        ),
        get("a path that is no text", "/v1/sessions/%ff".into(), "session_not_found"),
        get(
            "a session of another region",
            format!("/v1/sessions/{elsewhere}"),
            "region_unavailable",
        ),
        get(
            "an unknown message",
            format!("/v1/sessions/{session}/messages/{}", MessageId::generate()),
            "message_not_found",
        ),
        get(
            "an unknown command",
            "/v1/commands/cmd_00000000000000000000000000".into(),
            "command_not_found",
        ),
        get(
            "an unknown webhook",
            "/v1/webhooks/whk_00000000000000000000000000".into(),
            "webhook_not_found",
        ),
        wrong(
            "an unknown session is deleted",
            "DELETE",
            format!("/v1/sessions/{other_session}"),
            "session_not_found",
        ),
    ]
}

fn creations() -> Vec<Wrong> {
    let session = |what, body: Value| wrong(what, "POST", "/v1/sessions", "validation_failed").json(&body);
    let webhook = |what, body: Value| {
        wrong(what, "POST", "/v1/webhooks", "url_forbidden")
            .json(&body)
            .at("url")
    };
    let hook = "https://shop.example/hook";
    vec![
        session("a session without a name", json!({})).at("name"),
        session("a session without a real name", json!({"name": " "})).at("name"),
        session("a session for another region", json!({"name": "a", "region": "mars"})).at("region"),
        session(
            "a misspelt setting",
            json!({"name": "a", "settings": {"reject_call": true}}),
        )
        .at("settings.reject_call"),
        session("metadata that are no texts", json!({"name": "a", "metadata": {"n": 1}})).at("metadata.n"),
        session(
            "a proxy that is none",
            json!({"name": "a", "settings": {"proxy": {"url": "proxy"}}}),
        )
        .at("settings.proxy.url"),
        session("credentials that are none", json!({"name": "a", "credentials": {}})).at("credentials.registration_id"),
        wrong("a proxy into our network", "POST", "/v1/sessions", "url_forbidden")
            .json(&json!({"name": "a", "settings": {"proxy": {"url": "http://127.0.0.1:3128"}}}))
            .at("settings.proxy.url"),
        wrong(
            "a session's webhook into our network",
            "POST",
            "/v1/sessions",
            "url_forbidden",
        )
        .json(&json!({"name": "a", "webhook": {"url": "https://10.0.0.1/"}}))
        .at("webhook.url"),
        webhook("a webhook without TLS", json!({"url": "http://shop.example/"})),
        webhook(
            "a webhook into our network",
            json!({"url": "https://169.254.169.254/latest/meta-data/"}),
        ),
        webhook(
            "a webhook with a password",
            json!({"url": "https://user:secret@shop.example/"}),
        ),
        wrong(
            "a filter that matches nothing",
            "POST",
            "/v1/webhooks",
            "validation_failed",
        )
        .json(&json!({"url": hook, "events": ["message.*", "calls"]}))
        .at("events[1]"),
        wrong(
            "a session that is not ours",
            "POST",
            "/v1/webhooks",
            "validation_failed",
        )
        .json(&json!({"url": hook, "sessions": [SessionId::generate(REGION.parse().unwrap())]}))
        .at("sessions[0]"),
        wrong(
            "a secret that is too short",
            "POST",
            "/v1/webhooks",
            "validation_failed",
        )
        .json(&json!({"url": hook, "secret": "whsec_c2hvcnQ="}))
        .at("secret"),
        wrong("a header that is ours", "POST", "/v1/webhooks", "validation_failed")
            .json(&json!({"url": hook, "headers": {"webhook-id": "1"}}))
            .at("headers.webhook-id"),
    ]
}

fn keys(tenant: &Tenant) -> Vec<Wrong> {
    let get = |what, code| wrong(what, "GET", "/v1/sessions", code);
    vec![
        get("no key", "unauthorized").header("authorization", ""),
        get("a key that is none", "unauthorized").header("authorization", "Bearer hello"),
        get("a key in the wrong form", "unauthorized").header("authorization", "Basic aGVsbG86d29ybGQ="),
        get("a mistyped key", "unauthorized").header("authorization", "Bearer rk_000000000000000000000000000000000000"),
        get("a well-formed key of nobody", "unauthorized").header(
            "authorization",
            format!(
                "Bearer {}",
                secrecy::ExposeSecret::expose_secret(&shared::api_key::generate())
            ),
        ),
        get("the operator without a tenant", "validation_failed")
            .header("authorization", format!("Bearer {OPERATOR_KEY}"))
            .at("tenant_id"),
        wrong(
            "the operator with nonsense for a tenant",
            "GET",
            "/v1/sessions?tenant_id=mine",
            "validation_failed",
        )
        .header("authorization", format!("Bearer {OPERATOR_KEY}"))
        .at("tenant_id"),
        wrong(
            "the operator with an unknown tenant",
            "GET",
            "/v1/sessions?tenant_id=ten_00000000000000000000000000",
            "tenant_not_found",
        )
        .header("authorization", format!("Bearer {OPERATOR_KEY}")),
        wrong(
            "a tenant that names itself",
            "GET",
            format!("/v1/sessions?tenant_id={}", tenant.id),
            "forbidden",
        ),
        wrong("a tenant that manages tenants", "GET", "/v1/tenants", "forbidden"),
        wrong("a tenant that makes keys", "POST", "/v1/api-keys", "forbidden").json(&json!({})),
    ]
}

/// Sends a wrong request with the tenant's key, unless it brings its own.
async fn refuse(tenant: &Tenant, world: &World, wrong: Wrong) {
    let brings_key = wrong.headers.iter().any(|(name, _)| *name == "authorization");
    let client = if brings_key {
        world.gateway.stranger()
    } else {
        tenant.client.clone()
    };
    let mut call = client.call(wrong.method, &wrong.path);
    for (name, value) in &wrong.headers {
        call = call.header(name, value);
    }
    let answer = call.raw(wrong.body).send().await;
    assert_eq!(answer.json["code"], wrong.code, "{}: {}", wrong.what, answer.json);
    let answer = answer.expect_problem(wrong.code);
    if let Some(field) = wrong.field {
        assert_eq!(
            answer.json["errors"][0]["field"], field,
            "{}: {}",
            wrong.what, answer.json
        );
    }
    match wrong.code {
        "method_not_allowed" => {
            let allow = answer.headers["allow"].to_str().unwrap();
            assert!(
                allow.contains("GET") && allow.contains("POST"),
                "{}: {allow}",
                wrong.what
            );
        }
        "unauthorized" => assert_eq!(answer.headers["www-authenticate"], "Bearer", "{}", wrong.what),
        _ => {}
    }
}

#[tokio::test]
async fn every_bad_request_is_answered_with_its_problem_and_does_nothing() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let tables = [
        "session",
        "command",
        "message",
        "webhook",
        "tenant",
        "api_key",
        "idempotency_key",
    ];
    let mut before = Vec::new();
    for table in tables {
        before.push(world.database.count(table).await);
    }

    let messages = format!("/v1/sessions/{session}/messages");
    let all = [
        bodies(&messages),
        queries(&session),
        paths(&session),
        creations(),
        keys(&tenant),
    ];
    for wrong in all.into_iter().flatten() {
        refuse(&tenant, &world, wrong).await;
    }

    for (table, before) in tables.into_iter().zip(before) {
        assert_eq!(
            world.database.count(table).await,
            before,
            "nothing was written to {table}"
        );
    }
}

#[tokio::test]
async fn what_a_session_cannot_do_is_a_conflict() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let unpaired = tenant.session().await;
    let send = format!("/v1/sessions/{unpaired}/messages");
    tenant
        .client
        .post(&send, text_message("a"))
        .await
        .expect(409)
        .expect_problem("session_not_paired");

    let stopped = tenant.linked_session(&world.database).await;
    tenant
        .client
        .post(&format!("/v1/sessions/{stopped}/stop"), json!({}))
        .await
        .expect(202);
    let send = format!("/v1/sessions/{stopped}/messages");
    tenant
        .client
        .post(&send, text_message("a"))
        .await
        .expect(409)
        .expect_problem("session_not_started");

    let qr = format!("/v1/sessions/{stopped}/qr");
    tenant
        .client
        .get(&qr)
        .await
        .expect(409)
        .expect_problem("session_already_paired");
    let pairing_code = format!("/v1/sessions/{stopped}/pairing-code");
    let phone = json!({"phone": "15550001001"});
    tenant
        .client
        .post(&pairing_code, phone)
        .await
        .expect(409)
        .expect_problem("session_already_paired");
}

#[tokio::test]
async fn a_request_id_comes_back_and_a_silly_one_is_replaced() {
    let world = World::new().await;
    let client = world.gateway.stranger();
    let answer = client
        .call("GET", "/v1/sessions")
        .header("x-request-id", "trace-4711")
        .send()
        .await;
    assert_eq!(answer.expect_problem("unauthorized").text("/request_id"), "trace-4711");
    let answer = client
        .call("GET", "/healthz")
        .header("x-request-id", "a b\"c")
        .send()
        .await;
    assert!(answer.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_and_one_that_takes_too_long_is_given_up() {
    let world = World::with(crate::gateway::Options {
        flags: vec!["--max-requests=1", "--request-seconds=1"],
        ..Default::default()
    })
    .await;
    let tenant = world.tenant().await;
    let session = tenant.session().await;
    let qr = format!("/v1/sessions/{session}/qr");
    let waiting = tenant.client.call("GET", &qr).header("prefer", "wait=20").send();
    let refused = async {
        // The first request is in its place as soon as it has been polled once.
        tokio::task::yield_now().await;
        tenant.client.get("/v1/sessions").await
    };
    let (waiting, refused) = tokio::join!(waiting, refused);
    refused.expect(503).expect_problem("overloaded");
    waiting.expect(504).expect_problem("timeout");
    tenant.client.get("/v1/sessions").await.expect(200);
}
