//! How many polls a worker makes between two looks at the outside world, and in a round, and how long it keeps work to itself.
//!
//! A look costs a clock read, and a system call of 200 ns if sockets are registered. Every [`TARGET_NS`] is often
//! enough for sockets and timers, and at one look in 100 µs the cost is 0.2 %. The number of polls that fill that
//! time is a moving average; the clock is read once per look, never per poll. A steal does not reset the count
//! (cats-effect #4228: a queue that was always stolen into starved the pollers).
//!
//! A thread that the kernel puts off for a time slice seems to have made slow polls. So a stretch that is [`ODD`] times longer
//! than usual is let pass, once, and the next look comes soon: a second one in a row is how it is now.

use std::cell::Cell;

/// The time between two looks that the worker aims at.
const TARGET_NS: u64 = 100_000;
/// Never fewer polls than this: a look after every slow poll is enough.
const FLOOR: u32 = 1;
/// Never more than this, so that one sudden slow poll is averaged over few.
const CEILING: u32 = 1024;
/// Polls are odd that take so many times longer than they do on the average.
const ODD: u64 = 8;
/// Polls until the look after an odd stretch.
const SOON: u32 = 4;
/// Before anything is measured; tokio's constant.
pub const FIRST: u32 = 61;
/// The part of [`TARGET_NS`] that a look at the injector is put off for: about 6 µs.
const ROUND_SHARE: u32 = 16;
/// The part that waking a peer is worth: 25 µs, for it takes about as long to come.
const WAKE_SHARE: u32 = 4;
/// Polls of a round at least, where they are short: its end costs as much as a sixth of a short poll.
const SHORTEST_ROUND: u32 = 8;
/// Polls that take longer on the average, in nanoseconds, are slow: looks are as rare as they are long, and others do not wait.
pub const QUICK: u64 = TARGET_NS;
/// However short the polls are, so many tasks in a row are worth a peer.
const MOST_PATIENCE: u32 = 16;

/// The count-down to the next look.
#[derive(Debug)]
pub struct Pace {
    left: Cell<u32>,
    interval: Cell<u32>,
    /// The builder's `event_interval`: the interval stays, whatever is measured.
    fixed: bool,
    /// When the running stretch of polls began; 0 during a sleep.
    began: Cell<u64>,
    /// What `left` was then.
    counted_from: Cell<u32>,
    shortest_round: Cell<u32>,
    patience: Cell<u32>,
    most_patience: u32,
    /// Nanoseconds per poll, times 16.
    average: Cell<u64>,
    /// The last stretch was odd.
    odd: Cell<bool>,
}

impl Pace {
    /// `fixed`: polls between two looks, or measured if `None`. `patient`: somebody notices if a poll is not short after
    /// all; without that, work that is kept back may wait for ever.
    pub fn new(fixed: Option<u32>, patient: bool) -> Self {
        let interval = fixed.unwrap_or(FIRST);
        Self {
            left: Cell::new(interval),
            interval: Cell::new(interval),
            fixed: fixed.is_some(),
            began: Cell::new(0),
            counted_from: Cell::new(interval),
            shortest_round: Cell::new(SHORTEST_ROUND),
            patience: Cell::new(0),
            most_patience: if patient { MOST_PATIENCE } else { 0 },
            average: Cell::new(0),
            odd: Cell::new(false),
        }
    }

