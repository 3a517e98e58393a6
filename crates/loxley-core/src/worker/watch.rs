//! What a watcher sees of a seat, and what it says about it.
//!
//! # The verdict
//!
//! *Progress* is the number of polls and sleeps, which a seat counts anyway. A thread that sits, does not sleep, and
//! makes no progress between two samples is *stuck*; the watcher stores the very value it saw. The thread is stuck
//! exactly while its progress still is that value: nobody has to take the verdict back, the thread's next poll does.
//!
//! The verdict is advice. A thread that moves on in the very moment loses nothing by it: a slot is taken by swap, a
//! poller and a wheel under their locks.

use std::thread::ThreadId;

use super::histogram::Histogram;
use super::scheduler::{Scheduler, Seat};
use crate::primitive::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::primitive::global;
use crate::task::Running;

/// No progress has this value: it would take centuries.
const NOT_STUCK: u64 = u64::MAX;
/// Seats that the mask tells apart; the others share the last bit.
const BITS: usize = 64;

/// What a watcher may see of the thread in a seat.
#[derive(Debug)]
pub struct Watch {
    /// The thread's number in the kernel; 0 while nobody sits here.
    thread: AtomicU32,
    /// The same thread, as the standard library names it.
    thread_id: global::Mutex<Option<ThreadId>>,
    /// The thread sleeps for want of work, or waits for its station.
    resting: AtomicBool,
    /// The progress at which it was found stuck.
    stuck_at: AtomicU64,
    /// The task that it polls.
    pub running: Running,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            thread: AtomicU32::new(0),
            thread_id: global::Mutex::new(None),
            resting: AtomicBool::new(false),
            stuck_at: AtomicU64::new(NOT_STUCK),
            running: Running::default(),
        }
    }
}

impl Watch {
    /// A thread sits down.
    pub fn sit_down(&self, thread: u32) {
        self.resting.store(false, Ordering::Relaxed);
        self.thread.store(thread, Ordering::Relaxed);
        *self.thread_id.lock() = Some(std::thread::current().id());
    }

    /// It leaves.
    pub fn stand_up(&self) {
        self.thread.store(0, Ordering::Relaxed);
        *self.thread_id.lock() = None;
    }

    /// The thread that sits here, by the standard library's name.
    pub fn thread_id(&self) -> Option<ThreadId> {
        *self.thread_id.lock()
    }

    /// The thread that sits here.
    pub fn thread(&self) -> Option<u32> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|&thread| thread != 0)
    }

    /// It rests, or works again.
    #[inline]
    pub fn set_resting(&self, resting: bool) {
        if cfg!(loxley_without_rescue) {
            return;
        }
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// True while it rests.
    pub fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }
}

impl Scheduler {
    /// The caller was the last to go to sleep at a station, until then.
    pub fn all_asleep(&self, now: u64, until: u64) {
        if cfg!(loxley_without_rescue) || self.somebody_has_no_station() {
            return;
        }
        let quiet = || self.idle.all_parked() && !self.somebody_has_no_station();
        self.alarm.all_asleep(now, until, quiet);
    }

    /// True if somebody is active although all stations may be asleep: a worker whose station a stand-in has.
    fn somebody_has_no_station(&self) -> bool {
        self.seats_used() > self.config.workers && self.seats().any(|seat| seat.is_active())
    }
}

impl Seat {
    /// Moves at every poll and every sleep.
    pub fn progress(&self) -> u64 {
        self.counters.polls.get()
            + self.counters.futex_parks.get()
            + self.counters.poller_parks.get()
    }

    /// True if somebody sits here who should be making progress.
    pub fn is_active(&self) -> bool {
        self.watch.thread().is_some() && !self.watch.is_resting()
    }

    /// The watcher's verdict on the thread that made no progress beyond `sample`.
    pub fn convict(&self, sample: u64) {
        self.watch.stuck_at.store(sample, Ordering::Relaxed);
    }

    /// True while the verdict holds.
    pub fn is_stuck(&self) -> bool {
        self.watch.stuck_at.load(Ordering::Relaxed) == self.progress() && self.is_active()
    }
}

/// Which seats are worth a look, in one word that every worker reads at every look; and how long what waits there
/// waits.
#[derive(Debug, Default)]
pub struct StuckMask {
    mask: global::AtomicU64,
    /// Since when something has waited for somebody who is stuck; 0 if nothing does, or nobody has noticed.
    waiting_since: global::AtomicU64,
    /// How long it was until somebody came.
    pub delays: Histogram,
}

impl StuckMask {
    /// True if no seat is stuck.
    #[inline]
    pub fn is_clear(&self) -> bool {
        cfg!(loxley_without_rescue) || self.mask.load(Ordering::Relaxed) == 0
    }

    /// The watcher's word.
    pub fn set(&self, seats: impl Iterator<Item = usize>) {
        let mask = seats.fold(0, |mask, seat| mask | bit(seat));
        self.mask.store(mask, Ordering::Relaxed);
    }

    /// The watcher's word, too: something has waited since then.
    pub fn waits(&self, since: u64) {
        let first = self.waiting_since.load(Ordering::Relaxed) == 0;
        if first {
            self.waiting_since.store(since.max(1), Ordering::Relaxed);
        }
    }

    /// Nothing waits any more, and nobody was needed for it.
    pub fn waits_no_more(&self) {
        self.waiting_since.store(0, Ordering::Relaxed);
    }

    /// Somebody has come, at `now`.
    pub fn relieved(&self, now: u64) {
        let since = self.waiting_since.swap(0, Ordering::Relaxed);
        if since != 0 {
            self.delays.record(now.saturating_sub(since));
        }
    }

    /// True if `seat` may be stuck.
    pub fn may_be_stuck(&self, seat: usize) -> bool {
        self.mask.load(Ordering::Relaxed) & bit(seat) != 0
    }
}

fn bit(seat: usize) -> u64 {
    1 << seat.min(BITS - 1)
}
