//! The deque with its hint: Q1 to Q4 of `queue.rs`, on the weakest deque that keeps crossbeam's contract.
//!
//! Owner:
//! - Q1 put the task into the deque.
//! - Q2 swap the hint to ANY; it was EMPTY: announce.
//!
//! Whoever parks, for a hint that is ANY:
//! - Q3 the deque is not empty: there is work.
//! - Q4 it is empty: swap the hint to EMPTY and look once more.

use std::sync::Arc;

use loom::sync::Notify;
use loom::thread;
use loom_tests::{Item, Items, Twin, check, must_fail};
use loxley_core::doors::atomic::{AtomicBool, Ordering, fence};
use loxley_core::doors::fault::How;
use loxley_core::doors::queue::{Local, Public, Push, Stolen};

fn seat() -> (Arc<Public<Item>>, Local<Item>) {
    let public = Arc::new(Public::new());
    let local = public.sit_down().expect("nobody sits there yet");
    (public, local)
}

/// Takes what a thief can find in one visit.
fn steal(victim: &Public<Item>, own: &Local<Item>, public: &Public<Item>) -> Vec<Item> {
    let mut items = Vec::new();
    while let Stolen::Batch(item, _) = victim.steal_into(own) {
        items.push(item);
        items.extend(std::iter::from_fn(|| own.pop(public)));
    }
    items
}

/// The owner pushes three items into room for two and pops; a thief steals meanwhile.
fn push_pop_steal() {
    let (items, (public, local)) = (Items::new(3), seat());
    let thief = {
        let (items, victim) = (items.clone(), public.clone());
        thread::spawn(move || {
            let (own, local) = seat();
            let stolen = steal(&victim, &local, &own);
            stolen
                .into_iter()
                .map(|item| items.take(item))
                .collect::<Vec<_>>()
        })
    };
    let mut kept = Vec::new();
    for number in 0..3 {
        if let Push::Full(item) = local.push(&public, items.make(number)) {
            kept.push(item);
        }
    }
    kept.extend(std::iter::from_fn(|| local.pop(&public)));
    let mut numbers: Vec<_> = kept.into_iter().map(|item| items.take(item)).collect();
    numbers.extend(thief.join().unwrap());
    items.assert_all(numbers);
}

#[test]
fn each_task_is_popped_stolen_or_spilled_once() {
    check(2, || push_pop_steal());
}

/// An owner that pushes twice in one poll and never pops; a thief that takes everything, and sleeps in between.
///
/// The thief parks as `idle.rs` says: publish, fence, look; the owner announces as Q2 says: fence, look, wake.
fn a_stale_hint(look_again: bool) {
    let (items, (public, local)) = (Items::new(2), seat());
    let asleep = Arc::new((AtomicBool::new(false), Notify::new()));
    let thief = {
        let (items, victim, asleep) = (items.clone(), public.clone(), asleep.clone());
        thread::spawn(move || {
            let (own, local) = seat();
            let mut numbers = Vec::new();
            loop {
                let stolen = steal(&victim, &local, &own);
                numbers.extend(stolen.into_iter().map(|item| items.take(item)));
                if numbers.len() == 2 {
                    return numbers;
                }
                asleep.0.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if look_again && victim.has_work_before_park() {
                    asleep.0.store(false, Ordering::Relaxed);
                } else {
                    asleep.1.wait();
                }
            }
        })
    };
    for number in 0..2 {
        if matches!(local.push(&public, items.make(number)), Push::Announce) {
            fence(Ordering::SeqCst);
            if asleep.0.load(Ordering::Relaxed) {
                asleep.1.notify();
            }
        }
    }
    items.assert_all(thief.join().unwrap());
}

#[test]
fn a_push_under_a_stale_hint_is_announced() {
    check(2, || a_stale_hint(true));
}

const fn twin(after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file: "queue.rs",
        after,
        line,
        how,
    })
}

#[test]
fn twin_q2_in_two_steps() {
    let twin = twin("pub fn push", "public.hint.swap", How::Split);
    must_fail(twin, "deadlock", 2, || a_stale_hint(true));
}

#[test]
fn twin_q2_that_sets_no_hint() {
    let twin = twin("pub fn push", "public.hint.swap", How::Omit);
    must_fail(twin, "deadlock", 2, || a_stale_hint(true));
}

#[test]
fn twin_q2_that_does_not_publish_the_push() {
    let twin = twin("pub fn push", "public.hint.swap", How::Weaken);
    must_fail(twin, "deadlock", 2, || a_stale_hint(true));
}

#[test]
fn twin_q4_that_does_not_see_the_push() {
    let twin = twin("pub fn has_work_before_park", "self.hint.swap", How::Weaken);
    must_fail(twin, "deadlock", 2, || a_stale_hint(true));
}

#[test]
fn twin_q4_in_two_steps() {
    let twin = twin("pub fn has_work_before_park", "self.hint.swap", How::Split);
    must_fail(twin, "deadlock", 2, || a_stale_hint(true));
}

#[test]
fn twin_without_q3_and_q4() {
    must_fail(None, "deadlock", 2, || a_stale_hint(false));
}
