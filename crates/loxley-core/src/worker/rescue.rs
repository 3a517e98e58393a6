//! Relieving peers that are stuck in one poll: their slot, their deque, their timers, their sockets.
//!
//! - R1 the monitor finds a thread stuck (`watch.rs`), sets its bit in the mask and wakes a sleeper.
//! - R2 a worker that searches, and a busy one at its next look, sees the mask and comes here.
//! - R3 it takes the slot's task, which ordinary thieves leave alone, and a batch of the deque, a lone task too.
//! - R4 it takes in the events and due timers of the station, unless somebody else is its tenant: whoever polls
//!   delivers everything, into its own deque.
//! - R5 the owner comes back, its progress moves, and R3 does not find it stuck any more.
//!
//! What is not relieved: the stuck task itself, and the futures polled inside it.
//!
//! Checked by `tests/rescue_*.rs` and `loom-tests/tests/rescue.rs`.

use super::{Counters, Seat, Worker};
use crate::primitive::Arc;
use crate::queue::Stolen;

impl Worker {
    /// R2: true if anything was taken over.
    pub(super) fn relieve_stuck(&self, now: u64) -> bool {
        let scheduler = &self.scheduler;
        let mut any = false;
        for index in 0..scheduler.seats_used() {
            if !scheduler.stuck.may_be_stuck(index) {
                continue;
            }
            let seat = scheduler.seat(index);
            if seat.is_stuck() && !std::ptr::eq(&**seat, &*self.seat) {
                any |= self.relieve(index, seat, now);
            }
        }
        if any {
            scheduler.stuck.relieved(now);
        }
        any
    }

    fn relieve(&self, index: usize, seat: &Arc<Seat>, now: u64) -> bool {
        let counters: &Counters = self.counters();
        let (slot, tasks) = self.take_tasks(seat);
        counters.slots_relieved.add(slot);
        counters.tasks_relieved.add(tasks);
        let mut any = slot + tasks > 0;
        // R4: at most one station has this tenant.
        for station in self.scheduler.stations.iter() {
            if station.tenant() == Some(index) && self.poll_station(station, now) {
                counters.stations_relieved.add(1);
                any = true;
            }
        }
        any
    }

    /// R3: how many it took out of the slot and out of the deque.
    pub(super) fn take_tasks(&self, seat: &Seat) -> (u64, u64) {
        let (mut slot, mut tasks) = (0, 0);
        if let Some(task) = seat.queue.slot.take() {
            self.push(task);
            slot = 1;
        }
        if self.local.has_room_for_a_batch() {
            if let Stolen::Batch(task, more) = seat.queue.steal_into(&self.local) {
                self.push(task);
                tasks = 1 + more as u64;
            }
        }
        (slot, tasks)
    }
}
