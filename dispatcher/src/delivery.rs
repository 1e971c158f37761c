//! One attempt of one delivery, from the leased row to the settled row.
//!
//! No transaction is open while the receiver is talked to. What came of it is written down under the lease; if the database is away, it is
//! written down later, and if somebody else has taken the delivery meanwhile, it is dropped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use parking_lot::Mutex;
use shared::broker::Broker;
use shared::event::EventType;
use shared::event::tenant::{TenantEvent, WebhookDisabled};
use shared::ids::{DeliveryId, EventId, SessionId, WebhookId};
use shared::lifecycle::Shutdown;
use shared::store::Store;
use shared::store::deliveries::{DeliveryLease, Settlement, Target};
use shared::subject;

use crate::answer::{Answer, Failure};
use crate::backoff::Backoff;
use crate::capacity::Slot;
use crate::metrics::{self, Outcome};
use crate::request::Subject;
use crate::schedule::Schedule;
use crate::sender::Sender;
use crate::translation::Translator;

/// A leased delivery with everything that its attempt needs.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The right to attempt and settle it.
    pub(crate) lease: DeliveryLease,
    /// Where it goes.
    pub(crate) target: Arc<Target>,
    /// The event.
    pub(crate) event: EventId,
    /// The session that the event is about.
    pub(crate) session: SessionId,
    /// The event's type.
    pub(crate) event_type: String,
    /// The envelope, byte for byte.
    pub(crate) body: Bytes,
    /// How many attempts of its schedule are behind it.
    pub(crate) attempts: usize,
    /// The room it takes.
    pub(crate) slot: Slot,
}

/// Attempts deliveries, each in a task of its own.
#[derive(Debug)]
pub(crate) struct Deliverer {
    store: Store,
    broker: Broker,
    sender: Sender,
    translator: Translator,
    schedule: Schedule,
    shutdown: Shutdown,
    /// Leases of attempts that are under way.
    unsettled: Mutex<HashMap<DeliveryId, DeliveryLease>>,
}

