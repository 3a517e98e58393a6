//! How many polls a worker makes between two looks at the outside world.
//!
//! A look costs a clock read, and a system call of 200 ns if sockets are registered. Every [`TARGET_NS`] is often
//! enough for sockets and timers, and at one look in 100 µs the cost is 0.2 %. The number of polls that fill that
//! time is a moving average; the clock is read once per look, never per poll. A steal does not reset the count
//! (cats-effect #4228: a queue that was always stolen into starved the pollers).

use std::cell::Cell;

/// The time between two looks that the worker aims at.
const TARGET_NS: u64 = 100_000;
/// Never fewer polls than this: a look after every slow poll is enough.
const FLOOR: u32 = 1;
/// Never more than this, so that one sudden slow poll is averaged over few.
const CEILING: u32 = 1024;
/// Before anything is measured; tokio's constant.
const FIRST: u32 = 61;

/// The count-down to the next look.
#[derive(Debug)]
pub struct Pace {
    left: Cell<u32>,
    interval: Cell<u32>,
    /// The builder's `event_interval`: no measuring.
    fixed: bool,
    /// When the running interval began; 0 when it contains a sleep and says nothing.
    began: Cell<u64>,
    /// Nanoseconds per poll, times 16.
    average: Cell<u64>,
}

impl Pace {
    /// `fixed`: polls between two looks, or measured if `None`.
    pub fn new(fixed: Option<u32>) -> Self {
        let interval = fixed.unwrap_or(FIRST);
        Self {
            left: Cell::new(interval),
            interval: Cell::new(interval),
            fixed: fixed.is_some(),
            began: Cell::new(0),
            average: Cell::new(0),
        }
    }

    /// True if it is time for a look.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.left.get() == 0
    }

    /// One poll is made.
    #[inline]
    pub fn tick(&self) {
        self.left.set(self.left.get() - 1);
    }

    /// A look is made, at `now`.
    pub fn restart(&self, now: u64) {
        let began = self.began.replace(now);
        if !self.fixed && began != 0 {
            self.measure(now.saturating_sub(began));
        }
        self.left.set(self.interval.get());
    }

    /// A sleep ended at `now`: the interval so far says nothing about polls.
    pub fn woke(&self) {
        self.began.set(0);
    }

    fn measure(&self, elapsed: u64) {
        let sample = (elapsed * 16) / u64::from(self.interval.get());
        let average = match self.average.get() {
            0 => sample,
            average => (average * 7 + sample) / 8,
        };
        self.average.set(average.max(1));
        let interval = (TARGET_NS * 16) / self.average.get();
        let interval = u32::try_from(interval).unwrap_or(CEILING);
        self.interval.set(interval.clamp(FLOOR, CEILING));
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    /// Runs `looks` intervals of polls that take `poll_ns` each.
    fn after(pace: &Pace, looks: u32, poll_ns: u64) -> u32 {
        let mut now = 1;
        pace.restart(now);
        for _ in 0..looks {
            while !pace.is_due() {
                pace.tick();
                now += poll_ns;
            }
            pace.restart(now);
        }
        pace.interval.get()
    }

    #[test]
    fn the_interval_fills_about_a_hundred_microseconds() {
        assert_eq!(after(&Pace::new(None), 100, 1_000), 100);
        assert_eq!(after(&Pace::new(None), 100, 10_000), 10);
    }

    #[test]
    fn the_interval_keeps_its_floor_and_its_ceiling() {
        assert_eq!(after(&Pace::new(None), 100, 10), CEILING);
        assert_eq!(after(&Pace::new(None), 100, 50_000_000), FLOOR);
    }

    #[test]
    fn a_fixed_interval_is_kept() {
        assert_eq!(after(&Pace::new(Some(7)), 100, 1_000_000), 7);
    }

    #[test]
    fn a_sleep_does_not_count_as_polling() {
        let pace = Pace::new(None);
        assert_eq!(after(&pace, 100, 1_000), 100);
        pace.woke();
        while !pace.is_due() {
            pace.tick();
        }
        pace.restart(u64::MAX / 32);
        assert_eq!(pace.interval.get(), 100);
    }
}
