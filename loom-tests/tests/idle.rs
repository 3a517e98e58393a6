//! Who sleeps and who is woken: the steps of `idle.rs`, with the real account, park words, deques and injector, in
//! a worker's loop cut down to what the protocol needs.
//!
//! Parking: I1 enter the list; I2 publish the park word, fence; I3 re-check every source; I4 found something: leave
//! the list, else sleep.
//!
//! Announcing: A1 put the task where I3 looks; A2 fence; A3 somebody searches, or nobody is parked: done; A4 take the
//! last one out of the list, count it as searching, unpark it.
//!
//! Searching: S1 only while few do; S2 whoever finds work stops searching before running anything, and the last to
//! stop announces.
//!
//! Each model ends when every task has run. A task that is stranded leaves everybody asleep, which loom reports.

use std::cell::Cell;
use std::sync::Arc;

use loom::sync::Notify;
use loom::thread;
use loom_tests::{Item, Items, Twin, check, must_fail};
use loxley_core::doors::atomic::{AtomicBool, AtomicUsize, Ordering};
use loxley_core::doors::fault::How;
use loxley_core::doors::idle::{Announce, Bed, Idle, Unparked, Wish};
use loxley_core::doors::park::{self, NEVER, Park, Prepared};
use loxley_core::doors::queue::{Injector, Local, Public, Push, Stolen};

/// Which steps the loop does; a twin leaves one out.
#[derive(Clone, Copy)]
struct Steps {
    /// I3 looks at the injector.
    recheck_injector: bool,
    /// I3 looks at the hints.
    recheck_hints: bool,
    /// S2 comes before running, and announces.
    stop_searching: bool,
}

const ALL: Steps = Steps {
    recheck_injector: true,
    recheck_hints: true,
    stop_searching: true,
};

struct Shared {
    idle: Idle,
    parks: Vec<Park>,
    seats: Vec<Public<Item>>,
    injector: Injector<Item>,
    items: Items,
    /// Whether the task with this number has run; one waits for each.
    ran: Vec<(AtomicBool, Notify)>,
    left: AtomicUsize,
    all_ran: Notify,
}

impl Shared {
    fn new(workers: usize, items: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(workers),
            parks: (0..workers).map(|_| Park::futex_only()).collect(),
            seats: (0..workers).map(|_| Public::new()).collect(),
            injector: Injector::new(),
            items: Items::new(items),
            ran: (0..items)
                .map(|_| (AtomicBool::new(false), Notify::new()))
                .collect(),
            left: AtomicUsize::new(items),
            all_ran: Notify::new(),
        })
    }

    fn carry_out(&self, announce: Announce) {
        if let Announce::Wake(station) = announce {
            self.parks[station].unpark();
        }
    }

    /// From outside.
    fn spawn(&self, number: usize) {
        self.injector.push(self.items.make(number)); // A1
        self.carry_out(self.idle.announce());
    }

    fn wait_for(&self, number: usize) {
        while !self.ran[number].0.load(Ordering::Acquire) {
            self.ran[number].1.wait();
        }
    }

    /// Waits for all tasks, then ends the workers. What they do at the end is no matter here.
    fn end(&self, workers: Vec<thread::JoinHandle<()>>) {
        self.all_ran.wait();
        while self.left.load(Ordering::Acquire) > 0 {
            self.all_ran.wait();
        }
        loom::stop_exploring();
        self.idle.close();
        for park in &self.parks {
            park.unpark();
        }
        for worker in workers {
            worker.join().unwrap();
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    index: usize,
    local: Local<Item>,
    searching: Cell<bool>,
    steps: Steps,
}

/// What a task does when it runs.
type Run = fn(&Worker, usize);

/// How a worker begins: a model need not explore how it came there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// Its queue is empty.
    Active,
    /// It counts as searching.
    Searching,
    /// It has found nothing, and is going to park.
    Parking,
    /// It has passed I3.
    Asleep,
}

/// Puts a worker's account where it begins; all of them before the first thread runs.
fn account(shared: &Shared, index: usize, begin: Begin) {
    match begin {
        Begin::Searching => assert!(shared.idle.start_searching()),
        Begin::Asleep => {
            let how = park::How::Futex;
            let _ = shared.idle.park(index, Wish::default(), false);
            assert_eq!(shared.parks[index].prepare(how, NEVER), Prepared::Ready);
        }
        Begin::Active | Begin::Parking => {}
    }
}

