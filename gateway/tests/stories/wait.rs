//! Waiting for a condition with a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// How long something that should happen at once may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Waits until `condition` gives a value.
pub(crate) async fn until<T>(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
