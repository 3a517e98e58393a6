//! The queue for everybody who has no seat, and its end: `queue.rs`, A1 to A3 and `close` of `idle.rs`, E2 and E4
//! of `runtime/shutdown.rs`.
//!
//! - Each task that is pushed is taken once, with what its pusher wrote, whoever takes, alone or in batches.
//! - A1, A2 whoever pushes puts the task first, then fences, then reads the idle word; it says *closed*: the pusher
//!   drops what is there.
//! - E2, E4 whoever closes sets the word, fences, and drops what is there. So nothing is left behind.

use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Item, Items, Twin, check, must_fail};
use loxley_core::doors::fault::How;
use loxley_core::doors::idle::{Announce, Idle};
use loxley_core::doors::queue::{Injector, Public, Stolen};

/// Two pushers; a worker that takes a batch, and one task at a time when it has none.
fn hand_over() {
    let (items, injector) = (Items::new(3), Arc::new(Injector::<Item>::new()));
    let pushers = [vec![0, 1], vec![2]].map(|numbers: Vec<usize>| {
        let (items, injector) = (items.clone(), injector.clone());
        thread::spawn(move || {
            for number in numbers {
                injector.push(items.make(number));
            }
        })
    });
    let public = Public::new();
    let local = public.sit_down().expect("nobody sits there yet");
    let mut seen = Vec::new();
    if let Stolen::Batch(item, _) = injector.take_into(&local) {
        seen.push(item);
    }
    for pusher in pushers {
        pusher.join().unwrap();
    }
    seen.extend(std::iter::from_fn(|| local.pop(&public)));
    seen.extend(std::iter::from_fn(|| injector.pop()));
    items.assert_all(seen.into_iter().map(|item| items.take(item)).collect());
}

#[test]
fn each_task_from_outside_is_taken_once() {
    check(2, || hand_over());
}

/// Two takers race for two tasks.
fn two_takers() {
    let (items, injector) = (Items::new(2), Arc::new(Injector::<Item>::new()));
    let taker = {
        let (items, injector) = (items.clone(), injector.clone());
        thread::spawn(move || injector.pop().map(|item| items.take(item)))
    };
    for number in 0..2 {
        injector.push(items.make(number));
    }
    let mut numbers: Vec<_> =
        std::iter::from_fn(|| injector.pop().map(|item| items.take(item))).collect();
    numbers.extend(taker.join().unwrap());
    items.assert_all(numbers);
}

#[test]
fn two_takers_get_different_tasks() {
    check(FULL, || two_takers());
}

fn drain(injector: &Injector<Item>, items: &Items) -> Vec<usize> {
    std::iter::from_fn(|| injector.pop())
        .map(|item| items.take(item))
        .collect()
}

/// Two threads push while a third closes; whoever is last drops.
fn push_against_close() {
    let (items, injector) = (Items::new(2), Arc::new(Injector::<Item>::new()));
    let idle = Arc::new(Idle::new(1));
    let pushers = [0, 1].map(|number| {
        let (items, injector, idle) = (items.clone(), injector.clone(), idle.clone());
        thread::spawn(move || {
            injector.push(items.make(number)); // A1
            match idle.announce() {
                Announce::Closed => drain(&injector, &items),
                _ => Vec::new(),
            }
        })
    });
    idle.close();
    let mut numbers = drain(&injector, &items);
    for pusher in pushers {
        numbers.extend(pusher.join().unwrap());
    }
    items.assert_all(numbers);
}

#[test]
fn nothing_is_left_in_a_closed_injector() {
    check(2, || push_against_close());
}

const fn twin(after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file: "idle.rs",
        after,
        line,
        how,
    })
}

#[test]
fn twin_a_push_without_a2() {
    let twin = twin("pub fn announce", "fence(", How::Weaken);
    must_fail(twin, "each item once", 2, || push_against_close());
}

#[test]
fn twin_a_close_without_its_fence() {
    let twin = twin("pub fn close", "fence(", How::Weaken);
    must_fail(twin, "each item once", 2, || push_against_close());
}
