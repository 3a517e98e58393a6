//! Blocking a worker's thread on purpose: B1 to B3 of `worker.rs`.

use std::time::Duration;

use super::{BLOCKED, Scheduler, Worker, with_any_current};
use crate::primitive::atomic::{Ordering, fence};

/// How long a worker that came back waits for its station before it looks for work again.
const RETURN: Duration = Duration::from_millis(1);

/// Runs `f`, which may block, on this thread. If the thread is a worker, somebody else is called to its station
/// meanwhile.
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    struct Return<'a>(&'a Worker);
    impl Drop for Return<'_> {
        fn drop(&mut self) {
            self.0.take_back();
        }
    }
    with_any_current(|worker| {
        let Some(worker) = worker.filter(|worker| !worker.is_blocked()) else {
            return f();
        };
        worker.hand_over();
        worker.mode.set(worker.mode.get() | BLOCKED);
        worker.scheduler.call_stand_in(worker.station_index);
        let _return = Return(worker);
        worker.scheduler.block_in_place(worker.local.length() > 0);
        f()
    })
}

impl Scheduler {
    /// From here on, whoever shuts down knows of somebody in `block_in_place`; if it was too late for that, what he may
    /// wait for is ended here (E4 in `runtime/shutdown.rs`). `waits`: there are tasks in his queue.
    fn block_in_place(&self, waits: bool) {
        self.in_place.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence of `Idle::close`, and with I2 for who makes room (K4 in `crowd.rs`)
        if self.idle.is_closed() {
            self.sweep();
        }
        if waits || !self.injector.is_empty() {
            self.call_anybody(); // K4
        }
        self.call_a_keeper();
    }

    fn unblock(&self) {
        self.in_place.fetch_sub(1, Ordering::Relaxed);
    }

    /// True if somebody is in `block_in_place`; for a caller that has closed the pool.
    pub fn is_blocked_in_place(&self) -> bool {
        self.in_place.load(Ordering::Relaxed) > 0
    }
}

impl Worker {
    /// B1.
    fn hand_over(&self) {
        if let Some(task) = self.seat.queue.slot.take() {
            self.push(task);
        }
        // The polls that would have paid are not coming.
        self.announce_now();
        // Declared, so nobody has to find out.
        self.seat.watch.set_resting(true);
        self.station.vacate(self.seat_index);
    }

    /// B3.
    fn take_back(&self) {
        self.mode.set(self.mode.get() & !BLOCKED);
        self.scheduler.unblock();
        self.be_watched();
    }

    /// Active again, without having slept at a station: the others may all be asleep, and the alarm off.
    fn be_watched(&self) {
        self.seat.watch.set_resting(false);
        self.scheduler.alarm.active(self.scheduler.clock.now());
    }

    /// True once the station is this worker's again, which takes no longer than waking its tenant.
    pub(super) fn reclaim_station(&self) -> bool {
        self.station.is_tenant(self.seat_index) || {
            self.seat.watch.set_resting(true);
            let reclaimed = !self.stand_in && self.station.reclaim(self.seat_index, RETURN);
            self.be_watched();
            reclaimed
        }
    }

    /// True if this thread is, or becomes without waiting, the tenant of its station.
    pub(super) fn has_station(&self) -> bool {
        let station = &*self.station;
        station.is_tenant(self.seat_index)
            || (!self.stand_in && station.reclaim(self.seat_index, Duration::ZERO))
    }
}
