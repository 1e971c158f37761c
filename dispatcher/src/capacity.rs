//! Who may send right now: a limit over everything, a smaller one per endpoint, and a breaker.
//!
//! Nothing ever waits here. Whoever gets no slot parks the delivery as a row, says so ([`Capacity::parked`]), and the due loop is woken
//! ([`Capacity::work_possible`]) as soon as there is room for it. So a slow endpoint holds its own few slots and nobody else's.
//!
//! The breaker is deliberately simple: an endpoint that could not be reached several times in a row gets one probe at a time until it
//! answers. Rates, adaptive limits and breakers by share of failures belong into this module when they come.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::ids::WebhookId;
use tokio::sync::Notify;

use crate::metrics;

/// So many attempts in a row without any answer open the breaker.
const BREAKER_THRESHOLD: u32 = 5;

/// The limits, and what is in flight within them.
#[derive(Debug)]
pub(crate) struct Capacity {
    total: usize,
    per_endpoint: usize,
    state: Mutex<State>,
    work_possible: Notify,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// Somebody was refused because the total was reached.
    saturated: bool,
    endpoints: HashMap<WebhookId, Endpoint>,
}

#[derive(Debug, Default)]
struct Endpoint {
    in_flight: usize,
    /// Attempts in a row that got no answer.
    unanswered: u32,
    /// Deliveries are parked, so new ones go behind them.
    queued: bool,
}

impl Endpoint {
    fn room(&self, limit: usize) -> usize {
        let limit = if self.unanswered >= BREAKER_THRESHOLD { 1 } else { limit };
        limit.saturating_sub(self.in_flight)
    }

    fn is_forgettable(&self) -> bool {
        self.in_flight == 0 && self.unanswered == 0 && !self.queued
    }
}

/// The right to have one request in flight to one endpoint. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    capacity: Arc<Capacity>,
    webhook: WebhookId,
}

impl Capacity {
    /// No request in flight, at most `total` at once and `per_endpoint` to one endpoint.
    pub(crate) fn new(total: usize, per_endpoint: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_endpoint,
            state: Mutex::default(),
            work_possible: Notify::new(),
        })
    }

    /// A slot for a delivery that has just come up. None where others are parked already: the new one goes behind them.
    pub(crate) fn take_for_new(self: &Arc<Self>, webhook: WebhookId) -> Option<Slot> {
        let mut state = self.state.lock();
        if state.endpoints.get(&webhook).is_some_and(|endpoint| endpoint.queued) {
            return None;
        }
        self.take(&mut state, webhook)
    }

    /// As many slots as there are for the parked deliveries of an endpoint.
    pub(crate) fn take_for_parked(self: &Arc<Self>, webhook: WebhookId) -> Vec<Slot> {
        let mut state = self.state.lock();
        let mut slots = Vec::new();
        while let Some(slot) = self.take(&mut state, webhook) {
            slots.push(slot);
        }
        // Without a slot now, the next one that is given back must wake the due loop.
        let refused = slots.is_empty();
        state.saturated |= refused && state.in_flight >= self.total;
        state.endpoints.entry(webhook).or_default().queued = refused;
        slots
    }

    fn take(self: &Arc<Self>, state: &mut State, webhook: WebhookId) -> Option<Slot> {
        if state.in_flight >= self.total {
            return None;
        }
        let endpoint = state.endpoints.entry(webhook).or_default();
        if endpoint.room(self.per_endpoint) == 0 {
            return None;
        }
        endpoint.in_flight += 1;
        state.in_flight += 1;
        metrics::in_flight(state.in_flight);
        Some(Slot {
            capacity: Arc::clone(self),
            webhook,
        })
    }

    /// Says that deliveries of these endpoints are parked and due. To be called after their rows are committed, so that whoever is woken finds them.
    pub(crate) fn parked(&self, webhooks: impl IntoIterator<Item = WebhookId>) {
        let mut state = self.state.lock();
        let total_room = self.total.saturating_sub(state.in_flight);
        let mut room = false;
        for webhook in webhooks {
            let endpoint = state.endpoints.entry(webhook).or_default();
            endpoint.queued = true;
            room |= total_room > 0 && endpoint.room(self.per_endpoint) > 0;
        }
        state.saturated |= total_room == 0;
        if room {
            self.work_possible.notify_one();
        }
    }

    /// Whether every slot is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.state.lock().in_flight >= self.total
    }

    /// A round over the parked deliveries begins; what is parked from now on will be noticed again.
    pub(crate) fn begin_round(&self) {
        self.state.lock().saturated = false;
    }

    /// Waits until a round over the parked deliveries may find something to do.
    pub(crate) async fn work_possible(&self) {
        self.work_possible.notified().await;
    }

    /// Somebody else knows that there may be something to do.
    pub(crate) fn wake(&self) {
        self.work_possible.notify_one();
    }
}

