//! Notices that messages wait and none gets any further, so that their senders learn it before their customers do.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Watches one session. No I/O.
#[derive(Debug)]
pub(super) struct Stall {
    patience: Duration,
    /// The settled messages that were counted last, and since when there have been no more.
    settled: u64,
    since: Instant,
    reported: bool,
}

impl Stall {
    /// Nothing waits yet. `patience`: how long messages may wait without any of them getting further.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            settled: 0,
            since: Instant::now(),
            reported: false,
        }
    }

    /// Looks at the session: how many messages wait, and how many were settled so far. Answers since when they wait, once for each stall.
    pub(super) fn look(&mut self, waiting: usize, settled: u64) -> Option<DateTime<Utc>> {
        if waiting == 0 || settled != self.settled {
            self.settled = settled;
            self.since = Instant::now();
            self.reported = false;
            return None;
        }
        let waited = self.since.elapsed();
        if self.reported || waited < self.patience {
            return None;
        }
        self.reported = true;
        Some(Utc::now() - TimeDelta::from_std(waited).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_told_once_and_again_only_after_something_has_moved() {
        let patience = Duration::from_secs(60);
        let mut stall = Stall::new(patience);
        assert_eq!(stall.look(0, 0), None);
        tokio::time::advance(patience * 2).await;
        assert_eq!(stall.look(0, 0), None, "nothing waits");
        assert_eq!(stall.look(3, 0), None, "it has only just begun");
        tokio::time::advance(patience).await;
        assert!(stall.look(3, 0).is_some());
        tokio::time::advance(patience).await;
        assert_eq!(stall.look(3, 0), None, "it was told");
        assert_eq!(stall.look(2, 1), None, "one was sent");
        tokio::time::advance(patience).await;
        assert!(stall.look(2, 1).is_some());
    }
}
