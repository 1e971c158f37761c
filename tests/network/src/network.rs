//! The whole network: its shared state, and how it is started and stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wacore_binary::builder::NodeBuilder;

use crate::accounts::Directory;
use crate::calls::Calls;
use crate::faults::Faults;
use crate::groups::Groups;
use crate::keys::Seed;
use crate::ledger::Ledger;
use crate::media::MediaStore;
use crate::media::tls::Certificates;
use crate::newsletters::Newsletters;
use crate::pairing::Pairings;
use crate::people::pictures::Gallery;
use crate::phone::clock::PhoneClock;
use crate::socket::SocketId;
use crate::stats::Stats;
use crate::transport::certificate::ServerIdentity;

/// How long the tasks of a stopped network may take to end.
const STOPPING_TIME: Duration = Duration::from_secs(5);

/// What a network is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect; port 0 picks a free one.
    pub protocol_address: SocketAddr,
    /// Where the HTTP interface listens; port 0 picks a free one.
    pub http_address: SocketAddr,
    /// Where the media store listens, with HTTPS; port 0 picks a free one.
    pub media_address: SocketAddr,
    /// Where everything is offered on one port with TLS, see [`crate::upstream`]; without one it is not.
    pub upstream_address: Option<SocketAddr>,
    /// Where the certificate of the media store's authority is written, in PEM, before anything listens.
    pub media_ca_file: Option<PathBuf>,
    /// Where the media store keeps its files; without one in a temporary folder.
    pub media_folder: Option<PathBuf>,
    /// All keys and numbers derive from it.
    pub seed: String,
    /// How long a phone takes before it reacts. Not 0 by default: a receipt that overtakes the sender's own bookkeeping
    /// is a race that real phones do not win.
    pub phone_delay: Duration,
    /// How long the first QR code is valid. The real server: 60 seconds.
    pub qr_lifetime: Duration,
    /// How long each later QR code is valid after the one before. The real server: 20 seconds.
    pub qr_renewal: Duration,
    /// How long a pairing code is valid. The real server: 180 seconds.
    pub code_lifetime: Duration,
    /// How many ledger entries are kept; the oldest go first.
    pub ledger_limit: usize,
    /// Whether companions are told at pairing that their chats are kept by LID: whatsapp-rust then addresses people by LID
    /// on the wire (src/pair.rs:388-410).
    pub lid_migrated: bool,
    /// How long typing waits for a device that is not connected. Zero: it is lost at once.
    pub typing_lifetime: Duration,
    /// Whether everybody hears of everybody's new about text and picture, not only those who asked for the account before.
    pub everybody_acquainted: bool,
    /// Whether phones keep to themselves that a message has arrived, so that only companions acknowledge it.
    pub silent_phones: bool,
}

impl Default for Config {
    fn default() -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            protocol_address: any_port,
            http_address: any_port,
            media_address: any_port,
            upstream_address: None,
            media_ca_file: None,
            media_folder: None,
            seed: "rookery".to_owned(),
            phone_delay: Duration::from_millis(20),
            qr_lifetime: Duration::from_secs(60),
            qr_renewal: Duration::from_secs(20),
            code_lifetime: Duration::from_secs(180),
            ledger_limit: 500_000,
            lid_migrated: false,
            typing_lifetime: Duration::ZERO,
            everybody_acquainted: false,
            silent_phones: false,
        }
    }
}

/// The shared state of a network. Its parts own their locks; none of them is held while another part is called.
pub struct Network {
    /// What it was started with.
    pub config: Config,
    /// Where keys come from.
    pub seed: Seed,
    /// The people.
    pub accounts: Directory,
    /// The groups.
    pub groups: Groups,
    /// The newsletters.
    pub newsletters: Newsletters,
    /// Clients that wait to be linked.
    pub pairings: Pairings,
    /// What happened, as evidence.
    pub ledger: Ledger,
    /// What is made to go wrong.
    pub faults: Faults,
    /// Counters.
    pub stats: Stats,
    /// Profile pictures.
    pub pictures: Gallery,
    /// When phones act.
    pub phone_clock: PhoneClock,
    /// Encrypted files.
    pub media: MediaStore,
    /// Calls.
    pub calls: Calls,
    media_authority: String,
    server: RwLock<Arc<ServerIdentity>>,
    rotations: AtomicU64,
    stanzas: AtomicU64,
    sockets: AtomicU64,
    messages: AtomicU64,
}

