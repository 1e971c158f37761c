//! Generated requests to the API: schemathesis reads the OpenAPI document of a running gateway and checks every answer against it.
//!
//! What it must not find: a 5xx, a status or a body that the document does not have. It is told ids that exist, or it would hardly get past 404; and for
//! requests that end something it is told ids of things that nobody needs any more.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::client::Api;
use crate::progress::{heading, say};
use crate::repository;
use crate::stack::Stack;
use crate::wait::{NotYet, wait_for};

/// How long the preparations may take, each.
const PATIENCE: Duration = Duration::from_secs(30);
/// The checks: what an answer must not be. What a generated request deserves is not known well enough to check it.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";
/// Routes that answer for as long as they are listened to.
const ENDLESS: &str = "^/v1/events$|^/v1/events/ws$|/qr$";
/// Routes that belong to the operator.
const OPERATOR_TAGS: [&str; 4] = ["tenants", "api-keys", "users", "cluster"];

/// How many requests are made.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Generated requests for each route in each phase, at most.
    pub examples: u32,
    /// How long one pass goes on, in seconds; without it, until every route has had its examples.
    pub seconds: Option<u32>,
}

impl Effort {
    /// For every run of the tests.
    pub const SHORT: Self = Self {
        examples: 2,
        seconds: None,
    };
    /// For `deploy/local bench api-fuzz`.
    pub const LONG: Self = Self {
        examples: 200,
        seconds: Some(600),
    };
}

/// Puts generated requests to gateway 1 of a running stack: as a tenant with ids that exist, as a tenant with arbitrary ids, and as the operator.
///
/// # Errors
/// When an answer is not what the document says, or schemathesis cannot be run.
pub async fn run(stack: &Stack, folder: &Path, effort: Effort) -> anyhow::Result<()> {
    let admin = stack.gateway(1)?;
    let tenant = admin.create_tenant("Fuzzed").await?;
    let api = admin.create_key(&tenant).await?;
    let known = prepare(stack, &api).await?;
    let with_ids = folder.join("schemathesis.toml");
    std::fs::write(&with_ids, configuration(&known))?;
    let without = folder.join("arbitrary.toml");
    std::fs::write(&without, "")?;

    heading("A tenant, ids that exist");
    let tenants: Vec<&str> = OPERATOR_TAGS.iter().flat_map(|tag| ["--exclude-tag", tag]).collect();
    pass(&api, &with_ids, effort, &tenants).await?;
    heading("A tenant, arbitrary ids");
    pass(&api, &without, effort, &tenants).await?;
    heading("The operator");
    let operators: Vec<&str> = OPERATOR_TAGS.iter().flat_map(|tag| ["--include-tag", tag]).collect();
    pass(&admin, &without, effort, &operators).await
}

