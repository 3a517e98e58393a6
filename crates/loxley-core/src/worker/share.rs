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

    /// The deque is full. A peer that is called for one task has come and gone before the next: so there is one call for as
    /// many as patience may keep back.
    #[cold]
    fn spill(&self, task: Task) {
        self.counters().spills.add(1);
        self.scheduler.injector.push(task);
        let spilled = self.spilled.get() + 1;
        if spilled > self.pace.patience() {
            self.spilled.set(0);
            self.announce_unless_crowded();
        } else {
            self.spilled.set(spilled);
            self.owed.set(self.owed.get().max(1));
        }
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
        if self.local.length() > patience as usize && !waits {
            self.announce_unless_crowded();
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
        match owed - 1 {
            0 if self.must_wait() => self.owed.set(self.pace.patience() + 1),
            0 => self.announce_unless_crowded(),
            left => self.owed.set(left),
        }
    }

    /// If it is no use, nothing is owed: the next look asks again (K4 in `crowd.rs`).
    pub(super) fn announce_unless_crowded(&self) {
        self.owed.set(0);
        if !self.is_no_use_to_call() {
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
    use crate::primitive::atomic::Ordering;
    use crate::task::Id;
    use crate::timer::Timers;
    use crate::worker::{Config, Scheduler, Station, block_in_place};

    /// A worker whose polls take so long, in nanoseconds; its only peer sleeps.
    fn worker(poll: u64) -> Worker {
        worker_on(0, poll)
    }

    /// The same on so many processors; 0: nobody cares.
    fn worker_on(processors: usize, poll: u64) -> Worker {
        let clock = Clock::manual(1);
        let station = || Station::new(None, Arc::new(Timers::new(clock.clone())));
        let config = Config {
            workers: 2,
            processors,
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
        push(worker, 40);
    }

    fn push(worker: &Worker, tasks: u32) {
        for _ in 0..tasks {
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

    /// So many tasks have gone to the injector.
    fn spilled(worker: &Worker) -> u32 {
        u32::try_from(worker.scheduler.injector.len()).unwrap()
    }

    /// A full deque, nothing in the injector, and the peer sleeps.
    fn fill(worker: &Worker) {
        while spilled(worker) == 0 {
            push(worker, 1);
        }
        drop(worker.scheduler.injector.pop());
        worker.spilled.set(0);
        worker.owed.set(0);
        if is_peer_called(worker) {
            let _ = worker.scheduler.idle.park(1, Wish::default(), true);
        }
    }

    #[test]
    fn one_peer_is_called_for_as_many_tasks_of_a_full_deque_as_patience_keeps_back() {
        for poll in [100, 5_000, 50_000] {
            let worker = worker(poll);
            fill(&worker);
            let patience = worker.pace.patience();
            for call in 1..4 {
                push(&worker, patience);
                assert!(!is_peer_called(&worker), "polls of {poll} ns");
                push(&worker, 1);
                assert!(is_peer_called(&worker), "polls of {poll} ns");
                assert_eq!(spilled(&worker), call * (patience + 1));
                let _ = worker.scheduler.idle.park(1, Wish::default(), true);
            }
        }
    }

    #[test]
    fn the_tasks_of_a_full_deque_for_which_nobody_was_called_are_announced_after_the_poll() {
        let worker = worker(100);
        fill(&worker);
        push(&worker, 1);
        assert!(!is_peer_called(&worker));
        worker.pay_what_is_owed();
        assert!(is_peer_called(&worker));
    }

    #[test]
    fn on_one_processor_nobody_is_called_for_short_work_of_who_is_awake() {
        let worker = worker_on(1, 100);
        fill(&worker);
        push_many(&worker);
        for _ in 0..1000 {
            worker.pay_what_is_owed();
            worker.look();
        }
        assert!(!is_peer_called(&worker));
    }

    #[test]
    fn on_one_processor_a_peer_is_called_for_long_polls() {
        let worker = worker_on(1, 30_000);
        push(&worker, 2);
        assert!(is_peer_called(&worker));
    }

    #[test]
    fn on_one_processor_a_peer_is_called_if_those_awake_may_not_be_relied_on() {
        let worker = worker_on(1, 100);
        push_many(&worker);
        assert!(!is_peer_called(&worker));
        worker.scheduler.in_place.store(1, Ordering::Relaxed);
        worker.look();
        for _ in 0..=worker.pace.patience() {
            worker.pay_what_is_owed();
        }
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
        worker.look();
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
