//! Schedule: when each request is *meant* to be sent.
//!
//! The load is open: the n-th request is due at a time that depends on n alone, never on how the service
//! does. A latency is counted from there, so that a service that stands still for 100 ms is charged for every
//! request that should have been sent meanwhile, and not only for the one that was in its hands.

use std::time::Duration;

/// Requests at a fixed rate over a fixed time; all times count from its begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    per_second: u64,
    length: Duration,
    offset: Duration,
}

impl Schedule {
    /// `per_second` requests a second, at least 1, for `length`.
    pub(crate) fn new(per_second: u64, length: Duration) -> Schedule {
        Schedule {
            per_second: per_second.max(1),
            length,
            offset: Duration::ZERO,
        }
    }

    /// One of `shares` equal parts: together they make up the whole, evenly interleaved.
    ///
    /// `share` counts from 0; a rate that `shares` does not divide loses the rest.
    pub(crate) fn share(self, share: u64, shares: u64) -> Schedule {
        let whole = Schedule::new(self.per_second / shares * shares, self.length);
        Schedule {
            per_second: (self.per_second / shares).max(1),
            offset: self.offset + whole.due(share),
            ..self
        }
    }

    /// When request `n` is due, counted from 0. Exact: errors do not add up.
    pub(crate) fn due(&self, n: u64) -> Duration {
        let nanos = u128::from(n) * 1_000_000_000 / u128::from(self.per_second);
        self.offset + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// True if request `n` still belongs to it.
    pub(crate) fn contains(&self, n: u64) -> bool {
        self.due(n) < self.length
    }

    /// When it ends.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn count(schedule: Schedule) -> u64 {
        (0..).take_while(|&n| schedule.contains(n)).count() as u64
    }

    #[test]
    fn errors_do_not_add_up() {
        let schedule = Schedule::new(3, SECOND);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_nanos(333_333_333));
        assert_eq!(schedule.due(3_000_000), SECOND * 1_000_000);
    }

    #[test]
    fn a_second_holds_the_rate() {
        assert_eq!(count(Schedule::new(4000, SECOND)), 4000);
        assert_eq!(count(Schedule::new(7, SECOND * 3)), 21);
        assert_eq!(count(Schedule::new(10, Duration::ZERO)), 0);
    }

    #[test]
    fn shares_make_up_the_whole_and_interleave() {
        let whole = Schedule::new(1000, SECOND);
        let shares: Vec<Schedule> = (0..4).map(|share| whole.share(share, 4)).collect();
        assert_eq!(shares.iter().map(|&share| count(share)).sum::<u64>(), 1000);
        for n in 0..1000 {
            let share = shares[(n % 4) as usize];
            assert_eq!(share.due(n / 4), whole.due(n));
        }
    }

    #[test]
    fn a_rate_of_nothing_is_one_a_second() {
        assert_eq!(count(Schedule::new(0, SECOND * 5)), 5);
        assert_eq!(count(Schedule::new(1, SECOND).share(0, 2)), 1);
    }

    #[test]
    fn absurd_numbers_saturate() {
        let schedule = Schedule::new(1, SECOND);
        assert_eq!(schedule.due(u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
