//! Carries stored events to the broker, in order per session, and notes how far each session has come.
//!
//! An event is a row before it gets here, so nothing is lost when the broker is away or this process dies: a sweep finds what has not been
//! acknowledged. The broker drops repeats by event id. If its stream turns out to be a new one, what the old one may still have had to deliver is
//! published again.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use shared::broker::{Broker, BrokerError};
use shared::ids::{CommandId, SessionId, WorkerId};
use shared::store::Store;
use shared::store::records::RecordedEvent;
use shared::subject;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Batches of one session that wait for the relay, at most; beyond that the sweep takes over.
const QUEUE: usize = 4_096;
/// Publishes without an acknowledgement, at most: more than this is slower on a replicated stream.
const IN_FLIGHT: usize = 256;
/// How often acknowledgements are noted in the database.
const NOTE_EVERY: Duration = Duration::from_millis(50);
/// How often unacknowledged events are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often the stream is checked for being a new one.
const CHECK_STREAM_EVERY: Duration = Duration::from_secs(15);
/// How far back events are published again when the stream is a new one: longer than any reader may have lagged.
const REPUBLISH_AGE: Duration = Duration::from_secs(3600);
/// Sessions and events that one sweep takes on.
const SWEEP_SESSIONS: i64 = 200;
const SWEEP_EVENTS: i64 = 500;

/// The way into the relay. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Relay {
    queue: mpsc::Sender<(SessionId, Vec<RecordedEvent>)>,
    broker: Broker,
}

impl Relay {
    /// A relay, and the task that must be run for it.
    #[must_use]
    pub fn new(broker: Broker, store: Store, worker: WorkerId) -> (Self, RelayTask) {
        let (queue, events) = mpsc::channel(QUEUE);
        let task = RelayTask {
            events,
            broker: broker.clone(),
            store,
            worker,
        };
        (Self { queue, broker }, task)
    }

    /// Publishes events that have just been stored. Never waits for the broker: what the queue does not take, the sweep finds.
    pub async fn publish(&self, session: SessionId, events: Vec<RecordedEvent>) {
        if events.is_empty() {
            return;
        }
        if self.queue.try_send((session, events)).is_err() {
            tracing::debug!(%session, "the relay is full: the sweep will publish these events");
        }
    }

    /// Tells the gateway that waits for a command that it has ended.
    pub async fn hint_outcome(&self, command: CommandId) {
        self.broker
            .hint(subject::outcome_hint(self.broker.region(), command))
            .await;
    }
}

/// The relay's work.
#[derive(Debug)]
pub struct RelayTask {
    events: mpsc::Receiver<(SessionId, Vec<RecordedEvent>)>,
    broker: Broker,
    store: Store,
    worker: WorkerId,
}

/// How far the publishing of each session has come. No I/O.
#[derive(Debug, Default)]
struct Progress {
    /// Started and not yet acknowledged, per session: number, and whether it was acknowledged out of turn.
    open: std::collections::HashMap<SessionId, BTreeMap<i64, bool>>,
    /// Acknowledged without a gap, not yet noted in the database.
    to_note: std::collections::HashMap<SessionId, i64>,
    /// Sessions of which a publish failed: the sweep starts them again once nothing of theirs is open.
    broken: HashSet<SessionId>,
}

impl Progress {
    fn started(&mut self, session: SessionId, sequence: i64) {
        self.open.entry(session).or_default().insert(sequence, false);
    }

    fn ended(&mut self, session: SessionId, sequence: i64, acknowledged: bool) {
        let Some(open) = self.open.get_mut(&session) else {
            return;
        };
        if acknowledged {
            open.insert(sequence, true);
        } else {
            self.broken.insert(session);
            open.remove(&sequence);
        }
        if self.broken.contains(&session) {
            // Nothing behind a failed publish may be noted: the sweep publishes it again.
            open.retain(|_, acknowledged| !*acknowledged);
        } else {
            while let Some(entry) = open.first_entry()
                && *entry.get()
            {
                self.to_note.insert(session, *entry.key());
                entry.remove();
            }
        }
        if open.is_empty() {
            self.open.remove(&session);
            self.broken.remove(&session);
        }
    }

    fn is_busy(&self, session: &SessionId) -> bool {
        self.open.contains_key(session) || self.to_note.contains_key(session)
    }
}