impl Deliverer {
    /// Nothing is under way. `schedule` is that of webhooks without their own.
    pub(crate) fn new(
        store: Store,
        broker: Broker,
        sender: Sender,
        translator: Translator,
        schedule: Schedule,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            store,
            broker,
            sender,
            translator,
            schedule,
            shutdown,
            unsettled: Mutex::default(),
        }
    }

    /// Starts an attempt. The process waits for it when it stops.
    pub(crate) fn start(self: &Arc<Self>, delivery: Delivery) {
        self.unsettled.lock().insert(delivery.lease.delivery, delivery.lease);
        let deliverer = Arc::clone(self);
        self.shutdown
            .spawn(async move { Box::pin(deliverer.deliver(delivery)).await });
    }

    async fn deliver(&self, delivery: Delivery) {
        let answer = match self.translator.told(delivery.target.format, &delivery.body).await {
            Ok(told) if told.bodies.is_empty() => Answer::unsent(None),
            Ok(told) => {
                let subject = Subject {
                    event: delivery.event,
                    event_type: told.event_type.unwrap_or(&delivery.event_type),
                    session: &told.session.unwrap_or_else(|| delivery.session.to_string()),
                    part: 0,
                };
                self.sender.attempt(&delivery.target, subject, &told.bodies).await
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(delivery.id = %delivery.lease.delivery, error, "an event cannot be told yet");
                Answer::unsent(Some(Failure::Translation))
            }
        };
        delivery.slot.answered(answer.failure.is_none_or(Failure::answered));
        let settlement = match &delivery.target.retry_schedule {
            Some(own) => answer.settlement(&Schedule::from_seconds(own), delivery.attempts, rand::random()),
            None => answer.settlement(&self.schedule, delivery.attempts, rand::random()),
        };
        let settled = self.settle(&delivery, &answer, settlement).await;
        self.unsettled.lock().remove(&delivery.lease.delivery);
        report(&delivery, &answer, settlement, settled);
        if settled && settlement == Settlement::Gone {
            // The other dispatchers are to stop sending to it too.
            self.broker.hint(subject::webhook_hint(self.broker.region())).await;
            self.announce_disabled(&delivery).await;
        }
    }

    /// Tells the tenant's other webhooks that this one gets nothing any more. The webhook itself says so too, so this is tried once.
    async fn announce_disabled(&self, delivery: &Delivery) {
        let webhook = delivery.target.webhook;
        if let Err(error) = self.announce(webhook).await {
            let error = format!("{error:#}");
            tracing::warn!(webhook.id = %webhook, error, "nobody was told that a webhook is disabled");
        }
    }

    async fn announce(&self, webhook: WebhookId) -> anyhow::Result<()> {
        let Some(tenant) = self.store.tenant_of_webhook(webhook).await? else {
            return Ok(());
        };
        let data = WebhookDisabled {
            webhook_id: webhook,
            reason: "gone".to_owned(),
        };
        let region = self.broker.region();
        let event = TenantEvent::new(region, tenant, EventType::WebhookDisabled, Utc::now(), &data)?;
        self.store.announce(tenant, &event, None, Duration::ZERO).await?;
        Ok(())
    }

    /// Writes down what came of an attempt, as soon as the database is there. Answers whether it counted.
    async fn settle(&self, delivery: &Delivery, answer: &Answer, settlement: Settlement) -> bool {
        let attempt = answer.attempt();
        let mut backoff = Backoff::new();
        loop {
            match self.store.settle_delivery(&delivery.lease, &attempt, settlement).await {
                Ok(settled) => return settled,
                Err(error) if error.is_unavailable() => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(delivery.id = %delivery.lease.delivery, error, "an attempt cannot be written down yet");
                    backoff.pause().await;
                }
                Err(error) => {
                    // A bug. The lease runs out and the delivery is attempted again.
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::error!(delivery.id = %delivery.lease.delivery, error, "an attempt cannot be written down");
                    return false;
                }
            }
        }
    }

    /// Gives back the leases of attempts that were cut off, so that another dispatcher need not wait until they run out.
    pub(crate) async fn release_unsettled(&self) {
        let leases: Vec<DeliveryLease> = self.unsettled.lock().values().copied().collect();
        if leases.is_empty() {
            return;
        }
        match self.store.release_deliveries(&leases).await {
            Ok(released) => tracing::info!(released, "attempts were cut off: others will make them"),
            Err(error) => tracing::warn!(%error, "leases could not be given back: they run out by themselves"),
        }
    }
}

/// One line per attempt, and its metrics.
fn report(delivery: &Delivery, answer: &Answer, settlement: Settlement, settled: bool) {
    let outcome = match settlement {
        Settlement::Succeeded => Outcome::Succeeded,
        Settlement::Retry(_) => Outcome::Retried,
        Settlement::Failed | Settlement::Gone => Outcome::Failed,
    };
    let outcome = if settled { outcome } else { Outcome::Fenced };
    metrics::attempt(outcome, answer.failure.map(Failure::as_str), answer.duration);
    if outcome == Outcome::Succeeded {
        metrics::lag(age(delivery.event));
    }
    tracing::info!(
        delivery.id = %delivery.lease.delivery,
        webhook.id = %delivery.target.webhook,
        event.id = %delivery.event,
        attempt = delivery.attempts + 1,
        outcome = ?outcome,
        status = answer.status.map(|status| status.as_u16()),
        error = answer.failure.map(Failure::as_str),
        duration_ms = u64::try_from(answer.duration.as_millis()).unwrap_or(u64::MAX),
        "attempted"
    );
}

/// The time since an event was recorded, which its identifier tells.
fn age(event: EventId) -> Duration {
    let Some(recorded) = event.0.get_timestamp() else {
        return Duration::ZERO;
    };
    let (seconds, nanoseconds) = recorded.to_unix();
    let now = Duration::from_millis(u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0));
    now.saturating_sub(Duration::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_identifier_tells_its_age() {
        assert!(age(EventId::generate()) < Duration::from_secs(5));
        let hour_ago = uuid::Timestamp::from_unix_time(u64::try_from(Utc::now().timestamp() - 3_600).unwrap(), 0, 0, 0);
        let age = age(EventId(uuid::Uuid::new_v7(hour_ago)));
        assert!((3_600..3_605).contains(&age.as_secs()), "{age:?}");
        assert_eq!(super::age(EventId(uuid::Uuid::nil())), Duration::ZERO);
    }
}