impl Slot {
    /// Tells the breaker whether the endpoint answered at all, whatever it said.
    pub(crate) fn answered(&self, answered: bool) {
        let mut state = self.capacity.state.lock();
        let endpoint = state.endpoints.entry(self.webhook).or_default();
        endpoint.unanswered = if answered {
            0
        } else {
            endpoint.unanswered.saturating_add(1)
        };
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.capacity.state.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        metrics::in_flight(state.in_flight);
        let saturated = state.saturated;
        let endpoint = state.endpoints.entry(self.webhook).or_default();
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        if endpoint.queued || saturated {
            self.capacity.work_possible.notify_one();
        }
        if endpoint.is_forgettable() {
            state.endpoints.remove(&self.webhook);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn is_woken(capacity: &Capacity) -> bool {
        capacity.work_possible().now_or_never().is_some()
    }

    #[test]
    fn a_slow_endpoint_takes_its_own_slots_and_no_others() {
        let capacity = Capacity::new(10, 4);
        let (slow, healthy) = (WebhookId::generate(), WebhookId::generate());
        let held: Vec<Slot> = (0..10).map_while(|_| capacity.take_for_new(slow)).collect();
        assert_eq!(held.len(), 4);
        assert!(capacity.take_for_new(healthy).is_some());
        drop(held);
        assert!(capacity.take_for_new(slow).is_some(), "the slots came back");
        assert!(
            capacity.state.lock().endpoints.is_empty(),
            "nothing is remembered of endpoints at rest"
        );
    }

    #[test]
    fn the_total_is_never_exceeded_and_whoever_was_refused_is_woken() {
        let capacity = Capacity::new(3, 4);
        let held: Vec<Slot> = (0..3)
            .filter_map(|_| capacity.take_for_new(WebhookId::generate()))
            .collect();
        let late = WebhookId::generate();
        assert!(capacity.is_full());
        assert!(capacity.take_for_new(late).is_none());
        capacity.parked([late]);
        assert!(!is_woken(&capacity), "there is nothing that could be done");
        drop(held);
        assert!(is_woken(&capacity));
    }

    #[test]
    fn new_deliveries_go_behind_parked_ones() {
        let capacity = Capacity::new(10, 2);
        let webhook = WebhookId::generate();
        let first = capacity.take_for_new(webhook).unwrap();
        let second = capacity.take_for_new(webhook).unwrap();
        assert!(capacity.take_for_new(webhook).is_none());
        capacity.parked([webhook]);
        drop(first);
        assert!(is_woken(&capacity), "a slot came back where something is parked");
        assert!(capacity.take_for_new(webhook).is_none(), "the parked one is first");
        assert_eq!(capacity.take_for_parked(webhook).len(), 1);
        drop(second);
        assert!(capacity.take_for_new(webhook).is_some(), "nothing is parked any more");
    }

    #[test]
    fn parking_where_there_is_room_wakes_at_once() {
        let capacity = Capacity::new(10, 2);
        capacity.parked([WebhookId::generate()]);
        assert!(
            is_woken(&capacity),
            "all slots came back between the refusal and the commit"
        );
    }

    #[test]
    fn an_endpoint_without_an_answer_gets_one_probe_until_it_answers() {
        let capacity = Capacity::new(10, 4);
        let webhook = WebhookId::generate();
        for attempt in 0..BREAKER_THRESHOLD {
            assert_eq!(capacity.take_for_parked(webhook).len(), 4, "after {attempt} attempts");
            capacity.take_for_new(webhook).unwrap().answered(false);
        }
        let probe = capacity.take_for_parked(webhook);
        assert_eq!(probe.len(), 1, "the breaker is open");
        assert!(capacity.take_for_new(webhook).is_none());
        probe[0].answered(true);
        drop(probe);
        assert_eq!(
            capacity.take_for_parked(webhook).len(),
            4,
            "the breaker is closed again"
        );
    }

    #[test]
    fn an_answer_in_between_keeps_the_breaker_closed() {
        let capacity = Capacity::new(10, 4);
        let webhook = WebhookId::generate();
        for _ in 0..3 {
            for _ in 1..BREAKER_THRESHOLD {
                capacity.take_for_new(webhook).unwrap().answered(false);
            }
            capacity.take_for_new(webhook).unwrap().answered(true);
        }
        assert_eq!(capacity.take_for_parked(webhook).len(), 4);
    }
}
