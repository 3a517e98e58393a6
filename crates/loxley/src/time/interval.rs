//! [`interval`](fn@interval): a clock that ticks.
//!
//! Words: *period* is the distance of two ticks, *phase* the position of the ticks on the time line: `start +
//! n · period`. A tick is *missed* when nobody has asked for it before the next one was due.
//!
//! 1. A tick returns the instant for which it was planned, not the present.
//! 2. The next one is planned when this one is delivered: one period later, unless this one was late; then
//!    [`MissedTickBehavior`] decides.
//! 3. `Skip` reckons in whole periods from the plan and not from the present, so the phase is kept for ever
//!    (test `an_interval_that_skips_keeps_its_phase`).
//!
//! `Delay` ignores lateness up to 5 ms, as tokio does: otherwise each wake's few microseconds would add up
//! and a calm interval would drift. Here `Skip` needs no such grace, since it cannot drift: with a period
//! below 5 ms it skips where tokio's would still burst.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Instant, Sleep, sleep_until};

/// Lateness that `Delay` does not count.
const GRACE: Duration = Duration::from_millis(5);

/// Ticks now, and then every `period`.
///
/// What happens when ticks are missed is set with [`Interval::set_missed_tick_behavior`]; the default is
/// [`Burst`](MissedTickBehavior::Burst).
///
/// # Panics
///
/// If `period` is zero; outside a runtime, and in one without
/// [`enable_time`](crate::runtime::Builder::enable_time).
///
/// # Examples
///
/// ```
/// use loxley::time::{Duration, interval};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut interval = interval(Duration::from_millis(2));
/// let first = interval.tick().await; // at once
/// let second = interval.tick().await;
/// assert_eq!(second - first, Duration::from_millis(2));
/// # }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and then every `period`; otherwise as [`interval`](fn@interval).
///
/// # Panics
///
/// If `period` is zero; outside a runtime, and in one without
/// [`enable_time`](crate::runtime::Builder::enable_time).
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(period > Duration::ZERO, "`period` must be non-zero.");
    Interval {
        delay: Box::pin(sleep_until(start)),
        period,
        behavior: MissedTickBehavior::default(),
    }
}

/// What an [`Interval`] does after ticks were missed.
///
/// An example with a period of 10, where the tick planned for 10 is asked for at 35 only, so that 20 and 30
/// were missed; the ticks then come at
///
/// | | | | | |
/// |---|---|---|---|---|
/// | `Burst` | 35 | 35 | 35 | 40 |
/// | `Delay` | 35 | 45 | 55 | 65 |
/// | `Skip` | 35 | 40 | 50 | 60 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Delivers the missed ticks without waiting until it has caught up. The default.
    #[default]
    Burst,
    /// Plans the next tick a full period after the late one: ticks are never closer than a period, the
    /// phase moves.
    Delay,
    /// Leaves the missed ticks out and keeps the phase.
    Skip,
}

impl MissedTickBehavior {
    /// When the tick after the one planned for `planned` comes, if that one is delivered at `now`. `None`
    /// if the clock cannot count so far.
    fn next(self, planned: Instant, now: Instant, period: Duration) -> Option<Instant> {
        let late = now.saturating_duration_since(planned);
        match self {
            MissedTickBehavior::Delay if late > GRACE => now.checked_add(period),
            MissedTickBehavior::Skip if late >= period => planned
                .checked_add(late)?
                .checked_add(period - remainder(late, period)),
            _ => planned.checked_add(period),
        }
    }
}

/// `time` modulo `period`.
fn remainder(time: Duration, period: Duration) -> Duration {
    let nanos = time.as_nanos() % period.as_nanos();
    // Both parts fit: the remainder is less than `period`.
    Duration::new(
        (nanos / 1_000_000_000) as u64,
        (nanos % 1_000_000_000) as u32,
    )
}

/// The ticks of [`interval`](fn@interval) and [`interval_at`].
pub struct Interval {
    /// Boxed, so that an interval may be moved between two ticks.
    delay: Pin<Box<Sleep>>,
    period: Duration,
    behavior: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and returns the instant for which it was planned.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`tick`](Interval::tick), for those who poll by hand.
    ///
    /// The waker of the last call is the one that is woken.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.delay.as_mut().poll(cx));
        let planned = self.delay.deadline();
        let next = self.behavior.next(planned, Instant::now(), self.period);
        self.set(next);
        Poll::Ready(planned)
    }

    /// Plans the next tick one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::time::{Duration, Instant, interval};
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut interval = interval(Duration::from_millis(2));
    /// let before = Instant::now();
    /// interval.reset();
    /// assert!(interval.tick().await >= before + Duration::from_millis(2));
    /// # }
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Plans the next tick for now.
    pub fn reset_immediately(&mut self) {
        self.set(Some(Instant::now()));
    }

    /// Plans the next tick for `after` from now; the period stays.
    pub fn reset_after(&mut self, after: Duration) {
        self.set(Instant::now().checked_add(after));
    }

    /// Plans the next tick for `deadline`; the period stays.
    ///
    /// If that lies in the past the tick comes at once and counts as late.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.set(Some(deadline));
    }

    /// What happens after missed ticks.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.behavior
    }

    /// Sets what happens after missed ticks; default [`Burst`](MissedTickBehavior::Burst).
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.behavior = behavior;
    }

    /// The distance of two ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    fn set(&mut self, deadline: Option<Instant>) {
        self.delay
            .as_mut()
            .reset(deadline.unwrap_or_else(Instant::far_future));
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("next", &self.delay.deadline())
            .field("period", &self.period)
            .field("missed_tick_behavior", &self.behavior)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the documentation of `MissedTickBehavior`, in seconds.
    #[test]
    fn the_three_behaviors_are_as_their_table_says() {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let period = Duration::from_secs(10);
        let run = |behavior: MissedTickBehavior| {
            let (mut planned, mut now) = (at(10), at(35));
            std::array::from_fn(|_| {
                now = now.max(planned);
                planned = behavior.next(planned, now, period).expect("not so far");
                (now - zero).as_secs()
            })
        };
        assert_eq!(run(MissedTickBehavior::Burst), [35, 35, 35, 40]);
        assert_eq!(run(MissedTickBehavior::Delay), [35, 45, 55, 65]);
        assert_eq!(run(MissedTickBehavior::Skip), [35, 40, 50, 60]);
    }

    #[test]
    fn a_skip_that_wakes_exactly_on_a_tick_waits_for_the_one_after() {
        let zero = Instant::now();
        let period = Duration::from_millis(10);
        let next = MissedTickBehavior::Skip.next(zero, zero + 3 * period, period);
        assert_eq!(next, Some(zero + 4 * period));
    }

    #[test]
    fn an_interval_that_skips_keeps_its_phase() {
        let zero = Instant::now();
        let period = Duration::from_nanos(1_234_567);
        let mut planned = zero;
        for late in 1..2000_u32 {
            // Every tick is delivered later than the one before.
            let now = planned + Duration::from_nanos(777_777) * late;
            let next = MissedTickBehavior::Skip
                .next(planned, now, period)
                .expect("not so far");
            assert!(
                next > now && next - now <= period,
                "next tick after the present, within a period"
            );
            assert_eq!(
                remainder(next - zero, period),
                Duration::ZERO,
                "off the phase"
            );
            planned = next;
        }
    }
}
