//! Pauses between attempts to reach something of our own (the database, the broker) that is away.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// Doubles from a tenth of a second to two seconds. With jitter, so that dispatchers do not come back in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The first pause is the shortest.
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits for the next pause. May be dropped at any time.
    pub(crate) async fn pause(&mut self) {
        let pause = self.next.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_two_seconds() {
        let mut backoff = Backoff::new();
        let begin = tokio::time::Instant::now();
        backoff.pause().await;
        let first = begin.elapsed();
        assert!((50..=102).contains(&first.as_millis()), "{first:?}");
        for _ in 0..10 {
            backoff.pause().await;
        }
        let begin = tokio::time::Instant::now();
        backoff.pause().await;
        let long = begin.elapsed();
        assert!((1_000..=2_002).contains(&long.as_millis()), "{long:?}");
    }
}
