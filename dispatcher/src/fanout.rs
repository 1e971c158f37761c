//! From the broker to rows: every event becomes one delivery per webhook that wants it.
//!
//! An event is acknowledged only after its deliveries are committed. What this process can attempt at once it leases in the same statement;
//! everything else is parked as due rows, so no event ever waits here for a receiver. An event that comes twice makes no second delivery.
//! While the database is away nothing is acknowledged and nothing is read; the broker keeps it all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use futures::StreamExt as _;
use shared::broker::Broker;
use shared::ids::{DeliveryId, DispatcherId, WebhookId};
use shared::lifecycle::Shutdown;
use shared::store::deliveries::{NewDelivery, Target};
use shared::store::{Store, StoreError};
use shared::subject;

use crate::backoff::Backoff;
use crate::capacity::{Capacity, Slot};
use crate::delivery::{Deliverer, Delivery};
use crate::directory::Directory;
use crate::incoming::{IncomingEvent, Undecodable};
use crate::metrics;

/// So many events are recorded in one statement.
const BATCH: usize = 500;
/// So many bytes of events at most; more than the broker lets a single event have.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// So long one request to the broker waits for the first event.
const PULL: Duration = Duration::from_secs(1);
/// A broker that has not even said that there is nothing is gone, or has forgotten us.
const SILENCE: Duration = Duration::from_secs(3);

/// The broker did not answer a request for events.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error("the broker is silent")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the broker cannot be asked")]
    Request(#[from] jetstream::consumer::pull::BatchError),
    #[error("the broker has no events for us")]
    Refused(#[source] async_nats::Error),
}

/// Reads events and records their deliveries.
#[derive(Debug)]
pub(crate) struct Fanout {
    pub(crate) broker: Broker,
    pub(crate) store: Store,
    pub(crate) directory: Arc<Directory>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) deliverer: Arc<Deliverer>,
    /// In whose name deliveries are leased, and for how long.
    pub(crate) holder: DispatcherId,
    pub(crate) lease: Duration,
    pub(crate) shutdown: Shutdown,
}

/// A delivery that is to be recorded.
struct Planned<'a> {
    id: DeliveryId,
    event: &'a IncomingEvent,
    target: Arc<Target>,
    /// The room for attempting it at once; `None`: it is parked.
    slot: Option<Slot>,
}

