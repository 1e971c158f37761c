//! Which sessions this worker holds: the heartbeat, claiming, losing and giving back.
//!
//! The heartbeat comes first in everything: a worker that could not beat for a while reads its leases back and stops what it has lost *before* it lets
//! anything go out again. A session that ends, however it ends, gives its lease back only after its socket is closed.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use parking_lot::RwLock;
use shared::broker::Broker;
use shared::ids::SessionId;
use shared::store::Store;
use shared::store::leases::{LEASE_TIME, Lease, Release};
use shared::subject;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::clock::BootTime;
use crate::metrics;
use crate::session::{self, Context, Letter, SessionHandle};
use crate::share::Observer;

/// How often the heartbeat is written.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How long one heartbeat may take before the next is tried.
const BEAT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often sessions are looked for; a hint makes it sooner.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// How often the leases are compared with what is held although nothing was amiss.
const COMPARE_EVERY: Duration = Duration::from_secs(10);
/// How long giving a lease back is tried.
const RELEASE_PATIENCE: Duration = LEASE_TIME;
/// How long a session that panicked rests.
const REST_AFTER_PANIC: Duration = Duration::from_secs(30);

/// The sessions that this worker holds, for those who bring letters and questions. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<RwLock<HashMap<SessionId, SessionHandle>>>);

impl Held {
    /// The session's handle, if this worker holds it.
    #[must_use]
    pub fn get(&self, session: &SessionId) -> Option<SessionHandle> {
        self.0.read().get(session).cloned()
    }

    /// How many sessions are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.read().len()
    }

    fn insert(&self, handle: SessionHandle) {
        self.0.write().insert(handle.lease.session, handle);
        metrics::sessions_held(self.count());
    }

    /// Removes the session if it is still held under `epoch`.
    fn remove(&self, session: &SessionId, epoch: i64) {
        let mut held = self.0.write();
        if held.get(session).is_some_and(|handle| handle.lease.epoch == epoch) {
            held.remove(session);
        }
        drop(held);
        metrics::sessions_held(self.count());
    }

    fn all(&self) -> Vec<SessionHandle> {
        self.0.read().values().cloned().collect()
    }
}

/// Keeps the heartbeat going until `stop` is cancelled, and with it the authority of everything else.
///
/// # Errors
/// When the worker's row is gone: somebody has removed it while it was thought dead, and only a new process may go on.
pub async fn beat(
    context: Arc<Context>,
    held: Held,
    draining: CancellationToken,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(BEAT_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut compared = Instant::now();
    let mut strays = Strays::default();
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let sent = BootTime::now();
        let beat = tokio::time::timeout(
            BEAT_TIMEOUT,
            context.store.beat(context.worker, draining.is_cancelled()),
        )
        .await;
        let known = match beat {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => {
                metrics::heartbeat_failed();
                tracing::warn!(%error, "the heartbeat failed");
                continue;
            }
            Err(_) => {
                metrics::heartbeat_failed();
                tracing::warn!("the heartbeat was not answered in time");
                continue;
            }
        };
        metrics::heartbeat(BootTime::now().since(sent));
        anyhow::ensure!(known, "this worker's row is gone: starting afresh");
        let was_silent = !context.authority.is_valid();
        if was_silent || compared.elapsed() >= COMPARE_EVERY {
            if !compare_leases(&context, &held, &mut strays).await {
                continue;
            }
            compared = Instant::now();
        }
        context.authority.extend(sent);
    }
}

/// Leases that the database says are ours but that nobody here holds, as seen at the last comparison: a session that could not be given back.
type Strays = HashMap<SessionId, i64>;

