//! Firing against whoever owns the entry: steps T1 to T6 of `timer.rs`.
//!
//! - T1 an earlier deadline from outside ends the sleep of the tenant, or is seen by it.
//! - T2, T4 a waker that is put in during the firing is woken, or its task sees FIRED.
//! - T5 what was the last touch is one: an entry is freed, or moved to another wheel, without the first one's lock.
//! - A timer fires at most once per registration, and one that was cancelled in time never (tokio #8252).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::thread;
use loom_tests::{Bound, Twin, Woken, check, must_fail};
use loxley_core::doors::Clock;
use loxley_core::doors::fault::How;
use loxley_core::doors::park::{How as Place, Park, Prepared};
use loxley_core::doors::task::WakeList;
use loxley_core::doors::timer::{Closed, Entry, Timers};

fn timers() -> Arc<Timers> {
    Arc::new(Timers::new(Clock::manual(0)))
}

fn poll(
    entry: &mut Pin<Box<Entry>>,
    waker: &Waker,
    timers: &Arc<Timers>,
    at: u64,
) -> Poll<Result<(), Closed>> {
    let mut cx = Context::from_waker(waker);
    entry.as_mut().poll(&mut cx, timers, true, at)
}

fn waiting(waker: &Waker, timers: &Arc<Timers>, at: u64) -> Pin<Box<Entry>> {
    let mut entry = Box::pin(Entry::new());
    assert!(poll(&mut entry, waker, timers, at).is_pending());
    entry
}

/// Fires what is due, wakes, and says how many fired.
fn expire(timers: &Timers, now: u64) -> usize {
    let mut wakes = WakeList::new();
    let fired = timers.expire(now, &mut wakes);
    wakes.wake_all(|_| true, || {});
    fired
}

fn firing(timers: &Arc<Timers>) -> thread::JoinHandle<usize> {
    let timers = timers.clone();
    thread::spawn(move || expire(&timers, 5))
}

fn a_cancel_against_a_firing() {
    let timers = timers();
    let (_woken, waker) = Woken::new();
    let (one, two) = (waiting(&waker, &timers, 1), waiting(&waker, &timers, 2));
    let peer = firing(&timers);
    drop(one);
    drop(two);
    assert!(peer.join().unwrap() <= 2);
    assert_eq!(Arc::strong_count(&timers), 1);
    assert_eq!(timers.next_deadline(), u64::MAX);
}

fn a_new_waker_against_a_firing() {
    let timers = timers();
    let (_first, old) = Woken::new();
    let (woken, new) = Woken::new();
    let mut entry = waiting(&old, &timers, 1);
    let peer = firing(&timers);
    // A lost wake is a deadlock.
    while poll(&mut entry, &new, &timers, 1).is_pending() {
        woken.wait();
    }
    drop(entry);
    assert_eq!(peer.join().unwrap(), 1);
}

fn a_reset_against_a_firing() {
    let (home, away) = (timers(), timers());
    let (_woken, waker) = Woken::new();
    let mut entry = waiting(&waker, &home, 1);
    let peer = firing(&home);
    entry.as_mut().reset(&away, true, 3);
    let _ = poll(&mut entry, &waker, &away, 3);
    assert!(peer.join().unwrap() <= 1);
    assert_eq!(expire(&home, 5), 0, "it has left");
    assert_eq!(expire(&away, 5), 1);
    assert_eq!(poll(&mut entry, &waker, &away, 3), Poll::Ready(Ok(())));
}

fn a_registration_against_the_close() {
    let timers = timers();
    let (woken, waker) = Woken::new();
    let mut entry = Box::pin(Entry::new());
    let peer = {
        let timers = timers.clone();
        thread::spawn(move || {
            let mut wakes = WakeList::new();
            timers.close(&mut wakes);
            wakes.wake_all(|_| true, || {});
        })
    };
    let end = loop {
        match poll(&mut entry, &waker, &timers, 3) {
            Poll::Ready(end) => break end,
            Poll::Pending => woken.wait(),
        }
    };
    assert_eq!(end, Err(Closed));
    peer.join().unwrap();
}

/// The tenant goes to sleep while somebody else inserts an earlier deadline than any it knows.
fn a_deadline_against_a_sleep() {
    let timers = timers();
    let park = Arc::new(Park::futex_only());
    timers.set_park(park.clone());
    let outside = {
        let timers = timers.clone();
        thread::spawn(move || {
            let waker = Waker::noop();
            let mut entry = Box::pin(Entry::new());
            let mut cx = Context::from_waker(waker);
            assert!(entry.as_mut().poll(&mut cx, &timers, false, 7).is_pending());
            entry
        })
    };
    while timers.next_deadline() != 7 {
        if park.prepare(Place::Futex, timers.next_deadline()) == Prepared::Ready {
            if timers.next_deadline() == u64::MAX {
                park.sleep(None);
            }
            park.finish();
        }
    }
    drop(outside.join().unwrap());
}

#[test]
fn a_cancelled_timer_and_its_firing_agree() {
    check(Bound::Full, || a_cancel_against_a_firing());
}

#[test]
fn a_new_waker_and_a_firing_see_each_other() {
    check(Bound::Short, || a_new_waker_against_a_firing());
}

#[test]
fn a_reset_and_a_firing_agree() {
    check(Bound::Short, || a_reset_against_a_firing());
}

#[test]
fn a_registration_and_the_close_see_each_other() {
    check(Bound::Short, || a_registration_against_the_close());
}

#[test]
fn an_earlier_deadline_ends_the_tenants_sleep() {
    check(Bound::Short, || a_deadline_against_a_sleep());
}

fn twin(file: &'static str, after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how,
    })
}

#[test]
fn a_firing_that_is_not_said_before_the_waker_is_taken_loses_it() {
    let twin = twin("timer/wheel.rs", "fn finish", "outcome | BUSY", How::Omit);
    must_fail(twin, "maximum number of branches", Bound::Short, || {
        a_new_waker_against_a_firing()
    });
}

#[test]
fn a_nudge_without_its_fence_is_not_seen() {
    let twin = twin("park.rs", "pub fn deadline_added", "fence(", How::Weaken);
    must_fail(twin, "deadlock", Bound::Short, || {
        a_deadline_against_a_sleep()
    });
}
