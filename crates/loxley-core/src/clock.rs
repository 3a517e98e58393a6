//! The clock: one of the four doors to the outside, a parameter of every runtime.
//!
//! Time is a `u64` of nanoseconds since the runtime's start plus a configurable start value, which is how
//! tests begin just before a timer level rolls, or after years of uptime (tokio's wheel broke after twelve
//! days: #8334). A manual clock moves only when told to.

use std::time::{Duration, Instant};

use crate::primitive::Arc;
use crate::primitive::global::{AtomicU64, Ordering};

/// Tells the time, in nanoseconds. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    start: u64,
    manual: Option<AtomicU64>,
}

impl Clock {
    /// The machine's monotonic clock, reading `start` now.
    pub fn real(start: u64) -> Self {
        Self::new(start, None)
    }

    /// A clock that reads `start` until [`Clock::advance`] moves it.
    #[cfg(any(test, loxley_loom))]
    pub fn manual(start: u64) -> Self {
        Self::new(start, Some(AtomicU64::new(start)))
    }

    fn new(start: u64, manual: Option<AtomicU64>) -> Self {
        Self(Arc::new(Inner {
            origin: Instant::now(),
            start,
            manual,
        }))
    }

    /// True if both are clones of one clock: their readings can be compared.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Nanoseconds since the origin, plus the start value.
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.0.manual {
            None => self.to_ns(Instant::now()),
            Some(now) => now.load(Ordering::Relaxed),
        }
    }

    /// The clock's reading at `instant`; earlier instants read `start`, absurd ones `u64::MAX - 1`.
    #[inline]
    pub fn to_ns(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.0.origin);
        self.0
            .start
            .saturating_add(duration_ns(since))
            .min(u64::MAX - 1)
    }

    /// Moves a manual clock on; a real one goes its own way.
    #[cfg(any(test, loxley_loom))]
    pub fn advance(&self, by: Duration) {
        if let Some(now) = &self.0.manual {
            now.fetch_add(duration_ns(by), Ordering::Relaxed);
        }
    }
}

/// A duration in nanoseconds; 584 years and more saturate.
pub fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn absurd_instants_saturate() {
        let clock = Clock::real(0);
        let century = Duration::from_secs(100 * 365 * 86_400);
        let mut far = Instant::now();
        while let Some(next) = far.checked_add(century) {
            far = next;
            if clock.to_ns(far) == u64::MAX - 1 {
                return;
            }
        }
        panic!("this machine's clock ends before ours does");
    }

    #[test]
    fn instants_before_the_origin_read_the_start() {
        let before = Instant::now();
        let clock = Clock::real(7);
        assert_eq!(clock.to_ns(before), 7);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(5);
        assert_eq!(clock.now(), 5);
        clock.advance(Duration::from_nanos(3));
        assert_eq!(clock.now(), 8);
    }
}