/// Starts workers that begin like this.
fn start<const N: usize>(
    shared: &Arc<Shared>,
    begin: [Begin; N],
    steps: Steps,
    run: Run,
) -> Vec<thread::JoinHandle<()>> {
    for (index, begin) in begin.into_iter().enumerate() {
        account(shared, index, begin);
    }
    let threads = begin.into_iter().enumerate();
    let threads = threads.map(|(index, begin)| {
        let shared = shared.clone();
        thread::spawn(move || Worker::new(shared, index, steps).run(begin, run))
    });
    threads.collect()
}

impl Worker {
    fn new(shared: Arc<Shared>, index: usize, steps: Steps) -> Self {
        Self {
            local: shared.seats[index].sit_down().expect("the seat is vacant"),
            shared,
            index,
            searching: Cell::new(false),
            steps,
        }
    }

    fn run(&self, begin: Begin, run: Run) {
        match begin {
            Begin::Active => {}
            Begin::Searching => self.searching.set(true),
            Begin::Parking => self.park(),
            Begin::Asleep => self.sleep(),
        }
        while !self.shared.idle.is_closed() {
            self.step(run);
        }
    }

    /// True if a task ran.
    fn step(&self, run: Run) -> bool {
        let Some(item) = self.next().or_else(|| self.search()) else {
            self.park();
            return false;
        };
        self.run_one(item, run);
        true
    }

    fn next(&self) -> Option<Item> {
        let shared = &*self.shared;
        self.local.pop(&shared.seats[self.index]).or_else(|| {
            let stolen = shared.injector.take_into(&self.local);
            self.keep(stolen)
        })
    }

    fn search(&self) -> Option<Item> {
        let shared = &*self.shared;
        if !self.searching.get() {
            if !shared.idle.start_searching() {
                return None; // S1
            }
            self.searching.set(true);
        }
        let victims = shared.seats.iter().enumerate();
        let mut others =
            victims.filter(|(index, seat)| *index != self.index && seat.is_promising());
        others
            .find_map(|(_, seat)| self.keep(seat.steal_into(&self.local)))
            .or_else(|| self.keep(shared.injector.take_into(&self.local)))
    }

    /// Makes what came with a batch known.
    fn keep(&self, stolen: Stolen<Item>) -> Option<Item> {
        let Stolen::Batch(item, _) = stolen else {
            return None;
        };
        if self.local.length() > 0 && self.local.publish(&self.shared.seats[self.index]) {
            self.shared.carry_out(self.shared.idle.announce());
        }
        Some(item)
    }

    fn run_one(&self, item: Item, run: Run) {
        let shared = &*self.shared;
        if self.searching.replace(false) {
            if self.steps.stop_searching {
                shared.carry_out(shared.idle.stop_searching()); // S2
            } else {
                shared.idle.give_up_searching();
            }
        }
        let number = shared.items.take(item);
        run(self, number);
        shared.ran[number].0.store(true, Ordering::Release);
        shared.ran[number].1.notify();
        if shared.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            shared.all_ran.notify();
        }
    }

    /// Spawns from inside.
    fn spawn(&self, number: usize) {
        let shared = &*self.shared;
        match self
            .local
            .push(&shared.seats[self.index], shared.items.make(number))
        {
            Push::Announce => shared.carry_out(shared.idle.announce()),
            Push::Queued => {}
            Push::Full(_) => unreachable!("so many tasks are not spawned here"),
        }
    }

    fn park(&self) {
        let shared = &*self.shared;
        let how = park::How::Futex;
        let place = &shared.parks[self.index];
        let _ = shared
            .idle
            .park(self.index, Wish::default(), self.searching.replace(false)); // I1
        if place.prepare(how, NEVER) == Prepared::Notified {
            return self.leave_the_list(false);
        }
        if self.must_not_sleep() {
            // I3
            place.finish();
            return self.leave_the_list(true); // I4
        }
        self.sleep();
    }

    /// I4.
    fn sleep(&self) {
        let place = &self.shared.parks[self.index];
        place.sleep(None);
        place.finish();
        self.leave_the_list(false);
    }

    fn leave_the_list(&self, found: bool) {
        let unparked = self.shared.idle.unpark_self(self.index, Bed::FUTEX, found);
        self.searching.set(unparked == Unparked::Searching);
    }

    fn must_not_sleep(&self) -> bool {
        let shared = &*self.shared;
        shared.idle.is_closed()
            || (self.steps.recheck_injector && !shared.injector.is_empty())
            || (self.steps.recheck_hints
                && shared.seats.iter().any(|seat| seat.has_work_before_park()))
    }
}

