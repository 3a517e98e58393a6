//! The LIFO slot, owner against thieves: `queue/slot.rs`, Q5 of `queue.rs`.
//!
//! - Q5 the owner puts; whoever takes, takes by swap. Each item comes out once, with what its maker wrote. Only the
//!   owner makes the slot non-null, so putting into an empty one is a plain store.
//!
//! Two thieves meet one put only. loom 0.7.2 does not know that a read-modify-write comes right behind what it read: if
//! both have swapped null in and the owner has seen the first null alone, loom lets the owner's next store come
//! before the second null, and finds the item lost. The language forbids that order.

use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Item, Items, Twin, check, must_fail};
use loxley_core::doors::fault::How;
use loxley_core::doors::queue::Slot;

/// The owner puts `puts` items and takes once; `thieves` take once each.
fn put_and_take(puts: usize, thieves: usize) {
    let (slot, items) = (Arc::new(Slot::<Item>::new()), Items::new(puts));
    let takers: Vec<_> = (0..thieves)
        .map(|_| {
            let (slot, items) = (slot.clone(), items.clone());
            thread::spawn(move || slot.take().map(|item| items.take(item)))
        })
        .collect();
    let mut seen = Vec::new();
    for number in 0..puts {
        seen.extend(slot.put(items.make(number)));
    }
    seen.extend(slot.take());
    let mut numbers: Vec<_> = seen.into_iter().map(|item| items.take(item)).collect();
    for taker in takers {
        numbers.extend(taker.join().unwrap());
    }
    items.assert_all(numbers);
}

#[test]
fn each_item_comes_out_once() {
    check(FULL, || put_and_take(2, 1));
}

#[test]
fn two_thieves_and_the_owner_share_without_loss() {
    check(3, || put_and_take(1, 2));
}

const fn twin(after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file: "queue/slot.rs",
        after,
        line,
        how,
    })
}

#[test]
fn twin_a_put_that_publishes_nothing() {
    let twin = twin("pub fn put", "self.item.store", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || put_and_take(1, 1));
}

#[test]
fn twin_a_displacing_put_that_publishes_nothing() {
    let twin = twin("pub fn put", "self.item.swap", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || put_and_take(2, 1));
}

#[test]
fn twin_a_take_that_does_not_acquire() {
    let twin = twin("pub fn take", "self.item.swap", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || put_and_take(1, 1));
}

#[test]
fn twin_a_take_in_two_steps() {
    let twin = twin("pub fn take", "self.item.swap", How::Split);
    must_fail(twin, "Causality violation", FULL, || put_and_take(1, 1));
}

#[test]
fn twin_a_displacing_put_in_two_steps() {
    let twin = twin("pub fn put", "self.item.swap", How::Split);
    must_fail(twin, "Causality violation", FULL, || put_and_take(2, 1));
}
