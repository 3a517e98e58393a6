//! What one seat counts about itself.
//!
//! Each counter has one writer, the thread that sits there, so counting is a load and a store, no locked
//! instruction. Readers see a value that is a moment old. Pollers and timers count for themselves.

use crate::primitive::CachePadded;
use crate::primitive::atomic::{AtomicU64, Ordering};

/// A number that one thread writes and everybody reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; for the one writer.
    #[inline]
    pub fn add(&self, amount: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(amount);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Writes another value; for the one writer.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value a moment ago.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one seat, on cache lines of their own.
#[derive(Debug, Default)]
pub struct Counters(CachePadded<Inner>);

/// One counter a line.
#[derive(Debug, Default)]
pub struct Inner {
    /// Tasks polled. It moves at every poll, so it is also the sign of progress that a watcher samples.
    pub polls: Counter,
    /// Tasks made ready by code that ran here, those that made themselves ready included.
    pub wakes: Counter,
    /// Sleeps begun and sleeps ended: odd while it sleeps.
    pub sleeps: Counter,
    /// Sleeps that ended for nothing.
    pub noops: Counter,
    /// `polls` at the end of the last sleep; no number of polls if something else was done since.
    polls_before: Counter,
    /// Nanoseconds not slept.
    pub busy: Counter,
    /// Nanoseconds that a poll takes, by a moving average.
    pub mean_poll: Counter,
    /// Polls that spent their budget.
    pub forced_yields: Counter,
    /// Sleeps on the futex.
    pub futex_parks: Counter,
    /// Sleeps in the poller.
    pub poller_parks: Counter,
    /// Rounds over the queues of all peers.
    pub searches: Counter,
    /// Peers whose queues it tried to take from.
    pub steal_tries: Counter,
    /// Batches stolen from peers.
    pub steals: Counter,
    /// Tasks in those batches.
    pub stolen: Counter,
    /// Tasks taken from the injector.
    pub injector_takes: Counter,
    /// Tasks taken out of the LIFO slot.
    pub slot_takes: Counter,
    /// Tasks that a full deque sent to the injector.
    pub spills: Counter,
    /// Tasks that completed here.
    pub completed: Counter,
    /// Tasks taken out of the slots of stuck peers.
    pub slots_relieved: Counter,
    /// Tasks taken out of the deques of stuck peers.
    pub tasks_relieved: Counter,
    /// Times that events or timers of a stuck peer's station were taken in.
    pub stations_relieved: Counter,
    /// Times that something was done for a busy peer who made no progress.
    pub visits: Counter,
    /// Work that the safety re-check of debug builds found beside a parked worker; 0, or a wake was lost.
    pub rechecks: Counter,
}

impl Inner {
    /// A sleep begins.
    pub fn sleep_begins(&self) {
        if self.sleeps.get() > 0 && self.polls.get() == self.polls_before.get() {
            self.noops.add(1);
        }
        self.sleeps.add(1);
    }

    /// It has ended.
    pub fn sleep_ended(&self) {
        self.sleeps.add(1);
        self.polls_before.set(self.polls.get());
    }

    /// Something was done that is no task's poll.
    pub fn worked(&self) {
        self.polls_before.set(u64::MAX);
    }
}

impl std::ops::Deref for Counters {
    type Target = Inner;

    #[inline]
    fn deref(&self) -> &Inner {
        &self.0
    }
}
