//! Timers: whoever waits, whoever fires, whoever cancels. T1 to T6 of `timer.rs`, R2 and R3 of `timer/wheel.rs`.
//!
//! - T1 first poll: waker into the slot, then link under the lock, which writes `next`; moved earlier: tell the park.
//! - T2 later polls: waker into the slot, then look at the state again.
//! - T3 unlink what is due. T4 say FIRED, then take the waker. T5 say that this was the last touch.
//! - T6 write `next`.
//! - R3 after T5 the owner may free the entry without a lock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::thread;
use loom_tests::{FULL, Twin, Woken, check, must_fail};
use loxley_core::doors::Clock;
use loxley_core::doors::fault::How;
use loxley_core::doors::park::{self, Park, Prepared};
use loxley_core::doors::task::WakeList;
use loxley_core::doors::timer::{Entry, Here, Timers};

fn timers() -> Arc<Timers> {
    Arc::new(Timers::new(Clock::manual(0)))
}

fn expire(timers: &Timers, now: u64) {
    let mut wakes = WakeList::new();
    timers.expire(now, &mut wakes);
    wakes.wake_all(|_| false, || {});
}

fn expiring(timers: &Arc<Timers>, now: u64) -> thread::JoinHandle<()> {
    let timers = timers.clone();
    thread::spawn(move || expire(&timers, now))
}

fn poll(entry: &mut Pin<Box<Entry>>, timers: &Arc<Timers>, at: u64, waker: &Waker) -> bool {
    let mut cx = Context::from_waker(waker);
    match entry
        .as_mut()
        .poll(&mut cx, Some(Here { timers, own: false }), at)
    {
        Poll::Pending => false,
        Poll::Ready(fired) => {
            fired.expect("nobody closes the wheel");
            true
        }
    }
}

/// An entry that waits for the time 10.
fn waiting(timers: &Arc<Timers>, waker: &Waker) -> Pin<Box<Entry>> {
    let mut entry = Box::pin(Entry::new(timers.clone()));
    assert!(!poll(&mut entry, timers, 10, waker));
    entry
}

/// The timer fires while its task polls again, with another waker.
fn a_poll_against_the_firing() {
    let (timers, first, second) = (timers(), Woken::new(), Woken::new());
    let mut entry = waiting(&timers, &first.1);
    let firing = expiring(&timers, 10);
    while !poll(&mut entry, &timers, 10, &second.1) {
        second.0.wait();
        thread::yield_now();
    }
    drop(entry);
    firing.join().unwrap();
}

#[test]
fn the_waker_stored_last_hears_of_the_firing() {
    check(2, || a_poll_against_the_firing());
}

/// The timer fires while its future is dropped, which frees it; its neighbour in the same list fires for certain.
fn a_drop_against_the_firing() {
    let (timers, woken) = (timers(), Woken::new());
    let entry = waiting(&timers, &Woken::new().1);
    let mut neighbour = waiting(&timers, &woken.1);
    let firing = expiring(&timers, 10);
    drop(entry);
    while !poll(&mut neighbour, &timers, 10, &woken.1) {
        woken.0.wait();
        thread::yield_now();
    }
    firing.join().unwrap();
}

#[test]
fn a_dropped_timer_is_never_touched_again() {
    check(2, || a_drop_against_the_firing());
}

/// The timer fires at 10 while it is moved to 1000, where it fires once and not before.
fn a_reset_against_the_firing() {
    let (timers, woken) = (timers(), Woken::new());
    let mut entry = waiting(&timers, &woken.1);
    let firing = expiring(&timers, 10);
    entry.as_mut().reset(
        Some(Here {
            timers: &timers,
            own: false,
        }),
        1000,
    );
    assert!(
        !poll(&mut entry, &timers, 1000, &woken.1),
        "it fired before its time"
    );
    firing.join().unwrap();
    assert!(
        !poll(&mut entry, &timers, 1000, &woken.1),
        "it fired before its time"
    );
    expire(&timers, 1000);
    assert!(poll(&mut entry, &timers, 1000, &woken.1), "it did not fire");
}

#[test]
fn a_timer_that_is_moved_fires_at_its_new_time_alone() {
    check(FULL, || a_reset_against_the_firing());
}

/// A stranger registers an earlier deadline while the tenant goes to sleep until a later one.
fn an_earlier_deadline(recheck: bool) {
    let timers = timers();
    let place = Arc::new(Park::futex_only());
    timers.set_park(place.clone());
    let mut late = Box::pin(Entry::new(timers.clone()));
    assert!(!poll(&mut late, &timers, 100, Waker::noop()));
    let stranger = {
        let timers = timers.clone();
        thread::spawn(move || {
            let mut entry = Box::pin(Entry::new(timers.clone()));
            assert!(!poll(&mut entry, &timers, 50, Waker::noop()));
            entry
        })
    };
    loop {
        let until = timers.next_deadline();
        if until == 50 {
            break;
        }
        if place.prepare(park::How::Futex, until) == Prepared::Ready {
            if !(recheck && timers.next_deadline() < until) {
                place.sleep(None);
            }
            place.finish();
        }
    }
    drop(stranger.join().unwrap());
}

#[test]
fn an_earlier_deadline_wakes_a_sleeping_tenant() {
    check(FULL, || an_earlier_deadline(true));
}

const fn twin(
    file: &'static str,
    after: &'static str,
    line: &'static str,
    how: How,
) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how,
    })
}

#[test]
fn twin_without_t4() {
    let twin = twin(
        "timer/wheel.rs",
        "fn finish",
        "link.word.store(outcome | BUSY",
        How::Omit,
    );
    must_fail(twin, "deadlock", 2, || a_poll_against_the_firing());
}

#[test]
fn twin_t5_that_publishes_nothing() {
    let twin = twin(
        "timer/wheel.rs",
        "fn finish",
        "link.word.store(outcome, ",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 2, || {
        a_drop_against_the_firing()
    });
}

#[test]
fn twin_a_glance_instead_of_t5() {
    let twin = twin(
        "timer/wheel.rs",
        "pub fn is_held",
        "self.word.load",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 2, || {
        a_drop_against_the_firing()
    });
}

#[test]
fn twin_without_t6() {
    let twin = twin("timer.rs", "fn publish", "self.next.store", How::Omit);
    must_fail(twin, "deadlock", FULL, || an_earlier_deadline(true));
}

#[test]
fn twin_t1_without_its_fence() {
    let twin = twin("park.rs", "pub fn deadline_added", "fence(", How::Weaken);
    must_fail(twin, "deadlock", FULL, || an_earlier_deadline(true));
}

#[test]
fn twin_without_the_sleepers_second_look() {
    must_fail(None, "deadlock", FULL, || an_earlier_deadline(false));
}