/// Compares the leases with what is held. Whatever is lost is closed when this returns. Answers whether the database told.
async fn compare_leases(context: &Context, held: &Held, strays: &mut Strays) -> bool {
    // Read first: a session claimed after this reading is not mistaken for a lost one.
    let handles = held.all();
    let reading = tokio::time::timeout(BEAT_TIMEOUT, context.store.leases_of(context.worker)).await;
    let Ok(Ok(leases)) = reading else { return false };
    let epochs: HashMap<SessionId, i64> = leases.iter().map(|lease| (lease.session, lease.epoch)).collect();
    for handle in handles {
        if epochs.get(&handle.lease.session) != Some(&handle.lease.epoch) && held.get(&handle.lease.session).is_some() {
            tracing::warn!(session = %handle.lease.session, epoch = handle.lease.epoch, "another worker has this session now");
            handle.claim.lose();
        }
    }
    let unheld: Strays = epochs
        .into_iter()
        .filter(|(session, _)| held.get(session).is_none())
        .collect();
    for (session, epoch) in &unheld {
        // One that was claimed a moment ago is not here yet; it will be at the next comparison.
        if strays.get(session) == Some(epoch)
            && let Err(error) = context.store.release_lease(*session, *epoch, Release::HandOver).await
        {
            tracing::warn!(%session, %error, "a stray lease is given back later");
        }
    }
    *strays = unheld;
    true
}

/// Claims sessions and holds them until `stop` is cancelled; then gives all of them back.
///
/// # Errors
/// Never; the signature is that of an essential task.
pub async fn supervise(
    context: Arc<Context>,
    broker: Broker,
    held: Held,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut supervisor = Supervisor {
        observer: Observer::new(context.worker),
        context,
        held,
        sessions: JoinSet::new(),
    };
    let mut hints = claim_hints(&broker).await;
    let mut look = tokio::time::interval(CLAIM_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = look.tick() => {
                if hints.is_none() {
                    hints = claim_hints(&broker).await;
                }
                // Workers that started together look at different moments.
                look.reset_after(CLAIM_EVERY.mul_f64(0.8 + 0.4 * rand::random::<f64>()));
            }
            Some(()) = next_hint(&mut hints) => {}
            Some(ended) = supervisor.sessions.join_next() => {
                supervisor.ended(ended);
                continue;
            }
        }
        supervisor.look().await;
    }
    supervisor.give_everything_back().await;
    Ok(())
}

type Hints = futures::stream::BoxStream<'static, ()>;

async fn claim_hints(broker: &Broker) -> Option<Hints> {
    let subscription = broker
        .client()
        .subscribe(subject::claim_hint(broker.region()))
        .await
        .ok()?;
    Some(subscription.map(|_| ()).boxed())
}

async fn next_hint(hints: &mut Option<Hints>) -> Option<()> {
    match hints {
        Some(stream) => {
            let hint = stream.next().await;
            if hint.is_none() {
                *hints = None;
            }
            hint
        }
        None => std::future::pending().await,
    }
}

struct Supervisor {
    context: Arc<Context>,
    held: Held,
    observer: Observer,
    sessions: JoinSet<()>,
}

impl Supervisor {
    /// Looks how the sessions are shared out, and takes or gives away what this worker should.
    async fn look(&mut self) {
        if !self.context.authority.is_valid() {
            self.observer.interrupted();
            return;
        }
        let observation = match self.context.store.observe_workers().await {
            Ok(observation) => observation,
            Err(error) => {
                tracing::debug!(%error, "sessions are looked for later");
                self.observer.interrupted();
                return;
            }
        };
        let decision = self.observer.decide(&observation, BootTime::now());
        for handle in self.most_idle(usize::try_from(decision.give_away).unwrap_or_default()) {
            tracing::info!(session = %handle.lease.session, "handing over: another worker has room");
            // A full mailbox belongs to a busy session: another one is taken next time.
            let _told = handle.tell(Letter::HandOver);
        }
        if decision.claim == 0 {
            return;
        }
        match self
            .context
            .store
            .claim_sessions(self.context.worker, &decision.suspects, decision.claim)
            .await
        {
            Ok(leases) => {
                metrics::sessions_claimed(leases.len());
                for lease in leases {
                    tracing::info!(session = %lease.session, epoch = lease.epoch, goal = %lease.goal, "claimed");
                    self.take_up(lease);
                }
            }
            Err(error) => tracing::debug!(%error, "sessions are claimed later"),
        }
    }

