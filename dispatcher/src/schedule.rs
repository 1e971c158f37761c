//! When a delivery is tried again: the schedule, its jitter, and what the receiver asks for with `Retry-After`.
//!
//! Pure functions of their inputs; the database's clock turns a delay into a time.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Delays spread over ±20 % of the schedule's, so that what failed together does not come back together.
const JITTER: f64 = 0.2;
/// However long a receiver asks us to wait, we try again after a day.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The delays before each further attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule(Vec<Duration>);

impl Schedule {
    /// A schedule from its seconds. Negative ones, which nothing of ours writes, count as none.
    pub(crate) fn from_seconds<T: TryInto<u64> + Copy>(seconds: &[T]) -> Self {
        let delays = seconds
            .iter()
            .map(|seconds| Duration::from_secs((*seconds).try_into().unwrap_or(0)));
        Self(delays.collect())
    }

    /// How long to wait after the attempt that was preceded by `earlier` others; `None`: there is no further one.
    ///
    /// `random` is uniform in 0..1. `retry_after` is what the receiver asked for: never earlier than that, but within a day.
    pub(crate) fn delay(&self, earlier: usize, random: f64, retry_after: Option<Duration>) -> Option<Duration> {
        let planned = self.0.get(earlier)?.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        let Some(asked) = retry_after else {
            return Some(planned);
        };
        // Spread upwards only: the receiver's wish is a lower bound.
        let asked = asked.min(LONGEST_RETRY_AFTER).mul_f64(1.0 + JITTER * random);
        Some(planned.max(asked))
    }
}

/// Reads a `Retry-After` header: seconds, or a date (RFC 9110 §10.2.3). A date that has passed means no wait.
pub(crate) fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn every_delay_is_within_a_fifth_of_the_schedule_and_then_there_is_no_further_attempt() {
        let steps: [u32; 11] = [5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400];
        let schedule = Schedule::from_seconds(&steps);
        for (earlier, step) in steps.iter().enumerate() {
            for random in [0.0, 0.25, 0.5, 0.999] {
                let delay = schedule.delay(earlier, random, None).unwrap().as_secs_f64();
                let step = f64::from(*step);
                assert!(
                    (0.8 * step..=1.2 * step).contains(&delay),
                    "{delay} after attempt {earlier}"
                );
            }
            let middle = schedule.delay(earlier, 0.5, None).unwrap();
            assert!(middle.abs_diff(seconds(u64::from(*step))) < Duration::from_millis(1));
        }
        assert_eq!(schedule.delay(11, 0.5, None), None, "the schedule is exhausted");
        assert_eq!(Schedule::from_seconds::<i32>(&[]).delay(0, 0.5, None), None);
        assert_eq!(Schedule::from_seconds(&[-5]).delay(0, 0.5, None), Some(Duration::ZERO));
    }

    #[test]
    fn what_the_receiver_asks_for_is_a_lower_bound_of_at_most_a_day() {
        let schedule = Schedule::from_seconds(&[5, 30]);
        let delay = schedule.delay(0, 0.0, Some(seconds(60))).unwrap();
        assert_eq!(delay, seconds(60));
        let delay = schedule.delay(0, 0.999, Some(seconds(60))).unwrap();
        assert!((seconds(60)..seconds(73)).contains(&delay), "{delay:?}");
        let delay = schedule.delay(1, 0.5, Some(seconds(1))).unwrap();
        assert!(
            delay.abs_diff(seconds(30)) < Duration::from_millis(1),
            "shorter than the schedule: {delay:?}"
        );
        let delay = schedule.delay(0, 0.0, Some(seconds(u64::MAX))).unwrap();
        assert_eq!(delay, LONGEST_RETRY_AFTER);
        assert_eq!(
            schedule.delay(2, 0.5, Some(seconds(1))),
            None,
            "asking does not prolong the schedule"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:37Z".parse().unwrap();
        assert_eq!(parse_retry_after("120", now), Some(seconds(120)));
        assert_eq!(parse_retry_after(" 0 ", now), Some(Duration::ZERO));
        assert_eq!(
            parse_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now),
            Some(seconds(60))
        );
        assert_eq!(
            parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        for nonsense in ["", "soon", "-5", "1.5", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            assert_eq!(parse_retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
