//! `broadcast`: steps 1 to 4 of `sync/broadcast.rs`. All but counts is under locks, so the twins are few.

use loom::thread;
use loom_tests::{Tracked, check, must_fail};
use loxley::sync::broadcast;
use loxley::sync::broadcast::error::RecvError;
use loxley_core::doors::fault::How;

use super::{run, twin};

/// Two values, and then the end.
fn stream() {
    let (sender, mut receiver) = broadcast::channel(2);
    let sending = thread::spawn(move || {
        for number in 0..2 {
            assert!(sender.send((number, Tracked::new())).is_ok());
        }
    });
    for next in 0..2 {
        let (number, value) = run(receiver.recv()).unwrap();
        assert_eq!(number, next);
        value.touch();
    }
    assert!(matches!(run(receiver.recv()), Err(RecvError::Closed)));
    sending.join().unwrap();
}

#[test]
fn values_come_in_order_and_then_the_end() {
    check(2, || stream());
}

/// Two receivers on two threads: both get the value, and nobody keeps it.
#[test]
fn both_receivers_get_the_value() {
    check(2, || {
        let (sender, mut one) = broadcast::channel(1);
        let mut two = sender.subscribe();
        let receiving = thread::spawn(move || drop(run(two.recv()).unwrap()));
        let value = Tracked::new();
        let kept = value.clone();
        assert!(sender.send(value).is_ok());
        drop(run(one.recv()).unwrap());
        receiving.join().unwrap();
        assert_eq!(kept.count(), 1);
    });
}

/// A value is overwritten while a receiver takes it.
#[test]
fn a_slow_receiver_gets_a_value_or_is_told() {
    check(2, || {
        let (sender, mut receiver) = broadcast::channel(1);
        sender.send(0).unwrap();
        let sending = thread::spawn(move || drop(sender.send(1)));
        let first = run(receiver.recv());
        assert!(first == Ok(0) || first == Err(RecvError::Lagged(1)));
        assert_eq!(run(receiver.recv()), Ok(1));
        assert_eq!(run(receiver.recv()), Err(RecvError::Closed));
        sending.join().unwrap();
    });
}

/// A receiver goes while a value is sent.
#[test]
fn a_receiver_that_goes_leaves_no_value_behind() {
    check(2, || {
        let (sender, receiver) = broadcast::channel(1);
        let value = Tracked::new();
        let kept = value.clone();
        let going = thread::spawn(move || drop(receiver));
        let sent = sender.send(value);
        going.join().unwrap();
        drop(sent);
        assert_eq!(kept.count(), 1);
        run(sender.closed());
    });
}

#[test]
fn twin_the_last_sender_goes_unseen() {
    let twin = twin(
        "sync/broadcast/sender.rs",
        "impl<T> Drop for Sender",
        "senders.fetch_sub",
        How::Omit,
    );
    must_fail(twin, "", 2, || {
        let (sender, mut receiver) = broadcast::channel::<u8>(1);
        let other = sender.clone();
        let going = thread::spawn(move || drop(other));
        drop(sender);
        assert_eq!(run(receiver.recv()), Err(RecvError::Closed));
        going.join().unwrap();
    });
}
