//! Waiting for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// What every story is given for something that should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// Asks until `ask` has an answer.
///
/// # Panics
/// When there is none within `deadline`, naming `what` was waited for.
pub(crate) async fn until<T>(what: &str, deadline: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
