//! The API over real HTTP: what it refuses, and two gateways as one.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::client::Request;
use harness::wait::{NotYet, wait_for};
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    bad_input_is_answered_with_a_problem_that_names_its_code,
    two_gateways_are_one,
    tenants_never_meet,
    a_revoked_key_stops_working_everywhere_within_two_seconds,
    events_are_followed_live_and_resumed_after_a_break,
    the_documentation_names_every_route_and_every_problem,
];

async fn bad_input_is_answered_with_a_problem_that_names_its_code(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let api = &scene.api;
    let session = api.create_session("Front desk").await?.id;
    let messages = format!("/v1/sessions/{session}/messages");
    let unknown = "/v1/sessions/ses_local_00000000000000000000000000";
    let huge = json!({ "name": "x".repeat(2 * 1024 * 1024) });
    let table: Vec<(&str, Request, u16, &str)> = vec![
        (
            "no key",
            api.anonymous(reqwest::Method::GET, "/v1/sessions"),
            401,
            "unauthorized",
        ),
        (
            "a wrong key",
            api.with_key("rk_wrong").get("/v1/sessions"),
            401,
            "unauthorized",
        ),
        ("an unknown route", api.get("/v1/nonsense"), 404, "route_not_found"),
        ("a wrong method", api.delete("/v1/sessions"), 405, "method_not_allowed"),
        (
            "no JSON",
            api.post("/v1/sessions", &json!({})).body("application/json", "{"),
            400,
            "malformed_body",
        ),
        (
            "another type of body",
            api.request(reqwest::Method::POST, "/v1/sessions")
                .body("text/plain", "hi"),
            415,
            "unsupported_media_type",
        ),
        (
            "an unknown field",
            api.post("/v1/sessions", &json!({ "name": "x", "colour": "red" })),
            422,
            "validation_failed",
        ),
        (
            "a wrong type",
            api.post("/v1/sessions", &json!({ "name": 5 })),
            422,
            "validation_failed",
        ),
        (
            "a missing field",
            api.post("/v1/sessions", &json!({})),
            422,
            "validation_failed",
        ),
        (
            "an oversize body",
            api.post("/v1/sessions", &huge),
            413,
            "body_too_large",
        ),
        (
            "a bad query",
            api.get("/v1/sessions?limit=many"),
            422,
            "validation_failed",
        ),
        ("an unknown session", api.get(unknown), 404, "session_not_found"),
        (
            "a session id that is none",
            api.get("/v1/sessions/nonsense"),
            404,
            "session_not_found",
        ),
        (
            "a bad number",
            api.text(&session, "not-a-number", "hi"),
            422,
            "validation_failed",
        ),
        (
            "an empty text",
            api.text(&session, "15550001001", ""),
            422,
            "validation_failed",
        ),
        (
            "an unknown kind of message",
            api.post(&messages, &json!({ "to": "15550001001", "type": "telepathy" })),
            422,
            "validation_failed",
        ),
        (
            "a session that is not linked",
            api.text(&session, "15550001001", "hi"),
            409,
            "session_not_paired",
        ),
        (
            "a webhook into the network",
            api.post("/v1/webhooks", &json!({ "url": "https://10.0.0.1/hook" })),
            422,
            "url_forbidden",
        ),
        (
            "another tenant by query",
            api.get("/v1/sessions?tenant_id=ten_00000000000000000000000000"),
            403,
            "forbidden",
        ),
        (
            "administration with a tenant's key",
            api.post("/v1/tenants", &json!({ "name": "mine" })),
            403,
            "forbidden",
        ),
    ];
    let mut wrong = Vec::new();
    for (what, request, status, code) in table {
        let answer = request.send().await?;
        let problem: Value = answer.json().unwrap_or_default();
        let complete = ["type", "title", "status", "detail", "code", "request_id"]
            .iter()
            .all(|field| !problem[*field].is_null());
        let same_id = answer.header("x-request-id") == problem["request_id"].as_str();
        if answer.status != status || answer.problem_code().ok().as_deref() != Some(code) || !complete || !same_id {
            wrong.push(format!("{what}: expected {status} {code}, got {answer}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));

    let answer = api
        .post(
            "/v1/sessions",
            &json!({ "name": "x", "settings": { "media": { "download": 1 } } }),
        )
        .send()
        .await?;
    let problem: Value = answer.json()?;
    ensure!(problem["errors"][0]["field"] == "settings.media.download", "{answer}");
    Ok(())
}

async fn two_gateways_are_one(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.gateways(2)).await?;
    let (first, second) = (scene.api_at(1)?, scene.api_at(2)?);
    let owner = scene.phone("Olivia").await?;
    let contact = scene.phone("Carlos").await?;

    let session = first.create_session("Front desk").await?.id;
    let qr = second.qr(&session, PATIENCE).await?;
    owner.scan(&qr).await?;
    scene.wait_for_status(&session, "connected").await?;
    ensure!(second.session(&session).await?.status == "connected");

    let sent = second
        .send_text_and_wait(&session, &contact.number, "from the second", PATIENCE)
        .await?;
    let messages = first.messages(&session).await?;
    ensure!(
        messages
            .iter()
            .any(|message| message.wa_message_id == sent.wa_message_id),
        "{messages:?}"
    );

    let key = "created-once";
    let create = |api: &harness::client::Api| {
        api.post("/v1/sessions", &json!({ "name": "Second" }))
            .idempotency_key(key)
    };
    let one: Value = create(&first).created().await?;
    let two: Value = create(&second).created().await?;
    ensure!(one["id"] == two["id"], "{one} {two}");
    Ok(())
}

async fn tenants_never_meet(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?.id;
    let webhook = scene.webhook("shop", &[]).await?;
    let stranger = scene
        .admin
        .create_key(&scene.admin.create_tenant("Stranger").await?)
        .await?;

    let of_session = |rest: &str| format!("/v1/sessions/{session}{rest}");
    for (request, code) in [
        (stranger.get(&of_session("")), "session_not_found"),
        (stranger.get(&of_session("/status")), "session_not_found"),
        (stranger.get(&of_session("/qr")), "session_not_found"),
        (stranger.get(&of_session("/messages")), "session_not_found"),
        (stranger.text(&session, "15550001001", "hi"), "session_not_found"),
        (stranger.post(&of_session("/logout"), &json!({})), "session_not_found"),
        (stranger.delete(&of_session("")), "session_not_found"),
        (stranger.get(&format!("/v1/webhooks/{webhook}")), "webhook_not_found"),
        (stranger.delete(&format!("/v1/webhooks/{webhook}")), "webhook_not_found"),
    ] {
        let answer = request.send().await?.expect(404)?;
        ensure!(answer.problem_code()? == code, "{answer}");
    }
    for list in ["/v1/sessions", "/v1/webhooks", "/v1/events"] {
        let page: Value = stranger.get(list).ok().await?.json()?;
        ensure!(page["data"] == json!([]), "{list}: {page}");
    }
    ensure!(scene.api.session(&session).await?.status == "connected");
    Ok(())
}

async fn a_revoked_key_stops_working_everywhere_within_two_seconds(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.gateways(2)).await?;
    let body = json!({ "tenant_id": scene.tenant, "name": "leaked", "scopes": ["sessions:read"] });
    let created = scene.admin.post("/v1/api-keys", &body).created().await?;
    let key = created["key"].as_str().context("a key that is shown once")?;
    let gateways = [scene.api_at(1)?.with_key(key), scene.api_at(2)?.with_key(key)];
    for gateway in &gateways {
        gateway.get("/v1/sessions").ok().await?;
    }
    let path = format!("/v1/api-keys/{}", created["id"].as_str().unwrap_or_default());
    let revoked = scene.admin.delete(&path).send().await?;
    ensure!((200..300).contains(&revoked.status), "{revoked}");
    wait_for("the key to be refused by both", Duration::from_secs(2), async || {
        for gateway in &gateways {
            let answer = gateway.get("/v1/sessions").send().await?;
            if answer.status != 401 {
                return Err(NotYet::because(answer));
            }
        }
        Ok(())
    })
    .await
}

async fn events_are_followed_live_and_resumed_after_a_break(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;

    let mut stream = follow(&scene, None).await?;
    let first = contact.send_text(&session.owner.number, "while following").await?;
    let seen = stream.until(&first).await?;
    drop(stream);
    let missed = contact.send_text(&session.owner.number, "while away").await?;
    let mut resumed = follow(&scene, Some(&seen)).await?;
    resumed.until(&missed).await?;
    ensure!(
        !resumed.text.contains(&first),
        "what was seen came again: {}",
        resumed.text
    );
    Ok(())
}

/// A stream of server-sent events, as far as it has been read.
struct Follower {
    response: reqwest::Response,
    text: String,
}

async fn follow(scene: &Scene, after: Option<&str>) -> anyhow::Result<Follower> {
    let url = format!("{}/v1/events", scene.api.base());
    let mut request = harness::http::client()?
        .get(url)
        .bearer_auth(scene.api.key())
        .header("accept", "text/event-stream");
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let response = request.send().await?;
    ensure!(response.status() == 200, "{response:?}");
    Ok(Follower {
        response,
        text: String::new(),
    })
}

impl Follower {
    /// Reads until an event that contains `text` is complete. Returns its id.
    async fn until(&mut self, text: &str) -> anyhow::Result<String> {
        let reading = async {
            loop {
                let complete = self.text.rfind("\n\n").map_or("", |end| &self.text[..end]);
                if let Some(event) = complete.split("\n\n").find(|event| event.contains(text)) {
                    let id = event
                        .lines()
                        .find_map(|line| line.strip_prefix("id:"))
                        .context("an event without an id")?;
                    return Ok(id.trim().to_owned());
                }
                let chunk = self.response.chunk().await?.context("the stream ended")?;
                self.text.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .context("the event did not come")?
    }
}

async fn the_documentation_names_every_route_and_every_problem(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let anonymous = |path: &str| scene.api.anonymous(reqwest::Method::GET, path);
    let document: Value = anonymous("/openapi.json").ok().await?.json()?;
    for path in [
        "/v1/sessions",
        "/v1/sessions/{session_id}/messages",
        "/v1/webhooks",
        "/v1/events",
    ] {
        ensure!(document["paths"].get(path).is_some(), "{path} is not documented");
    }
    let problems = anonymous("/docs/problems").ok().await?.text();
    for code in shared::problem::Code::ALL {
        ensure!(problems.contains(code.as_str()), "the problem {code} is not explained");
    }
    let page = anonymous("/docs").send().await?;
    ensure!(page.status < 400, "{page}");
    Ok(())
}
