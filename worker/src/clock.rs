//! The worker's own clock: time since the machine started, counting the time it was suspended.
//!
//! `std::time::Instant` does not count suspension on Linux, so a machine that slept would believe that its leases are fresh. Deadlines of the
//! lease are therefore measured with `CLOCK_BOOTTIME`; everything else may use `Instant`.

use std::time::Duration;

/// A point in time on the machine's boot-time clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanoseconds))
    }

    /// This point in time, `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }

    /// How long ago `earlier` was; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// A clock reading for tests.
    #[cfg(test)]
    pub(crate) fn at(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}
