//! `Notify`: steps 1 to 4 of `sync/notify.rs`.

use std::pin::pin;
use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Tracked, check, must_fail};
use loxley::sync::Notify;
use loxley_core::doors::fault::How;

use super::{poll, run, twin};

/// One notification, one wait, and something that is handed over with it.
fn one() {
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
fn a_notification_is_not_lost() {
    check(FULL, || one());
}

/// Two notifications for two who wait, from two threads.
#[test]
fn two_notifications_end_two_waits() {
    check(2, || {
        let notify = Arc::new(Notify::new());
        let waiting = {
            let notify = notify.clone();
            thread::spawn(move || run(notify.notified()))
        };
        let notifying = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        // One that is there, so that no two notifications fall into one.
        let mut mine = pin!(notify.notified());
        let ready = poll(mine.as_mut()).is_ready();
        notifying.join().unwrap();
        if !ready {
            notify.notify_one();
            run(mine);
        }
        notify.notify_one();
        waiting.join().unwrap();
    });
}

/// All who were there before the call are reached.
fn all() {
    let (notify, data) = (Arc::new(Notify::new()), Tracked::new());
    let early = notify.clone().notified_owned();
    let waiting = {
        let data = data.clone();
        thread::spawn(move || {
            run(early);
            data.touch();
        })
    };
    data.touch();
    notify.notify_waiters();
    waiting.join().unwrap();
    assert!(poll(pin!(notify.notified())).is_pending());
}

#[test]
fn notify_waiters_reaches_who_was_there() {
    check(FULL, || all());
}

/// `notify_waiters` and `notify_one` at the same time: nothing is lost, nothing doubled.
#[test]
fn both_ways_at_the_same_time() {
    check(FULL, || {
        let notify = Arc::new(Notify::new());
        let mut early = pin!(notify.notified());
        assert!(poll(early.as_mut()).is_pending());
        let other = notify.clone();
        let notifying = thread::spawn(move || other.notify_one());
        notify.notify_waiters();
        notifying.join().unwrap();
        run(early);
        // Whether `notify_one` found the waiter or came later decides if it is stored.
        let _ = poll(pin!(notify.notified()));
        assert!(poll(pin!(notify.notified())).is_pending());
    });
}

#[test]
fn twin_2_a_notification_that_publishes_nothing() {
    let twin = twin(
        "sync/notify.rs",
        "fn exchange",
        ".compare_exchange_weak",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || one());
}

#[test]
fn twin_1_waiting_set_in_another_word_than_the_one_that_was_looked_at() {
    let twin = twin(
        "sync/notify.rs",
        "fn must_wait",
        "compare_exchange_weak",
        How::Split,
    );
    must_fail(twin, "deadlock", FULL, || one());
}

#[test]
fn twin_3_a_call_that_publishes_nothing() {
    let twin = twin(
        "sync/notify.rs",
        "fn exchange",
        ".compare_exchange_weak",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || all());
}
