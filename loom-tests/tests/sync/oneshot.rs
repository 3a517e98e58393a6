//! `oneshot`: rules 1 to 5 of `sync/oneshot/state.rs`.

use std::pin::pin;

use loom::thread;
use loom_tests::{FULL, Tracked, check, must_fail};
use loxley::sync::oneshot;
use loxley_core::doors::fault::How;

use super::{poll, run, twin};

fn sent() {
    let (sender, receiver) = oneshot::channel();
    let sending = thread::spawn(move || {
        let value = Tracked::new();
        value.touch();
        sender.send(value).unwrap();
    });
    run(receiver).unwrap().touch();
    sending.join().unwrap();
}

#[test]
fn the_value_comes() {
    check(FULL, || sent());
}

/// loom misses the value if it is dropped by nobody, and complains if it is by both.
fn both_go() {
    let (sender, receiver) = oneshot::channel();
    let going = thread::spawn(move || {
        let mut receiver = receiver;
        let _ = poll(pin!(&mut receiver));
    });
    let value = Tracked::new();
    let kept = value.clone();
    let sent = sender.send(value);
    going.join().unwrap();
    drop(sent);
    assert_eq!(kept.count(), 1);
}

#[test]
fn a_value_that_nobody_takes_is_dropped_once() {
    check(FULL, || both_go());
}

/// The sender goes without a word.
#[test]
fn a_sender_that_goes_ends_the_wait() {
    check(FULL, || {
        let (sender, receiver) = oneshot::channel::<Tracked>();
        let going = thread::spawn(move || drop(sender));
        assert!(run(receiver).is_err());
        going.join().unwrap();
    });
}

/// The sender waits for the receiver's end.
fn closed() {
    let (mut sender, receiver) = oneshot::channel::<u8>();
    let data = Tracked::new();
    let going = {
        let data = data.clone();
        thread::spawn(move || {
            data.touch();
            drop(receiver);
        })
    };
    run(sender.closed());
    data.touch();
    going.join().unwrap();
}

#[test]
fn a_receiver_that_goes_ends_the_senders_wait() {
    check(FULL, || closed());
}

/// The waker changes on both sides while the other side ends.
#[test]
fn wakers_change_while_the_other_ends() {
    check(2, || {
        let (mut sender, mut receiver) = oneshot::channel::<Tracked>();
        let other = thread::spawn(move || {
            if poll(pin!(sender.closed())).is_pending() {
                let _ = poll(pin!(sender.closed()));
            }
            sender.send(Tracked::new()).is_ok()
        });
        let early = poll(pin!(&mut receiver)).is_ready();
        if !early {
            receiver.close();
        }
        let got = early || run(&mut receiver).is_ok();
        drop(receiver);
        assert_eq!(other.join().unwrap(), got);
    });
}

#[test]
fn twin_5_a_value_that_is_not_published() {
    let twin = twin(
        "sync/oneshot/state.rs",
        "fn exchange",
        ".compare_exchange",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || sent());
}

#[test]
fn twin_5_a_look_without_acquire() {
    let twin = twin(
        "sync/oneshot/state.rs",
        "fn load(",
        "self.word.load",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || sent());
}

#[test]
fn twin_3_a_waker_that_the_sender_does_not_hear_of() {
    let twin = twin(
        "sync/oneshot/state.rs",
        "fn set(",
        "self.word.fetch_or",
        How::Omit,
    );
    must_fail(twin, "deadlock", FULL, || sent());
}

#[test]
fn twin_3_a_waker_that_is_not_published() {
    let twin = twin(
        "sync/oneshot/state.rs",
        "fn set(",
        "self.word.fetch_or",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || sent());
}
