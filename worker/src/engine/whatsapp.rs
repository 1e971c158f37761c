//! The engine on whatsapp-rust: the only module that knows the library.
//!
//! - [`dial`] opens connections (`TCP_NODELAY`, one TLS configuration for all, the session's proxy), [`transport`] puts the session's gate in front
//!   of them, [`tasks`] keeps the library's tasks together so that they can be ended.
//! - [`state`] is the library's store, on Postgres.
//! - [`incoming`] and [`outgoing`] translate between its types and ours.
//!
//! Facts about the library (version 0.7.0) that shape this module: a `Client` is dead after `disconnect`, so each opening builds a new one; it sends
//! up to 63 messages to a contact without touching the store, so a lost claim must close the socket, not only the store; a handler runs on
//! the library's own task and must neither block nor panic; a failed store write is survived by nothing but a fresh start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use parking_lot::Mutex;
use shared::address::Address;
use shared::command::SendMessage;
use shared::ids::TenantId;
use shared::operation::{MessageOperation, Operation};
use shared::query::Lookup;
use shared::session::SessionSettings;
use shared::store::records::Account;
use wacore::store::traits::{Backend, DeviceStore as _};
use wacore::types::events::EventInterest;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::store::commands::DeviceCommand;
use whatsapp_rust::store::persistence_manager::PersistenceManager;
use whatsapp_rust::{CacheConfig, CacheEntryConfig, Client, Jid, RawNodeLease};

use crate::engine::{
    EndReason, Engine, EngineEvent, EngineFactory, EngineSession, Listener, MediaError, MediaSink, OpenError,
    OperationError, PairingError, Person, RemoteMedia, RemoteMessage, SendError,
};
use crate::gate::{Closed, Gate};

pub mod dial;
mod foreign;
mod group_queries;
mod groups;
mod http;
mod incoming;
mod lookups;
pub mod media;
mod operations;
mod outgoing;
mod outgoing_status;
pub mod pacer;
mod secrets;
pub mod state;
mod tasks;
mod transport;
pub mod version;

use dial::Dialer;
use http::Web;
use incoming::{Habits, Handler, Hook};
use media::Uploads;
use pacer::Pacer;
use state::ProtocolState;
use tasks::SessionTasks;
pub(crate) use tasks::panic_text;
use transport::GatedTransportFactory;
use version::VersionSource;

/// How long an orderly close may take before everything is ended by force. The library's own steps are bounded by about 15 s, all but one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the request to unlink may take.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a socket may take to say goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a pairing code works, by WhatsApp's rules (wacore/src/pair_code.rs: 180 s).
const PAIRING_CODE_LIFETIME: Duration = Duration::from_secs(180);
/// How often the device is saved besides at every change.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// What all sessions of a worker share.
pub struct WhatsApp {
    /// Connections for protocol state.
    pub pool: Pool,
    /// Opens connections to WhatsApp.
    pub dialer: Arc<Dialer>,
    /// Spreads connections over time.
    pub pacer: Pacer,
    /// Which version of WhatsApp Web to be.
    pub version: VersionSource,
    /// The name under which the phone lists this device.
    pub device_name: String,
    /// Uploads files.
    pub uploads: Uploads,
}

impl std::fmt::Debug for WhatsApp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WhatsApp")
    }
}

/// Caches sized for thousands of sessions in one process. The library's defaults are for one: they would keep megabytes for each.
fn cache_config() -> CacheConfig {
    let hour = Some(Duration::from_secs(3600));
    CacheConfig {
        group_cache: CacheEntryConfig::new(hour, 30),
        device_registry_cache: CacheEntryConfig::new(hour, 300),
        message_retry_counts: CacheEntryConfig::new(hour, 200),
        undecryptable_dispatched: CacheEntryConfig::new(Some(Duration::from_secs(300)), 200),
        pdo_requested: CacheEntryConfig::new(Some(Duration::from_secs(24 * 3600)), 128),
        sender_key_devices_cache: CacheEntryConfig::new(hour, 50),
        session_recreate_history: CacheEntryConfig::new(hour, 64),
        session_locks_capacity: 500,
        chat_lanes_capacity: 32,
        group_distribution_locks_capacity: 64,
        resend_rate_limiter_capacity: 64,
        seed_msg_secrets_from_history: false,
        ..CacheConfig::default()
    }
}

