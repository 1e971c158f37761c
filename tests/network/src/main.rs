//! `rookery-network`: runs a simulated WhatsApp network until it is told to stop.
//!
//! When it is ready it prints one line of JSON with its addresses and its certificate root, and nothing else on standard
//! output; logs go to standard error.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use network::{Config, Network};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A simulated WhatsApp network.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Where clients connect, with the path /ws/chat; port 0 picks a free one.
    #[arg(long, env = "ROOKERY_NETWORK_PROTOCOL_ADDRESS", default_value = "127.0.0.1:0")]
    protocol_address: SocketAddr,

    /// Where the HTTP interface listens; port 0 picks a free one.
    #[arg(long, env = "ROOKERY_NETWORK_HTTP_ADDRESS", default_value = "127.0.0.1:0")]
    http_address: SocketAddr,

    /// Where the media store listens, with HTTPS; port 0 picks a free one.
    #[arg(long, env = "ROOKERY_NETWORK_MEDIA_ADDRESS", default_value = "127.0.0.1:0")]
    media_address: SocketAddr,

    /// Where everything is offered on one port with TLS, as the upstream clients' own suites expect it.
    #[arg(long, env = "ROOKERY_NETWORK_UPSTREAM_ADDRESS")]
    upstream_address: Option<SocketAddr>,

    /// A file to write the certificate of the media store's authority to, in PEM.
    #[arg(long, env = "ROOKERY_NETWORK_MEDIA_CA_FILE")]
    media_ca_file: Option<PathBuf>,

    /// Where the media store keeps its files; without it in a temporary folder.
    #[arg(long, env = "ROOKERY_NETWORK_MEDIA_FOLDER")]
    media_folder: Option<PathBuf>,

    /// All keys, numbers and LIDs derive from it: the same seed and the same calls give the same people.
    #[arg(long, env = "ROOKERY_NETWORK_SEED", default_value = "rookery")]
    seed: String,

    /// Milliseconds before a phone reacts.
    #[arg(long, env = "ROOKERY_NETWORK_PHONE_DELAY", default_value_t = 20)]
    phone_delay: u64,

    /// Seconds for which the first QR code is valid.
    #[arg(long, env = "ROOKERY_NETWORK_QR_LIFETIME", default_value_t = 60.0)]
    qr_lifetime: f64,

    /// Seconds for which each later QR code is valid after the one before.
    #[arg(long, env = "ROOKERY_NETWORK_QR_RENEWAL", default_value_t = 20.0)]
    qr_renewal: f64,

    /// Seconds for which a pairing code is valid.
    #[arg(long, env = "ROOKERY_NETWORK_CODE_LIFETIME", default_value_t = 180.0)]
    code_lifetime: f64,

    /// How many ledger entries are kept.
    #[arg(long, env = "ROOKERY_NETWORK_LEDGER_LIMIT", default_value_t = 500_000)]
    ledger_limit: usize,

    /// Tell companions at pairing that their chats are kept by LID: some then address people by LID.
    #[arg(long, env = "ROOKERY_NETWORK_LID_MIGRATED")]
    lid_migrated: bool,

    /// Seconds for which typing waits for a device that is not connected.
    #[arg(long, env = "CHATSTATE_TTL_SECS", default_value_t = 0.0)]
    typing_lifetime: f64,

    /// Tell everybody about everybody's new about text and picture.
    #[arg(long, env = "ROOKERY_NETWORK_EVERYBODY_ACQUAINTED")]
    everybody_acquainted: bool,

    /// Phones send no delivery receipts: only companions do.
    #[arg(long, env = "ROOKERY_NETWORK_SILENT_PHONES")]
    silent_phones: bool,

    /// The format of the logs.
    #[arg(long, env = "ROOKERY_NETWORK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,

    /// Which logs, for example `info` or `network=debug`.
    #[arg(long, env = "ROOKERY_NETWORK_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    start_logs(&arguments)?;
    network::limits::raise_open_files();
    let mut terminate = signal(SignalKind::terminate())?;
    let running = Network::start(Config {
        protocol_address: arguments.protocol_address,
        http_address: arguments.http_address,
        media_address: arguments.media_address,
        upstream_address: arguments.upstream_address,
        media_ca_file: arguments.media_ca_file,
        media_folder: arguments.media_folder,
        seed: arguments.seed,
        phone_delay: Duration::from_millis(arguments.phone_delay),
        qr_lifetime: Duration::try_from_secs_f64(arguments.qr_lifetime)?,
        qr_renewal: Duration::try_from_secs_f64(arguments.qr_renewal)?,
        code_lifetime: Duration::try_from_secs_f64(arguments.code_lifetime)?,
        ledger_limit: arguments.ledger_limit,
        lid_migrated: arguments.lid_migrated,
        typing_lifetime: Duration::try_from_secs_f64(arguments.typing_lifetime)?,
        everybody_acquainted: arguments.everybody_acquainted,
        silent_phones: arguments.silent_phones,
    })
    .await?;
    announce(&running);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.stop().await;
    Ok(())
}

fn start_logs(arguments: &Arguments) -> anyhow::Result<()> {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&arguments.log)?)
        .with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Pretty => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the one line that tells whoever started the program where to connect"
)]
fn announce(running: &network::Running) {
    let ready = serde_json::json!({
        "protocol_url": running.protocol_url(),
        "protocol_address": running.protocol_address().to_string(),
        "http_url": running.http_url(),
        "media_address": running.media_address().to_string(),
        "upstream_address": running.upstream_address().map(|address| address.to_string()),
        "root_key": running.root_key(),
    });
    println!("{ready}");
}
