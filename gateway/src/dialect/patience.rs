//! Waiting for what another process is about to do, where an older API answered only then.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::problem::Problem;

/// How often somebody who waits looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Looks now and again until there is something to see. `None` when `patience` is over.
///
/// # Errors
/// The first look's that fails.
pub async fn look_for<T, F>(patience: Duration, look: impl Fn() -> F) -> Result<Option<T>, Problem>
where
    F: Future<Output = Result<Option<T>, Problem>>,
{
    let deadline = Instant::now() + patience;
    loop {
        let seen = look().await?;
        if seen.is_some() || Instant::now() >= deadline {
            return Ok(seen);
        }
        sleep(LOOK_INTERVAL).await;
    }
}
