//! How many requests a second a tenant may make: a bucket for each tenant that has such a quota.
//!
//! Each gateway counts for itself, so several let through several times as much. What decides about work that was accepted is never counted here.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::ids::TenantId;

/// Seconds of silence that are saved up.
const SAVED_SECONDS: f64 = 10.0;
/// Tenants that are remembered at once.
const CAPACITY: usize = 10_000;

/// The buckets of tenants.
#[derive(Debug, Default)]
pub struct RequestRates(Mutex<HashMap<TenantId, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Requests that may be made at once.
    left: f64,
    at: Instant,
}

impl RequestRates {
    /// Takes a place for one request.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub fn take(&self, tenant: TenantId, per_second: NonZeroU32) -> Result<(), Duration> {
        self.take_at(tenant, per_second, Instant::now())
    }

    fn take_at(&self, tenant: TenantId, per_second: NonZeroU32, now: Instant) -> Result<(), Duration> {
        let rate = f64::from(per_second.get());
        let most = rate * SAVED_SECONDS;
        let mut buckets = self.0.lock();
        if buckets.len() >= CAPACITY && !buckets.contains_key(&tenant) {
            // Whoever has been silent for so long has a full bucket, as if it were new.
            buckets.retain(|_, bucket| now.duration_since(bucket.at).as_secs_f64() < SAVED_SECONDS);
        }
        let bucket = buckets.entry(tenant).or_insert(Bucket { left: most, at: now });
        let gained = now.duration_since(bucket.at).as_secs_f64() * rate;
        bucket.left = (bucket.left + gained).min(most);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_saved_up_and_then_the_rate_counts() {
        let rates = RequestRates::default();
        let (tenant, other) = (TenantId::generate(), TenantId::generate());
        let two = NonZeroU32::new(2).unwrap();
        let start = Instant::now();
        for number in 0..20 {
            assert!(rates.take_at(tenant, two, start).is_ok(), "{number}");
        }
        assert_eq!(rates.take_at(tenant, two, start), Err(Duration::from_millis(500)));
        assert!(
            rates.take_at(other, two, start).is_ok(),
            "tenants have buckets of their own"
        );
        let later = start + Duration::from_millis(500);
        assert!(rates.take_at(tenant, two, later).is_ok());
        assert!(rates.take_at(tenant, two, later).is_err());
    }
}