    /// So many of the sessions that are held: those that have been silent for longest.
    fn most_idle(&self, count: usize) -> Vec<SessionHandle> {
        if count == 0 {
            return Vec::new();
        }
        let mut handles = in_order(self.held.all(), |handle| handle.status().last_event_at);
        handles.truncate(count);
        handles
    }

    fn take_up(&mut self, lease: Lease) {
        let context = Arc::clone(&self.context);
        let held = self.held.clone();
        let (handle, life) = session::start(Arc::clone(&context), lease);
        let claim = handle.claim.clone();
        self.held.insert(handle);
        self.sessions.spawn(async move {
            let release = match AssertUnwindSafe(life).catch_unwind().await {
                Ok(release) => release,
                Err(panic) => {
                    metrics::session_panicked();
                    // Everything of the session was dropped with it; its engine's tasks end because their gate is closed with the claim.
                    claim.lose();
                    tracing::error!(session = %lease.session, panic = crate::engine::whatsapp::panic_text(&*panic), "a session panicked");
                    Some(Release::Later(REST_AFTER_PANIC))
                }
            };
            held.remove(&lease.session, lease.epoch);
            match release {
                Some(release) => give_back(&context.store, lease, release).await,
                None if claim.is_lost() => metrics::claim_lost(),
                None => {}
            }
        });
    }

    fn ended(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            tracing::error!(%error, "the task of a session ended badly");
        }
    }

    async fn give_everything_back(&mut self) {
        let handles = self.held.all();
        if handles.is_empty() {
            return;
        }
        tracing::info!(sessions = handles.len(), "giving all sessions back");
        for handle in handles {
            if !handle.tell(Letter::HandOver) {
                tracing::debug!(session = %handle.lease.session, "its mailbox is full: it hears of it with the next letter");
            }
        }
        let mut again = tokio::time::interval(Duration::from_millis(500));
        while !self.sessions.is_empty() {
            tokio::select! {
                ended = self.sessions.join_next() => {
                    if let Some(ended) = ended {
                        self.ended(ended);
                    }
                }
                _ = again.tick() => {
                    for handle in self.held.all() {
                        let _told = handle.tell(Letter::HandOver);
                    }
                }
            }
        }
    }
}

/// Gives a lease back. Its socket is closed.
async fn give_back(store: &Store, lease: Lease, release: Release) {
    let deadline = Instant::now() + RELEASE_PATIENCE;
    loop {
        match store.release_lease(lease.session, lease.epoch, release).await {
            Ok(true) => {
                tracing::info!(session = %lease.session, epoch = lease.epoch, ?release, "gave the session back");
                return;
            }
            Ok(false) => return,
            Err(error) if Instant::now() < deadline => {
                tracing::debug!(session = %lease.session, %error, "giving back a little later");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            // The comparison of leases finds it as a stray.
            Err(error) => {
                tracing::error!(session = %lease.session, %error, "a session could not be given back");
                return;
            }
        }
    }
}

/// Sorts by keys that change while we look: each is read once. Keys that change between comparisons make a sort panic.
fn in_order<T, K: Ord>(mut items: Vec<T>, key: impl FnMut(&T) -> K) -> Vec<T> {
    items.sort_by_cached_key(key);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_go_on_living_while_they_are_sorted_bring_nothing_down() {
        let mut looks = 0_u32;
        let sorted = in_order((0..10_000).collect(), |_: &u32| {
            looks += 1;
            looks.wrapping_mul(2_654_435_761)
        });
        assert_eq!(sorted.len(), 10_000);
        assert_eq!(looks, 10_000, "each is looked at once");
    }
}
