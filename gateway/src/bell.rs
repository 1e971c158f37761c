//! Wake-ups from the broker: something happened, look again.
//!
//! A bell promises nothing. It may be silent because the broker is away, so whoever listens also looks by itself now and then. Its memory is
//! constant: any number of messages between two looks is one ring, however slow the listener is.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use shared::broker::Broker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long the client library may take to pass a subscription on. It waits for ever when its queue is full because the broker is away.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_millis(250);

/// Rings when a message arrives on a subject. Dropped, it unsubscribes.
#[derive(Debug)]
pub struct Bell {
    notify: Arc<Notify>,
    ended: CancellationToken,
    listener: Option<AbortOnDropHandle<()>>,
}

impl Bell {
    /// Subscribes. When the broker is away the bell is silent.
    pub async fn hang(broker: &Broker, subject: String) -> Self {
        let notify = Arc::new(Notify::new());
        let ended = CancellationToken::new();
        let listener = Self::listen(broker, subject, &notify, &ended).await;
        if listener.is_none() {
            ended.cancel();
        }
        Self {
            notify,
            ended,
            listener,
        }
    }

    async fn listen(
        broker: &Broker,
        subject: String,
        notify: &Arc<Notify>,
        ended: &CancellationToken,
    ) -> Option<AbortOnDropHandle<()>> {
        if !broker.is_connected() {
            return None;
        }
        let subscribing = broker.client().subscribe(subject);
        let mut subscriber = tokio::time::timeout(SUBSCRIBE_TIMEOUT, subscribing).await.ok()?.ok()?;
        let notify = Arc::clone(notify);
        let ended = ended.clone();
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            while subscriber.next().await.is_some() {
                notify.notify_one();
            }
            ended.cancel();
        })))
    }

    /// Whether anything may ring it.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.listener.is_some() && !self.ended.is_cancelled()
    }

    /// Waits for the next ring, or for ever. A ring since the last wait counts.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }

    /// Waits until nothing will ring it any more.
    pub async fn broken(&self) {
        self.ended.cancelled().await;
    }
}
