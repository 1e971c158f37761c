//! The examples that the older APIs' documentations print, run as they stand: requests, shell commands, and Python that receives webhooks.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use harness::http::{Answer, client};
use harness::network::MediaKind;
use harness::repository;
use harness::sink::Received;
use reqwest::Method;
use serde_json::{Value, json};
use stories::documents::{PrintedRequest, examples};
use stories::scenario::ask::{Part, multipart};
use stories::scenario::pattern::Variables;
use stories::scene::PATIENCE;
use stories::{Scene, Story};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

stories::stories![
    the_requests_and_commands_printed_for_multisession_run_unchanged,
    the_requests_printed_for_crm_run_unchanged,
    the_python_printed_for_crm_receives_what_rookery_sends,
];

/// The documentations' own gateways listened here.
const PRINTED_HOST: &str = "localhost";

/// A request as printed, to a host on which the dialect is at the root; only the credential is another.
async fn send(scene: &Scene, request: &PrintedRequest, path: &str) -> anyhow::Result<Answer> {
    let method: Method = request.method.parse()?;
    let mut sent = client()?
        .request(method, format!("{}{path}", scene.api.base()))
        .header("host", PRINTED_HOST)
        .header("x-api-key", scene.api.key());
    for (name, value) in &request.headers {
        if !["x-api-key", "headers:", "content-type"].contains(&name.to_lowercase().as_str()) {
            sent = sent.header(name, value);
        }
    }
    match request.header("content-type") {
        Some("multipart/form-data") => {
            let part = |(name, value): (String, String)| match value.as_str() {
                "[archivo]" => {
                    json!({ "name": name, "file_name": "a.txt", "mime_type": "text/plain", "base64": "dW4gYXJjaGl2bw==" })
                }
                _ => json!({ "name": name, "text": value }),
            };
            let parts: Vec<Value> = request.form()?.into_iter().map(part).collect();
            let parts: Vec<Part> = serde_json::from_value(parts.into())?;
            let (kind, body) = multipart(&parts, &Variables::new())?;
            sent = sent.header("content-type", kind).body(body);
        }
        Some(kind) => sent = sent.header("content-type", kind).body(request.json()?.to_string()),
        None => {}
    }
    Answer::to(sent).await
}