impl RelayTask {
    /// Runs until `stop` is cancelled and what is queued is published, or cannot be.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut progress = Progress::default();
        let mut acknowledgements = FuturesUnordered::new();
        let mut note = tokio::time::interval(NOTE_EVERY);
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut check_stream = tokio::time::interval(CHECK_STREAM_EVERY);
        for interval in [&mut note, &mut sweep, &mut check_stream] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            let batch = tokio::select! {
                Some((session, sequence, acknowledged)) = acknowledgements.next(), if !acknowledgements.is_empty() => {
                    progress.ended(session, sequence, acknowledged);
                    continue;
                }
                batch = self.events.recv(), if acknowledgements.len() < IN_FLIGHT => match batch {
                    Some(batch) => vec![batch],
                    None => break,
                },
                _ = note.tick() => {
                    self.note(&mut progress).await;
                    continue;
                }
                _ = sweep.tick(), if acknowledgements.len() < IN_FLIGHT => self.sweep(&progress).await,
                _ = check_stream.tick() => {
                    self.check_stream().await;
                    continue;
                }
                () = stop.cancelled(), if self.events.is_empty() && acknowledgements.is_empty() => break,
            };
            for (session, events) in batch {
                for event in events {
                    progress.started(session, event.sequence);
                    let acknowledgement = self.publish(session, event).await;
                    acknowledgements.push(acknowledgement);
                }
            }
        }
        self.note(&mut progress).await;
        Ok(())
    }

    /// Starts one publish; the answer says whether the broker has it.
    async fn publish(
        &self,
        session: SessionId,
        event: RecordedEvent,
    ) -> impl Future<Output = (SessionId, i64, bool)> + use<> {
        let subject = subject::event(event.tenant, session, &event.event_type);
        let started = self
            .broker
            .start_publish(subject, &event.id.to_string(), Bytes::from(event.body))
            .await;
        async move {
            let acknowledged = match started {
                Ok(acknowledgement) => match acknowledgement.await {
                    Ok(_) => true,
                    Err(error) => {
                        tracing::debug!(%session, %error, "an event was not acknowledged");
                        false
                    }
                },
                Err(error) => {
                    tracing::debug!(%session, %error, "an event could not be published");
                    false
                }
            };
            (session, event.sequence, acknowledged)
        }
    }

    async fn note(&self, progress: &mut Progress) {
        if progress.to_note.is_empty() {
            return;
        }
        let published: Vec<_> = progress
            .to_note
            .iter()
            .map(|(session, sequence)| (*session, *sequence))
            .collect();
        match self.store.mark_published(&published).await {
            Ok(()) => {
                metrics::events_published(published.len());
                progress.to_note.clear();
            }
            Err(error) => tracing::debug!(%error, "publications are noted later"),
        }
    }

    async fn sweep(&self, progress: &Progress) -> Vec<(SessionId, Vec<RecordedEvent>)> {
        if !self.broker.is_connected() {
            return Vec::new();
        }
        let sessions = match self.store.sessions_to_publish(self.worker, SWEEP_SESSIONS).await {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::debug!(%error, "unpublished events are looked for later");
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for session in sessions {
            if progress.is_busy(&session) {
                continue;
            }
            match self.store.unpublished_events(session, SWEEP_EVENTS).await {
                Ok(events) => found.push((session, events)),
                Err(error) => tracing::debug!(%session, %error, "unpublished events are read later"),
            }
        }
        found
    }

    /// Makes sure that the streams are there, and notices when the stream of events is not the one that was there before.
    async fn check_stream(&self) {
        if !self.broker.is_connected() {
            return;
        }
        let created = match self.broker.event_stream_created().await {
            Ok(created) => Ok(created),
            Err(BrokerError::Prepare { .. }) => match self.broker.ensure_streams().await {
                Ok(()) => self.broker.event_stream_created().await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let noticed = match created {
            Ok(created) => self
                .store
                .notice_event_stream(created, REPUBLISH_AGE)
                .await
                .map_err(anyhow::Error::from),
            Err(error) => Err(error.into()),
        };
        match noticed {
            Ok(0) => {}
            Ok(sessions) => tracing::warn!(
                sessions,
                "the broker's stream of events is a new one: publishing recent events again"
            ),
            Err(error) => tracing::debug!(error = format!("{error:#}"), "the stream of events is checked later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        SessionId::generate("eu1".parse().unwrap())
    }

    #[test]
    fn only_what_is_acknowledged_without_a_gap_is_noted() {
        let mut progress = Progress::default();
        let session = session();
        for sequence in 1..=3 {
            progress.started(session, sequence);
        }
        progress.ended(session, 2, true);
        assert!(progress.to_note.is_empty());
        progress.ended(session, 1, true);
        assert_eq!(progress.to_note[&session], 2);
        progress.ended(session, 3, true);
        assert_eq!(progress.to_note[&session], 3);
        assert!(!progress.open.contains_key(&session));
    }

    #[test]
    fn nothing_behind_a_failed_publish_is_noted_and_the_sweep_takes_over_when_all_is_quiet() {
        let mut progress = Progress::default();
        let session = session();
        for sequence in 1..=3 {
            progress.started(session, sequence);
        }
        progress.ended(session, 1, false);
        progress.ended(session, 2, true);
        assert!(progress.is_busy(&session), "the third is still on its way");
        progress.ended(session, 3, true);
        assert!(progress.to_note.is_empty());
        assert!(!progress.is_busy(&session));
    }
}
