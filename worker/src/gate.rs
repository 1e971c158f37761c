//! The gate in front of one session's socket, and the switch that closes it for good.
//!
//! Every frame that leaves for WhatsApp passes [`Gate::pass`]. It waits while the worker's authority is in doubt, and until everything that WhatsApp
//! has told us so far is committed: the engine queues an acknowledgement only after it has handed the event over, so an acknowledgement can
//! never overtake the event's row. [`Gate::close`] is the kill switch: from then on nothing passes, and nothing of the session is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;

/// A frame that waits longer than this for the database closes its connection; WhatsApp then delivers again what was not acknowledged.
const COMMIT_PATIENCE: Duration = Duration::from_secs(60);

/// Why a session was closed for good. A new claim or a new start makes a new gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Another worker has claimed the session, or a write found the claim over.
    #[error("the claim is over")]
    Fenced,
    /// A part of the session failed in a way that leaves its memory in doubt.
    #[error("the session's memory is in doubt")]
    Poisoned,
    /// It was asked to end.
    #[error("the session was ended")]
    Ended,
}

/// One claim of one session by this worker: alive until it is lost. Every gate of the session's connections hangs on it.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    lost: CancellationToken,
}

impl Claim {
    /// Ends the claim: every gate that hangs on it is closed when this returns.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// Whether the claim is over.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Waits until the claim is over.
    pub async fn wait_until_lost(&self) {
        self.lost.cancelled().await;
    }
}

/// Which of the things that WhatsApp told us are committed: both only grow.
#[derive(Debug)]
struct Barrier {
    handed_over: AtomicU64,
    committed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    authority: Authority,
    claim: Claim,
    barrier: Barrier,
    closed: CancellationToken,
    reason: Mutex<Option<Closed>>,
}

/// One session's gate. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate(Arc<State>);

impl Gate {
    /// An open gate, for one connection after another of one engine.
    #[must_use]
    pub fn new(authority: Authority, claim: &Claim) -> Self {
        Self(Arc::new(State {
            authority,
            claim: claim.clone(),
            barrier: Barrier {
                handed_over: AtomicU64::new(0),
                committed: watch::Sender::new(0),
            },
            closed: claim.lost.child_token(),
            reason: Mutex::new(None),
        }))
    }

    /// Notes that WhatsApp has told us something. The number is to be given to [`Gate::committed`] once it is stored.
    #[must_use]
    pub fn hand_over(&self) -> u64 {
        self.0.barrier.handed_over.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Notes that everything up to `number` is stored.
    pub fn committed(&self, number: u64) {
        self.0.barrier.committed.send_if_modified(|committed| {
            let later = number > *committed;
            if later {
                *committed = number;
            }
            later
        });
    }

    /// Closes the gate for good. The first reason stays; [`Closed::Fenced`] ends the whole claim.
    pub fn close(&self, reason: Closed) {
        if reason == Closed::Fenced {
            self.0.claim.lose();
        }
        {
            let mut current = self.0.reason.lock();
            if current.is_none() {
                *current = Some(reason);
            }
        }
        self.0.closed.cancel();
    }

    /// Why the gate is closed, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        if self.0.claim.is_lost() {
            return Some(Closed::Fenced);
        }
        if self.0.closed.is_cancelled() {
            Some(self.0.reason.lock().unwrap_or(Closed::Ended))
        } else {
            None
        }
    }

    /// Waits until the gate is closed.
    pub async fn wait_until_closed(&self) -> Closed {
        self.0.closed.cancelled().await;
        self.closed().unwrap_or(Closed::Ended)
    }

    /// Waits until the worker may act for the session, without regard to what is committed.
    ///
    /// # Errors
    /// [`Closed`] when the session is over.
    pub async fn wait_for_authority(&self) -> Result<(), Closed> {
        tokio::select! {
            biased;
            closed = self.wait_until_closed() => Err(closed),
            () = self.0.authority.wait_until_valid() => Ok(()),
        }
    }

    /// Lets one frame through to WhatsApp.
    ///
    /// # Errors
    /// [`Closed`] when the session is over, also when what WhatsApp told us cannot be stored.
    pub async fn pass(&self) -> Result<(), Closed> {
        let must_be_committed = self.0.barrier.handed_over.load(Ordering::Acquire);
        let mut committed = self.0.barrier.committed.subscribe();
        let stored = async {
            tokio::time::timeout(
                COMMIT_PATIENCE,
                committed.wait_for(|committed| *committed >= must_be_committed),
            )
            .await
            .is_ok()
        };
        let stored = tokio::select! {
            biased;
            closed = self.wait_until_closed() => return Err(closed),
            stored = stored => stored,
        };
        if !stored {
            self.close(Closed::Poisoned);
            return Err(Closed::Poisoned);
        }
        // Last, so that as little as possible lies between the check and the socket.
        self.wait_for_authority().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BootTime;

    fn open() -> (Gate, Authority) {
        let authority = Authority::new();
        authority.extend(BootTime::now());
        (Gate::new(authority.clone(), &Claim::default()), authority)
    }

    async fn passes(gate: &Gate) -> bool {
        let mut pass = passing(gate);
        futures::poll!(&mut pass).is_ready()
    }

    fn passing(gate: &Gate) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Closed>> + Send>> {
        let gate = gate.clone();
        Box::pin(async move { gate.pass().await })
    }

    #[tokio::test]
    async fn no_frame_overtakes_the_commit_of_what_came_before_it() {
        let (gate, _authority) = open();
        assert!(passes(&gate).await);
        let first = gate.hand_over();
        let mut acknowledgement = passing(&gate);
        assert!(futures::poll!(&mut acknowledgement).is_pending());
        let second = gate.hand_over();
        gate.committed(first);
        acknowledgement.await.unwrap();
        assert!(!passes(&gate).await, "the second thing is not committed yet");
        gate.committed(second);
        assert!(passes(&gate).await);
    }

    #[tokio::test]
    async fn nothing_passes_while_the_authority_is_in_doubt() {
        let authority = Authority::new();
        let gate = Gate::new(authority.clone(), &Claim::default());
        assert!(!passes(&gate).await);
        authority.extend(BootTime::now());
        assert!(passes(&gate).await);
    }

    #[tokio::test]
    async fn a_closed_gate_lets_nothing_through_and_keeps_its_first_reason() {
        let (gate, _authority) = open();
        let _never_committed = gate.hand_over();
        let mut waiting = passing(&gate);
        assert!(futures::poll!(&mut waiting).is_pending());
        gate.close(Closed::Poisoned);
        gate.close(Closed::Ended);
        assert_eq!(waiting.await, Err(Closed::Poisoned));
        assert_eq!(gate.pass().await, Err(Closed::Poisoned));
        assert_eq!(gate.closed(), Some(Closed::Poisoned));
    }

    #[tokio::test]
    async fn a_lost_claim_closes_every_gate_at_once_and_a_fenced_write_loses_the_claim() {
        let authority = Authority::new();
        authority.extend(BootTime::now());
        let claim = Claim::default();
        let (first, second) = (Gate::new(authority.clone(), &claim), Gate::new(authority, &claim));
        first.close(Closed::Fenced);
        assert!(claim.is_lost());
        assert_eq!(second.pass().await, Err(Closed::Fenced));
    }
}
