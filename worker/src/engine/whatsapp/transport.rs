//! A session's connection to WhatsApp, with the session's gate in front of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use url::Url;
use wacore::net::{Transport, TransportEvent, TransportFactory};

use super::dial::Dialer;
use super::pacer::Pacer;
use crate::engine::{EngineEvent, EngineSession, Listener};
use crate::gate::Gate;

/// How long one frame may take to leave. The library's own writes are not bounded.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// The library gives up on a connection after 20 s in all; whoever would have to wait longer than this for its moment tries again later.
const PACER_PATIENCE: Duration = Duration::from_secs(10);

/// Makes a session's connections, one after another.
pub(super) struct GatedTransportFactory {
    dialer: Arc<Dialer>,
    pacer: Pacer,
    proxy: Option<String>,
    gate: Gate,
    listener: Arc<dyn Listener>,
    failures: AtomicU32,
    current: Mutex<Weak<GatedTransport>>,
}

impl GatedTransportFactory {
    pub(super) fn new(dialer: Arc<Dialer>, pacer: Pacer, session: &EngineSession, listener: Arc<dyn Listener>) -> Self {
        Self {
            dialer,
            pacer,
            proxy: session.settings.proxy.as_ref().map(|proxy| proxy.url.clone()),
            gate: session.gate.clone(),
            listener,
            failures: AtomicU32::new(0),
            current: Mutex::new(Weak::new()),
        }
    }

    /// Notes that WhatsApp talks to us: the attempts before no longer count as failures.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Closes the connection that is open now, if there is one.
    pub(super) async fn close(&self, patience: Duration) {
        let current = self.current.lock().upgrade();
        if let Some(transport) = current
            && tokio::time::timeout(patience, transport.inner.disconnect())
                .await
                .is_err()
        {
            tracing::debug!("a socket did not say goodbye in time");
        }
    }
}

#[async_trait]
impl TransportFactory for GatedTransportFactory {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        self.gate.wait_for_authority().await?;
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        self.listener.event(EngineEvent::Connecting { failures });
        anyhow::ensure!(
            self.pacer.wait(PACER_PATIENCE).await,
            "too many sessions connect at once"
        );
        let proxy: Option<Url> = self
            .proxy
            .as_deref()
            .map(str::parse)
            .transpose()
            .context("the proxy's URL cannot be read")?;
        let (inner, events) = self.dialer.dial(proxy.as_ref()).await.inspect_err(|error| {
            tracing::info!(error = format!("{error:#}"), "no connection to WhatsApp");
        })?;
        let transport = Arc::new(GatedTransport {
            inner,
            gate: self.gate.clone(),
        });
        *self.current.lock() = Arc::downgrade(&transport);
        // The gate may have closed while we were dialling, and whoever closed it has not seen this socket.
        if let Some(closed) = self.gate.closed() {
            transport.inner.disconnect().await;
            return Err(closed.into());
        }
        Ok((transport, events))
    }
}

/// One connection.
struct GatedTransport {
    inner: Arc<dyn Transport>,
    gate: Gate,
}

#[async_trait]
impl Transport for GatedTransport {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        if let Err(closed) = self.gate.pass().await {
            self.disconnect().await;
            return Err(closed.into());
        }
        tokio::time::timeout(WRITE_TIMEOUT, self.inner.send(data))
            .await
            .context("the socket takes nothing")?
    }

    async fn disconnect(&self) {
        if tokio::time::timeout(Duration::from_secs(1), self.inner.disconnect())
            .await
            .is_err()
        {
            tracing::debug!("a socket did not say goodbye in time");
        }
    }
}