/// One run of schemathesis with one key.
async fn pass(api: &Api, configuration: &Path, effort: Effort, selection: &[&str]) -> anyhow::Result<()> {
    let packages = repository::tools().join("schemathesis");
    ensure!(
        packages.is_dir(),
        "schemathesis is missing: `deploy/local test` fetches it"
    );
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", &packages)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(configuration)
        .arg("run")
        .arg(format!("{}/openapi.json", api.base()))
        .args(["--header", &format!("Authorization: Bearer {}", api.key())])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--checks", CHECKS])
        .args(["--exclude-path-regex", ENDLESS])
        .args(["--max-examples", &effort.examples.to_string()])
        // One at a time: CPython 3.11 breaks when several threads parse source code at once, which hypothesis does.
        .args([
            "--request-timeout",
            "45",
            "--workers",
            "1",
            "--continue-on-failure",
            "--no-color",
        ])
        .args(["--warnings", "off"])
        .args(selection)
        .current_dir(configuration.parent().unwrap_or(Path::new("/")))
        .kill_on_drop(true);
    if let Some(seconds) = effort.seconds {
        command.args(["--max-time", &seconds.to_string()]);
    }
    let output = command.output().await.context("cannot run python3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let said = said.replace(api.key(), "KEY");
    if output.status.success() {
        for line in said.lines().filter(|line| line.contains(" generated, ")) {
            say(line);
        }
        return Ok(());
    }
    say(&said);
    say(String::from_utf8_lossy(&output.stderr));
    anyhow::bail!("an answer is not what the OpenAPI document says")
}

/// Makes what requests can be about: a connected session with messages both ways, a webhook with a delivery, and things to be ended.
async fn prepare(stack: &Stack, api: &Api) -> anyhow::Result<Known> {
    let owner = stack.network().phone(None, "Fuzz Owner").await?;
    let contact = stack.network().phone(None, "Fuzz Contact").await?;
    let session = api.create_session("fuzzed").await?.id;
    let qr = api.qr(&session, PATIENCE).await?;
    owner.scan(&qr).await?;
    wait_for("the session to be connected", PATIENCE, async || {
        let status = api.session(&session).await?.status;
        if status == "connected" {
            return Ok(());
        }
        Err(NotYet::because(format!("it is {status}")))
    })
    .await?;
    let webhook = api
        .create_webhook(&stack.sink().url("fuzz"), &["message.received"])
        .await?;
    let sent = api
        .send_text_and_wait(&session, &contact.number, "Hello", PATIENCE)
        .await?;
    let answer = contact.send_text(&owner.number, "Hello back").await?;
    stack
        .sink()
        .first("fuzz", PATIENCE, |received| received.body.contains(&answer))
        .await?;
    let deliveries: Value = api
        .get(&format!("/v1/webhooks/{}/deliveries", webhook.id))
        .ok()
        .await?
        .json()?;
    let message = api.messages(&session).await?;
    let message = message.first().context("a message was sent")?;
    let accepted: Value = api
        .text(&session, &contact.number, "Once more")
        .send()
        .await?
        .expect(202)?
        .json()?;
    let made = |path: String, body: Value| {
        let request = api.post(&path, &body).prefer_wait(PATIENCE);
        async move {
            let answer = request.send().await?;
            ensure!((200..300).contains(&answer.status), "{path}: {answer}");
            answer.json::<Value>()
        }
    };
    let here = format!("/v1/sessions/{session}");
    let group = made(
        format!("{here}/groups"),
        json!({ "subject": "Fuzzed", "participants": [contact.number] }),
    )
    .await?;
    let status = made(
        format!("{here}/statuses"),
        json!({ "type": "text", "text": { "body": "Fuzzed" }, "audience": { "mode": "allow", "people": [contact.number] } }),
    )
    .await?;
    let media = made(
        "/v1/media".to_owned(),
        json!({ "base64": "aGVsbG8=", "file_name": "hello.txt" }),
    )
    .await?;
    let other_session = api
        .create_session_from(&json!({ "name": "to be ended", "start": false }))
        .await?;
    let other_webhook = api.create_webhook(&stack.sink().url("ended"), &[]).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Known {
        parameters: vec![
            ("session_id", session.clone()),
            ("message_id", message.id.to_string()),
            ("webhook_id", webhook.id),
            ("delivery_id", text(&deliveries["data"][0]["id"])),
            ("command_id", text(&accepted["command_id"])),
            ("chat", contact.number.clone()),
            ("jid", contact.number.clone()),
            ("contact", contact.number.clone()),
            ("event_id", sent.id),
            ("group_jid", text(&group["jid"])),
            ("status_id", text(&status["id"])),
            ("media_id", text(&media["id"])),
        ],
        ended_session: other_session.id,
        ended_webhook: other_webhook.id,
    })
}

/// Ids that exist.
struct Known {
    parameters: Vec<(&'static str, String)>,
    ended_session: String,
    ended_webhook: String,
}

/// Requests that end what they are about.
const ENDING: [(&str, &str); 6] = [
    ("DELETE /v1/sessions/{session_id}", "session_id"),
    ("POST /v1/sessions/{session_id}/logout", "session_id"),
    ("POST /v1/sessions/{session_id}/stop", "session_id"),
    ("POST /v1/sessions/{session_id}/restart", "session_id"),
    ("PATCH /v1/sessions/{session_id}", "session_id"),
    ("DELETE /v1/webhooks/{webhook_id}", "webhook_id"),
];

/// What schemathesis is told of them.
fn configuration(known: &Known) -> String {
    let mut text = String::from("[parameters]\n");
    for (name, value) in &known.parameters {
        text.push_str(&format!("\"path.{name}\" = {}\n", json!(value)));
    }
    for (operation, parameter) in ENDING {
        let value = match parameter {
            "session_id" => &known.ended_session,
            _ => &known.ended_webhook,
        };
        text.push_str(&format!(
            "\n[[operations]]\ninclude-name = {}\nparameters = {{ \"path.{parameter}\" = {} }}\n",
            json!(operation),
            json!(value)
        ));
    }
    text
}
