//! Taking tasks in from outside: injector, poller, timers. W2 and W4 of `worker.rs`.

use super::pace::{Pace, QUICK};
use super::{Station, Task, Worker};
use crate::poller::Timeout;
use crate::queue::Stolen;
use crate::task::{WakeList, is_task_waker};

impl Worker {
    /// W2: looks at the outside world.
    #[cold]
    pub(super) fn look(&self) {
        let now = self.scheduler.clock.now();
        self.seat.watch.running.clear();
        self.count_work(self.pace.restart(now));
        if self.scheduler.crowd.is_limited() || self.crowded.get() {
            self.look_in_a_crowd(now);
        }
        if self.pace.is_odd() {
            self.ask_whether_put_off(now);
        }
        self.set_slow(self.pace.mean_poll() > QUICK);
        self.shuffle_pace();
        let runs_dry = self.runs_dry(now);
        if !runs_dry {
            if self.has_station() {
                self.poll_station(&self.station, now);
            }
            self.look_into_left();
        }
        if self.scheduler.stuck.is_clear() && !runs_dry {
            self.visit_a_peer(now);
        } else {
            self.relieve_stuck(now);
        }
    }

    /// Takes in the events and due timers of a station, its own or that of a stuck peer; true if there were any.
    pub(super) fn poll_station(&self, station: &Station, now: u64) -> bool {
        let poller = station.poller.as_ref();
        let poller = poller.filter(|poller| poller.registrations() > 0);
        if poller.is_none() && now < station.timers.next_deadline() {
            return false;
        }
        let mut wakes = self.wakes.take();
        if let Some(poller) = poller {
            // Somebody else inside is polling it for us; an error comes back at the next park.
            let _ = poller.try_poll(Timeout::Zero, &mut wakes);
        }
        station.timers.expire(now, &mut wakes);
        let any = !wakes.is_empty();
        self.deliver(wakes);
        any
    }

    /// Wakes what a look collected: our tasks into this worker's queue, one announcement, then foreign wakers.
    pub(super) fn deliver(&self, mut wakes: WakeList) {
        if !wakes.is_empty() {
            self.brisk.set(wakes.len() > 1);
            self.holding.set(true);
            wakes.wake_all(is_task_waker, || {
                self.holding.set(false);
                // S2: foreign wakers may take their time.
                if self.is_searching() {
                    self.stop_searching();
                }
                if self.held.replace(false) {
                    self.announce_soon();
                }
            });
        }
        self.wakes.replace(wakes);
    }

    /// W4: a batch from the injector; the first of it runs at once.
    pub(super) fn take_batch(&self) -> bool {
        if self.scheduler.injector.is_empty() {
            return false;
        }
        let taken = self.scheduler.injector.take_into(&self.local);
        if let Stolen::Batch(_, more) = &taken {
            self.counters().injector_takes.add(1 + *more as u64);
        }
        self.run_stolen(taken)
    }

    /// The end of a round: whoever comes from outside gets his turn, unless the builder said when.
    #[inline]
    pub(super) fn take_injected(&self) {
        if !self.scheduler.injector.is_empty() && self.injector_pace.is_none() {
            self.take_injected_slow();
        }
    }

    fn take_injected_slow(&self) {
        if self.local.has_room_for_a_batch() {
            self.take_batch();
        } else {
            self.take_one_injected();
        }
    }

    /// Takes one task although the deque is busy, so that outsiders never wait for it to run dry.
    pub(super) fn take_one_injected(&self) {
        if let Some(task) = self.scheduler.injector.pop() {
            self.counters().injector_takes.add(1);
            self.run_task(task, 1);
        }
    }

    /// Runs the first task of a batch and makes the others known.
    pub(super) fn run_stolen(&self, stolen: Stolen<Task>) -> bool {
        let Stolen::Batch(task, _) = stolen else {
            return matches!(stolen, Stolen::Retry);
        };
        let announce = self.local.length() > 0 && self.local.publish(&self.seat.queue);
        if self.is_searching() {
            // S2 announces for all who relied on this searcher, the rest of the batch included.
            self.stop_searching();
        } else if announce {
            self.announce_unless_crowded();
        }
        self.run_task(task, 1);
        true
    }

    #[cold]
    pub(super) fn keep_injector_pace(&self, pace: &Pace) {
        if pace.is_due() {
            let _ = pace.restart(0);
            self.take_one_injected();
        }
        // At an interval of 1 the injected task has used it up.
        if !pace.is_due() {
            pace.tick(1);
        }
    }
}
