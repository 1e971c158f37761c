//! When phones act: everything a phone does on its own happens a moment after its cause, in the order of the causes.
//!
//! The moment matters. A delivery receipt without delay reached Baileys before its own `sendMessage` had returned, and
//! was merged into another event; no real phone is that fast.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::network::Network;

type Action = Box<dyn FnOnce(&Arc<Network>) + Send>;

/// Where actions are put.
pub struct PhoneClock {
    delay: Duration,
    due: mpsc::UnboundedSender<Due>,
}

/// An action and when it is due.
pub struct Due {
    at: Instant,
    action: Action,
}

impl PhoneClock {
    /// A clock with this delay, and the actions that [`run`] carries out.
    pub fn new(delay: Duration) -> (Self, mpsc::UnboundedReceiver<Due>) {
        let (due, actions) = mpsc::unbounded_channel();
        (Self { delay, due }, actions)
    }

    /// Does something a moment later. After the network was stopped nothing happens any more.
    pub fn later(&self, action: impl FnOnce(&Arc<Network>) + Send + 'static) {
        let due = Due {
            at: Instant::now() + self.delay,
            action: Box::new(action),
        };
        let _ = self.due.send(due);
    }
}

/// Carries out what is due, one after the other. All delays are equal, so the order of arrival is the order of time.
pub async fn run(network: Arc<Network>, mut actions: mpsc::UnboundedReceiver<Due>) {
    while let Some(Due { at, action }) = actions.recv().await {
        tokio::time::sleep_until(at).await;
        action(&network);
    }
}
