//! Putting tasks where they wait, and telling the others about them.

use super::{SHUFFLES, STAMPS, TO_TAIL, Task, Worker};
use crate::queue::Push;

impl Worker {
    /// A task was woken or spawned by this thread: into the slot.
    #[inline]
    pub fn schedule(&self, task: Task) {
        self.counters().wakes.add(1);
        let mode = self.mode.get();
        if mode != 0 {
            if mode & STAMPS != 0 {
                self.scheduler.stamp(&task);
            }
            if mode & TO_TAIL != 0 || (mode & SHUFFLES != 0 && self.tosses_heads()) {
                return self.push(task);
            }
        }
        if let Some(displaced) = self.seat.queue.slot.put(task) {
            self.push(displaced);
        }
    }

    /// Puts a task at the tail of the deque.
    pub fn push(&self, task: Task) {
        self.push_inline(task);
    }

    /// [`Worker::push`] for the loop.
    #[inline(always)]
    pub(super) fn push_inline(&self, task: Task) {
        match self.local.push(&self.seat.queue, task) {
            Push::Queued => {
                if self.owed.get() != 0 {
                    self.announce_if_many();
                }
            }
            Push::Announce => self.announce_soon(),
            Push::Full(task) => self.spill(task),
        }
    }

    #[cold]
    fn spill(&self, task: Task) {
        self.counters().spills.add(1);
        self.scheduler.inject(task);
    }

    /// There is work for a peer now. A few short polls are not worth waking one: see `pace.rs`. Nor are tasks that run one
    /// after the other: see `calls.rs`.
    #[cold]
    pub(super) fn announce_soon(&self) {
        if self.holding.get() {
            return self.held.set(true);
        }
        // One more than the patience: 1 means "now".
        self.owed.set(self.pace.patience() + 1);
        self.announce_if_many();
    }

    /// Pays what is owed, before the thread does something that takes long.
    pub(super) fn announce_now(&self) {
        if self.owed.replace(0) != 0 {
            self.scheduler.announce();
        }
    }

    #[inline(never)]
    pub(super) fn announce_if_many(&self) {
        let patience = self.pace.patience();
        let waits = patience != 0 && !self.scheduler.calls.pay();
        if self.local.length() > patience as usize && !waits && !self.is_no_use_to_call() {
            self.owed.set(0);
            self.scheduler.announce();
        }
    }

    /// After a poll: what still waits is announced when the patience is over.
    #[inline]
    pub(super) fn pay_what_is_owed(&self) {
        let owed = self.owed.get();
        if owed != 0 {
            self.pay(owed);
        }
    }

    #[inline(never)]
    fn pay(&self, owed: u32) {
        if self.local.length() == 0 {
            return self.owed.set(0);
        }
        let owed = match owed - 1 {
            0 if self.must_wait() || self.is_no_use_to_call() => self.pace.patience() + 1,
            left => left,
        };
        self.owed.set(owed);
        if owed == 0 {
            self.scheduler.announce();
        }
    }

