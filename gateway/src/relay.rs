//! Carries commands and hints to the broker after their rows are committed.
//!
//! A request only ever puts something into a bounded queue. Whatever the relay cannot send (the broker is away, or the queue is full) it drops:
//! the row is the command, and workers find it by themselves within seconds.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use shared::broker::Broker;
use shared::command::Envelope;
use shared::ids::{CommandId, WorkerId};
use shared::subject;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// What may wait to be sent.
const QUEUE: usize = 4_096;
/// Commands that are sent and not yet acknowledged.
const IN_FLIGHT: usize = 256;
/// How long the client library may take to accept a message. It waits for ever when its queue is full because the broker is away.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

enum Outgoing {
    Command {
        subject: String,
        id: CommandId,
        payload: Bytes,
    },
    Hint(String),
}

/// The way in. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Relay {
    sender: mpsc::Sender<Outgoing>,
}

/// The task that sends.
pub struct RelayTask {
    receiver: mpsc::Receiver<Outgoing>,
    broker: Broker,
}

/// A relay and its task.
#[must_use]
pub fn new(broker: Broker) -> (Relay, RelayTask) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Relay { sender }, RelayTask { receiver, broker })
}

impl Relay {
    /// Sends a committed command to the worker that holds its session.
    pub fn command(&self, holder: WorkerId, envelope: &Envelope) {
        self.put(Outgoing::Command {
            subject: subject::commands_of(envelope.session.region, holder),
            id: envelope.id,
            payload: envelope.encode().into(),
        });
    }

    /// Sends a hint.
    pub fn hint(&self, subject: String) {
        self.put(Outgoing::Hint(subject));
    }

    fn put(&self, outgoing: Outgoing) {
        if self.sender.try_send(outgoing).is_err() {
            metrics::relay_dropped("queue");
        }
    }
}

impl RelayTask {
    /// Sends until `stop`, then what is still queued as far as the broker takes it at once.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut acknowledgements: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        loop {
            let outgoing = tokio::select! {
                biased;
                Some(()) = acknowledgements.next() => continue,
                outgoing = self.receiver.recv(), if acknowledgements.len() < IN_FLIGHT => outgoing,
                () = stop.cancelled(), if !self.receiver.is_closed() => {
                    self.receiver.close();
                    continue;
                }
            };
            let Some(outgoing) = outgoing else { break };
            if let Some(acknowledgement) = self.send(outgoing).await {
                acknowledgements.push(acknowledgement);
            }
        }
        while acknowledgements.next().await.is_some() {}
    }

    async fn send(&self, outgoing: Outgoing) -> Option<BoxFuture<'static, ()>> {
        if !self.broker.is_connected() {
            metrics::relay_dropped("broker");
            return None;
        }
        match outgoing {
            Outgoing::Hint(subject) => {
                if tokio::time::timeout(SEND_TIMEOUT, self.broker.hint(subject))
                    .await
                    .is_err()
                {
                    metrics::relay_dropped("broker");
                }
                None
            }
            Outgoing::Command { subject, id, payload } => {
                let message_id = id.to_string();
                let sending = self.broker.start_publish(subject, &message_id, payload);
                let Ok(Ok(acknowledgement)) = tokio::time::timeout(SEND_TIMEOUT, sending).await else {
                    metrics::relay_dropped("broker");
                    return None;
                };
                Some(Box::pin(async move {
                    if let Err(error) = acknowledgement.await {
                        tracing::debug!(command.id = %id, %error, "a command was not acknowledged by the broker; the sweep finds it");
                        metrics::relay_dropped("acknowledgement");
                    }
                }))
            }
        }
    }
}