impl Fanout {
    /// Reads and records until the process is asked to stop.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        while let Some(consumer) = self.prepare().await {
            self.consume(&consumer).await;
        }
        Ok(())
    }

    /// The region's consumer, created if need be; tries until the broker is there. `None`: the process stops.
    async fn prepare(&self) -> Option<PullConsumer> {
        let mut backoff = Backoff::new();
        while !self.shutdown.is_stopping() {
            let prepared = async {
                self.broker.ensure_streams().await?;
                self.broker.event_consumer().await
            };
            let error = tokio::select! {
                () = self.shutdown.soft().cancelled() => return None,
                prepared = prepared => match prepared {
                    Ok(consumer) => return Some(consumer),
                    Err(error) => anyhow::Error::from(error),
                }
            };
            tracing::warn!(error = format!("{error:#}"), "events cannot be read yet");
            tokio::select! {
                () = self.shutdown.soft().cancelled() => return None,
                () = backoff.pause() => {}
            }
        }
        None
    }

    /// Reads until the consumer is of no use any more or the process stops.
    async fn consume(&self, consumer: &PullConsumer) {
        while !self.shutdown.is_stopping() {
            // A request that is under way is waited for also when stopping: what the broker sends to nobody comes back only much later.
            match pull(consumer).await {
                Ok(messages) => self.process(messages).await,
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "lost the events: preparing to read them again"
                    );
                    return;
                }
            }
        }
    }

    async fn process(&self, messages: Vec<jetstream::Message>) {
        metrics::events(messages.len());
        let mut events = Vec::with_capacity(messages.len());
        let mut decoded = Vec::with_capacity(messages.len());
        for message in messages {
            match IncomingEvent::decode(self.broker.region(), &message.subject, &message.payload) {
                Ok(event) => {
                    events.push(event);
                    decoded.push(message);
                }
                Err(error) => self.bury(&message, error).await,
            }
        }
        if !self.record_until_done(&events).await {
            return;
        }
        for message in decoded {
            if let Err(error) = message.ack().await {
                tracing::debug!(%error, "an acknowledgement was lost: the event comes again");
            }
        }
    }

    /// Puts an undecodable event where a person finds it, and out of the way.
    async fn bury(&self, message: &jetstream::Message, error: Undecodable) {
        metrics::dead_letter();
        tracing::error!(%error, subject = %message.subject, "an event cannot be decoded");
        let id = match message.info() {
            Ok(info) => format!(
                "event-{}-{}",
                info.stream_sequence,
                info.published.unix_timestamp_nanos()
            ),
            Err(_) => format!("event-{}", uuid::Uuid::now_v7()),
        };
        let subject = subject::dead_events(self.broker.region());
        if let Err(error) = self.broker.publish(subject, &id, message.payload.clone()).await {
            tracing::warn!(%error, "a dead letter was not stored: the event comes again");
            return;
        }
        if let Err(error) = message.ack().await {
            tracing::debug!(%error, "an acknowledgement was lost: the event comes again");
        }
    }

    /// Records events, as often as it takes. Answers whether it is done; if not, the process stops and the broker keeps the events.
    async fn record_until_done(&self, events: &[IncomingEvent]) -> bool {
        if events.is_empty() {
            return true;
        }
        let mut backoff = Backoff::new();
        loop {
            let Err(error) = self.record(events).await else {
                return true;
            };
            let unavailable = error.is_unavailable();
            let error = format!("{:#}", anyhow::Error::from(error));
            if unavailable {
                tracing::warn!(error, events = events.len(), "deliveries cannot be recorded yet");
            } else {
                // Everything of an event that reaches a statement was checked when it was decoded, so the fault is ours (or the schema's) and
                // not the event's: nothing is thrown away.
                tracing::error!(error, events = events.len(), "deliveries cannot be recorded");
            }
            tokio::select! {
                () = self.shutdown.soft().cancelled() => return false,
                () = backoff.pause() => {}
            }
        }
    }

    /// Records the deliveries of some events in one statement, and starts those that it could lease.
    async fn record(&self, events: &[IncomingEvent]) -> Result<(), StoreError> {
        let planned = self.plan(events).await?;
        if planned.is_empty() {
            return Ok(());
        }
        let rows: Vec<NewDelivery<'_>> = planned.iter().map(Planned::row).collect();
        let recorded = self.store.record_deliveries(self.holder, self.lease, &rows).await?;
        let leases: HashMap<_, _> = recorded.leases.iter().map(|lease| (lease.delivery, *lease)).collect();
        let parked: Vec<WebhookId> = planned
            .iter()
            .filter(|planned| planned.slot.is_none())
            .map(|planned| planned.target.webhook)
            .collect();
        metrics::recorded(recorded.new, parked.len());
        self.capacity.parked(parked);
        for planned in planned {
            // Without a lease the event was recorded before, and somebody is or was at it.
            let (Some(slot), Some(lease)) = (planned.slot, leases.get(&planned.id)) else {
                continue;
            };
            self.deliverer.start(Delivery {
                lease: *lease,
                target: planned.target,
                event: planned.event.id,
                session: planned.event.session,
                event_type: planned.event.event_type.clone(),
                body: planned.event.body.clone(),
                attempts: 0,
                slot,
            });
        }
        Ok(())
    }

    async fn plan<'a>(&self, events: &'a [IncomingEvent]) -> Result<Vec<Planned<'a>>, StoreError> {
        let listeners = self
            .directory
            .listeners(events.iter().map(|event| event.tenant))
            .await?;
        let mut planned = Vec::new();
        for event in events {
            let Some(listeners) = listeners.get(&event.tenant) else {
                continue;
            };
            for target in listeners.wanting(event.session, &event.event_type) {
                if !event.is_told_in(target.format) {
                    continue;
                }
                let slot = if self.shutdown.is_stopping() {
                    None
                } else {
                    self.capacity.take_for_new(target.webhook)
                };
                planned.push(Planned {
                    id: DeliveryId::generate(),
                    event,
                    target: Arc::clone(target),
                    slot,
                });
            }
        }
        Ok(planned)
    }
}

impl Planned<'_> {
    fn row(&self) -> NewDelivery<'_> {
        NewDelivery {
            id: self.id,
            tenant: self.event.tenant,
            webhook: self.target.webhook,
            event: self.event.id,
            session: self.event.session,
            event_type: &self.event.event_type,
            body: self.event.text(),
            leased: self.slot.is_some(),
        }
    }
}

/// Waits up to [`PULL`] for a first event, and takes those that are there then, within the limits of a batch.
async fn pull(consumer: &PullConsumer) -> Result<Vec<jetstream::Message>, PullError> {
    let request = consumer
        .fetch()
        .max_messages(BATCH)
        .max_bytes(BATCH_BYTES)
        .expires(PULL);
    let mut batch = request.messages().await?;
    let mut messages = Vec::new();
    loop {
        let next = tokio::time::timeout(SILENCE, batch.next()).await;
        let error = match next {
            Ok(Some(Ok(message))) => {
                messages.push(message);
                continue;
            }
            Ok(None) => return Ok(messages),
            Ok(Some(Err(error))) => PullError::Refused(error),
            Err(silence) => PullError::Silent(silence),
        };
        // What has come is handled first; if the trouble lasts, the next request meets it again.
        return if messages.is_empty() { Err(error) } else { Ok(messages) };
    }
}
