//! The handle against the completing task: `task/join.rs`, and *Who may touch the join waker* in `task.rs`.
//!
//! - rule 3 the output belongs to the handle if there is one at completion, else to whoever completes; it is
//!   dropped exactly once.
//! - While JOIN_WAKER is clear, the handle alone touches the join waker; it takes the field back by clearing the
//!   bit; if the bit was set at completion, the completer owns it.
//! - The waker registered last is woken, and none leaks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::thread;
use loom_tests::{FULL, Pool, Tracked, Twin, Woken, check, must_fail};
use loxley_core::doors::fault::How;
use loxley_core::task::JoinHandle;

/// A task whose output is watched; the future holds another object.
fn spawned() -> (Arc<Pool>, JoinHandle<Tracked>) {
    let pool = Pool::new();
    let held = Tracked::new();
    let handle = pool.spawn(async move {
        held.touch();
        let output = Tracked::new();
        output.touch();
        output
    });
    (pool, handle)
}

fn poll(handle: &mut JoinHandle<Tracked>, waker: &Waker) -> bool {
    match Pin::new(handle).poll(&mut Context::from_waker(waker)) {
        Poll::Pending => false,
        Poll::Ready(output) => {
            output.expect("nobody aborts").touch();
            true
        }
    }
}

/// Waits with `wakers` one after the other, then for the last of them.
fn join(mut handle: JoinHandle<Tracked>, turns: usize) {
    let mut last = Woken::new();
    for turn in 0..turns {
        if turn > 0 {
            last = Woken::new();
        }
        if poll(&mut handle, &last.1) {
            return;
        }
    }
    loop {
        last.0.wait();
        if poll(&mut handle, &last.1) {
            return;
        }
    }
}

fn join_against_completion(turns: usize) {
    let (pool, handle) = spawned();
    let joiner = thread::spawn(move || join(handle, turns));
    pool.run();
    joiner.join().unwrap();
    pool.end();
}

#[test]
fn completion_wakes_the_handle_and_shows_it_the_output() {
    check(FULL, || join_against_completion(1));
}

#[test]
fn of_two_wakers_the_last_is_woken() {
    check(2, || join_against_completion(2));
}

fn drop_against_completion(polls: bool) {
    let (pool, mut handle) = spawned();
    let dropper = thread::spawn(move || {
        if polls {
            poll(&mut handle, &Woken::new().1);
        }
        drop(handle);
    });
    pool.run();
    dropper.join().unwrap();
    pool.end();
}

#[test]
fn a_dropped_handle_and_the_task_drop_the_output_once() {
    check(FULL, || drop_against_completion(false));
}

#[test]
fn a_handle_dropped_after_waiting_leaks_no_waker() {
    check(2, || drop_against_completion(true));
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
fn twin_a_completion_that_publishes_nothing() {
    let twin = twin("task/state.rs", "fn complete", "fetch_add");
    must_fail(twin, "Causality violation", FULL, || {
        join_against_completion(1)
    });
}

#[test]
fn twin_a_handle_that_only_glances_at_the_end() {
    let twin = twin("task/state.rs", "fn is_complete", "self.0.load");
    must_fail(twin, "Causality violation", FULL, || {
        join_against_completion(1)
    });
}

#[test]
fn twin_a_join_waker_handed_over_without_order() {
    let twin = twin("task/state.rs", "fn update", "compare_exchange_weak");
    must_fail(twin, "Causality violation", 2, || {
        join_against_completion(2)
    });
}
