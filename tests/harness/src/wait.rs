//! Waiting for a condition with a deadline: the only place of the harness and the stories that sleeps.
//!
//! Nothing waits for "long enough". Whoever waits says what for, and when the deadline passes the error says how far it had come.

use std::fmt;
use std::time::{Duration, Instant};

/// The first pause between two looks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The condition does not hold yet, and what was seen instead.
///
/// Every error turns into it through `?`: while something is starting, an error is a status like any other.
#[derive(Debug)]
pub struct NotYet(String);

impl NotYet {
    /// Not yet: `status` is what was seen instead.
    pub fn because(status: impl fmt::Display) -> Self {
        Self(status.to_string())
    }
}

impl<E: Into<anyhow::Error>> From<E> for NotYet {
    fn from(error: E) -> Self {
        Self(format!("{:#}", error.into()))
    }
}

/// Looks again and again until `condition` holds, and returns what it gave.
///
/// # Errors
/// When `deadline` has passed: the text names `what` and the last status.
pub async fn wait_for<T, F>(what: impl fmt::Display, deadline: Duration, mut condition: F) -> anyhow::Result<T>
where
    F: AsyncFnMut() -> Result<T, NotYet>,
{
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut last_status = "nothing was seen".to_owned();
    loop {
        let remaining = deadline.saturating_sub(start.elapsed());
        match tokio::time::timeout(remaining.max(FIRST_PAUSE), condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(NotYet(status))) => last_status = status,
            // The look itself hangs: the last complete one is the better explanation.
            Err(_) => last_status.push_str(" (and the last look had no answer)"),
        }
        if start.elapsed() >= deadline {
            anyhow::bail!("waited {:.1} s for {what}: {last_status}", deadline.as_secs_f64());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What a test of one crate gives something that should happen at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Looks until `condition` has a value: [`wait_for`] for tests that have nothing to say meanwhile.
///
/// # Panics
/// When there is none within `deadline`, naming `what` was waited for.
pub async fn until<T>(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let found = wait_for(what, deadline, async || {
        condition().await.ok_or_else(|| NotYet::because("not yet"))
    });
    match found.await {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// Looks on for a whole `duration`, and fails as soon as `condition` does not hold: for what must *not* happen.
///
/// # Errors
/// When the condition stopped holding: the text names `what` and the status.
pub async fn holds_for<F>(what: impl fmt::Display, duration: Duration, mut condition: F) -> anyhow::Result<()>
where
    F: AsyncFnMut() -> Result<(), NotYet>,
{
    let start = Instant::now();
    loop {
        if let Err(NotYet(status)) = condition().await {
            anyhow::bail!("{what} held for only {:.1} s: {status}", start.elapsed().as_secs_f64());
        }
        if start.elapsed() >= duration {
            return Ok(());
        }
        tokio::time::sleep(LONGEST_PAUSE / 4).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait_with_its_value() {
        let mut looks = 0;
        let value = wait_for("three looks", Duration::from_secs(5), async || {
            looks += 1;
            if looks < 3 {
                return Err(NotYet::because(format!("{looks} looks")));
            }
            Ok(looks)
        })
        .await
        .unwrap();
        assert_eq!(value, 3);
    }

    #[tokio::test]
    async fn a_missed_deadline_says_what_was_awaited_and_what_was_seen() {
        let error = wait_for("a miracle", Duration::from_millis(30), async || {
            let text = std::fs::read_to_string("/nonexistent/miracle")?;
            Ok(text)
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("for a miracle: No such file"), "{error}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlive_the_deadline() {
        let wait = wait_for::<(), _>("the deaf", Duration::from_millis(30), async || {
            std::future::pending().await
        });
        let outcome = tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap();
        assert!(outcome.unwrap_err().to_string().contains("no answer"));
    }

    #[tokio::test]
    async fn what_must_not_happen_is_noticed_while_it_happens() {
        let mut looks = 0;
        let error = holds_for("silence", Duration::from_secs(30), async || {
            looks += 1;
            if looks > 2 {
                return Err(NotYet::because("a noise"));
            }
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("a noise"), "{error}");
    }
}
