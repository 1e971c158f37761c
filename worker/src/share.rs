//! How many sessions this worker should hold, and whose sessions it may take over. No I/O: decisions from observations.
//!
//! Each worker takes its fair share by capacity and gives away what is clearly above it. A worker that has died is recognised by two signs together:
//! its heartbeat is stale by the database's clock, *and* this observer has itself seen the same heartbeat, unchanged, over a whole lease time in which the
//! database answered. Without the second, the first worker to reach the database after an outage would take everything from the others.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::ids::WorkerId;
use shared::store::leases::{LEASE_TIME, Observation};

use crate::clock::BootTime;

/// Sessions that one claim takes at most, so that several workers that start together share.
const CLAIM_AT_ONCE: i64 = 200;
/// Sessions that are given away at once, at most.
const GIVE_AWAY_AT_ONCE: i64 = 50;
/// Observations in a row with free sessions that nobody takes, after which a worker takes some beyond its share.
const PATIENCE: u32 = 5;

/// What to do after one observation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// How many sessions to claim, at most.
    pub claim: i64,
    /// Workers whose sessions may be claimed.
    pub suspects: Vec<WorkerId>,
    /// How many sessions to give away.
    pub give_away: i64,
}

/// What one worker has seen of the others.
#[derive(Debug)]
pub struct Observer {
    me: WorkerId,
    /// When each worker's current heartbeat was first seen.
    seen: HashMap<WorkerId, (DateTime<Utc>, BootTime)>,
    last_answer: Option<BootTime>,
    left_over: u32,
}

impl Observer {
    /// An observer that has seen nothing.
    #[must_use]
    pub fn new(me: WorkerId) -> Self {
        Self {
            me,
            seen: HashMap::new(),
            last_answer: None,
            left_over: 0,
        }
    }

    /// The database did not answer: what was seen before says nothing any more.
    pub fn interrupted(&mut self) {
        self.seen.clear();
        self.last_answer = None;
    }

    /// Decides what to do, from what the database told at `now`.
    pub fn decide(&mut self, observation: &Observation, now: BootTime) -> Decision {
        // A gap in our own looking is an interruption too: this process may have been stopped.
        if self.last_answer.is_some_and(|last| now.since(last) > LEASE_TIME / 2) {
            self.interrupted();
        }
        self.last_answer = Some(now);
        let suspects = self.suspects(observation, now);
        let share = self.fair_share(observation, &suspects);
        let held = observation
            .workers
            .iter()
            .find(|worker| worker.worker == self.me)
            .map_or(0, |worker| worker.held);
        let orphaned: i64 = observation
            .workers
            .iter()
            .filter(|worker| suspects.contains(&worker.worker))
            .map(|worker| worker.held)
            .sum();

        self.left_over = if observation.free > 0 { self.left_over + 1 } else { 0 };
        let impatient = if self.left_over > PATIENCE { observation.free } else { 0 };
        let room = (share - held).max(impatient).max(0);
        let claim = if observation.free + orphaned > 0 {
            room.min(CLAIM_AT_ONCE)
        } else {
            0
        };
        // A little above the share is not worth a reconnection.
        let tolerated = share + share / 20 + 1;
        let give_away = if held > tolerated {
            (held - share).min(GIVE_AWAY_AT_ONCE)
        } else {
            0
        };
        Decision {
            claim,
            suspects,
            give_away,
        }
    }

    fn suspects(&mut self, observation: &Observation, now: BootTime) -> Vec<WorkerId> {
        let mut suspects = Vec::new();
        let mut seen = HashMap::with_capacity(observation.workers.len());
        for worker in &observation.workers {
            let since = match self.seen.get(&worker.worker) {
                Some((beat_at, since)) if *beat_at == worker.beat_at => *since,
                _ => now,
            };
            seen.insert(worker.worker, (worker.beat_at, since));
            let silent = now.since(since) >= observation_time();
            if worker.worker != self.me && worker.stale && silent {
                suspects.push(worker.worker);
            }
        }
        self.seen = seen;
        suspects
    }

    /// This worker's part of all sessions that want a holder, by capacity among the workers that are alive.
    fn fair_share(&self, observation: &Observation, suspects: &[WorkerId]) -> i64 {
        let alive: Vec<_> = observation
            .workers
            .iter()
            .filter(|worker| !worker.draining && !worker.stale && !suspects.contains(&worker.worker))
            .collect();
        let Some(me) = alive.iter().find(|worker| worker.worker == self.me) else {
            return 0;
        };
        let total: i64 = alive.iter().map(|worker| i64::from(worker.capacity)).sum();
        let capacity = i64::from(me.capacity);
        let share = (observation.wanted * capacity + total - 1) / total.max(1);
        share.min(capacity)
    }
}

