//! The clock: one of the four doors to the outside, a parameter of every runtime.
//!
//! Time is a `u64` of nanoseconds since the runtime's start plus a configurable start value, which is how
//! tests begin just before a timer level rolls, or after years of uptime (tokio's wheel broke after twelve
//! days: #8334). A manual clock moves only when told to.
//!
//! # Readings and instants
//!
//! A reading comes from the machine's clock directly, because an `Instant` gives nanoseconds only as a difference, for five
//! times as many instructions. So the clock knows an instant, its *origin*, and between which two readings of the machine
//! it lies; they are less than a microsecond apart. Where one is turned into the other nothing comes early: a clock reads
//! what it would read if the origin were the later of the two, and the instant of a reading is as if it were the
//! earlier. [`Clock::present`] is exact, for what is compared with an instant.
//!
//! With the feature `test-util`, the clock of a current-thread runtime can be *paused*: it then stands still and moves
//! when told to, or when its worker has nothing to do but to wait for the next deadline. Without the feature nothing of
//! that is compiled. A paused clock is *held* while closures run on the blocking pool: nobody knows what they will do.

use std::time::{Duration, Instant};

use crate::primitive::global::{AtomicU64, Ordering};
use crate::primitive::{Arc, monotonic};

/// Tells the time, in nanoseconds. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    /// What the machine's clock read when it certainly was no earlier than `origin`.
    zero: u64,
    /// It may have been so much later.
    error: u64,
    start: u64,
    manual: Option<AtomicU64>,
    #[cfg(feature = "test-util")]
    pausable: Option<Pausable>,
}

/// A clock that can be paused.
#[cfg(feature = "test-util")]
#[derive(Debug)]
struct Pausable {
    state: crate::primitive::Mutex<Pause>,
    /// Reasons not to move on by itself.
    holds: AtomicU64,
}

/// Readings; those of the machine's clock count from the same origin.
#[cfg(feature = "test-util")]
#[derive(Clone, Copy, Debug)]
struct Pause {
    /// What it read when it was last paused or resumed.
    base: u64,
    /// What the machine's clock read when it was resumed; `None`: it is paused.
    running_since: Option<u64>,
}

impl Clock {
    /// The machine's monotonic clock, reading `start` now.
    pub fn real(start: u64) -> Self {
        let Origin {
            instant,
            zero,
            error,
        } = Origin::find();
        Self(Arc::new(Inner {
            origin: instant,
            zero,
            error,
            start,
            manual: None,
            #[cfg(feature = "test-util")]
            pausable: None,
        }))
    }

