//! Linking an account to a session, by QR code and by code, and losing it again.

use std::time::Duration;

use anyhow::ensure;
use harness::wait::{NotYet, wait_for};
use serde_json::Value;
use stories::scene::PATIENCE;
use stories::{Scene, Story};

/// How long WhatsApp's first code lives.
const FIRST_CODE: Duration = Duration::from_secs(60);

stories::stories![
    // First, because it takes longest.
    an_expired_qr_code_is_refused_and_its_successor_works,
    a_session_is_linked_by_scanning_its_qr_code,
    a_session_is_linked_by_a_pairing_code,
    a_qr_code_is_shown_as_json_png_and_svg,
    a_session_whose_phone_logs_it_out_says_so,
    an_unmodified_baileys_client_is_linked_to_the_simulated_network,
];

async fn a_session_is_linked_by_scanning_its_qr_code(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    scene.webhook("shop", &["session.*"]).await?;
    let owner = scene.phone("Olivia").await?;
    let session = scene.api.create_session("Front desk").await?;

    let qr = scene.api.qr(&session.id, PATIENCE).await?;
    let linked = owner.scan(&qr).await?;
    ensure!(linked.device > 0, "the phone itself is device 0: {linked:?}");

    let connected = scene.wait_for_status(&session.id, "connected").await?;
    let account = connected
        .account
        .unwrap_or_else(|| panic!("a connected session has an account"));
    ensure!(account.phone.as_deref() == Some(owner.number.as_str()), "{account:?}");
    ensure!(account.lid.as_deref() == Some(owner.lid.as_str()), "{account:?}");

    let state = scene.api.state(&session.id).await?;
    ensure!(
        state.live && state.holder.is_some(),
        "the holder itself answers: {state:?}"
    );

    let again = scene.api.get(&format!("/v1/sessions/{}/qr", session.id)).send().await?;
    ensure!(again.problem_code()? == "session_already_paired", "{again}");

    let is_connected = |data: &Value| data["status"] == "connected";
    let webhook = scene
        .sink()
        .first("shop", PATIENCE, |webhook| {
            webhook.event_type() == "session.status" && webhook.event().is_ok_and(|event| is_connected(&event["data"]))
        })
        .await?;
    ensure!(webhook.verified, "{:?}", webhook.verification_error);
    Ok(())
}

async fn a_session_is_linked_by_a_pairing_code(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let owner = scene.phone("Olivia").await?;
    let session = scene.api.create_session("Front desk").await?;
    // The first QR code shows that the session has reached WhatsApp.
    scene.api.qr(&session.id, PATIENCE).await?;

    let code = scene.api.pairing_code(&session.id, &owner.number).await?;
    owner.enter_code(&code).await?;

    let connected = scene.wait_for_status(&session.id, "connected").await?;
    let phone = connected.account.and_then(|account| account.phone);
    ensure!(phone.as_deref() == Some(owner.number.as_str()), "{phone:?}");
    Ok(())
}

async fn a_qr_code_is_shown_as_json_png_and_svg(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.api.create_session("Front desk").await?;
    scene.api.qr(&session.id, PATIENCE).await?;
    let path = format!("/v1/sessions/{}/qr", session.id);
    for (kind, start) in [
        ("image/png", &b"\x89PNG"[..]),
        ("image/svg+xml", b"<?xml"),
        ("application/json", b"{"),
    ] {
        let answer = scene.api.get(&path).header("accept", kind).ok().await?;
        ensure!(
            answer
                .header("content-type")
                .is_some_and(|given| given.starts_with(kind)),
            "{answer}"
        );
        ensure!(
            answer.body.starts_with(start),
            "{kind} starts with {:?}",
            answer.body.get(..8)
        );
        ensure!(
            answer.header("cache-control") == Some("no-store"),
            "a code must not be cached: {kind}"
        );
    }
    Ok(())
}

async fn an_expired_qr_code_is_refused_and_its_successor_works(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let owner = scene.phone("Olivia").await?;
    let session = scene.api.create_session("Front desk").await?;
    let first = scene.api.qr(&session.id, PATIENCE).await?;

    // WhatsApp's first code lives a minute, and no client shortens that.
    let second = wait_for("another code", FIRST_CODE * 2, async || {
        let current = scene.api.qr(&session.id, PATIENCE).await?;
        if current == first {
            return Err(NotYet::because("the first code is still shown"));
        }
        Ok(current)
    })
    .await?;
    let refused = owner.try_scan(&first).await?.expect(409)?;
    let refusal: Value = refused.json()?;
    ensure!(refusal["error"] == "qr_expired", "{refused}");

    owner.scan(&second).await?;
    scene.wait_for_status(&session.id, "connected").await?;
    Ok(())
}

async fn a_session_whose_phone_logs_it_out_says_so(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    session.owner.unlink().await?;
    let seen = scene.wait_for_status(&session.id, "logged_out").await?;
    ensure!(seen.reason.is_some(), "a lost account has a reason: {seen:?}");
    let sent = scene
        .api
        .text(&session.id, "15550009999", "anybody there?")
        .send()
        .await?;
    ensure!(sent.problem_code()? == "session_not_paired", "{sent}");
    Ok(())
}

async fn an_unmodified_baileys_client_is_linked_to_the_simulated_network(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let owner = scene.phone("Bruno").await?;
    let contact = scene.phone("Carla").await?;
    let mut baileys = harness::baileys::Baileys::paired(&scene, "bruno", &owner).await?;
    let id = baileys
        .send_text(&format!("{}@s.whatsapp.net", contact.number), "from Baileys")
        .await?;
    let message = contact.first_message(PATIENCE, |message| message.id == id).await?;
    ensure!(message.text.as_deref() == Some("from Baileys"), "{message:?}");
    Ok(())
}
