//! Tasks that stay on one thread: `task/local.rs`.
//!
//! - rule 2 whoever wakes or aborts a task, it is polled and dropped by the thread that spawned it (RUSTSEC-2021-0072).
//! - L1, L2 a task is queued once, whether it is woken inside the set, elsewhere, or both.
//! - P1 an arrival after the look is told to whoever polls the set: no wake is lost.
//! - E3 a task that is on its way when the set ends is waited for, and nothing is left.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;
use loom_tests::{FULL, Tracked, Twin, Woken, check, must_fail};
use loxley_core::doors::Mutex;
use loxley_core::doors::atomic::{AtomicUsize, Ordering};
use loxley_core::doors::fault::How;
use loxley_core::doors::task::{LocalTasks, Observer, next_id};
use loxley_core::task::{JoinHandle, TaskPanic};

/// Hears nothing: no task of these models panics.
struct Deaf;

impl Observer for Deaf {
    fn panicked(&self, _: &TaskPanic<'_>) -> bool {
        false
    }
}

/// Belongs to a future, and to the thread that it was made on.
struct AtHome {
    home: thread::ThreadId,
    tracked: Tracked,
}

impl AtHome {
    fn new() -> Self {
        Self {
            home: thread::current().id(),
            tracked: Tracked::new(),
        }
    }

    fn touch(&self) {
        assert_eq!(thread::current().id(), self.home, "touched elsewhere");
        self.tracked.touch();
    }
}

impl Drop for AtHome {
    fn drop(&mut self) {
        self.touch(); // rule 2
    }
}

/// A set with a task that waits for `awaited` arrivals, each of which is followed by a wake.
struct Set {
    tasks: Rc<LocalTasks>,
    handle: JoinHandle<AtHome>,
    arrived: Arc<AtomicUsize>,
    waker: Waker,
    /// Who polls the set.
    woken: Arc<Woken>,
    poller: Waker,
}

/// Makes it and polls it once.
fn set(awaited: usize) -> Set {
    let tasks = LocalTasks::new(Box::new(Deaf));
    let (woken, poller) = Woken::new();
    let arrived = Arc::new(AtomicUsize::new(0));
    let place = Arc::new(Mutex::new(None));
    let (seen, offered, held) = (arrived.clone(), place.clone(), AtHome::new());
    let future = poll_fn(move |cx| {
        held.touch();
        if seen.load(Ordering::Relaxed) == awaited {
            return Poll::Ready(AtHome::new());
        }
        offered.lock().get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    });
    let handle = tasks.spawn(next_id(), std::panic::Location::caller(), future);
    tasks.while_polled(|| tasks.run_round());
    let waker = place.lock().take().expect("the task offers its waker");
    Set {
        tasks,
        handle,
        arrived,
        waker,
        woken,
        poller,
    }
}

impl Set {
    /// Another thread arrives, then wakes.
    fn arrival(&self) -> thread::JoinHandle<()> {
        let (arrived, waker) = (self.arrived.clone(), self.waker.clone());
        thread::spawn(move || {
            arrived.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        })
    }

    fn abort(&self) -> thread::JoinHandle<()> {
        let abort = self.handle.abort_handle();
        thread::spawn(move || abort.abort())
    }

    fn round(&self) {
        let again = self.tasks.while_polled(|| self.tasks.run_round());
        assert!(!again, "one task, and a round ends with it waiting");
    }

    /// Polls the set until the task has ended, and sleeps in between: a lost wake is a deadlock.
    fn run(&self, registers_first: bool) {
        loop {
            if registers_first {
                self.tasks.register(&self.poller); // P1
            }
            self.round(); // P2
            if !registers_first {
                self.tasks.register(&self.poller);
            }
            if self.handle.is_finished() {
                return;
            }
            self.woken.wait();
        }
    }

    /// E1 to E3; then nothing is left.
    fn end(self, waits: bool, others: thread::JoinHandle<()>) {
        self.tasks.while_polled(|| {
            if waits {
                self.tasks.end();
            } else {
                self.tasks.close();
                self.tasks.cancel_queued();
            }
        });
        assert!(self.tasks.is_empty(), "a task is left behind");
        assert!(self.handle.is_finished());
        drop((self.handle, self.waker));
        others.join().unwrap();
        let arrivals = self.tasks.arrivals();
        assert_eq!(Arc::strong_count(arrivals), 1, "a cell is left");
    }
}

/// The task is woken elsewhere while the set is polled.
fn a_wake_against_a_poll(registers_first: bool) {
    let set = set(1);
    let arrival = set.arrival();
    set.run(registers_first);
    set.end(true, arrival);
}

/// Once elsewhere, and once inside the set.
fn a_wake_here_and_one_elsewhere() {
    let set = set(2);
    let arrival = set.arrival();
    set.tasks.while_polled(|| {
        set.arrived.fetch_add(1, Ordering::Relaxed);
        set.waker.wake_by_ref(); // L1
    });
    set.run(true);
    set.end(true, arrival);
}

/// It is aborted elsewhere while the set is polled.
fn an_abort_against_a_poll() {
    let set = set(1);
    let abort = set.abort();
    set.run(true);
    set.end(true, abort);
}

/// It is woken elsewhere while the set is dropped.
fn a_wake_against_the_end(waits: bool) {
    let set = set(1);
    let arrival = set.arrival();
    set.end(waits, arrival);
}

/// It is aborted elsewhere while the set is dropped.
fn an_abort_against_the_end() {
    let set = set(1);
    let abort = set.abort();
    set.end(true, abort);
}

/// A waker outlives the set: the drop that frees the cell happens elsewhere.
fn the_last_waker() {
    let set = set(1);
    let waker = set.waker.clone();
    let dropping = thread::spawn(move || drop(waker));
    set.end(true, dropping);
}

#[test]
fn a_wake_from_elsewhere_is_never_lost() {
    check(3, || a_wake_against_a_poll(true));
}

#[test]
fn a_wake_here_and_one_elsewhere_queue_the_task_once() {
    check(3, || a_wake_here_and_one_elsewhere());
}

#[test]
fn an_abort_from_elsewhere_leaves_the_drop_to_the_owner() {
    check(3, || an_abort_against_a_poll());
}

#[test]
fn a_task_that_is_woken_at_the_end_is_cancelled_by_the_owner() {
    check(3, || a_wake_against_the_end(true));
}

#[test]
fn a_task_that_is_aborted_at_the_end_is_dropped_by_the_owner() {
    check(3, || an_abort_against_the_end());
}

#[test]
fn the_last_waker_frees_the_cell_elsewhere() {
    check(FULL, || the_last_waker());
}

const fn twin(after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file: "task/state.rs",
        after,
        line,
        how,
    })
}

#[test]
fn twin_without_p1() {
    must_fail(None, "deadlock", 3, || a_wake_against_a_poll(false));
}

#[test]
fn twin_without_the_wait_of_e3() {
    must_fail(None, "a task is left behind", 3, || {
        a_wake_against_the_end(false)
    });
}

#[test]
fn twin_an_end_in_two_steps() {
    let twin = twin("fn update", "compare_exchange_weak", How::Split);
    must_fail(twin, "", 3, || a_wake_against_the_end(true));
}

#[test]
fn twin_a_reference_given_up_without_order() {
    let twin = twin("fn ref_dec", "fetch_sub", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || the_last_waker());
}
