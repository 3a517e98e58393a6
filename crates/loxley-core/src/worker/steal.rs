//! Looking for work in other queues.

use super::Worker;
use crate::queue::Stolen;

impl Worker {
    /// W5: true if a task was found and run.
    ///
    /// A worker that may not search, because enough others do, parks instead; one that was woken to search does.
    pub(super) fn search(&self) -> bool {
        if self.scheduler.seats_used() == 1 && self.scheduler.stuck.is_clear() {
            return false;
        }
        if !self.is_searching() {
            if !self.scheduler.idle.start_searching() {
                return false;
            }
            self.set_searching(true);
        }
        // A second pass only if somebody was faster than us in the first.
        let contended = match self.visit_all() {
            Visit::Found => return true,
            Visit::Contended => true,
            Visit::Nothing => false,
        };
        (contended && matches!(self.visit_all(), Visit::Found))
            || self.take_batch()
            || (!self.scheduler.stuck.is_clear() && self.relieve_stuck(self.scheduler.clock.now()))
    }

    /// One round over all seats, from a random one on.
    fn visit_all(&self) -> Visit {
        let seats = self.scheduler.seats_used();
        let start = self.random.below(seats);
        let mut contended = false;
        self.counters().searches.add(1);
        for offset in 0..seats {
            let index = (start + offset) % seats;
            let victim = self.scheduler.seat(index);
            if std::ptr::eq(&**victim, &*self.seat) || !victim.queue.is_promising() {
                continue;
            }
            self.counters().steal_tries.add(1);
            match victim.queue.steal_into(&self.local) {
                Stolen::Nothing => {}
                // Spinning on one victim is what everybody else would do too.
                Stolen::Retry => contended = true,
                batch @ Stolen::Batch(_, more) => {
                    self.counters().steals.add(1);
                    self.counters().stolen.add(1 + more as u64);
                    self.run_stolen(batch);
                    return Visit::Found;
                }
            }
        }
        if contended {
            Visit::Contended
        } else {
            Visit::Nothing
        }
    }
}

/// What a round gave.
enum Visit {
    Found,
    Contended,
    Nothing,
}
