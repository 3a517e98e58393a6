//! The sleep that everything timed is made of.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::context;
use crate::budget;
use crate::clock::duration_ns;
use crate::primitive::Arc;
use crate::timer::{Deadline, Entry, Here, Timers};
use crate::worker::{Worker, with_any_current};

/// Sleeps of fewer nanoseconds end at their exact deadline; longer ones may share a wake with others.
const EXACT: u64 = 8_000_000;
/// What stands for "never", in nanoseconds: about thirty years, as in tokio; longer sleeps saturate.
const FAR: u64 = 86_400 * 365 * 30 * 1_000_000_000;

/// The reading that stands for "has passed already": no clock of a runtime fires anything at it.
const DUE: Deadline = Deadline::exact(0);

pin_project! {
    /// Waits until a deadline; made by `Sleep::until` and `Sleep::after`.
    ///
    /// The timer is entered into the wheel of the worker that first polls it to `Pending`, and stays there until
    /// [`Sleep::reset`]. It never fires early.
    ///
    /// # Cancellation
    ///
    /// Dropping it takes the timer out of its wheel; nothing else happens.
    ///
    /// # Panics
    ///
    /// Polling it after its runtime was shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let runtime = loxley_core::runtime::Runtime::new()?;
    /// runtime.block_on(async {
    ///     let before = Instant::now();
    ///     loxley_core::time::Sleep::after(Duration::from_micros(300)).await;
    ///     assert!(before.elapsed() >= Duration::from_micros(300));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a sleep does nothing unless it is awaited"]
    pub struct Sleep {
        // As it was given; `None`: it is the instant of `fire_at`.
        deadline: Option<Instant>,
        fire_at: Deadline,
        #[pin]
        entry: Entry,
    }
}

impl Sleep {
    /// Waits until `deadline`; one that has passed is ready at the first poll.
    ///
    /// # Panics
    ///
    /// Outside a runtime, or if the runtime was built without `enable_time`.
    #[track_caller]
    pub fn until(deadline: Instant) -> Self {
        let timers = timers_of_sleep();
        let (now, at) = (timers.clock().present(), timers.clock().to_ns(deadline));
        Self::new(timers, now, at, Some(deadline))
    }

    /// Waits for `duration`, at most for about thirty years.
    ///
    /// Shorter than 8 ms it is exact. A longer one is exact too, unless another timer of the same worker has ended in the
    /// millisecond before: then it may be late by what is left of that, so that many timers share few wakes.
    ///
    /// # Panics
    ///
    /// Outside a runtime, or if the runtime was built without `enable_time`.
    #[track_caller]
    pub fn after(duration: Duration) -> Self {
        let timers = timers_of_sleep();
        let now = timers.clock().now();
        let at = now.saturating_add(duration_ns(duration).min(FAR));
        let ended = (at == now).then(|| timers.clock().instant_at(now));
        Self::new(timers, now, at, ended)
    }

    #[inline]
    fn new(timers: Arc<Timers>, now: u64, at: u64, deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            fire_at: fire_at(&timers, now, at),
            entry: Entry::new(timers),
        }
    }

    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
            .unwrap_or_else(|| self.entry.home().clock().instant_at(self.fire_at.at))
    }

    /// True once it has fired, or if its deadline had passed when it was set.
    pub fn is_elapsed(&self) -> bool {
        self.fire_at == DUE || self.entry.has_fired()
    }

    /// Sets another deadline, before or after it has fired. It is entered anew at the next poll, where it is
    /// polled; a task that waits for it is not woken by the change, unless the new deadline has passed.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        let home = this.entry.home();
        *this.deadline = Some(deadline);
        *this.fire_at = fire_at(home, home.clock().present(), home.clock().to_ns(deadline));
        if *this.fire_at == DUE {
            return this.entry.end();
        }
        with_any_current(|worker| {
            let here = here(worker, this.entry.home(), *this.fire_at);
            this.entry.reset(here, *this.fire_at);
        });
    }
}

/// When a timer that is set now, for a reading of its clock, fires.
#[inline]
fn fire_at(timers: &Timers, now: u64, at: u64) -> Deadline {
    match at.saturating_sub(now) {
        0 => DUE,
        left => Deadline {
            at,
            shares: left >= EXACT && !is_paused(timers),
        },
    }
}

/// True if the clock stands still: then no wake is shared, and tests count on exact times.
#[cfg(feature = "test-util")]
fn is_paused(timers: &Timers) -> bool {
    timers.clock().is_paused()
}

/// True if the clock stands still, which it never does.
#[cfg(not(feature = "test-util"))]
fn is_paused(_: &Timers) -> bool {
    false
}

/// True if the clock stands still, at or behind the deadline of an entry that has not been in a wheel yet.
///
/// Tests poll such a sleep once and expect it to be ready, as it is in tokio. By a clock that goes it is not worth a
/// reading: the next look fires it.
#[cfg(feature = "test-util")]
fn is_overdue(entry: &Entry, deadline: Deadline) -> bool {
    let clock = entry.home().clock();
    entry.is_idle() && clock.is_paused() && clock.now() >= deadline.at
}

/// True if the clock stands still behind the deadline, which it never does.
#[cfg(not(feature = "test-util"))]
#[inline]
fn is_overdue(_: &Entry, _: Deadline) -> bool {
    false
}

/// The wheel for a sleep made here.
#[inline]
#[track_caller]
fn timers_of_sleep() -> Arc<Timers> {
    let own = with_any_current(|worker| {
        let worker = worker.filter(|worker| context::is_in(worker.scheduler()))?;
        let enabled = worker.scheduler().config.time_enabled;
        enabled.then(|| worker.timers().clone())
    });
    match own {
        Some(own) => own,
        None => timers_outside(),
    }
}

/// The wheel for a sleep made by somebody who is no worker, or where timers are disabled.
#[cold]
#[track_caller]
fn timers_outside() -> Arc<Timers> {
    match context::with_handle(|handle| handle.inner.timers_here().cloned()) {
        Ok(Some(timers)) => timers,
        Ok(None) => panic!(
            "timers are disabled: call `enable_time` or `enable_all` on the runtime's `Builder`"
        ),
        Err(error) => panic!("cannot sleep: {error}"),
    }
}

/// The wheel that the worker that this thread is has for a timer, if it belongs to the runtime of `home`.
#[inline]
fn here<'a>(worker: Option<&'a Worker>, home: &Timers, deadline: Deadline) -> Option<Here<'a>> {
    let worker = worker.filter(|worker| worker.timers().clock().is(home.clock()))?;
    Some(worker.wheel_for(deadline))
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(budget::poll_proceed(cx));
        let this = self.project();
        if is_overdue(&this.entry, *this.fire_at) {
            let clock = this.entry.home().clock();
            this.deadline
                .get_or_insert_with(|| clock.instant_at(this.fire_at.at));
            *this.fire_at = DUE;
        }
        if *this.fire_at == DUE {
            unit.made_progress();
            return Poll::Ready(());
        }
        let fired = with_any_current(|worker| {
            let here = here(worker, this.entry.home(), *this.fire_at);
            this.entry.poll(cx, here, *this.fire_at)
        });
        let fired = ready!(fired);
        unit.made_progress();
        assert!(
            fired.is_ok(),
            "the runtime of this timer has been shut down: a sleep cannot outlive its runtime"
        );
        Poll::Ready(())
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("elapsed", &self.is_elapsed())
            .finish_non_exhaustive()
    }
}
