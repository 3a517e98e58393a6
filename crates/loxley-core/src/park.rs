//! One place to sleep, and the ways to end the sleep.
//!
//! A [`Park`] belongs to a *station* (a poller and a timer wheel), not to a thread: whoever is the station's
//! tenant sleeps here. `block_on` and the blocking pool use one of their own.
//!
//! # Words
//!
//! *Park word*: RUNNING, PARKED_FUTEX (on the condition variable), PARKED_LEFT (the same, and others look into the
//! poller), PARKED_POLL (inside the poller), NOTIFIED (a wake that the next sleep consumes). *Until*: the deadline that the sleeper wakes by itself
//! for, [`NEVER`] if none, 0 while it runs.
//!
//! # Protocol
//!
//! Sleeper:
//! - K1 store `until`, then swap the word to PARKED_*; finding NOTIFIED means a wake came first.
//! - K2 `fence(SeqCst)`.
//! - K3 re-check every source of work, registrations and deadlines included; found something: go to K5.
//! - K4 sleep.
//! - K5 swap the word to RUNNING, store `until` = 0.
//!
//! Waker:
//! - U1 publish the reason, then `fence(SeqCst)` (pairs with K2: one of the two sees the other).
//! - U2 read the word or `until`; nobody sleeps there, or not too long: done, no system call.
//! - U3 swap the word to NOTIFIED; the value found says which sleep must be ended, and who finds RUNNING or
//!   NOTIFIED has nothing to end. The swap is what makes one wake end one sleep.
//!
//! PARKED_POLL is published only while the sleeper holds its poller's lock, so that nobody else can consume
//! the kick between U3 and K4. A kick that comes late is one spurious return of a later poll.
//!
//! # Rejected
//!
//! `std::thread::park`: its token is shared with the user's code, which may consume it (futures #2010).
//! Sleeping in the poller always: idle workers without sockets then pay for an epoll wait and an eventfd
//! (cats-effect #4328 measured 70 % more CPU).
//!
//! Checked by `loom-tests/tests/park.rs` and the tests below.

use std::fmt;

use crate::primitive::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::primitive::{Condvar, Mutex};

/// The `until` of a sleeper that waits for no deadline.
pub const NEVER: u64 = u64::MAX;

const RUNNING: u32 = 0;
const PARKED_FUTEX: u32 = 1;
const PARKED_POLL: u32 = 2;
const NOTIFIED: u32 = 3;
const PARKED_LEFT: u32 = 4;

/// Where the sleeper will wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// On the condition variable: nothing but [`Park::unpark`] or its deadline ends it.
    Futex,
    /// The same; the poller is left to those who are awake (`idle.rs`), so a registration ends no sleep.
    Left,
    /// In the poller: the kick ends it, and so does an event.
    Poll,
}

/// What [`Park::prepare`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Published and fenced: re-check every source, then sleep.
    Ready,
    /// A wake came first; the word is RUNNING again.
    Notified,
}

/// One place to sleep.
pub struct Park {
    /// Written by swap only.
    word: AtomicU32,
    /// Written by the sleeper alone.
    until: AtomicU64,
    lock: Mutex<()>,
    wakeup: Condvar,
    kick: Box<dyn Fn() + Send + Sync>,
}

impl Park {
    /// Makes a place to sleep; `kick` ends a sleep in the poller.
    pub fn new(kick: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            word: AtomicU32::new(RUNNING),
            until: AtomicU64::new(0),
            lock: Mutex::new(()),
            wakeup: Condvar::new(),
            kick,
        }
    }

    /// A place without a poller.
    pub fn futex_only() -> Self {
        Self::new(Box::new(|| {}))
    }

    /// K1 and K2: publishes the sleep.
    pub fn prepare(&self, how: How, until: u64) -> Prepared {
        // Relaxed: `deadline_added` reads it after its fence, which pairs with the one below.
        self.until.store(until, Ordering::Relaxed);
        let word = match how {
            How::Futex => PARKED_FUTEX,
            How::Left => PARKED_LEFT,
            How::Poll => PARKED_POLL,
        };
        // Acquire: pairs with the Release of the swap in `unpark`; `finish` would acquire the same, for this swap continues
        // the release sequence. Release: for who reads in `unpark` what the sleeper wrote, which nobody does: what the two
        // say to each other goes by the fences. So loom finds nothing amiss without either.
        if self.word.swap(word, Ordering::AcqRel) == NOTIFIED {
            self.finish();
            return Prepared::Notified;
        }
        fence(Ordering::SeqCst); // K2, pairs with U1
        Prepared::Ready
    }

    /// K4 on the condition variable: returns after a wake, or when `timeout` has passed.
    pub fn sleep(&self, timeout: Option<std::time::Duration>) {
        let mut guard = self.lock.lock();
        // Relaxed: the lock orders it after the waker's swap, which locks before it notifies.
        while matches!(
            self.word.load(Ordering::Relaxed),
            PARKED_FUTEX | PARKED_LEFT
        ) {
            match timeout {
                None => self.wakeup.wait(&mut guard),
                Some(limit) => {
                    if self.wakeup.wait_for(&mut guard, limit).timed_out() {
                        return;
                    }
                }
            }
        }
    }

    /// K5: ends the sleep; true if a wake ended it.
    pub fn finish(&self) -> bool {
        self.until.store(0, Ordering::Relaxed);
        // Acquire: pairs with the Release in `unpark`, whose writes the woken thread must see. Release: as in `prepare`,
        // and loom finds nothing amiss without it.
        self.word.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }

    /// U3: ends the sleep, or leaves a token that the next one consumes. True if somebody slept.
    pub fn unpark(&self) -> bool {
        // Release: pairs with the Acquire of `prepare` and `finish`. Acquire: as in `prepare`; of two wakes in a row the
        // second continues the first one's release sequence without it, so that loom finds nothing amiss.
        match self.word.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED_FUTEX | PARKED_LEFT => {
                // The sleeper checks the word under this lock: passing through it means that the
                // sleeper has either seen NOTIFIED or is waiting.
                drop(self.lock.lock());
                self.wakeup.notify_one();
                true
            }
            PARKED_POLL => {
                (self.kick)();
                true
            }
            _ => false,
        }
    }

    /// A registration was published: its poller needs somebody in it.
    pub fn registration_added(&self) {
        fence(Ordering::SeqCst); // U1, pairs with K2
        if self.word.load(Ordering::Relaxed) == PARKED_FUTEX {
            self.unpark();
        }
    }

    /// A deadline was published: whoever sleeps beyond it must wake and look again.
    pub fn deadline_added(&self, deadline: u64) {
        fence(Ordering::SeqCst); // U1, pairs with K2
        if self.until.load(Ordering::Relaxed) > deadline {
            self.unpark();
        }
    }

    /// True while somebody sleeps here, or is about to.
    pub fn is_parked(&self) -> bool {
        matches!(
            self.word.load(Ordering::Relaxed),
            PARKED_FUTEX | PARKED_LEFT | PARKED_POLL
        )
    }
}

