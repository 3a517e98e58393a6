//! A station: poller, timers, place to sleep; and whose it is.
//!
//! # Tenancy
//!
//! One word says which seat's thread sleeps here, and whether it does so now. Sockets and timers need no tenancy:
//! they have locks, and anybody may look after them.
//!
//! - N1 only the tenant sleeps here: it marks the word *asleep* before it publishes its sleep, and *awake* when it
//!   has left the list of sleepers again, which knows stations and not threads.
//! - N2 a station whose tenant is awake can be taken away by one exchange: by the worker whose own it is, at any time;
//!   by a stand-in, through the monitor, when the tenant is stuck. The loser finds out at its next step.
//! - N3 a tenant that is asleep is asked: unparked, it goes through *awake*, where N2 applies.
//! - N4 a worker that blocks in place leaves its station vacant, for a stand-in to settle.
//!
//! So nobody ever waits for a stuck thread, and two threads never sleep at one place. A thread that inserts a timer
//! just when it loses its station may leave the new tenant asleep beyond that deadline; the monitor, which took the
//! station from it, tells the sleepers of all stations at every round.
//!
//! Checked by `loom-tests/tests/{station,protocol}.rs`.

use std::time::Duration;

use crate::park::Park;
use crate::poller::Poller;
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::primitive::{Arc, CachePadded, Condvar, Mutex, Weak};
use crate::timer::Timers;

/// One place to sleep, with the sockets and timers whose home it is.
pub struct Station {
    /// `None` if I/O is not enabled.
    pub poller: Option<Arc<Poller>>,
    /// Its timers.
    pub timers: Arc<Timers>,
    /// Where its tenant sleeps.
    pub park: Arc<Park>,
    tenant: CachePadded<AtomicUsize>,
    /// Somebody waits for the tenant to wake.
    wanted: AtomicBool,
    waiting: Mutex<()>,
    changed: Condvar,
}

/// The word: vacant, or twice the seat's number plus one, plus the mark.
const VACANT: usize = 0;
const ASLEEP: usize = 1;

fn awake(seat: usize) -> usize {
    (seat + 1) << 1
}

impl Station {
    /// Puts a station together; it is vacant.
    pub fn new(poller: Option<Arc<Poller>>, timers: Arc<Timers>) -> Self {
        // Weak: the poller knows the place to sleep in its turn.
        let kicked = poller.as_ref().map(Arc::downgrade);
        let park = Arc::new(Park::new(Box::new(move || {
            if let Some(poller) = kicked.as_ref().and_then(Weak::upgrade) {
                poller.kick();
            }
        })));
        if let Some(poller) = &poller {
            poller.set_park(park.clone());
        }
        timers.set_park(park.clone());
        Self {
            poller,
            timers,
            park,
            tenant: CachePadded::new(AtomicUsize::new(VACANT)),
            wanted: AtomicBool::new(false),
            waiting: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// Registrations that need somebody in the poller.
    #[inline]
    pub fn registrations(&self) -> usize {
        self.poller
            .as_ref()
            .map_or(0, |poller| poller.registrations())
    }

    /// True if `seat` is the tenant, at this moment.
    #[inline]
    pub fn is_tenant(&self, seat: usize) -> bool {
        self.tenant.load(Ordering::Relaxed) & !ASLEEP == awake(seat)
    }

    /// The seat of the tenant, asleep or not.
    pub fn tenant(&self) -> Option<usize> {
        (self.tenant.load(Ordering::Relaxed) >> 1).checked_sub(1)
    }

    /// N1: the tenant is going to sleep; false if it is the tenant no more.
    pub fn begin_sleep(&self, seat: usize) -> bool {
        self.change(awake(seat), awake(seat) | ASLEEP)
    }

    /// N1: the tenant is awake again.
    pub fn end_sleep(&self, seat: usize) {
        // Release: pairs with the Acquire of whoever takes the station next; nobody else changes a word that is
        // marked asleep.
        self.tenant.store(awake(seat), Ordering::Release);
        // Relaxed: who wants the station looks again after a while in any case.
        if self.wanted.load(Ordering::Relaxed) {
            self.notify();
        }
    }

    /// N4: `seat` leaves; false if it was the tenant no more.
    pub fn vacate(&self, seat: usize) -> bool {
        let left = self.change(awake(seat), VACANT);
        if left {
            self.notify();
        }
        left
    }

    /// N2, by the monitor: takes the station from a tenant that is stuck, for a stand-in to settle.
    pub fn take_from(&self, seat: usize) -> bool {
        self.change(awake(seat), VACANT)
    }

    /// `seat` moves in if nobody is there.
    pub fn settle(&self, seat: usize) -> bool {
        self.change(VACANT, awake(seat))
    }

    /// N2: the worker whose own the station is takes it back from a tenant that is awake.
    pub fn try_reclaim(&self, seat: usize) -> bool {
        let seen = self.tenant.load(Ordering::Relaxed);
        if seen & ASLEEP == 0 {
            return self.change(seen, awake(seat));
        }
        seen & !ASLEEP == awake(seat)
    }

    /// N2 and N3: the same, and a tenant that is asleep is woken first; gives up after `limit`.
    pub fn reclaim(&self, seat: usize, limit: Duration) -> bool {
        if self.try_reclaim(seat) {
            return true;
        }
        let mut waiting = self.waiting.lock();
        self.wanted.store(true, Ordering::Relaxed);
        self.park.unpark();
        if !self.try_reclaim(seat) {
            let _ = self.changed.wait_for(&mut waiting, limit);
        }
        self.wanted.store(false, Ordering::Relaxed);
        self.try_reclaim(seat)
    }

    fn change(&self, from: usize, to: usize) -> bool {
        // AcqRel: what the last tenant did here is visible to the next. All that is left here has locks, and a sleep ends
        // with the Release of `end_sleep`, so that loom finds nothing amiss without Release.
        self.tenant
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    fn notify(&self) {
        drop(self.waiting.lock());
        self.changed.notify_all();
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_station_that_goes_takes_its_poller_and_its_place_to_sleep_along() {
        let poller = Arc::new(Poller::new(false).unwrap());
        let timers = Arc::new(Timers::new(Clock::real(0)));
        let gone = Arc::downgrade(&poller);
        let station = Station::new(Some(poller), timers);
        let park = Arc::downgrade(&station.park);
        drop(station);
        assert!(gone.upgrade().is_none() && park.upgrade().is_none());
    }
}
