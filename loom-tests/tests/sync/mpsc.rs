//! `mpsc`: the queue's steps 1 to 5, and the ends of a channel.
//!
//! In a model a block has three slots.

use std::pin::pin;

use loom::thread;
use loom_tests::{Tracked, check, must_fail};
use loxley::sync::mpsc;
use loxley_core::doors::fault::How;

use super::{poll, run, twin};

/// One sender, one receiver, and so many messages.
fn stream(messages: usize) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let sending = thread::spawn(move || {
        for number in 0..messages {
            let value = Tracked::new();
            value.touch();
            assert!(sender.send((number, value)).is_ok());
        }
    });
    for next in 0..messages {
        let (number, value) = run(receiver.recv()).unwrap();
        assert_eq!(number, next);
        value.touch();
    }
    assert!(run(receiver.recv()).is_none());
    sending.join().unwrap();
}

#[test]
fn messages_come_in_order_and_then_the_end() {
    check(2, || stream(2));
}

#[test]
fn a_second_block_follows_the_first() {
    check(2, || stream(4));
}

/// Two senders around the end of a block.
fn two_senders() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    // The first block is left with one slot.
    for _ in 0..2 {
        sender.send(Tracked::new()).unwrap();
        run(receiver.recv()).unwrap().touch();
    }
    let other = sender.clone();
    let sending = thread::spawn(move || other.send(Tracked::new()).unwrap());
    sender.send(Tracked::new()).unwrap();
    drop(sender);
    for _ in 0..2 {
        run(receiver.recv()).unwrap().touch();
    }
    assert!(run(receiver.recv()).is_none());
    sending.join().unwrap();
}

#[test]
fn two_senders_install_one_block() {
    check(2, || two_senders());
}

/// A channel with one place.
#[test]
fn a_place_that_is_freed_wakes_a_sender() {
    check(2, || {
        let (sender, mut receiver) = mpsc::channel(1);
        let sending = thread::spawn(move || {
            for number in 0..2 {
                run(sender.send(number)).unwrap();
            }
        });
        for number in 0..2 {
            assert_eq!(run(receiver.recv()), Some(number));
        }
        sending.join().unwrap();
    });
}

/// A permit comes back to a channel that is being closed.
fn last_permit() {
    let (sender, mut receiver) = mpsc::channel::<Tracked>(1);
    let permit = sender.try_reserve_owned().unwrap();
    let releasing = thread::spawn(move || permit.release());
    receiver.close();
    assert!(run(receiver.recv()).is_none());
    drop(releasing.join().unwrap());
}

#[test]
fn the_last_permit_wakes_a_closed_receiver() {
    check(2, || last_permit());
}

/// A sender that waits is granted its place, and goes, while the receiver closes.
#[test]
fn a_request_that_goes_wakes_a_closed_receiver() {
    check(2, || {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(Tracked::new()).unwrap();
        let leaving = thread::spawn(move || {
            let _ = poll(pin!(sender.reserve()));
            sender
        });
        run(receiver.recv()).unwrap().touch();
        receiver.close();
        assert!(run(receiver.recv()).is_none());
        drop(leaving.join().unwrap());
    });
}

/// The receiver goes while a message is sent: it is dropped by one of the two.
#[test]
fn what_is_sent_to_a_receiver_that_goes_is_dropped_once() {
    check(2, || {
        let (sender, receiver) = mpsc::unbounded_channel();
        let value = Tracked::new();
        let kept = value.clone();
        let sending = thread::spawn(move || drop(sender.send(value)));
        drop(receiver);
        sending.join().unwrap();
        assert_eq!(kept.count(), 1);
    });
}

#[test]
fn twin_3_a_message_that_is_not_published() {
    let twin = twin(
        "sync/mpsc/queue.rs",
        "fn publish",
        "slot.state.swap",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 2, || stream(2));
}

#[test]
fn twin_3_a_publication_that_does_not_see_who_waits() {
    let twin = twin(
        "sync/mpsc/queue.rs",
        "fn publish",
        "slot.state.swap",
        How::Split,
    );
    must_fail(twin, "", 2, || stream(2));
}

#[test]
fn twin_4_a_message_taken_without_acquire() {
    let twin = twin(
        "sync/mpsc/queue.rs",
        "fn pop_at",
        "slot.state.load",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 2, || stream(2));
}

#[test]
fn twin_1_a_slot_claimed_twice() {
    let twin = twin(
        "sync/mpsc/queue.rs",
        "match self.tail.index",
        "compare_exchange_weak",
        How::Split,
    );
    must_fail(twin, "", 2, || two_senders());
}

#[test]
fn twin_the_last_sender_goes_unseen() {
    let twin = twin(
        "sync/mpsc/chan.rs",
        "impl<T, L: Limit> Drop for Tx",
        "senders.fetch_sub",
        How::Weaken,
    );
    must_fail(twin, "", 2, || stream(2));
}
