//! Opening a session's engine (its key, its imported credentials, its proxy), and ending it, by force or in order.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use shared::credentials::Credentials;
use shared::seal::DataKey;
use shared::session::{Goal, SessionSettings, SessionStatus};
use shared::store::backlog::open_session_secret;
use shared::store::leases::Release;
use shared::store::records::Account;
use tokio::time::Instant;

use super::recorder::Decision;
use super::{Next, OpenEngine, Session};
use crate::engine::{EngineSession, OpenError};
use crate::gate::Gate;

/// The longest pause before an engine is opened again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Session {
    pub(super) async fn open_engine(&mut self) -> Next {
        self.reopen_at = None;
        let opened = self.try_open().await;
        match opened {
            Ok(open) => {
                self.engine = Some(open);
                self.ask_for_pending_pairing_code();
                Next::Continue
            }
            Err(OpenError::Fenced) => Next::Finish(None),
            Err(OpenError::State(cause)) => {
                tracing::warn!(session = %self.id(), cause, "the session's stored state cannot be used");
                self.recorder
                    .decide(Decision::Status(SessionStatus::Failed, Some("invalid_credentials")));
                Next::Finish(Some(Release::Stop { reached: Goal::Started }))
            }
            Err(OpenError::Other(error)) => {
                tracing::warn!(session = %self.id(), error = format!("{error:#}"), "the engine could not be opened");
                self.reopen_after_pause().await;
                Next::Continue
            }
        }
    }

    async fn try_open(&mut self) -> Result<OpenEngine, OpenError> {
        let context = Arc::clone(&self.context);
        let _turn = context
            .openings
            .acquire()
            .await
            .map_err(|error| OpenError::Other(error.into()))?;
        let key = match &self.key {
            Some(key) => key.clone(),
            None => self.data_key().await?,
        };
        self.key = Some(key.clone());
        let import = self.import()?;
        let gate = Gate::new(self.context.authority.clone(), &self.claim);
        self.engines_opened += 1;
        let number = self.engines_opened;
        let session = EngineSession {
            session: self.id(),
            tenant: self.lease.tenant,
            epoch: self.lease.epoch,
            key,
            settings: self.settings()?,
            import: import.clone(),
            gate: gate.clone(),
        };
        let listener = self.recorder.listener(gate.clone(), number);
        let engine = self.context.engines.open(session, listener).await?;
        *self.current.lock() = Arc::downgrade(&engine);
        if let Some(credentials) = import {
            self.recorder.decide(Decision::Imported(imported_account(&credentials)));
            self.held.imported_credentials = None;
            self.linked = true;
        }
        Ok(OpenEngine { engine, gate, number })
    }

    async fn data_key(&mut self) -> Result<DataKey, OpenError> {
        let wrapped = self.held.wrapped_key.as_deref();
        self.context
            .store
            .data_key(
                &self.context.region_key,
                self.lease.tenant.0,
                self.id(),
                self.lease.epoch,
                wrapped,
            )
            .await
            .map_err(|error| OpenError::Other(error.into()))?
            .ok_or(OpenError::Fenced)
    }

    /// The session's settings with the proxy's complete URL.
    fn settings(&self) -> Result<SessionSettings, OpenError> {
        let mut settings = self.held.settings.clone();
        if let (Some(proxy), Some(sealed)) = (&mut settings.proxy, &self.held.proxy_sealed) {
            let opened = self.open_secret("proxy_sealed", sealed)?;
            proxy.url = String::from_utf8(opened).map_err(|_| OpenError::State("the proxy is not text".to_owned()))?;
        }
        Ok(settings)
    }

    fn import(&self) -> Result<Option<Credentials>, OpenError> {
        let Some(sealed) = &self.held.imported_credentials else {
            return Ok(None);
        };
        let opened = zeroize::Zeroizing::new(self.open_secret("imported_credentials", sealed)?);
        serde_json::from_slice(&opened)
            .map(Some)
            .map_err(|_| OpenError::State("the imported credentials cannot be read".to_owned()))
    }

    fn open_secret(&self, column: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        open_session_secret(
            &self.context.region_key,
            self.lease.tenant.0,
            &self.lease.session,
            column,
            sealed,
        )
        .map(|secret| secret.expose_secret().to_vec())
        .map_err(|error| OpenError::State(format!("{column}: {error}")))
    }

    pub(super) fn connection_lost(&mut self) {
        self.connected = None;
        self.outgoing.lock().connection_lost();
        self.operations.connection_lost();
    }

    pub(super) async fn reopen_after_pause(&mut self) {
        let pause = self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.reopen(pause).await;
    }

    pub(super) async fn reopen(&mut self, pause: Duration) {
        self.end_engine().await;
        self.reopen_at = Some(Instant::now() + pause.mul_f64(1.0 + 0.2 * rand::random::<f64>()));
    }

    /// Ends the engine by force, if one is open.
    pub(super) async fn end_engine(&mut self) {
        // Dropped first: they hold on to the engine.
        self.sending = None;
        self.asking = None;
        self.operations.connection_lost();
        if let Some(open) = self.engine.take() {
            open.engine.kill().await;
        }
        self.connection_lost();
    }

    /// Closes the engine in order, if one is open.
    pub(super) async fn close_engine(&mut self) {
        self.sending = None;
        self.asking = None;
        self.operations.connection_lost();
        if let Some(open) = self.engine.take() {
            open.engine.close().await;
        }
        self.connection_lost();
    }
}

fn imported_account(credentials: &Credentials) -> Account {
    Account {
        jid: format!("{}:{}@s.whatsapp.net", credentials.phone, credentials.device),
        phone: Some(credentials.phone.clone()),
        lid: Some(credentials.lid.clone()),
        push_name: (!credentials.push_name.is_empty()).then(|| credentials.push_name.clone()),
    }
}
