//! Whether this worker may act for its sessions right now.
//!
//! The database decides who holds a session, but it cannot be asked before every frame. So the worker trusts itself for a while after each good
//! heartbeat: until the moment *before* that heartbeat was sent, plus [`LEASE_TIME`], minus a second of margin, on its own boot-time clock. When that
//! time is over, every connection holds its frames (no sends, no acknowledgements) until a heartbeat succeeds again *and* the leases have been
//! read back; sessions that were lost meanwhile are stopped before anything else goes out. A database outage of some seconds
//! therefore closes no socket, and a process that was stopped and continued says nothing before it has asked.

use std::sync::Arc;
use std::time::Duration;

use shared::store::leases::LEASE_TIME;
use tokio::sync::watch;

use crate::clock::BootTime;

/// How much earlier than the others the worker stops trusting itself.
const MARGIN: Duration = Duration::from_secs(1);

/// The right to act, shared by every connection of the worker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authority {
    valid_until: Arc<watch::Sender<BootTime>>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// No right to act until the first heartbeat.
    #[must_use]
    pub fn new() -> Self {
        Self {
            valid_until: Arc::new(watch::Sender::new(BootTime::now())),
        }
    }

    /// Whether the worker may act at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: BootTime) -> bool {
        now < *self.valid_until.borrow()
    }

    /// Whether the worker may act now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_valid_at(BootTime::now())
    }

    /// Notes a heartbeat that was sent at `sent` and has succeeded.
    pub fn extend(&self, sent: BootTime) {
        let until = sent.after(LEASE_TIME - MARGIN);
        self.valid_until.send_if_modified(|current| {
            let later = until > *current;
            if later {
                *current = until;
            }
            later
        });
    }

    /// Waits until the worker may act.
    pub async fn wait_until_valid(&self) {
        let mut valid_until = self.valid_until.subscribe();
        while !self.is_valid() {
            // The sender lives as long as `self`.
            if valid_until.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_act_ends_a_second_before_others_may_claim() {
        let authority = Authority::new();
        let sent = BootTime::now().after(Duration::from_secs(100));
        authority.extend(sent);
        assert!(authority.is_valid_at(sent.after(Duration::from_millis(3_999))));
        assert!(!authority.is_valid_at(sent.after(Duration::from_secs(4))));
    }

    #[test]
    fn a_heartbeat_that_was_sent_earlier_but_answered_later_shortens_nothing() {
        let authority = Authority::new();
        let sent = BootTime::now().after(Duration::from_secs(100));
        authority.extend(sent.after(Duration::from_secs(1)));
        authority.extend(sent);
        assert!(authority.is_valid_at(sent.after(Duration::from_millis(4_500))));
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_with_the_next_good_heartbeat() {
        let authority = Authority::new();
        let waiting = tokio::spawn({
            let authority = authority.clone();
            async move { authority.wait_until_valid().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "nothing may go out before the first heartbeat");
        authority.extend(BootTime::now());
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .unwrap()
            .unwrap();
    }
}
