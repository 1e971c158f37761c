//! The main story, told with its times: a number is linked, a message goes out, an answer comes back as a signed webhook.

use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::Utc;

use super::{Local, up};
use crate::client::Api;
use crate::directory::tail;
use crate::network::{Network, Phone};
use crate::progress::{heading, line, say};
use crate::sink::{Received, Sink};
use crate::site::{Mode, Site};
use crate::wait::{NotYet, wait_for};

/// How long one step may take before the story has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of the log that explain a failure.
const LOG_LINES: usize = 25;

/// `deploy/local demo`
pub(super) async fn run(local: &Local) -> anyhow::Result<()> {
    let site = up::start(local, Mode::Simulated).await?;
    heading("The story");
    let start = Instant::now();
    let webhook = tell(&site).await?;
    say(line("=", "the whole story", start.elapsed()));
    show(&webhook);
    up::print_addresses(&site)
}

/// Does one step of the story. When it fails, the log of the process that should have done it is shown.
async fn step<T>(
    site: &Site,
    name: &str,
    who: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    let outcome = tokio::time::timeout(PATIENCE, work).await;
    let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("no end after {} s", PATIENCE.as_secs())));
    match outcome {
        Ok(value) => {
            say(line("✓", name, start.elapsed()));
            Ok(value)
        }
        Err(error) => {
            say(line("✗", name, start.elapsed()));
            heading(format!("The log of {who} ends with:"));
            for log_line in tail(&site.directory.log_file(who), LOG_LINES) {
                say(format!("  {log_line}"));
            }
            Err(error.context(format!("the story failed at: {name}")))
        }
    }
}

async fn tell(site: &Site) -> anyhow::Result<Received> {
    let admin = Api::new(&site.http_url("gateway-1")?, &site.secrets.admin_key)?;
    let network = Network::of(site)?;
    let sink = Sink::of(site)?;
    // A demo may be told many times on one stack: every time has its own receiver.
    let receiver = format!("demo-{}", Utc::now().timestamp_millis());

    let work = async {
        let tenant = admin.create_tenant("Demo").await?;
        let api = admin.create_key(&tenant).await?;
        let webhook = api.create_webhook(&sink.url(&receiver), &["message.received"]).await?;
        sink.expect_secret(&receiver, &webhook.secret).await?;
        Ok(api)
    };
    let api = step(site, "a tenant, its key and its webhook", "gateway-1", work).await?;

    let work = api.create_session("Front desk");
    let session = step(site, "a session is created", "gateway-1", work).await?.id;

    let work = api.qr(&session, PATIENCE);
    let qr = step(site, "WhatsApp's QR code arrives", "worker-1", work).await?;

    let work = people(&network);
    let (owner, contact) = step(site, "two people with phones join the network", "network", work).await?;

    let work = owner.scan(&qr);
    let linked = step(site, "the owner's phone scans it", "network", work).await?;

    let work = wait_for("the session to be connected", PATIENCE, async || {
        let seen = api.session(&session).await?;
        if seen.status == "connected" {
            return Ok(());
        }
        Err(NotYet::because(format!("it is {}", seen.status)))
    });
    step(
        site,
        &format!("the session is connected as {}", linked.jid),
        "worker-1",
        work,
    )
    .await?;

    let work = api.send_text_and_wait(&session, &contact.number, "Hello from Rookery", PATIENCE);
    let sent = step(site, "a message is sent: WhatsApp's server has it", "worker-1", work).await?;

    let work = contact.first_message(PATIENCE, |message| message.id == sent.wa_message_id);
    let message = step(site, "the contact's phone decrypts it", "network", work).await?;
    ensure!(
        message.text.as_deref() == Some("Hello from Rookery"),
        "the contact read something else: {message:?}"
    );

    let work = contact.send_text(&owner.number, "Hello back");
    let answer = step(site, "the contact answers", "network", work).await?;

    let work = sink.first(&receiver, PATIENCE, |webhook| webhook.body.contains(&answer));
    let webhook = step(site, "the answer arrives as a webhook", "dispatcher-1", work).await?;

    let check = async {
        ensure!(
            webhook.verified,
            "its signature is wrong: {}",
            webhook.verification_error.as_deref().unwrap_or("no reason given")
        );
        let text = webhook.event()?["data"]["text"]["body"].as_str().map(str::to_owned);
        ensure!(
            text.as_deref() == Some("Hello back"),
            "it says something else: {}",
            webhook.body
        );
        Ok(())
    };
    step(
        site,
        "the official standardwebhooks library verifies it",
        "webhook-sink",
        check,
    )
    .await?;
    Ok(webhook)
}

async fn people(network: &Network) -> anyhow::Result<(Phone, Phone)> {
    let owner = network.phone(None, "Olivia Owner").await?;
    let contact = network.phone(None, "Carlos Contact").await?;
    Ok((owner, contact))
}

/// Shows the webhook as it arrived.
fn show(webhook: &Received) {
    heading("The webhook");
    for (name, value) in &webhook.headers {
        if name.contains("webhook") {
            say(format!("  {name}: {value}"));
        }
    }
    // Byte for byte, as it was signed.
    say(format!("  {}", webhook.body));
}