    /// C3 in `calls.rs`: calls were in vain, and the pause after the last one is not over.
    fn must_wait(&self) -> bool {
        let calls = &self.scheduler.calls;
        self.pace.patience() != 0 && !calls.pay() && !calls.are_due(self.scheduler.clock.now())
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::panic::Location;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::idle::Wish;
    use crate::primitive::Arc;
    use crate::task::Id;
    use crate::timer::Timers;
    use crate::worker::{Config, Scheduler, Station, block_in_place};

    /// A worker whose polls take so long, in nanoseconds; its only peer sleeps.
    fn worker(poll: u64) -> Worker {
        let clock = Clock::manual(1);
        let station = || Station::new(None, Arc::new(Timers::new(clock.clone())));
        let config = Config {
            workers: 2,
            patient: true,
            ..Config::default()
        };
        let scheduler = Scheduler::new(config, clock.clone(), vec![station(), station()]);
        let local = scheduler.seat(0).queue.sit_down().expect("it is vacant");
        scheduler.stations[0].settle(0);
        let _ = scheduler.idle.park(1, Wish::default(), false);
        let worker = Worker::new(scheduler, 0, 0, local, None);
        worker.pace.resume(clock.now());
        for _ in 0..100 {
            let polls = worker.pace.left();
            worker.pace.tick(polls);
            clock.advance(Duration::from_nanos(u64::from(polls) * poll));
            worker.pace.restart(clock.now());
        }
        worker
    }

    /// The peer was called, and slept at once.
    fn call_in_vain(worker: &Worker) {
        let now = worker.scheduler.clock.now();
        worker.scheduler.calls.called(now);
        worker.scheduler.calls.somebody_sleeps(now, 1);
    }

    fn push_many(worker: &Worker) {
        for _ in 0..40 {
            let id = Id::next();
            let home = worker.scheduler.home_for(Some(worker), id);
            let (task, _handle) = home.spawn(id, Location::caller(), async {});
            worker.push(task.expect("it is open"));
        }
    }

    fn is_peer_called(worker: &Worker) -> bool {
        worker.scheduler.awake() == 2
    }

    #[test]
    fn many_tasks_are_announced_at_once() {
        let worker = worker(100);
        push_many(&worker);
        assert!(is_peer_called(&worker));
    }

    #[test]
    fn during_a_respite_nobody_is_called_for_little_work() {
        let worker = worker(100);
        let now = worker.scheduler.clock.now();
        worker.scheduler.crowd.put_off(now, 2);
        push_many(&worker);
        for _ in 0..1000 {
            worker.pay_what_is_owed();
        }
        assert!(!is_peer_called(&worker));
        worker.scheduler.clock.advance(Duration::from_secs(1));
        worker.look();
        for _ in 0..=worker.pace.patience() {
            worker.pay_what_is_owed();
        }
        assert!(is_peer_called(&worker), "it is over");
    }

    #[test]
    fn during_a_respite_a_peer_is_called_for_much_work() {
        let worker = worker(50_000);
        let now = worker.scheduler.clock.now();
        worker.scheduler.crowd.put_off(now, 2);
        push_many(&worker);
        worker.pay_what_is_owed();
        assert!(is_peer_called(&worker));
    }

    #[test]
    fn a_searcher_who_finds_something_during_a_respite_calls_nobody() {
        let worker = worker(100);
        push_many(&worker);
        let now = worker.scheduler.clock.now();
        worker.scheduler.crowd.put_off(now, 2);
        let _ = worker.scheduler.idle.park(1, Wish::default(), true);
        assert!(worker.scheduler.idle.start_searching());
        worker.set_searching(true);
        worker.stop_searching();
        assert_eq!(worker.scheduler.idle.counts(), (1, 0));
    }

    #[test]
    fn who_blocks_in_place_calls_a_peer_although_everybody_was_told_of_what_waits() {
        let worker = worker(100);
        push_many(&worker);
        let _ = worker.scheduler.idle.park(1, Wish::default(), true);
        assert!(!is_peer_called(&worker));
        worker.enter(|worker| block_in_place(|| assert!(is_peer_called(worker))));
    }

    #[test]
    fn who_has_much_to_do_says_so_at_a_look_in_a_respite_and_after_it() {
        for (poll, wait) in [(50_000, 0), (100, 1)] {
            let worker = worker(poll);
            push_many(&worker);
            let _ = worker.scheduler.idle.park(1, Wish::default(), true);
            let now = worker.scheduler.clock.now();
            worker.scheduler.crowd.put_off(now, 2);
            worker.look();
            worker.scheduler.clock.advance(Duration::from_secs(wait));
            worker.look();
            assert!(is_peer_called(&worker), "polls of {poll} ns");
        }
    }

    #[test]
    fn after_a_call_in_vain_work_is_announced_when_the_pause_is_over() {
        let worker = worker(100);
        call_in_vain(&worker);
        push_many(&worker);
        for _ in 0..1000 {
            worker.pay_what_is_owed();
        }
        assert!(!is_peer_called(&worker), "the pause has just begun");
        worker.scheduler.clock.advance(Duration::from_micros(100));
        for _ in 0..=worker.pace.patience() {
            worker.pay_what_is_owed();
        }
        assert!(is_peer_called(&worker));
    }

    #[test]
    fn work_of_who_has_no_patience_is_announced_at_once_whatever_calls_gave() {
        let worker = worker(50_000);
        call_in_vain(&worker);
        push_many(&worker);
        assert!(is_peer_called(&worker));
    }
}
