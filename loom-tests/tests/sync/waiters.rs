//! The list of those who wait: its rules 1 to 3, by way of `Notify`, which is little more than a list.

use std::pin::pin;
use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Tracked, check, must_fail};
use loxley::sync::Notify;
use loxley_core::doors::fault::How;

use super::{poll, run, twin};

/// What was done before the notification is seen after it, without the list's lock.
fn served() {
    let (notify, data) = (Arc::new(Notify::new()), Tracked::new());
    let waiting = {
        let (notify, data) = (notify.clone(), data.clone());
        thread::spawn(move || {
            run(notify.notified());
            data.touch();
        })
    };
    data.touch();
    notify.notify_one();
    waiting.join().unwrap();
}

#[test]
fn a_served_waiter_has_no_need_of_the_lock() {
    check(FULL, || served());
}

/// One polls, and goes, while another serves: the notification is with one of the two.
fn leaves() {
    let notify = Arc::new(Notify::new());
    let leaving = {
        let notify = notify.clone();
        thread::spawn(move || {
            let mut waiting = pin!(notify.notified());
            poll(waiting.as_mut()).is_ready()
        })
    };
    notify.notify_one();
    let took = leaving.join().unwrap();
    let left = poll(pin!(notify.notified())).is_ready();
    assert!(took != left, "took {took}, left {left}");
}

#[test]
fn whoever_leaves_while_being_served_passes_it_on() {
    check(FULL, || leaves());
}

/// Two wait, one goes, one is served.
fn two() {
    let notify = Arc::new(Notify::new());
    let waiting = {
        let notify = notify.clone();
        thread::spawn(move || run(notify.notified()))
    };
    let leaving = {
        let notify = notify.clone();
        thread::spawn(move || {
            let mut gone = pin!(notify.notified());
            if poll(gone.as_mut()).is_ready() {
                notify.notify_one();
            }
        })
    };
    notify.notify_one();
    leaving.join().unwrap();
    waiting.join().unwrap();
}

#[test]
fn whoever_leaves_takes_no_notification_along() {
    check(2, || two());
}

/// The waiter's task changes while it is served.
fn moves() {
    let notify = Arc::new(Notify::new());
    let waiting = {
        let notify = notify.clone();
        thread::spawn(move || {
            let mut waiting = pin!(notify.notified());
            if poll(waiting.as_mut()).is_pending() {
                run(waiting);
            }
        })
    };
    notify.notify_one();
    waiting.join().unwrap();
}

#[test]
fn the_last_waker_is_woken() {
    check(FULL, || moves());
}

#[test]
fn twin_rule_2_without_release() {
    let twin = twin(
        "sync/waiters.rs",
        "fn release<R>",
        "node.linked.store",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || served());
}

#[test]
fn twin_rule_2_without_acquire() {
    let twin = twin(
        "sync/waiters.rs",
        "fn is_served",
        "self.linked.load",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || served());
}