    /// True if it is time for a look.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.left.get() == 0
    }

    /// Polls until the look.
    #[inline]
    pub fn left(&self) -> u32 {
        self.left.get()
    }

    /// True if the last stretch was much longer than usual.
    #[inline]
    pub fn is_odd(&self) -> bool {
        self.odd.get()
    }

    /// So many polls are made, no more than were left.
    #[inline]
    pub fn tick(&self, polls: u32) {
        self.left.set(self.left.get() - polls);
    }

    /// A look is made, at `now`; returns the time since the last look or sleep.
    pub fn restart(&self, now: u64) -> u64 {
        let passed = self.measure(now);
        self.left.set(self.interval.get());
        self.counted_from.set(self.left.get());
        if self.odd.get() && !self.fixed {
            self.shorten(SOON);
        }
        passed
    }

    /// The next look comes after so many polls at the latest.
    pub fn shorten(&self, polls: u32) {
        let left = self.left.get().min(polls);
        self.left.set(left);
        self.counted_from.set(left);
    }

    /// A sleep begins: it does not count. Returns the time since the last look or sleep.
    pub fn pause(&self, now: u64) -> u64 {
        let passed = self.measure(now);
        self.began.set(0);
        passed
    }

    /// The sleep is over.
    pub fn resume(&self, now: u64) {
        self.began.set(now);
        self.counted_from.set(self.left.get());
    }

    /// How many polls a round has at least: what comes from outside waits for its end.
    #[inline]
    pub fn shortest_round(&self) -> u32 {
        self.shortest_round.get()
    }

    /// How many polls waiting work may take before a peer is woken for it.
    #[inline]
    pub fn patience(&self) -> u32 {
        self.patience.get()
    }

    /// Nanoseconds that a poll takes, by the moving average; 0 before anything is measured.
    pub fn mean_poll(&self) -> u64 {
        self.average.get() / 16
    }

    fn measure(&self, now: u64) -> u64 {
        let began = self.began.replace(now);
        if began == 0 {
            return 0;
        }
        let passed = now.saturating_sub(began);
        let polls = self.counted_from.get() - self.left.get();
        if polls > 0 {
            self.take_sample(passed.saturating_mul(16) / u64::from(polls));
        }
        passed
    }

    fn take_sample(&self, sample: u64) {
        let usual = self.average.get();
        let odd = usual != 0 && sample > usual.saturating_mul(ODD);
        if odd && !self.odd.replace(true) {
            return;
        }
        self.odd.set(odd);
        let average = match usual {
            0 => sample,
            average => average.saturating_mul(7).saturating_add(sample) / 8,
        };
        self.average.set(average.max(1));
        if self.fixed {
            return;
        }
        let interval = (TARGET_NS * 16) / self.average.get();
        let interval = u32::try_from(interval)
            .unwrap_or(CEILING)
            .clamp(FLOOR, CEILING);
        self.interval.set(interval);
        let round = interval / ROUND_SHARE;
        self.shortest_round.set(round.clamp(1, SHORTEST_ROUND));
        let patience = interval / WAKE_SHARE;
        self.patience.set(patience.min(self.most_patience));
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
                pace.tick(1);
                now += poll_ns;
            }
            pace.restart(now);
        }
        pace.interval.get()
    }

    #[test]
    fn the_interval_fills_about_a_hundred_microseconds() {
        assert_eq!(after(&Pace::new(None, true), 100, 1_000), 100);
        assert_eq!(after(&Pace::new(None, true), 100, 10_000), 10);
    }

    #[test]
    fn the_interval_keeps_its_floor_and_its_ceiling() {
        assert_eq!(after(&Pace::new(None, true), 100, 10), CEILING);
        assert_eq!(after(&Pace::new(None, true), 100, 50_000_000), FLOOR);
    }

    #[test]
    fn a_fixed_interval_is_kept() {
        assert_eq!(after(&Pace::new(Some(7), true), 100, 1_000_000), 7);
    }

    #[test]
    fn a_sleep_does_not_count_as_polling() {
        let pace = Pace::new(None, true);
        assert_eq!(after(&pace, 100, 1_000), 100);
        pace.pause(1_000_000_000);
        pace.resume(2_000_000_000_000);
        while !pace.is_due() {
            pace.tick(1);
        }
        pace.restart(2_000_000_000_000 + 100 * 1_000);
        assert_eq!(pace.interval.get(), 100);
    }

    #[test]
    fn nobody_is_patient_unwatched() {
        let pace = Pace::new(None, false);
        after(&pace, 100, 100);
        assert_eq!(pace.patience(), 0);
    }

    /// `polls` of `poll_ns` each, and a look.
    fn stretch(pace: &Pace, now: &mut u64, polls: u32, poll_ns: u64) {
        pace.tick(polls);
        *now += u64::from(polls) * poll_ns;
        pace.restart(*now);
    }

    #[test]
    fn one_odd_stretch_changes_nothing_but_the_time_of_the_next_look() {
        let pace = Pace::new(None, true);
        assert_eq!(after(&pace, 100, 1_000), 100);
        let mut now = 1_000_000_000;
        pace.resume(now);
        stretch(&pace, &mut now, 10, 400_000);
        assert_eq!((pace.mean_poll(), pace.left()), (1_000, SOON));
        stretch(&pace, &mut now, SOON, 1_000);
        assert_eq!((pace.mean_poll(), pace.left()), (1_000, 100));
    }

    #[test]
    fn a_second_odd_stretch_counts() {
        let pace = Pace::new(None, true);
        assert_eq!(after(&pace, 100, 1_000), 100);
        let mut now = 1_000_000_000;
        pace.resume(now);
        stretch(&pace, &mut now, 10, 400_000);
        stretch(&pace, &mut now, SOON, 400_000);
        assert!(pace.mean_poll() > 40_000);
        stretch(&pace, &mut now, pace.left(), 400_000);
        assert_eq!(pace.left(), FLOOR);
    }

    #[test]
    fn rounds_of_long_polls_have_no_more_than_wait() {
        let pace = Pace::new(None, true);
        after(&pace, 100, 100);
        assert_eq!(pace.shortest_round(), SHORTEST_ROUND);
        after(&pace, 100, 5_000);
        assert_eq!(pace.shortest_round(), 1);
    }

    #[test]
    fn long_polls_leave_no_patience() {
        let pace = Pace::new(None, true);
        assert_eq!(pace.patience(), 0, "nothing measured yet");
        after(&pace, 100, 100);
        assert_eq!(pace.patience(), MOST_PATIENCE);
        after(&pace, 100, 50_000);
        assert_eq!(pace.patience(), 0);
    }
}