#[async_trait]
impl EngineFactory for WhatsApp {
    async fn open(&self, session: EngineSession, listener: Arc<dyn Listener>) -> Result<Arc<dyn Engine>, OpenError> {
        let state = ProtocolState::new(self.pool.clone(), &session);
        let fenced_or = |gate: &Gate, error: anyhow::Error| match gate.closed() {
            Some(Closed::Fenced) => OpenError::Fenced,
            _ => OpenError::Other(error),
        };
        if let Some(credentials) = &session.import {
            let device = state::import(credentials).map_err(OpenError::State)?;
            state
                .save(&device)
                .await
                .map_err(|error| fenced_or(&session.gate, error.into()))?;
        }
        let backend: Arc<dyn Backend> = state;
        let persistence = PersistenceManager::new(backend)
            .await
            .map_err(|error| fenced_or(&session.gate, error.into()))?;
        let persistence = Arc::new(persistence);
        // Not stored by the library, so applied at every start. The phone shows this name in its list of linked devices.
        persistence
            .process_command(DeviceCommand::SetDeviceProps(outgoing::device_properties(
                &self.device_name,
                session.settings.history.days,
            )))
            .await;

        let tasks = SessionTasks::new(Arc::clone(&listener));
        let closing = Arc::new(AtomicBool::new(false));
        let transports = Arc::new(GatedTransportFactory::new(
            Arc::clone(&self.dialer),
            self.pacer.clone(),
            &session,
            Arc::clone(&listener),
        ));
        let proxy = session.settings.proxy.as_ref().map(|proxy| proxy.url.as_str());
        let web = Web::through(proxy, self.dialer.policy());
        let client = Client::builder()
            .with_runtime_arc(tasks.runtime())
            .with_persistence_manager(Arc::clone(&persistence))
            .with_transport_factory_arc(Arc::clone(&transports) as _)
            .with_http_client(web.for_engine())
            .with_cache_config(cache_config())
            .with_version_override(self.version.current())
            .with_inbound_durability_hook(Hook::new(Arc::clone(&listener)))
            .with_skip_history_sync(session.settings.history.days == 0)
            .with_background_saver_interval(SAVE_INTERVAL)
            .build()
            .await
            .map_err(|error| fenced_or(&session.gate, error.into()))?
            .into_client();
        // Otherwise messages that reach us while the account does not show as online would never be reported to their senders as delivered.
        client.set_force_active_delivery_receipts(true);

        let habits = Arc::new(Habits::of(&session.settings));
        let handler = Handler::new(
            Arc::downgrade(&client),
            Arc::clone(&persistence),
            Arc::clone(&listener),
            Arc::clone(&transports),
            Arc::clone(&closing),
            tasks.clone(),
            Arc::clone(&habits),
        );
        client.subscribe(EventInterest::ALL, Arc::new(handler)).detach();
        let stanzas = (!session.settings.ignore.statuses).then(|| client.acquire_raw_node_forwarding());
        let running = Arc::clone(&client);
        let ending = Arc::clone(&listener);
        tasks.spawn(async move {
            running.run().await;
            ending.event(EngineEvent::Ended(EndReason::Closed));
        });
        Ok(Arc::new(WhatsAppEngine {
            client,
            stanzas: Mutex::new(stanzas),
            transports,
            tasks,
            closing,
            gate: session.gate,
            tenant: session.tenant,
            uploads: self.uploads.clone(),
            web,
            habits,
            listener,
        }))
    }
}

/// One session's running client.
struct WhatsAppEngine {
    client: Arc<Client>,
    /// Keeps the library handing over stanzas: who has seen a post is only in the stanza itself.
    stanzas: Mutex<Option<RawNodeLease>>,
    transports: Arc<GatedTransportFactory>,
    tasks: SessionTasks,
    /// Set before we end the session ourselves, so that the library's report of it is not taken for WhatsApp's doing.
    closing: Arc<AtomicBool>,
    gate: Gate,
    tenant: TenantId,
    uploads: Uploads,
    /// How files come and go.
    web: Web,
    habits: Arc<Habits>,
    /// Is told what operations and look-ups find out besides.
    listener: Arc<dyn Listener>,
}

impl Drop for WhatsAppEngine {
    /// However a session ends, nothing of its client outlives it.
    fn drop(&mut self) {
        self.gate.close(Closed::Ended);
        self.tasks.cancel();
    }
}

impl WhatsAppEngine {
    /// Whether the recipient exists, asked only about people whom this session has never dealt with: the library would otherwise report
    /// success for a message to nobody.
    async fn check_recipient(&self, to: &Jid) -> Result<(), SendError> {
        let known = self
            .client
            .get_lid_pn_entry(to)
            .await
            .map_err(|error| SendError::Failed(error.to_string()))?;
        if known.is_some() || !to.is_pn() {
            return Ok(());
        }
        let found = self
            .client
            .contacts()
            .is_on_whatsapp(std::slice::from_ref(to))
            .await
            .map_err(|error| SendError::Failed(error.to_string()))?;
        if found.iter().any(|result| result.is_registered) {
            Ok(())
        } else {
            Err(SendError::NotOnWhatsapp)
        }
    }
}

