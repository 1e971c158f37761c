//! Spreads connections over time, so that a thousand sessions claimed at once do not knock at WhatsApp's door in the same second.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Gives each connection its moment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pacer {
    gap: Duration,
    next: Arc<Mutex<Instant>>,
}

impl Pacer {
    /// At most `per_second` connections a second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let gap = Duration::from_secs(1) / per_second.max(1);
        Self {
            gap,
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Waits for this connection's moment, with up to one gap of jitter. Answers false, at once, if that is further away than `patience`.
    pub async fn wait(&self, patience: Duration) -> bool {
        let moment = {
            let mut next = self.next.lock();
            let moment = (*next).max(Instant::now());
            if moment > Instant::now() + patience {
                return false;
            }
            *next = moment + self.gap;
            moment
        };
        tokio::time::sleep_until(moment + self.gap.mul_f64(rand::random())).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_are_spread_and_the_impatient_are_told_at_once() {
        let pacer = Pacer::new(10);
        let start = Instant::now();
        for _ in 0..11 {
            assert!(pacer.wait(Duration::from_secs(5)).await);
        }
        let took = start.elapsed();
        assert!(
            (Duration::from_millis(1_000)..=Duration::from_millis(1_150)).contains(&took),
            "{took:?}"
        );
        for _ in 0..20 {
            let pacer = pacer.clone();
            tokio::spawn(async move { pacer.wait(Duration::from_secs(60)).await });
        }
        tokio::task::yield_now().await;
        let start = Instant::now();
        assert!(!pacer.wait(Duration::from_secs(1)).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
