//! The tasks of one session's client: all of them can be ended, and none can take another session with it.
//!
//! Dropping a client does not end it: its keep-alive and each chat's worker hold on to it. So every task of a session is started here, ends
//! when the session ends, and a panic in one is caught, reported and ends the session only.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wacore::runtime::{AbortHandle, Runtime};

use crate::engine::{EndReason, EngineEvent, Listener};

/// The tasks of one session. Cheap to clone.
#[derive(Clone)]
pub(super) struct SessionTasks {
    tracker: TaskTracker,
    ended: CancellationToken,
    listener: Arc<dyn Listener>,
}

impl SessionTasks {
    pub(super) fn new(listener: Arc<dyn Listener>) -> Self {
        Self {
            tracker: TaskTracker::new(),
            ended: CancellationToken::new(),
            listener,
        }
    }

    /// The same as the library wants it.
    pub(super) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.clone())
    }

    /// Starts a task that lives at most as long as the session.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.start(Box::pin(task)));
    }

    fn start(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> tokio::task::JoinHandle<()> {
        let ended = self.ended.clone();
        let listener = Arc::clone(&self.listener);
        self.tracker.spawn(async move {
            let outcome = tokio::select! {
                biased;
                () = ended.cancelled() => return,
                outcome = AssertUnwindSafe(task).catch_unwind() => outcome,
            };
            if let Err(panic) = outcome {
                listener.event(EngineEvent::Ended(EndReason::Broken {
                    cause: panic_text(&*panic),
                }));
            }
        })
    }

    /// Ends every task some time soon.
    pub(super) fn cancel(&self) {
        self.ended.cancel();
    }

    /// Ends every task and waits until they are gone. Work on blocking threads is not waited for: it holds no socket.
    pub(super) async fn end(&self) {
        self.ended.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

#[async_trait]
impl Runtime for SessionTasks {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send + 'static>>) -> AbortHandle {
        let task = self.start(future);
        AbortHandle::new(move || task.abort())
    }

    fn spawn_detached(&self, future: Pin<Box<dyn Future<Output = ()> + Send + 'static>>) {
        drop(self.start(future));
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let listener = Arc::clone(&self.listener);
        Box::pin(async move {
            if let Err(error) = tokio::task::spawn_blocking(work).await
                && error.is_panic()
            {
                listener.event(EngineEvent::Ended(EndReason::Broken {
                    cause: panic_text(&*error.into_panic()),
                }));
            }
        })
    }

    fn yield_now(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        // The runtime has several threads and preempts by itself.
        None
    }
}
