//! Starting and stopping a process: soft and hard shutdown, and tasks whose death is noticed.
//!
//! A first SIGTERM or SIGINT asks every task to finish (soft). After the grace period, or on a second signal, whatever is left is cancelled
//! (hard). A task that ends with an error, or panics, stops the whole process with a non-zero exit code: a half-alive process is worse
//! than a restarted one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What every long-lived task is given to know when to stop.
#[derive(Debug, Clone)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    failed: Arc<AtomicBool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A process that has just started.
    #[must_use]
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        Self {
            soft: hard.child_token(),
            hard,
            tracker: TaskTracker::new(),
            failed: Arc::default(),
        }
    }

    /// Cancelled when tasks should finish what they are at and take on nothing new.
    #[must_use]
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when there is no more time.
    #[must_use]
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Whether the process is asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Starts a task of which the process's life depends: its error or panic stops everything. The task is dropped at hard shutdown.
    pub fn spawn_essential<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let shutdown = self.clone();
        let work = tokio::spawn(task);
        let abort = work.abort_handle();
        self.tracker.spawn(async move {
            let outcome = tokio::select! {
                outcome = work => outcome,
                () = shutdown.hard.cancelled() => {
                    abort.abort();
                    return;
                }
            };
            match outcome {
                Ok(Ok(())) if shutdown.is_stopping() => tracing::debug!(task = name, "stopped"),
                Ok(Ok(())) => shutdown.fail(name, "ended although nobody asked it to"),
                Ok(Err(error)) => {
                    tracing::error!(task = name, error = format!("{error:#}"), "failed");
                    shutdown.fail(name, "failed");
                }
                Err(_) => shutdown.fail(name, "panicked"),
            }
        });
    }

    /// Starts a task that the process waits for at shutdown, but that may end at any time.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = task => {}
                () = hard.cancelled() => {}
            }
        });
    }

    fn fail(&self, task: &'static str, what: &'static str) {
        tracing::error!(task, what, "an essential task is gone: stopping");
        self.failed.store(true, Ordering::Relaxed);
        self.soft.cancel();
    }

    /// Waits for a signal or the death of an essential task, then stops everything within `grace`. Returns whether all went well.
    ///
    /// # Errors
    /// When the process cannot listen for signals.
    pub async fn wait(self, grace: Duration) -> std::io::Result<bool> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!("asked to stop"),
            _ = interrupt.recv() => tracing::info!("interrupted"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = tokio::time::sleep(grace) => tracing::warn!(seconds = grace.as_secs(), "not everything stopped in time"),
            _ = terminate.recv() => tracing::warn!("asked to stop at once"),
            _ = interrupt.recv() => tracing::warn!("interrupted again"),
        }
        self.hard.cancel();
        self.tracker.wait().await;
        Ok(!self.failed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_death_of_an_essential_task_stops_everything_and_is_reported() {
        let shutdown = Shutdown::new();
        let soft = shutdown.soft().clone();
        shutdown.spawn_essential("waits", async move {
            soft.cancelled().await;
            Ok(())
        });
        shutdown.spawn_essential("dies", async { anyhow::bail!("broken") });
        let well = tokio::time::timeout(Duration::from_secs(5), shutdown.wait(Duration::from_secs(5)))
            .await
            .unwrap();
        assert!(!well.unwrap());
    }

    #[tokio::test]
    async fn a_task_that_does_not_listen_is_ended_after_the_grace_period() {
        let shutdown = Shutdown::new();
        shutdown.spawn_essential("deaf", std::future::pending());
        shutdown.soft().cancel();
        let well = tokio::time::timeout(Duration::from_secs(5), shutdown.wait(Duration::from_millis(20)))
            .await
            .unwrap();
        assert!(well.unwrap());
    }
}