/// One task from outside, and workers that begin like this.
fn one_spawn<const N: usize>(begin: [Begin; N], steps: Steps) {
    let shared = Shared::new(N, 1);
    let threads = start(&shared, begin, steps, |_, _| {});
    shared.spawn(0);
    shared.end(threads);
}

#[test]
fn a_task_from_outside_finds_the_only_worker() {
    check(2, || one_spawn([Begin::Active], ALL));
}

#[test]
fn a_task_from_outside_finds_the_one_who_parks_or_the_one_who_sleeps() {
    check(2, || one_spawn([Begin::Parking, Begin::Asleep], ALL));
}

#[test]
fn a_task_from_outside_finds_the_one_who_sleeps_or_the_one_who_searches() {
    check(2, || one_spawn([Begin::Asleep, Begin::Searching], ALL));
}

/// One worker is in the middle of a task that spawns another and does not return before that has run: only its
/// peer can run it.
fn a_busy_owner(peer: Begin, steps: Steps) {
    let shared = Shared::new(2, 1);
    let threads = start(&shared, [peer], steps, |_, _| {});
    let worker = Worker::new(shared.clone(), 1, steps);
    worker.spawn(0);
    shared.wait_for(0);
    shared.end(threads);
}

#[test]
fn what_a_busy_worker_spawns_is_stolen_by_an_active_peer() {
    check(2, || a_busy_owner(Begin::Active, ALL));
}

#[test]
fn what_a_busy_worker_spawns_is_stolen_by_a_sleeping_peer() {
    check(2, || a_busy_owner(Begin::Asleep, ALL));
}

/// Two tasks from outside, the first of which does not return before the second has run. One worker searches, and
/// finds the first while the pusher of the second relies on it; the other sleeps, on the pusher's thread, to keep the
/// model small.
fn a_searcher_that_finds_other_work(steps: Steps) {
    let shared = Shared::new(2, 2);
    shared.injector.push(shared.items.make(0));
    account(&shared, 1, Begin::Asleep);
    let threads = start(&shared, [Begin::Searching], steps, |worker, number| {
        if number == 0 {
            worker.shared.wait_for(1);
        }
    });
    let sleeper = Worker::new(shared.clone(), 1, steps);
    shared.spawn(1);
    sleeper.sleep();
    while !sleeper.step(|_, _| {}) {}
    shared.end(threads);
}

#[test]
fn the_last_searcher_announces_for_those_who_relied_on_it() {
    check(2, || a_searcher_that_finds_other_work(ALL));
}

const fn twin(file: &'static str, after: &'static str, line: &'static str) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how: How::Weaken,
    })
}

#[test]
fn twin_without_a2() {
    let twin = twin("idle.rs", "pub fn announce", "fence(");
    must_fail(twin, "deadlock", 2, || one_spawn([Begin::Active], ALL));
}

#[test]
fn twin_without_i2() {
    let twin = twin("park.rs", "pub fn prepare", "fence(");
    must_fail(twin, "deadlock", 2, || one_spawn([Begin::Active], ALL));
}

#[test]
fn twin_without_i3_for_the_injector() {
    let steps = Steps {
        recheck_injector: false,
        ..ALL
    };
    must_fail(None, "deadlock", 2, move || {
        one_spawn([Begin::Active], steps)
    });
}

#[test]
fn twin_without_i3_for_the_hints() {
    let steps = Steps {
        recheck_hints: false,
        ..ALL
    };
    must_fail(None, "deadlock", 2, move || {
        a_busy_owner(Begin::Active, steps)
    });
}

#[test]
fn twin_without_s2() {
    let steps = Steps {
        stop_searching: false,
        ..ALL
    };
    must_fail(None, "deadlock", 2, move || {
        a_searcher_that_finds_other_work(steps)
    });
}