    /// A clock that reads `start` until [`Clock::advance`] moves it.
    #[cfg(any(test, loxley_loom, loxley_fuzz))]
    pub fn manual(start: u64) -> Self {
        Self(Arc::new(Inner {
            origin: Instant::now(),
            zero: 0,
            error: 0,
            start,
            manual: Some(AtomicU64::new(start)),
            #[cfg(feature = "test-util")]
            pausable: None,
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
        #[cfg(feature = "test-util")]
        if let Some(pausable) = &self.0.pausable {
            return self.pausable_now(&pausable.state.lock());
        }
        match &self.0.manual {
            None => {
                let since = monotonic().saturating_sub(self.0.zero);
                self.0.start.saturating_add(since).min(u64::MAX - 1)
            }
            Some(now) => now.load(Ordering::Relaxed),
        }
    }

    /// [`Clock::now`] for a comparison with what [`Clock::to_ns`] says of an instant.
    pub fn present(&self) -> u64 {
        match self.0.error {
            0 => self.now(),
            _ => self.to_ns(Instant::now()),
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

    /// When it reads, or has read, so, or a moment later; what lies before its start is the start.
    pub fn instant_at(&self, reading: u64) -> Instant {
        let since = reading.saturating_sub(self.0.start);
        self.0.origin + Duration::from_nanos(since.saturating_add(self.0.error))
    }

    /// Moves a manual clock on; a real one goes its own way.
    #[cfg(any(test, loxley_loom, loxley_fuzz))]
    pub fn advance(&self, by: Duration) {
        if let Some(now) = &self.0.manual {
            now.fetch_add(duration_ns(by), Ordering::Relaxed);
        }
    }
}

/// Pausing.
#[cfg(feature = "test-util")]
impl Clock {
    /// The machine's clock until it is paused.
    pub fn pausable() -> Self {
        let pause = Pause {
            base: 0,
            running_since: Some(0),
        };
        Self(Arc::new(Inner {
            origin: Instant::now(),
            zero: 0,
            error: 0,
            start: 0,
            manual: None,
            pausable: Some(Pausable {
                state: crate::primitive::Mutex::new(pause),
                holds: AtomicU64::new(0),
            }),
        }))
    }

    fn pausable_now(&self, pause: &Pause) -> u64 {
        match pause.running_since {
            None => pause.base,
            Some(since) => {
                let passed = self.to_ns(Instant::now()).saturating_sub(since);
                pause.base.saturating_add(passed)
            }
        }
    }

    /// The present, as deadlines are compared with it.
    pub fn instant(&self) -> Instant {
        match self.0.pausable {
            Some(_) => self.instant_at(self.now()),
            None => Instant::now(),
        }
    }

    /// True if it stands still.
    pub fn is_paused(&self) -> bool {
        let paused = |pausable: &Pausable| pausable.state.lock().running_since.is_none();
        self.0.pausable.as_ref().is_some_and(paused)
    }

    /// Stops it, or lets it go on from where it is. False if it was so already; `None` if it cannot be paused.
    pub fn set_paused(&self, paused: bool) -> Option<bool> {
        let mut pause = self.0.pausable.as_ref()?.state.lock();
        let changed = pause.running_since.is_none() != paused;
        if changed {
            pause.base = self.pausable_now(&pause);
            pause.running_since = (!paused).then(|| self.to_ns(Instant::now()));
        }
        Some(changed)
    }

    /// Moves a paused clock on to `reading`, never back; false if it is not paused.
    pub fn move_to(&self, reading: u64) -> bool {
        let Some(pausable) = &self.0.pausable else {
            return false;
        };
        let mut pause = pausable.state.lock();
        let paused = pause.running_since.is_none();
        if paused {
            pause.base = pause.base.max(reading);
        }
        paused
    }

    /// Counts a reason not to move on by itself; false if the clock cannot be paused, and then nothing is counted.
    pub fn hold(&self) -> bool {
        let Some(pausable) = &self.0.pausable else {
            return false;
        };
        // Relaxed: the caller is the worker, or wakes it afterwards.
        pausable.holds.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Ends a [`Clock::hold`]; the caller then wakes the worker.
    pub fn release(&self) {
        if let Some(pausable) = &self.0.pausable {
            // Release: pairs with the Acquire in `is_held`. What the closure did is seen before the clock moves. No
            // model comes here: a paused clock is for tests of users, and loom's worlds have one that they move.
            pausable.holds.fetch_sub(1, Ordering::Release);
        }
    }

    /// True if it must not move on by itself.
    pub fn is_held(&self) -> bool {
        // Acquire: pairs with `release`; as there, loom does not see it.
        let held = |pausable: &Pausable| pausable.holds.load(Ordering::Acquire) > 0;
        self.0.pausable.as_ref().is_some_and(held)
    }
}

/// An instant, and where it lies on the machine's clock.
struct Origin {
    instant: Instant,
    zero: u64,
    error: u64,
}

impl Origin {
    /// A thread that lost its processor in between has another try.
    fn find() -> Self {
        let tries = (0..8).map(|_| {
            let before = monotonic();
            let instant = Instant::now();
            let zero = monotonic();
            Self {
                instant,
                zero,
                error: zero - before,
            }
        });
        let best = tries.min_by_key(|origin| origin.error);
        best.expect("there were some")
    }
}

/// A duration in nanoseconds; 584 years and more saturate.
#[inline]
pub fn duration_ns(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(duration.subsec_nanos().into())
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
    fn an_instant_has_its_reading_or_a_moment_more() {
        let (real, manual) = (Clock::real(7), Clock::manual(7));
        assert_eq!(manual.0.error, 0);
        for clock in [real, manual] {
            for reading in [7, 8, 1_500_000_000, u64::MAX - 1] {
                let back = clock.to_ns(clock.instant_at(reading));
                assert_eq!(
                    back,
                    reading.saturating_add(clock.0.error).min(u64::MAX - 1)
                );
            }
        }
    }

    #[test]
    fn a_clock_never_reads_what_its_instant_has_not_reached() {
        let clock = Clock::real(7);
        for _ in 0..1_000 {
            let before = clock.to_ns(Instant::now());
            let reading = clock.now();
            let after = clock.to_ns(Instant::now());
            assert!(reading <= after, "{reading} is after {after}");
            assert!(
                reading + clock.0.error >= before,
                "{reading} is before {before}"
            );
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(5);
        assert_eq!(clock.now(), 5);
        clock.advance(Duration::from_nanos(3));
        assert_eq!(clock.now(), 8);
    }
}