async fn the_requests_and_commands_printed_for_multisession_run_unchanged(story: &Story) -> anyhow::Result<()> {
    let host = format!("{PRINTED_HOST}=multisession");
    let scene = Scene::on(story.stack()?.variable("ROOKERY_DIALECT_HOSTS", &host)).await?;
    let owner = scene.phone("Dueña").await?;
    let printed = examples("multisession", "bash")?;
    let requests: Vec<PrintedRequest> = printed
        .iter()
        .filter_map(|example| PrintedRequest::of(example))
        .collect();
    ensure!(
        requests.len() == 9,
        "the documentation prints {} requests",
        requests.len()
    );
    let mut juan = None;
    for request in &requests {
        let path = request.path.replace("{sessionId}", "mi-sesion-01");
        if request.path == "/api/send-message" {
            let number = request.json()?["number"].as_str().context("a number")?.to_owned();
            juan = Some(scene.network().phone(Some(&number), "Juan").await?);
        }
        let answer = send(&scene, request, &path).await?.expect(200)?;
        let answer: Value = answer.json()?;
        ensure!(answer["success"] == true, "{} {path}: {answer}", request.method);
        if request.path == "/api/qr/{sessionId}" {
            owner.scan(answer["qrCode"].as_str().context("a code")?).await?;
            let session: Value = scene.api.get("/v1/sessions").ok().await?.json()?;
            let id = session["data"][0]["id"].as_str().context("the session")?.to_owned();
            scene.wait_for_status(&id, "connected").await?;
        }
        if request.path == "/api/messages/{sessionId}?limit=50" {
            let texts: Vec<_> = answer["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|message| &message["body"])
                .collect();
            ensure!(texts == ["¡Hola desde la API!", "Descripción del archivo"], "{answer}");
        }
    }
    let juan = juan.context("the documentation sends no text")?;
    juan.first_message(PATIENCE, |message| {
        message.text.as_deref() == Some("¡Hola desde la API!")
    })
    .await?;

    // What is for a shell runs in one; it believes that `localhost:3000` is our gateway and that the container is this machine.
    let folder = story.folder();
    std::fs::create_dir_all(&folder)?;
    let gateway = scene.api.base().trim_start_matches("http://");
    std::fs::write(
        folder.join(".curlrc"),
        format!("connect-to = \"{PRINTED_HOST}:3000:{gateway}\"\nsilent\nfail\n"),
    )?;
    let commands: Vec<&str> = printed
        .iter()
        .flat_map(|example| example.lines())
        .filter(|line| line.contains("curl "))
        .collect();
    ensure!(commands.len() == 2, "the documentation prints {commands:?}");
    for command in commands {
        let script = format!("docker() {{ shift 3; \"$@\"; }}\n{command}\n");
        let output = Command::new("bash")
            .args(["-c", &script])
            .env("CURL_HOME", &folder)
            .output()
            .await?;
        let answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`{command}`: {}", String::from_utf8_lossy(&output.stderr)))?;
        ensure!(
            output.status.success() && answer["success"] == true,
            "`{command}`: {answer}"
        );
    }
    Ok(())
}

async fn the_requests_printed_for_crm_run_unchanged(story: &Story) -> anyhow::Result<()> {
    let host = format!("{PRINTED_HOST}=crm");
    let stack = story
        .stack()?
        .variable("ROOKERY_DIALECT_HOSTS", &host)
        .variable("ROOKERY_CRM_WEBHOOK_URL", "https://crm.example.com/hook");
    let scene = Scene::on(stack).await?;
    let printed = examples("crm", "bash")?;
    let requests: Vec<PrintedRequest> = printed
        .iter()
        .filter_map(|example| PrintedRequest::of(example))
        .collect();
    ensure!(
        requests.len() == 1,
        "the documentation prints {} requests",
        requests.len()
    );
    for request in &requests {
        let answer: Value = send(&scene, request, &request.path).await?.json()?;
        ensure!(answer["success"] == true, "{answer}");
        ensure!(answer["data"]["sessionId"] == "mi_sesion_crm_123", "{answer}");
    }
    let status = client()?
        .get(format!(
            "{}/api/sessions/mi_sesion_crm_123/frappe/status",
            scene.api.base()
        ))
        .header("host", PRINTED_HOST)
        .header("x-api-key", scene.api.key());
    let status: Value = Answer::to(status).await?.expect(200)?.json()?;
    ensure!(status["data"]["sendToFrappe"] == true, "{status}");
    Ok(())
}

/// What the printed Python does with a webhook.
async fn received(code: &[String], webhook: &Received, body: &str, secret: &str) -> anyhow::Result<Value> {
    let asked = json!({
        "code": code, "body": body, "headers": webhook.headers, "configuration": { "frappe_webhook_secret": secret },
    });
    let mut python = Command::new("python3")
        .arg(repository::root().join("tests/stories/frappe.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run python3")?;
    let mut input = python.stdin.take().context("an input")?;
    input.write_all(asked.to_string().as_bytes()).await?;
    drop(input);
    let output = python.wait_with_output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn the_python_printed_for_crm_receives_what_rookery_sends(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let api = &scene.api;
    let session = json!({
        "sessionId": "mi_sesion_123", "sessionName": "Mi Sesión", "webhookUrl": scene.sink().url("crm"), "webhookSecret": "tu_secreto_seguro",
        "fromFrappe": true,
    });
    let created: Value = api.post("/compat/crm/api/sessions", &session).send().await?.json()?;
    ensure!(created["success"] == true, "{created}");
    let id = created["data"]["id"].as_i64().context("a number")?;
    let (owner, juan) = (scene.phone("Dueña").await?, scene.phone("Juan").await?);
    let canonical: Value = api.get("/v1/sessions").ok().await?.json()?;
    let canonical = canonical["data"][0]["id"].as_str().context("the session")?.to_owned();
    owner.scan(&api.qr(&canonical, PATIENCE).await?).await?;
    scene.wait_for_status(&canonical, "connected").await?;

    let code = examples("crm", "python")?;
    ensure!(
        code.len() == 3,
        "the documentation prints {} pieces of Python",
        code.len()
    );
    // The second shows how the first is used; the third is whole.
    let (first, whole) = (&code[..2], &code[2..]);

    juan.send_text(&owner.number, "Hola, este es un mensaje recibido")
        .await?;
    let about = |text: &'static str| move |webhook: &Received| webhook.body.contains(text);
    let text = scene
        .sink()
        .first("crm", PATIENCE, about("Hola, este es un mensaje recibido"))
        .await?;
    ensure!(text.headers.get("x-webhook-event").map(String::as_str) == Some("message.received"));
    ensure!(text.headers.get("x-webhook-session").map(String::as_str) == Some("mi_sesion_123"));
    let done = received(first, &text, &text.body, "tu_secreto_seguro").await?;
    ensure!(
        done["verified"]["verify_webhook_signature"] == true && done["refused"].is_null(),
        "{done}"
    );
    let done = received(whole, &text, &text.body, "tu_secreto_seguro").await?;
    ensure!(
        done["answer"] == json!({ "success": true, "message_id": "WA-0001" }),
        "{done}"
    );
    let inserted = &done["inserted"][0];
    ensure!(
        inserted["content"] == "Hola, este es un mensaje recibido" && inserted["session_id"] == "mi_sesion_123",
        "{inserted}"
    );
    ensure!(
        inserted["from"] == format!("{}@s.whatsapp.net", juan.number),
        "{inserted}"
    );
    ensure!(
        inserted["type"] == "text" && inserted["timestamp"].is_i64() && inserted["media_url"].is_null(),
        "{inserted}"
    );
    let body: Value = text.event()?;
    ensure!(body["data"]["session_db_id"] == id, "{body}");

    // Whoever changes a letter, or has another secret, is not believed.
    for (body, secret) in [
        (text.body.replace("Hola", "hola"), "tu_secreto_seguro"),
        (text.body.clone(), "otro_secreto"),
    ] {
        let done = received(first, &text, &body, secret).await?;
        ensure!(
            done["verified"]["verify_webhook_signature"] == false && done["refused"] == "Firma inválida",
            "{done}"
        );
        let done = received(whole, &text, &body, secret).await?;
        ensure!(
            done["verified"]["verify_signature"] == false && done["inserted"] == json!([]),
            "{done}"
        );
    }

    let file = b"%PDF-1.4 un informe".to_vec();
    juan.send_file(&owner.number, MediaKind::Document, "application/pdf", file.clone())
        .await?;
    let webhook = scene
        .sink()
        .first("crm", PATIENCE, about("\"has_attachment\":true"))
        .await?;
    let done = received(whole, &webhook, &webhook.body, "tu_secreto_seguro").await?;
    let inserted = &done["inserted"][0];
    ensure!(
        inserted["type"] == "document" && inserted["has_attachment"] == true,
        "{inserted}"
    );
    let url = inserted["media_url"].as_str().context("an address of the file")?;
    let found = client()?.get(url).send().await?.error_for_status()?.bytes().await?;
    ensure!(found == file, "the file is another one");
    Ok(())
}
