//! The due loop: parked deliveries whose time has come, and those that a dead dispatcher left behind.
//!
//! Fair by construction: a round goes from webhook to webhook and takes at most as many deliveries of each as the endpoint has free slots, so
//! a backlog of a million rows for one endpoint delays no other. When all slots are taken the round stops, and the next one goes on from there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared::ids::{DispatcherId, WebhookId};
use shared::lifecycle::Shutdown;
use shared::store::deliveries::{ClaimedDelivery, Target};
use shared::store::{Store, StoreError};

use crate::capacity::{Capacity, Slot};
use crate::delivery::{Deliverer, Delivery};
use crate::metrics;

/// Rounds are never further apart: a retry is late by at most this.
const INTERVAL: Duration = Duration::from_secs(1);
/// So many webhooks are looked at in one statement.
const PAGE: usize = 500;
/// So many deliveries of disabled webhooks are given up in one statement.
const ABANDON_LIMIT: usize = 1_000;

/// Finds due deliveries and starts their attempts.
#[derive(Debug)]
pub(crate) struct DueLoop {
    store: Store,
    capacity: Arc<Capacity>,
    deliverer: Arc<Deliverer>,
    holder: DispatcherId,
    lease: Duration,
    /// Where the last round stopped because no slot was left.
    resume_after: Option<WebhookId>,
}

impl DueLoop {
    /// A loop that leases for `holder`, each time for `lease`.
    pub(crate) fn new(
        store: Store,
        capacity: Arc<Capacity>,
        deliverer: Arc<Deliverer>,
        holder: DispatcherId,
        lease: Duration,
    ) -> Self {
        Self {
            store,
            capacity,
            deliverer,
            holder,
            lease,
            resume_after: None,
        }
    }

    /// Makes rounds until the process is asked to stop.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> anyhow::Result<()> {
        let stop = shutdown.soft();
        loop {
            let interval = INTERVAL.mul_f64(0.8 + 0.2 * rand::random::<f64>());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.capacity.work_possible() => {}
                () = tokio::time::sleep(interval) => {}
            }
            // A round that has begun is finished: what it leases, it starts.
            if let Err(error) = self.round().await {
                let error = anyhow::Error::from(error);
                tracing::warn!(error = format!("{error:#}"), "due deliveries cannot be read");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(INTERVAL) => {}
                }
            }
        }
    }

    async fn round(&mut self) -> Result<(), StoreError> {
        self.capacity.begin_round();
        loop {
            let page = self.store.pending_webhooks(self.resume_after, PAGE).await?;
            let due: Vec<WebhookId> = page
                .iter()
                .filter(|pending| pending.due)
                .map(|pending| pending.webhook)
                .collect();
            let served = self.serve(&due).await?;
            if served < due.len() {
                // No slot is left. Whoever gives one back wakes this loop, and the next round goes on behind the last one served.
                self.resume_after = due[..served].last().copied().or(self.resume_after);
                self.capacity.parked(due[served..].iter().copied());
                return Ok(());
            }
            if page.len() < PAGE {
                self.resume_after = None;
                return Ok(());
            }
            self.resume_after = page.last().map(|pending| pending.webhook);
        }
    }

    /// Starts attempts for webhooks that have due deliveries, one after another while there are slots. Answers how many were served.
    async fn serve(&self, due: &[WebhookId]) -> Result<usize, StoreError> {
        let mut slots = HashMap::new();
        let mut served = 0;
        for webhook in due {
            if self.capacity.is_full() {
                break;
            }
            let granted = self.capacity.take_for_parked(*webhook);
            if !granted.is_empty() {
                slots.insert(*webhook, granted);
            }
            served += 1;
        }
        if slots.is_empty() {
            return Ok(served);
        }

        let webhooks: Vec<WebhookId> = slots.keys().copied().collect();
        let targets = self.store.targets(&webhooks).await?;
        let targets: HashMap<WebhookId, Arc<Target>> = targets
            .into_iter()
            .filter(|target| target.enabled)
            .map(|target| (target.webhook, Arc::new(target)))
            .collect();
        self.abandon(webhooks.iter().filter(|webhook| !targets.contains_key(webhook)))
            .await?;

        let wanted: Vec<(WebhookId, usize)> = targets.keys().map(|webhook| (*webhook, slots[webhook].len())).collect();
        let claimed = self
            .store
            .claim_due_deliveries(self.holder, self.lease, &wanted)
            .await?;
        for delivery in claimed {
            let target = targets.get(&delivery.webhook);
            let slot = slots.get_mut(&delivery.webhook).and_then(Vec::pop);
            if let (Some(target), Some(slot)) = (target, slot) {
                self.deliverer.start(to_attempt(delivery, Arc::clone(target), slot));
            }
        }
        // Where every slot was used there may be more.
        let used_up = wanted.iter().map(|(webhook, _)| *webhook);
        self.capacity
            .parked(used_up.filter(|webhook| slots[webhook].is_empty()));
        Ok(served)
    }

    /// Gives up due deliveries of webhooks that are disabled or deleted.
    async fn abandon(&self, webhooks: impl Iterator<Item = &WebhookId>) -> Result<(), StoreError> {
        let webhooks: Vec<WebhookId> = webhooks.copied().collect();
        if webhooks.is_empty() {
            return Ok(());
        }
        let abandoned = self.store.abandon_due_deliveries(&webhooks, ABANDON_LIMIT).await?;
        metrics::abandoned(abandoned);
        tracing::info!(abandoned, "deliveries of disabled webhooks were given up");
        Ok(())
    }
}

fn to_attempt(delivery: ClaimedDelivery, target: Arc<Target>, slot: Slot) -> Delivery {
    Delivery {
        lease: delivery.lease,
        target,
        event: delivery.event,
        session: delivery.session,
        event_type: delivery.event_type,
        body: Bytes::from(delivery.body),
        attempts: usize::try_from(delivery.attempts).unwrap_or(0),
        slot,
    }
}
