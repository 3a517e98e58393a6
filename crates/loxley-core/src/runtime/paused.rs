//! The paused clock of a current-thread runtime, for tests.
//!
//! A paused clock moves in two ways only. *Told*: `advance` moves it and fires what is due. *By itself*: the worker wants
//! to sleep until a deadline; it polls the sockets once without waiting, and if nothing came and nothing holds the
//! clock, it moves the clock to that deadline instead of sleeping. Without a deadline it sleeps for real.
//!
//! # Rejected
//!
//! The same on the multi-thread flavour. "Nothing to do" is then a fact about all workers at one moment, and nobody has
//! that moment: worker 0 finds its queues empty and moves the clock by an hour to its next deadline, while worker 1 is
//! in the middle of a poll that is about to start a timeout of one second around an answer that it has already sent
//! for. The timeout fires at once. A lock around every poll would exclude it, and leave nothing to be tested.

use std::time::{Duration, Instant};

use super::context;
use super::handle::Inner;
use crate::clock::duration_ns;
use crate::primitive::Arc;
use crate::task::{WakeList, is_task_waker};
use crate::worker::Scheduler;

/// The present, by the clock of the runtime that this thread is in; outside, by the machine's.
pub fn now() -> Instant {
    let clock = context::with_handle(|handle| handle.inner.scheduler.clock.instant());
    clock.unwrap_or_else(|_| Instant::now())
}

/// Stops the clock of this runtime.
///
/// Whenever the runtime has nothing else to do, the clock jumps to the next deadline.
///
/// # Panics
///
/// If it is paused already; outside a runtime; on a multi-thread runtime, where "nothing to do" is no single moment.
#[track_caller]
pub fn pause() {
    assert!(
        with_runtime(|runtime| change(runtime, true)),
        "time is already frozen: `pause` was called twice"
    );
}

/// Lets the clock go on from where it is.
///
/// # Panics
///
/// If it is not paused; outside a runtime; on a multi-thread runtime.
#[track_caller]
pub fn resume() {
    assert!(
        with_runtime(|runtime| change(runtime, false)),
        "time is not frozen: call `pause` before `resume`"
    );
}

/// Moves a paused clock on, and wakes whoever waits for a time that has come; they run when the caller yields.
///
/// # Panics
///
/// If the clock is not paused; outside a runtime.
#[track_caller]
pub fn advance(duration: Duration) {
    let moved = with_runtime(|runtime| {
        let scheduler = &runtime.scheduler;
        let target = scheduler.clock.now().saturating_add(duration_ns(duration));
        let moved = scheduler.clock.move_to(target);
        if moved {
            fire(scheduler);
        }
        moved
    });
    assert!(moved, "time is not frozen: call `pause` before `advance`");
}

#[track_caller]
fn with_runtime(f: impl FnOnce(&Arc<Inner>) -> bool) -> bool {
    let inner = context::with_handle(|handle| handle.inner.clone());
    match inner {
        Ok(inner) => f(&inner),
        Err(error) => panic!("time cannot be frozen here: {error}"),
    }
}

#[track_caller]
fn change(runtime: &Arc<Inner>, paused: bool) -> bool {
    match runtime.scheduler.clock.set_paused(paused) {
        Some(changed) => changed,
        None => panic!(
            "`pause` and `resume` need a current-thread runtime: with several workers there is no moment at which \
             nothing is left to do. Use `Builder::new_current_thread`, or `flavor = \"current_thread\"`"
        ),
    }
}

fn fire(scheduler: &Scheduler) {
    let mut wakes = WakeList::new();
    let now = scheduler.clock.now();
    for station in &scheduler.stations {
        station.timers.expire(now, &mut wakes);
    }
    wakes.wake_all(is_task_waker, || {});
}

/// Holds the clock while a closure runs on the blocking pool.
pub struct Hold(Option<Arc<Scheduler>>);

impl Hold {
    pub fn new(scheduler: &Arc<Scheduler>) -> Self {
        Self(scheduler.clock.hold().then(|| scheduler.clone()))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(scheduler) = &self.0 {
            scheduler.clock.release();
            // It may sleep for real, because of us.
            scheduler.unpark_all();
        }
    }
}
