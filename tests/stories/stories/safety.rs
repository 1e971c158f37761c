//! What must never happen.

use std::time::Duration;

use anyhow::ensure;
use harness::binaries;
use harness::process::Process;
use harness::service::Service;
use harness::wait::{NotYet, holds_for, wait_for};
use stories::scene::PATIENCE;
use stories::{Scene, Story};

stories::stories![
    the_worker_as_it_is_released_refuses_the_simulated_network,
    no_log_holds_a_secret_or_a_message,
];

async fn the_worker_as_it_is_released_refuses_the_simulated_network(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.workers(0)).await?;
    let launch = binaries::production_worker(scene.site(), 1)?;
    let worker = Process::start(&scene.site().directory, &launch)?;
    let session = scene.api.create_session("Front desk").await?.id;

    // It claims the session, reaches the network, and breaks off because nobody whom it trusts has signed the certificate.
    wait_for("the worker to refuse the certificate", PATIENCE, async || {
        ensure_running(&worker)?;
        let log = worker.log_tail(200).join("\n").to_lowercase();
        if log.contains("certificate") || log.contains("cert chain") {
            return Ok(());
        }
        Err(NotYet::because("its log does not speak of a certificate"))
    })
    .await?;
    holds_for("no QR code", Duration::from_secs(3), async || {
        let seen = scene.api.session(&session).await?;
        let qr = scene.api.get(&format!("/v1/sessions/{session}/qr")).send().await?;
        if seen.status == "qr" || seen.status == "connected" || qr.status == 200 {
            return Err(NotYet::because(format!(
                "the session is {} and the code's route says {qr}",
                seen.status
            )));
        }
        Ok(())
    })
    .await?;
    worker.kill().await
}

fn ensure_running(worker: &Process) -> Result<(), NotYet> {
    if worker.is_running() {
        return Ok(());
    }
    Err(NotYet::because(format!("it ended: {}", worker.log_tail(20).join("\n"))))
}

async fn no_log_holds_a_secret_or_a_message(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.variable("ROOKERY_LOG", "debug")).await?;
    scene.webhook("shop", &[]).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let canary = "canary-4c1f9a";
    scene
        .api
        .send_text_and_wait(&session.id, &contact.number, canary, PATIENCE)
        .await?;
    let answer = contact
        .send_text(&session.owner.number, &format!("{canary} back"))
        .await?;
    scene
        .sink()
        .first("shop", PATIENCE, |webhook| webhook.body.contains(&answer))
        .await?;

    let secrets = &scene.site().secrets;
    let hidden = [
        ("a message's text", canary),
        ("the operator's key", secrets.admin_key.as_str()),
        ("a tenant's key", scene.api.key()),
        ("the region's key", secrets.region_secret_key.as_str()),
        ("the database's password", secrets.database_password.as_str()),
    ];
    for service in [Service::Gateway(1), Service::Worker(1), Service::Dispatcher(1)] {
        let log = scene.log_tail(service, usize::MAX).join("\n");
        ensure!(!log.is_empty(), "{} has logged nothing", service.name());
        for (what, text) in hidden {
            ensure!(!log.contains(text), "{what} is in the log of {}", service.name());
        }
    }
    Ok(())
}
