//! The task's state word under two and three threads: `task/state.rs`, and the rules of access in `task.rs`.
//!
//! - rule 1 whoever holds a reference may read the header; the last one frees the cell, once.
//! - rule 2 the stage belongs to whoever set RUNNING: no two poll the future, or poll it while it is dropped.
//! - rule 3 future and output are dropped exactly once, whoever ends the task.
//! - A wake is never lost: a poll follows it that sees what the waker's thread wrote, also if the task was
//!   scheduled or running already (tokio #7622).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;
use loom_tests::{FULL, Pool, Tracked, Twin, check, check_long, must_fail};
use loxley_core::doors::Mutex;
use loxley_core::doors::atomic::{AtomicUsize, Ordering};
use loxley_core::doors::fault::How;
use loxley_core::task::JoinHandle;

/// A task that waits for `awaited` arrivals, each of which is followed by a wake.
struct Waiting {
    pool: Arc<Pool>,
    handle: JoinHandle<Tracked>,
    arrived: Arc<AtomicUsize>,
    waker: Waker,
}

/// Spawns it and polls it once.
fn waiting(awaited: usize) -> Waiting {
    let pool = Pool::new();
    let arrived = Arc::new(AtomicUsize::new(0));
    let place = Arc::new(Mutex::new(None));
    let (seen, offered, held) = (arrived.clone(), place.clone(), Tracked::new());
    let handle = pool.spawn(poll_fn(move |cx| {
        held.touch(); // rule 2
        if seen.load(Ordering::Relaxed) == awaited {
            return Poll::Ready(Tracked::new());
        }
        offered.lock().get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }));
    pool.run();
    let waker = place.lock().take().expect("the task offers its waker");
    Waiting {
        pool,
        handle,
        arrived,
        waker,
    }
}

impl Waiting {
    /// A thread that arrives, then wakes.
    fn arrival(&self, by_value: bool) -> thread::JoinHandle<()> {
        let (arrived, waker) = (self.arrived.clone(), self.waker.clone());
        thread::spawn(move || {
            arrived.fetch_add(1, Ordering::Relaxed);
            if by_value {
                waker.wake();
            } else {
                waker.wake_by_ref();
            }
        })
    }

    /// This thread arrives, then wakes.
    fn arrive(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }

    /// Runs the task to its end, and looks whether anything is left.
    fn finish(self, threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
        drop(self.waker);
        self.pool.run_until(|| self.handle.is_finished());
        drop(self.handle);
        for thread in threads {
            thread.join().unwrap();
        }
        self.pool.end();
    }
}

fn one_wake_against_a_poll(by_value: bool) {
    let task = waiting(1);
    let arrival = task.arrival(by_value);
    // A second poll that may overlap the arrival's wake.
    task.waker.wake_by_ref();
    task.finish([arrival]);
}

/// What the task waits for is asked for, and it is woken during the poll that finds out.
fn a_wake_against_a_traced_poll() {
    let task = waiting(1);
    task.pool.trace();
    let arrival = task.arrival(false);
    task.finish([arrival]);
}

/// It is asked for while a wake comes: the traced poll may take the place of the one that the wake asked for.
fn a_trace_against_a_wake() {
    let task = waiting(1);
    let pool = task.pool.clone();
    let tracer = thread::spawn(move || pool.trace());
    task.arrive();
    task.finish([tracer]);
}

/// Both, and the poll, at the same time.
fn a_trace_against_a_wake_and_a_poll() {
    let task = waiting(1);
    let pool = task.pool.clone();
    let tracer = thread::spawn(move || pool.trace());
    let arrival = task.arrival(false);
    task.finish([tracer, arrival]);
}

#[test]
fn a_traced_poll_takes_no_wake_away() {
    check(2, || a_wake_against_a_traced_poll());
}

#[test]
fn a_trace_takes_no_wake_away() {
    check(2, || a_trace_against_a_wake());
}

