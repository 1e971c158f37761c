//! Live news of the Multi-Session dialect, heard by the client library that its pages use.

use anyhow::ensure;
use harness::socketio::SocketIo;
use serde_json::{Value, json};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    a_page_of_the_multi_session_api_hears_its_sessions_over_socket_io,
    nobody_hears_anything_over_socket_io_without_a_key_or_of_another_tenant,
];

/// A picture of one point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async fn a_page_of_the_multi_session_api_hears_its_sessions_over_socket_io(story: &Story) -> anyhow::Result<()> {
    // As on a host of its own, where the page's `io()` finds it without being told a path.
    let scene = Scene::on(story.stack()?.variable("ROOKERY_ROOT_DIALECT", "multisession")).await?;
    let api = &scene.api;
    let url = format!("{}?apiKey={}", api.base(), api.key());
    let mut page = SocketIo::start(&scene, "page", &url, None)?;
    page.event("connect").await?;
    ensure!(page.event("upgrade").await?["transport"] == "websocket");
    page.emit("join-session", &json!("mi-sesion-01")).await?;

    let start = json!({ "sessionId": "mi-sesion-01" });
    api.post("/api/start-session", &start).ok().await?;
    let news = page.hears("qr", |_| true).await?;
    ensure!(news["sessionId"] == "mi-sesion-01", "{news}");
    let picture = news["qr"].as_str().unwrap_or_default();
    ensure!(picture.starts_with("data:image/png;base64,iVBOR"), "{news}");

    let (owner, juan) = (scene.phone("owner").await?, scene.phone("juan").await?);
    let shown: Value = api.get("/api/qr/mi-sesion-01").ok().await?.json()?;
    owner.scan(shown["qrCode"].as_str().unwrap_or_default()).await?;
    let news = page.hears("connected", |_| true).await?;
    ensure!(
        news == json!({ "sessionId": "mi-sesion-01", "message": "WhatsApp conectado exitosamente" }),
        "{news}"
    );

    let id = juan.send_text(&owner.number, "¡Hola!").await?;
    let news = page
        .hears("message", |news| news["message"]["body"] == "¡Hola!")
        .await?;
    ensure!(news["sessionId"] == "mi-sesion-01", "{news}");
    ensure!(
        news["message"]["id"] == format!("false_{}@c.us_{id}", juan.number),
        "{news}"
    );
    ensure!(news["message"]["contact"]["number"] == juan.number, "{news}");

    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, PNG)?;
    juan.send_file(&owner.number, harness::network::MediaKind::Image, "image/png", bytes)
        .await?;
    let news = page.hears("message", |news| news["message"]["isMedia"] == true).await?;
    ensure!(news["message"]["media"]["data"] == PNG, "{news}");

    let text = json!({ "sessionId": "mi-sesion-01", "number": juan.number, "message": "Buenas" });
    let sent: Value = api.post("/api/send-message", &text).ok().await?.json()?;
    juan.first_message(PATIENCE, |message| message.text.as_deref() == Some("Buenas"))
        .await?;
    let news = page.hears("message_ack", |news| news["ack"] == 2).await?;
    ensure!(news["messageId"] == sent["messageId"], "{news} is not about {sent}");

    // Of a session that it has not joined it hears nothing, although the key may read it.
    let other = scene.linked_session("Back office").await?;
    juan.send_text(&other.owner.number, "not for this page").await?;
    juan.send_text(&owner.number, "the last one").await?;
    page.hears("message", |news| news["message"]["body"] == "the last one")
        .await?;
    let strange: Vec<Value> = page
        .heard()
        .into_iter()
        .filter(|event| event["data"]["sessionId"] != "mi-sesion-01")
        .collect();
    ensure!(strange.is_empty(), "{strange:?}");

    owner.unlink().await?;
    let news = page.hears("disconnected", |_| true).await?;
    ensure!(news["sessionId"] == "mi-sesion-01", "{news}");
    Ok(())
}

async fn nobody_hears_anything_over_socket_io_without_a_key_or_of_another_tenant(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let base = scene.api.base();
    let path = Some("/compat/multisession/socket.io");
    for (name, url) in [
        ("nobody", base.to_owned()),
        ("liar", format!("{base}?apiKey=rk_0000000000000000000000000000000000")),
    ] {
        let mut client = SocketIo::start(&scene, name, &url, path)?;
        ensure!(client.event("refused").await?["status"] == 401, "{name} is not refused");
    }

    let start = json!({ "sessionId": "mi-sesion-01" });
    scene
        .api
        .post("/compat/multisession/api/start-session", &start)
        .ok()
        .await?;
    let neighbour = scene.admin.create_tenant("Neighbour").await?;
    let neighbour = scene.admin.create_key(&neighbour).await?;
    let mut listener = SocketIo::start(&scene, "neighbour", &format!("{base}?apiKey={}", neighbour.key()), path)?;
    listener.event("connect").await?;
    listener.emit("join-session", &json!("mi-sesion-01")).await?;
    neighbour
        .post(
            "/compat/multisession/api/start-session",
            &json!({ "sessionId": "suya" }),
        )
        .ok()
        .await?;
    listener.emit("join-session", &json!("suya")).await?;
    let news = listener.hears("qr", |_| true).await?;
    ensure!(news["sessionId"] == "suya", "{news}");
    ensure!(
        listener
            .heard()
            .iter()
            .all(|event| event["data"]["sessionId"] == "suya")
    );
    Ok(())
}
