//! The slot for one waker: W1 to W6 of `task/waker_slot.rs`.
//!
//! - W1 the cell belongs to the thread that moved the word from HELD = TAKING = 0 to exactly one of them.
//! - W2 a taker that finds HELD leaves TAKING behind; the registration wakes on its way out.
//! - W3 a taker that finds TAKING goes: the other taker has the waker.
//! - W4 a registration that finds HELD or TAKING wakes its own waker at once.
//! - W5 every change is a read-modify-write of one chain: *register, then look again* loses no wake.

use std::sync::Arc;

use loom::thread;
use loom_tests::{Twin, Woken, check, check_long, must_fail};
use loxley_core::doors::atomic::{AtomicUsize, Ordering};
use loxley_core::doors::fault::How;
use loxley_core::doors::task::WakerSlot;

/// A slot, and how many of the events that it wakes for have come.
type Shared = Arc<(WakerSlot, AtomicUsize)>;

fn raise(shared: &Shared) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        shared.1.fetch_add(1, Ordering::Relaxed);
        if let Some(waker) = shared.0.take() {
            waker.wake();
        }
    })
}

/// Registers, looks again, sleeps, until all events have come.
fn wait_for(shared: &Shared, events: usize, look_again: bool) {
    let (woken, waker) = Woken::new();
    while shared.1.load(Ordering::Relaxed) < events {
        shared.0.register(&waker);
        if !look_again || shared.1.load(Ordering::Relaxed) < events {
            woken.wait();
            thread::yield_now(); // W4 wakes again and again until the taker goes on
        }
    }
}

/// One task waits for as many events as there are takers.
fn events(takers: usize, look_again: bool) {
    let shared: Shared = Arc::new((WakerSlot::new(), AtomicUsize::new(0)));
    let raisers: Vec<_> = (0..takers).map(|_| raise(&shared)).collect();
    wait_for(&shared, takers, look_again);
    for raiser in raisers {
        raiser.join().unwrap();
    }
}

#[test]
fn register_then_look_again_loses_no_wake() {
    check(2, || events(1, true));
}

#[test]
fn no_event_is_hidden_by_another() {
    check_long(2, || events(2, true));
}

/// The waiting thread is one of two takers, who meet at a waker that is there.
fn events_of_two(look_again: bool) {
    let shared: Shared = Arc::new((WakerSlot::new(), AtomicUsize::new(0)));
    shared.0.register(&Woken::new().1);
    let raiser = raise(&shared);
    shared.1.fetch_add(1, Ordering::Relaxed);
    if let Some(waker) = shared.0.take() {
        waker.wake();
    }
    wait_for(&shared, 2, look_again);
    raiser.join().unwrap();
}

#[test]
fn of_two_takers_none_hides_the_others_event() {
    check(3, || events_of_two(true));
}

/// Two tasks wait in one slot: the later replaces the earlier, none is forgotten at the same instant.
fn two_tasks() {
    let shared: Shared = Arc::new((WakerSlot::new(), AtomicUsize::new(0)));
    let registering = {
        let shared = shared.clone();
        // This one is content with a spurious wake; that its waker is dropped is what loom watches.
        thread::spawn(move || shared.0.register(&Woken::new().1))
    };
    let raiser = raise(&shared);
    let (woken, waker) = Woken::new();
    shared.0.register(&waker);
    registering.join().unwrap();
    // Replaced or not: once more, alone now.
    while shared.1.load(Ordering::Relaxed) == 0 {
        shared.0.register(&waker);
        if shared.1.load(Ordering::Relaxed) == 0 {
            woken.wait();
        }
    }
    raiser.join().unwrap();
}

#[test]
fn two_tasks_in_one_slot_leak_no_waker() {
    check(2, || two_tasks());
}

const fn twin(after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file: "task/waker_slot.rs",
        after,
        line,
        how,
    })
}

#[test]
fn twin_w1_without_exclusion() {
    let twin = twin("fn exchange", ".compare_exchange", How::Split);
    must_fail(twin, "deadlock", 2, || events(1, true));
}

#[test]
fn twin_w5_registrations_outside_the_chain() {
    let twin = twin("fn exchange", ".compare_exchange", How::Weaken);
    must_fail(twin, "Causality violation", 2, || events(1, true));
}

#[test]
fn twin_w5_a_take_outside_the_chain() {
    let twin = twin("pub fn take", "self.state.fetch_or", How::Weaken);
    must_fail(twin, "Causality violation", 2, || events(1, true));
}

#[test]
fn twin_w5_an_emptied_slot_outside_the_chain() {
    let twin = twin("fn empty_cell", "self.state.fetch_and", How::Weaken);
    must_fail(twin, "Causality violation", 3, || events_of_two(true));
}

#[test]
fn twin_without_the_second_look() {
    must_fail(None, "deadlock", 2, || events(1, false));
}