#[async_trait]
impl Engine for WhatsAppEngine {
    async fn send(&self, message: &SendMessage) -> Result<(), SendError> {
        if !self.client.is_logged_in() {
            return Err(SendError::NotConnected);
        }
        if message.to == Address::Status {
            let media = self
                .uploads
                .prepare(&self.client, &self.web, self.tenant, &message.content)
                .await?;
            return outgoing_status::send(&self.client, message, media.as_ref()).await;
        }
        let to = outgoing::jid(&message.to).map_err(SendError::Refused)?;
        if message.to.is_person() {
            self.check_recipient(&to).await?;
        }
        let media = self
            .uploads
            .prepare(&self.client, &self.web, self.tenant, &message.content)
            .await?;
        outgoing::send(&self.client, to, message, media.as_ref()).await
    }

    async fn perform(&self, operation: &Operation) -> Result<serde_json::Value, OperationError> {
        if !self.client.is_logged_in() {
            return Err(OperationError::NotConnected);
        }
        let read_receipts = self.habits.read_receipts.load(Ordering::Relaxed);
        let result = operations::perform(&self.client, &self.listener, operation, read_receipts).await?;
        if let Operation::Message(MessageOperation::Star { chat, message, starred }) = operation {
            // The library tells only of stars that other devices set.
            self.listener.event(EngineEvent::Starred {
                chat: Person {
                    address: chat.clone(),
                    alternative: None,
                },
                message: message.clone(),
                starred: *starred,
            });
        }
        Ok(result)
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<serde_json::Value, OperationError> {
        if !self.client.is_logged_in() {
            return Err(OperationError::NotConnected);
        }
        lookups::look_up(&self.client, &self.listener, lookup).await
    }

    async fn download_media(&self, remote: &RemoteMedia, sink: &mut dyn MediaSink) -> Result<Vec<u8>, MediaError> {
        if !self.client.is_logged_in() {
            return Err(MediaError::NotConnected);
        }
        media::download(&self.client, &self.web, remote, sink).await
    }

    async fn request_media(&self, remote: &RemoteMedia, message: &RemoteMessage) -> Result<String, MediaError> {
        if !self.client.is_logged_in() {
            return Err(MediaError::NotConnected);
        }
        media::request_again(&self.client, remote, message).await
    }

    fn apply(&self, settings: &SessionSettings) {
        self.habits.follow(settings);
        let mut stanzas = self.stanzas.lock();
        if settings.ignore.statuses {
            *stanzas = None;
        } else if stanzas.is_none() {
            *stanzas = Some(self.client.acquire_raw_node_forwarding());
        }
    }

    async fn request_pairing_code(&self, number: &str) -> Result<(String, Duration), PairingError> {
        if self.client.persistence_manager().get_device_snapshot().is_registered() {
            return Err(PairingError::AlreadyPaired);
        }
        self.client
            .wait_for_socket(Duration::from_secs(10))
            .await
            .map_err(|_| PairingError::NotConnected)?;
        // A code that is still live would be refused; whoever asks again wants a new one.
        self.client.cancel_pair_code().await;
        let options = PairCodeOptions {
            phone_number: number.to_owned(),
            ..PairCodeOptions::default()
        };
        let code = self
            .client
            .pair_with_code(options)
            .await
            .map_err(|error| PairingError::Refused(error.to_string()))?;
        Ok((code, PAIRING_CODE_LIFETIME))
    }

    async fn logout(&self) {
        self.closing.store(true, Ordering::Release);
        if tokio::time::timeout(LOGOUT_TIMEOUT, self.client.logout())
            .await
            .is_err()
        {
            tracing::warn!("unlinking took too long: ending the connection");
        }
        self.kill().await;
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        if tokio::time::timeout(CLOSE_TIMEOUT, self.client.disconnect())
            .await
            .is_err()
        {
            tracing::warn!("closing took too long: ending the connection by force");
        }
        self.kill().await;
    }

    async fn kill(&self) {
        self.closing.store(true, Ordering::Release);
        self.gate.close(Closed::Ended);
        self.transports.close(GOODBYE_TIMEOUT).await;
        self.tasks.end().await;
    }
}

/// The account as the library knows it right now.
fn account(persistence: &PersistenceManager) -> Option<Account> {
    let device = persistence.get_device_snapshot();
    let pn = device.pn.as_ref()?;
    Some(Account {
        jid: pn.to_string(),
        phone: Some(pn.user.to_string()),
        lid: device.lid.as_ref().map(|lid| lid.user.to_string()),
        push_name: (!device.push_name.is_empty()).then(|| foreign::foreign(&device.push_name)),
    })
}
