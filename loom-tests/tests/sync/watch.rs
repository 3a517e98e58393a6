//! `watch`: steps 1 to 3 of `sync/watch.rs`.

use loom::thread;
use loom_tests::{Tracked, check, must_fail};
use loxley::sync::watch;
use loxley_core::doors::fault::How;

use super::{run, twin};

/// A change, and then the end.
fn changes() {
    let (sender, mut receiver) = watch::channel(0);
    let sending = thread::spawn(move || sender.send(1).unwrap());
    run(receiver.changed()).unwrap();
    assert_eq!(*receiver.borrow(), 1);
    assert!(run(receiver.changed()).is_err());
    sending.join().unwrap();
}

#[test]
fn a_change_and_the_end_are_seen() {
    check(2, || changes());
}

/// Two senders: the receiver ends with the value that came last.
#[test]
fn the_last_value_is_seen() {
    check(2, || {
        let (sender, mut receiver) = watch::channel(0);
        let other = sender.clone();
        let sending = thread::spawn(move || other.send_modify(|value| *value += 1));
        sender.send_modify(|value| *value += 1);
        drop(sender);
        while run(receiver.changed()).is_ok() {}
        assert_eq!(*receiver.borrow(), 2);
        sending.join().unwrap();
    });
}

#[test]
fn waiting_for_a_value_ends() {
    check(2, || {
        let (sender, mut receiver) = watch::channel(0);
        let sending = thread::spawn(move || {
            for value in 1..3 {
                sender.send(value).unwrap();
            }
            sender
        });
        assert_eq!(*run(receiver.wait_for(|value| *value == 2)).unwrap(), 2);
        drop(sending.join().unwrap());
    });
}

/// The sender waits for the last receiver.
#[test]
fn the_last_receiver_ends_the_senders_wait() {
    check(2, || {
        let (sender, receiver) = watch::channel(Tracked::new());
        let going = thread::spawn(move || drop(receiver));
        run(sender.closed());
        going.join().unwrap();
    });
}

#[test]
fn twin_1_a_change_that_is_not_counted() {
    let twin = twin(
        "sync/watch/sender.rs",
        "if modified {",
        "version.fetch_add",
        How::Omit,
    );
    must_fail(twin, "", 2, || changes());
}

#[test]
fn twin_3_an_end_that_is_not_told() {
    let twin = twin(
        "sync/watch/sender.rs",
        "impl<T> Drop for Sender",
        "version.fetch_or",
        How::Omit,
    );
    must_fail(twin, "deadlock", 2, || changes());
}