/// How long a heartbeat must have been seen unchanged.
fn observation_time() -> Duration {
    LEASE_TIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use shared::store::leases::WorkerBeat;

    struct Cluster {
        workers: Vec<WorkerBeat>,
        wanted: i64,
        free: i64,
    }

    impl Cluster {
        fn of(held: &[i64], free: i64) -> Self {
            let workers = held
                .iter()
                .map(|held| WorkerBeat {
                    worker: WorkerId::generate(),
                    beat_at: DateTime::UNIX_EPOCH,
                    stale: false,
                    draining: false,
                    capacity: 1_000,
                    held: *held,
                })
                .collect();
            Self {
                workers,
                wanted: held.iter().sum::<i64>() + free,
                free,
            }
        }

        fn observation(&self) -> Observation {
            Observation {
                workers: self.workers.clone(),
                wanted: self.wanted,
                free: self.free,
            }
        }

        fn observer(&self, index: usize) -> Observer {
            Observer::new(self.workers[index].worker)
        }
    }

    #[test]
    fn free_sessions_are_shared_out_by_capacity() {
        let mut cluster = Cluster::of(&[0, 0], 90);
        cluster.workers[1].capacity = 2_000;
        assert_eq!(
            cluster
                .observer(0)
                .decide(&cluster.observation(), BootTime::at(1))
                .claim,
            30
        );
        assert_eq!(
            cluster
                .observer(1)
                .decide(&cluster.observation(), BootTime::at(1))
                .claim,
            60
        );
    }

    #[test]
    fn a_worker_is_suspected_only_after_its_silence_was_seen_for_a_whole_lease_time() {
        let mut cluster = Cluster::of(&[0, 10], 0);
        let mut observer = cluster.observer(0);
        cluster.workers[1].stale = true;
        for second in 0..5 {
            assert_eq!(
                observer.decide(&cluster.observation(), BootTime::at(second)).suspects,
                [],
                "after {second} s"
            );
        }
        let decision = observer.decide(&cluster.observation(), BootTime::at(5));
        assert_eq!(decision.suspects, [cluster.workers[1].worker]);
        assert_eq!(decision.claim, 10);
    }

    #[test]
    fn after_an_outage_nobody_is_suspected_at_once_although_every_heartbeat_is_stale() {
        let mut cluster = Cluster::of(&[0, 10], 0);
        let mut observer = cluster.observer(0);
        observer.decide(&cluster.observation(), BootTime::at(0));
        observer.interrupted();
        cluster.workers[1].stale = true;
        assert_eq!(observer.decide(&cluster.observation(), BootTime::at(30)).suspects, []);
        // The same without being told, as after having been stopped.
        assert_eq!(observer.decide(&cluster.observation(), BootTime::at(60)).suspects, []);
        cluster.workers[1].beat_at += TimeDelta::seconds(60);
        cluster.workers[1].stale = false;
        assert_eq!(observer.decide(&cluster.observation(), BootTime::at(61)).suspects, []);
    }

    #[test]
    fn a_newcomer_gets_its_share_and_small_differences_move_nobody() {
        let cluster = Cluster::of(&[100, 0], 0);
        assert_eq!(
            cluster
                .observer(0)
                .decide(&cluster.observation(), BootTime::at(1))
                .give_away,
            50
        );
        let cluster = Cluster::of(&[2, 0], 0);
        assert_eq!(
            cluster
                .observer(0)
                .decide(&cluster.observation(), BootTime::at(1))
                .give_away,
            0
        );
        let cluster = Cluster::of(&[52, 48], 0);
        assert_eq!(
            cluster
                .observer(0)
                .decide(&cluster.observation(), BootTime::at(1))
                .give_away,
            0
        );
    }

    #[test]
    fn a_draining_worker_takes_nothing_and_its_part_goes_to_the_others() {
        let mut cluster = Cluster::of(&[10, 0], 10);
        cluster.workers[0].draining = true;
        assert_eq!(
            cluster
                .observer(0)
                .decide(&cluster.observation(), BootTime::at(1))
                .claim,
            0
        );
        assert_eq!(
            cluster
                .observer(1)
                .decide(&cluster.observation(), BootTime::at(1))
                .claim,
            20
        );
    }

    #[test]
    fn sessions_that_nobody_takes_are_taken_in_the_end() {
        let cluster = Cluster::of(&[10, 4], 6);
        let mut observer = cluster.observer(0);
        let claims: Vec<i64> = (0..7)
            .map(|second| observer.decide(&cluster.observation(), BootTime::at(second)).claim)
            .collect();
        assert_eq!(claims, [0, 0, 0, 0, 0, 6, 6]);
    }
}