#[test]
fn a_trace_takes_no_wake_of_another_thread_away() {
    check_long(2, || a_trace_against_a_wake_and_a_poll());
}

#[test]
fn a_wake_by_reference_is_never_lost() {
    check(2, || one_wake_against_a_poll(false));
}

#[test]
fn a_wake_by_value_is_never_lost() {
    check(2, || one_wake_against_a_poll(true));
}

/// Of two wakers one is on the thread that polls.
fn two_wakes() {
    let task = waiting(2);
    let arrival = task.arrival(true);
    task.arrive();
    task.finish([arrival]);
}

fn two_wakes_elsewhere() {
    let task = waiting(2);
    let arrivals = [task.arrival(false), task.arrival(true)];
    task.finish(arrivals);
}

#[test]
fn a_poll_sees_what_every_waker_wrote() {
    check(3, || two_wakes());
}

#[test]
fn a_poll_sees_what_every_waker_elsewhere_wrote() {
    check_long(2, || two_wakes_elsewhere());
}

/// The task is aborted while it is woken or runs; it completes or is cancelled, and drops what it held once.
fn an_abort_against_a_poll() {
    let task = waiting(1);
    let abort = task.handle.abort_handle();
    let aborting = thread::spawn(move || abort.abort());
    task.arrive();
    task.finish([aborting]);
}

/// The task is woken and aborted at the same time, and by then it may run.
fn an_abort_and_a_wake() {
    let task = waiting(1);
    let arrival = task.arrival(true);
    task.handle.abort();
    task.finish([arrival]);
}

fn an_abort_and_a_wake_elsewhere() {
    let task = waiting(1);
    let arrival = task.arrival(true);
    let abort = task.handle.abort_handle();
    let aborting = thread::spawn(move || abort.abort());
    task.finish([arrival, aborting]);
}

#[test]
fn an_abort_ends_the_task_once() {
    check(2, || an_abort_against_a_poll());
}

#[test]
fn an_abort_and_a_wake_end_the_task_once() {
    check(2, || an_abort_and_a_wake());
}

#[test]
fn an_abort_and_a_wake_elsewhere_end_the_task_once() {
    check_long(2, || an_abort_and_a_wake_elsewhere());
}

/// A waker outlives everything else: its drop may be the one that frees the cell.
fn the_last_reference() {
    let task = waiting(1);
    let last = task.waker.clone();
    task.arrived.fetch_add(1, Ordering::Relaxed);
    task.waker.wake_by_ref();
    let dropping = thread::spawn(move || drop(last));
    task.finish([dropping]);
}

#[test]
fn whoever_is_last_frees_the_cell() {
    check(FULL, || the_last_reference());
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
fn twin_a_wake_that_publishes_nothing() {
    let twin = twin("fn update", "compare_exchange_weak", How::Weaken);
    must_fail(twin, "deadlock", 2, || two_wakes());
}

#[test]
fn twin_a_start_that_does_not_look_at_the_wakers() {
    let twin = twin("fn start", "fetch_add", How::Weaken);
    must_fail(twin, "deadlock", 2, || two_wakes());
}

#[test]
fn twin_a_transition_in_two_steps() {
    let twin = twin("fn update", "compare_exchange_weak", How::Split);
    must_fail(twin, "a cell is left", 2, || an_abort_and_a_wake());
}

#[test]
fn twin_a_trace_in_two_steps() {
    let twin = twin("fn update", "compare_exchange_weak", How::Split);
    must_fail(twin, "deadlock", 2, || a_wake_against_a_traced_poll());
}

#[test]
fn twin_a_poll_after_a_trace_that_does_not_look_at_the_wakers() {
    let twin = twin("fn start", "fetch_add", How::Weaken);
    must_fail(twin, "deadlock", 2, || a_wake_against_a_traced_poll());
}

#[test]
fn twin_a_reference_given_up_without_order() {
    let twin = twin("fn ref_dec", "fetch_sub", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || the_last_reference());
}
