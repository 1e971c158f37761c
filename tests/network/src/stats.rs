//! Counters of the whole network, for `GET /stats`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::transport::handshake::HandshakeKind;

/// What happened so far.
#[derive(Debug, Default)]
pub struct Stats {
    open: AtomicU64,
    opened: AtomicU64,
    logins_full: AtomicU64,
    logins_short: AtomicU64,
    logins_fallback: AtomicU64,
    messages_accepted: AtomicU64,
    messages_delivered: AtomicU64,
    receipts: AtomicU64,
    retries: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    /// Open connections.
    pub connections: u64,
    /// Connections since the start.
    pub connections_opened: u64,
    /// Accounts.
    pub accounts: usize,
    /// Messages accepted from companions, repetitions not counted.
    pub messages_accepted: u64,
    /// Messages written to companions, again after each login until they are acknowledged.
    pub messages_delivered: u64,
    /// Receipts from companions.
    pub receipts: u64,
    /// Requests to encrypt a message anew.
    pub retries: u64,
    /// Logins by kind of handshake.
    pub logins: Logins,
    /// Resident memory of this process in bytes, 0 where it cannot be read.
    pub memory_rss: u64,
}

/// Logins by kind of handshake.
#[derive(Debug, Serialize)]
pub struct Logins {
    /// Full handshakes.
    pub xx: u64,
    /// Short handshakes.
    pub ik: u64,
    /// Short handshakes that fell back to full ones.
    pub xxfallback: u64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Stats {
    /// A connection was accepted.
    pub fn connection_opened(&self) {
        count(&self.open);
        count(&self.opened);
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// A device logged in.
    pub fn logged_in(&self, handshake: HandshakeKind) {
        count(match handshake {
            HandshakeKind::Xx => &self.logins_full,
            HandshakeKind::Ik => &self.logins_short,
            HandshakeKind::XxFallback => &self.logins_fallback,
        });
    }

    /// A message was accepted.
    pub fn message_accepted(&self) {
        count(&self.messages_accepted);
    }

    /// A stanza was written to a companion.
    pub fn delivered(&self, tag: &str) {
        if tag == "message" {
            count(&self.messages_delivered);
        }
    }

    /// A companion sent a receipt.
    pub fn receipt(&self) {
        count(&self.receipts);
    }

    /// Somebody asked for a message again.
    pub fn retry(&self) {
        count(&self.retries);
    }

    /// The counters now.
    pub fn snapshot(&self, accounts: usize) -> Snapshot {
        Snapshot {
            connections: read(&self.open),
            connections_opened: read(&self.opened),
            accounts,
            messages_accepted: read(&self.messages_accepted),
            messages_delivered: read(&self.messages_delivered),
            receipts: read(&self.receipts),
            retries: read(&self.retries),
            logins: Logins {
                xx: read(&self.logins_full),
                ik: read(&self.logins_short),
                xxfallback: read(&self.logins_fallback),
            },
            memory_rss: resident_memory().unwrap_or(0),
        }
    }
}

/// `VmRSS` of `/proc/self/status`, in bytes.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_counted_by_handshake_and_connections_while_open() {
        let stats = Stats::default();
        stats.connection_opened();
        stats.connection_opened();
        stats.connection_closed();
        stats.logged_in(HandshakeKind::Ik);
        stats.logged_in(HandshakeKind::Ik);
        stats.logged_in(HandshakeKind::XxFallback);
        let snapshot = stats.snapshot(7);
        assert_eq!((snapshot.connections, snapshot.connections_opened), (1, 2));
        assert_eq!(
            (snapshot.logins.xx, snapshot.logins.ik, snapshot.logins.xxfallback),
            (0, 2, 1)
        );
        assert_eq!(snapshot.accounts, 7);
        assert!(!cfg!(target_os = "linux") || snapshot.memory_rss > 0);
    }
}