impl fmt::Debug for Park {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.word.load(Ordering::Relaxed) {
            RUNNING => "running",
            PARKED_FUTEX => "parked on the futex",
            PARKED_LEFT => "parked on the futex, the poller left to others",
            PARKED_POLL => "parked in the poller",
            _ => "notified",
        };
        f.debug_struct("Park")
            .field("word", &word)
            .field("until", &self.until.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::primitive::Arc;
    use crate::primitive::atomic::AtomicUsize;

    fn counting() -> (Arc<AtomicUsize>, Park) {
        let kicks = Arc::new(AtomicUsize::new(0));
        let seen = kicks.clone();
        let park = Park::new(Box::new(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        }));
        (kicks, park)
    }

    #[test]
    fn a_wake_before_the_sleep_is_kept() {
        let (_, park) = counting();
        assert!(!park.unpark());
        assert_eq!(park.prepare(How::Futex, NEVER), Prepared::Notified);
        assert_eq!(park.prepare(How::Futex, NEVER), Prepared::Ready);
    }

    #[test]
    fn a_wake_of_a_running_tenant_kicks_nobody() {
        let (kicks, park) = counting();
        park.unpark();
        park.registration_added();
        park.deadline_added(1);
        assert_eq!(kicks.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_sleep_in_the_poller_is_kicked_once() {
        let (kicks, park) = counting();
        assert_eq!(park.prepare(How::Poll, NEVER), Prepared::Ready);
        assert!(park.unpark());
        assert!(!park.unpark());
        assert_eq!(kicks.load(Ordering::Relaxed), 1);
        assert!(park.finish());
    }

    #[test]
    fn a_registration_wakes_a_futex_sleeper_and_leaves_a_poller_alone() {
        let (kicks, park) = counting();
        assert_eq!(park.prepare(How::Poll, NEVER), Prepared::Ready);
        park.registration_added();
        assert_eq!(kicks.load(Ordering::Relaxed), 0);
        assert!(!park.finish());
        assert_eq!(park.prepare(How::Futex, NEVER), Prepared::Ready);
        park.registration_added();
        park.sleep(None);
        assert!(park.finish());
    }

    #[test]
    fn a_registration_wakes_nobody_whose_poller_is_left_to_others() {
        let (kicks, park) = counting();
        assert_eq!(park.prepare(How::Left, NEVER), Prepared::Ready);
        park.registration_added();
        assert!(!park.finish());
        assert_eq!(park.prepare(How::Left, NEVER), Prepared::Ready);
        assert!(park.unpark());
        park.sleep(None);
        assert!(park.finish());
        assert_eq!(kicks.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn only_an_earlier_deadline_wakes() {
        let (kicks, park) = counting();
        assert_eq!(park.prepare(How::Poll, 100), Prepared::Ready);
        park.deadline_added(100);
        park.deadline_added(101);
        assert_eq!(kicks.load(Ordering::Relaxed), 0);
        park.deadline_added(99);
        assert_eq!(kicks.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_thread_asleep_is_woken() {
        let park = Arc::new(Park::futex_only());
        let sleeper = {
            let park = park.clone();
            std::thread::spawn(move || {
                while park.prepare(How::Futex, NEVER) == Prepared::Ready {
                    park.sleep(None);
                    if park.finish() {
                        break;
                    }
                }
            })
        };
        park.unpark();
        sleeper.join().unwrap();
    }
}