impl Network {
    /// Starts a network on the configured addresses.
    ///
    /// # Errors
    /// An address cannot be listened on, or the media store's certificate or folder cannot be made.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        let protocol = TcpListener::bind(config.protocol_address).await?;
        let http = TcpListener::bind(config.http_address).await?;
        let media = TcpListener::bind(config.media_address).await?;
        let upstream = match config.upstream_address {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let media_address = media.local_addr()?;
        let seed = Seed::new(config.seed.clone());
        let certificates = Certificates::derive(&seed)?;
        if let Some(file) = &config.media_ca_file {
            std::fs::write(file, &certificates.authority)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        let (phone_clock, ticks) = PhoneClock::new(config.phone_delay);
        let network = Arc::new(Self {
            accounts: Directory::default(),
            groups: Groups::default(),
            newsletters: Newsletters::default(),
            pairings: Pairings::default(),
            ledger: Ledger::new(config.ledger_limit),
            faults: Faults::default(),
            stats: Stats::default(),
            pictures: Gallery::served_at(format!("http://{}", http.local_addr()?)),
            phone_clock,
            media: MediaStore::new(media_address.to_string(), seed.clone(), config.media_folder.clone())?,
            calls: Calls::default(),
            media_authority: certificates.authority,
            server: RwLock::new(Arc::new(ServerIdentity::derive(&seed, 0))),
            rotations: AtomicU64::new(0),
            stanzas: AtomicU64::new(0),
            sockets: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            seed,
            config,
        });

        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let running = Running {
            protocol_address: protocol.local_addr()?,
            http_address: http.local_addr()?,
            media_address,
            upstream_address: upstream.as_ref().map(TcpListener::local_addr).transpose()?,
            network: Arc::clone(&network),
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(until(
            stop.clone(),
            crate::phone::clock::run(Arc::clone(&network), ticks),
        ));
        tasks.spawn(until(
            stop.clone(),
            accept_clients(Arc::clone(&network), protocol, stop.clone(), tasks.clone()),
        ));
        let tls = TlsAcceptor::from(certificates.server);
        if let Some(upstream) = upstream {
            let targets = crate::upstream::Targets {
                protocol: running.protocol_address,
                http: running.http_address,
            };
            tasks.spawn(crate::upstream::serve(upstream, tls.clone(), targets, stop.clone()));
        }
        tasks.spawn(crate::media::server::serve(
            Arc::clone(&network),
            media,
            tls,
            stop.clone(),
        ));
        tasks.spawn(crate::http::serve(network, http, stop));
        tasks.close();
        Ok(running)
    }

    /// The current key and certificates.
    pub fn server_identity(&self) -> Arc<ServerIdentity> {
        Arc::clone(&self.server.read())
    }

    /// The certificate of the media store's authority, in PEM: its clients must trust it.
    pub fn media_authority(&self) -> &str {
        &self.media_authority
    }

    /// Replaces the static key; clients that remember the old one fall back to the full handshake.
    pub fn rotate_certificate(&self) {
        let rotations = self.rotations.fetch_add(1, Ordering::Relaxed) + 1;
        *self.server.write() = Arc::new(ServerIdentity::derive(&self.seed, rotations));
    }

    /// A connection's number, never used before.
    pub fn next_socket_id(&self) -> SocketId {
        SocketId(self.sockets.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// An identifier for a stanza that the server begins.
    pub fn next_stanza_id(&self) -> String {
        format!("{}", 1_000_000 + self.stanzas.fetch_add(1, Ordering::Relaxed))
    }

    /// An identifier for a message that a phone sends, in the form that clients use: `3EB0` and 18 hexadecimal digits.
    pub fn next_message_id(&self) -> String {
        let count = self.messages.fetch_add(1, Ordering::Relaxed);
        let bytes = self.seed.bytes("message id", &[count]);
        format!("3EB0{}", hex::encode_upper(&bytes[..9]))
    }

    /// The beginning of a notification of this type.
    pub fn notification(&self, kind: &str, from: impl Into<wacore_binary::NodeValue>) -> NodeBuilder {
        NodeBuilder::new("notification")
            .attr("from", from)
            .attr("type", kind)
            .attr("id", self.next_stanza_id())
            .attr("t", crate::clock::unix_seconds())
    }
}

/// A network that runs until it is stopped or dropped.
pub struct Running {
    network: Arc<Network>,
    protocol_address: SocketAddr,
    http_address: SocketAddr,
    media_address: SocketAddr,
    upstream_address: Option<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// The network itself.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Where clients connect.
    pub fn protocol_address(&self) -> SocketAddr {
        self.protocol_address
    }

    /// The WebSocket address for clients.
    pub fn protocol_url(&self) -> String {
        format!("ws://{}/ws/chat", self.protocol_address)
    }

    /// The address of the HTTP interface.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http_address)
    }

    /// Where everything is offered on one port with TLS, if it is.
    pub fn upstream_address(&self) -> Option<SocketAddr> {
        self.upstream_address
    }

    /// Where the media store listens.
    pub fn media_address(&self) -> SocketAddr {
        self.media_address
    }

    /// The certificate root's public key, in hexadecimal.
    pub fn root_key(&self) -> String {
        hex::encode(self.network.server_identity().root_public_key)
    }

    /// Closes all connections and waits for the tasks to end.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(STOPPING_TIME, self.tasks.wait()).await.is_err() {
            tracing::warn!(remaining = self.tasks.len(), "some tasks did not end in time");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn accept_clients(network: Arc<Network>, listener: TcpListener, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if network.faults.refuses_connections(None) => drop(stream),
            Ok((stream, _)) => {
                let serving = crate::socket::serve(Arc::clone(&network), stream);
                tasks.spawn(until(stop.clone(), serving));
            }
            Err(error) => {
                // Mostly "too many open files": wait until some are closed.
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
