//! The whole network: its shared state, and how it is started and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wacore_binary::builder::NodeBuilder;

use crate::accounts::Directory;
use crate::faults::Faults;
use crate::groups::Groups;
use crate::keys::Seed;
use crate::ledger::Ledger;
use crate::newsletters::Newsletters;
use crate::pairing::Pairings;
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
}

impl Default for Config {
    fn default() -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            protocol_address: any_port,
            http_address: any_port,
            seed: "rookery".to_owned(),
            phone_delay: Duration::from_millis(20),
            qr_lifetime: Duration::from_secs(60),
            qr_renewal: Duration::from_secs(20),
            code_lifetime: Duration::from_secs(180),
            ledger_limit: 500_000,
            lid_migrated: false,
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
    /// When phones act.
    pub phone_clock: PhoneClock,
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
    /// An address cannot be listened on.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        let protocol = TcpListener::bind(config.protocol_address).await?;
        let http = TcpListener::bind(config.http_address).await?;
        let seed = Seed::new(config.seed.clone());
        let (phone_clock, ticks) = PhoneClock::new(config.phone_delay);
        let network = Arc::new(Self {
            accounts: Directory::default(),
            groups: Groups::default(),
            newsletters: Newsletters::default(),
            pairings: Pairings::default(),
            ledger: Ledger::new(config.ledger_limit),
            faults: Faults::default(),
            stats: Stats::default(),
            phone_clock,
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
        tasks.spawn(crate::http::serve(network, http, stop));
        tasks.close();
        Ok(running)
    }

    /// The current key and certificates.
    pub fn server_identity(&self) -> Arc<ServerIdentity> {
        Arc::clone(&self.server.read())
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
