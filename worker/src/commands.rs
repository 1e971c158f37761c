//! Commands over the broker: from this worker's consumer to the sessions that it holds.
//!
//! The broker only carries; the row in Postgres is the command. So a message is acknowledged as soon as its session knows of it, a full mailbox is told
//! to look into the database, a session that moved gets its command handed on, and whatever is lost on the way is found by the holder's sweep.
//! What cannot be decoded goes to the dead letters and never comes back.

use std::time::Duration;

use async_nats::jetstream::{self, AckKind};
use futures::StreamExt as _;
use shared::broker::Broker;
use shared::command::Envelope;
use shared::ids::WorkerId;
use shared::store::Store;
use shared::subject;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::session::Letter;
use crate::supervisor::Held;

/// Messages that one pull brings at most.
const BATCH: usize = 256;
/// How long one pull waits for messages.
const PULL: Duration = Duration::from_secs(20);
/// How long to wait before trying again to reach the broker.
const RETRY: Duration = Duration::from_millis(500);
/// How often commands that the broker did not bring are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How old a command must be for that: the broker usually needs milliseconds.
const OVERDUE: Duration = Duration::from_secs(2);

/// Brings commands to their sessions.
#[derive(Debug, Clone)]
pub struct Commands {
    /// The broker.
    pub broker: Broker,
    /// The database.
    pub store: Store,
    /// The sessions.
    pub held: Held,
    /// This worker.
    pub worker: WorkerId,
}

impl Commands {
    /// Consumes until `stop` is cancelled.
    ///
    /// # Errors
    /// Never; the signature is that of an essential task.
    pub async fn consume(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                result = self.pull() => if let Err(error) = result {
                    tracing::debug!(error = format!("{error:#}"), "commands are not brought right now");
                },
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn pull(&self) -> anyhow::Result<()> {
        // The streams may be gone with the broker's store.
        self.broker.ensure_streams().await?;
        let consumer = self.broker.command_consumer(self.worker).await?;
        loop {
            let mut messages = consumer.batch().max_messages(BATCH).expires(PULL).messages().await?;
            while let Some(message) = messages.next().await {
                let message = message.map_err(|error| anyhow::anyhow!(error))?;
                self.deliver(&message).await?;
            }
        }
    }

    async fn deliver(&self, message: &jetstream::Message) -> anyhow::Result<()> {
        let envelope = match Envelope::decode(&message.payload) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::error!(%error, bytes = message.payload.len(), "a command cannot be decoded: to the dead letters");
                metrics::command_received("undecodable");
                let dead = subject::dead_commands(self.broker.region());
                let id = format!(
                    "dead-{}",
                    message.info().map(|info| info.stream_sequence).unwrap_or_default()
                );
                self.broker.publish(dead, &id, message.payload.clone()).await?;
                return settle(message, AckKind::Term).await;
            }
        };
        match self.held.get(&envelope.session) {
            Some(session) => {
                let told = session.tell(Letter::Command(Box::new(envelope)));
                if !told && !session.tell(Letter::Behind) {
                    tracing::debug!(session = %session.lease.session, "its mailbox is full: the sweep will tell it");
                }
                metrics::command_received(if told { "delivered" } else { "mailbox_full" });
            }
            None => self.hand_on(envelope).await?,
        }
        settle(message, AckKind::Ack).await
    }

    /// The session is not here (any more): its holder, if there is another one, gets the command. If nobody holds it, the next holder reads it
    /// from the database.
    async fn hand_on(&self, envelope: Envelope) -> anyhow::Result<()> {
        let holder = self.store.holder_of(envelope.session).await?;
        let Some(holder) = holder.filter(|holder| *holder != self.worker) else {
            metrics::command_received("no_holder");
            return Ok(());
        };
        metrics::command_received("handed_on");
        // Another message id: the stream would take the command's own for a repeat.
        let id = format!("{}-{holder}", envelope.id);
        self.broker
            .publish(
                subject::commands_of(self.broker.region(), holder),
                &id,
                envelope.encode().into(),
            )
            .await?;
        Ok(())
    }

    /// Looks for commands that the broker did not bring, until `stop` is cancelled.
    ///
    /// # Errors
    /// Never; the signature is that of an essential task.
    pub async fn sweep(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut interval = tokio::time::interval(SWEEP_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = interval.tick() => {}
            }
            match self.store.overdue_sessions(self.worker, OVERDUE).await {
                Ok(sessions) => {
                    for session in sessions.iter().filter_map(|session| self.held.get(session)) {
                        // If there is no room now, there will be at a later sweep.
                        let _told = session.tell(Letter::Behind);
                    }
                }
                Err(error) => tracing::debug!(%error, "overdue commands are looked for later"),
            }
        }
    }
}

async fn settle(message: &jetstream::Message, kind: AckKind) -> anyhow::Result<()> {
    message.ack_with(kind).await.map_err(|error| anyhow::anyhow!(error))
}
