//! The laws of `watch`.

mod support;

use std::cell::Cell;
use std::rc::Rc;

use loxley::sync::watch::error::{RecvError, SendError};
use loxley::sync::watch::{self, Receiver, Ref, Sender};
use loxley::task::yield_now;
use support::{Random, assert_send_sync, each, panic_of, probe};

#[test]
fn handles_cross_threads_as_far_as_the_value_does() {
    auto_traits! {
        Sender<u8>: yes yes yes;
        Sender<Cell<u8>>: no no yes;
        Sender<Rc<u8>>: no no yes;
        Receiver<u8>: yes yes yes;
        Receiver<Cell<u8>>: no no yes;
        Receiver<Rc<u8>>: no no yes;
        Ref<'static, u8>: no yes yes;
        SendError<u8>: yes yes yes;
        RecvError: yes yes yes;
    }
    let (sender, mut receiver) = watch::channel(1);
    assert_send_sync(&sender.closed());
    assert_send_sync(&receiver.changed());
    fn check_send<T: Send>(_: &T) {}
    check_send(&receiver.wait_for(|_| true));
}

#[test]
fn a_receiver_sees_the_newest_value() {
    let (sender, mut receiver) = watch::channel(0);
    assert!(!receiver.has_changed().unwrap());
    probe(receiver.changed()).pending();
    for value in 1..4 {
        sender.send(value).unwrap();
    }
    probe(receiver.changed()).ready().unwrap();
    assert_eq!(*receiver.borrow(), 3);
    probe(receiver.changed()).pending();
}

#[test]
fn a_change_wakes_all_who_wait() {
    let (sender, receiver) = watch::channel(0);
    let mut receivers: Vec<_> = (0..20).map(|_| receiver.clone()).collect();
    let mut waiting: Vec<_> = receivers.iter_mut().map(|r| probe(r.changed())).collect();
    waiting.iter_mut().for_each(|one| one.pending());
    sender.send(1).unwrap();
    for one in &mut waiting {
        assert_eq!(one.wakes(), 1);
        one.ready().unwrap();
    }
}

#[test]
fn looking_and_seeing_differ() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1).unwrap();
    assert!(receiver.borrow().has_changed());
    assert!(receiver.has_changed().unwrap());
    assert!(receiver.borrow_and_update().has_changed());
    assert!(!receiver.borrow().has_changed());
    assert!(!receiver.has_changed().unwrap());
    assert!(!sender.borrow().has_changed());
    receiver.mark_changed();
    assert!(receiver.has_changed().unwrap());
    let copy = receiver.clone();
    assert!(copy.has_changed().unwrap());
    receiver.mark_unchanged();
    assert!(!receiver.has_changed().unwrap() && copy.has_changed().unwrap());
    assert!(!sender.subscribe().has_changed().unwrap());
}

#[test]
fn the_last_value_outlives_the_senders() {
    let (sender, mut receiver) = watch::channel(0);
    let other = sender.clone();
    other.send(1).unwrap();
    drop(sender);
    let mut waiting = receiver.clone();
    let mut waiting = probe(async { (waiting.changed().await, waiting.changed().await) });
    waiting.pending();
    drop(other);
    assert!(waiting.is_woken());
    let (first, second) = waiting.ready();
    assert!(first.is_ok() && second.is_err());
    assert!(receiver.is_closed());
    assert!(receiver.has_changed().is_err());
    assert!(probe(receiver.changed()).ready().is_ok());
    assert!(probe(receiver.changed()).ready().is_err());
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn sending_needs_a_receiver_and_replacing_does_not() {
    let (sender, receiver) = watch::channel(0);
    drop(receiver);
    assert_eq!(sender.send(1), Err(SendError(1)));
    assert_eq!(*sender.borrow(), 0);
    assert_eq!(sender.send_replace(2), 0);
    let receiver = sender.subscribe();
    assert_eq!(*receiver.borrow(), 2);
    assert_eq!((sender.receiver_count(), sender.sender_count()), (1, 1));
    assert!(!sender.is_closed());
}

#[test]
fn a_change_that_changes_nothing_tells_nobody() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waiting = probe(receiver.changed());
    waiting.pending();
    assert!(!sender.send_if_modified(|value| {
        *value = 5;
        false
    }));
    assert!(!waiting.is_woken());
    panic_of(|| sender.send_modify(|_| panic!("on purpose")));
    assert!(!waiting.is_woken());
    assert_eq!(*sender.borrow(), 5);
    assert!(sender.send_if_modified(|_| true));
    assert!(waiting.is_woken());
    waiting.ready().unwrap();
}

#[test]
fn waiting_for_a_value_looks_at_the_present_one_first() {
    let (sender, mut receiver) = watch::channel(5);
    assert_eq!(
        *probe(receiver.wait_for(|value| *value == 5))
            .ready()
            .unwrap(),
        5
    );
    let mut waiting = probe(receiver.wait_for(|value| *value > 7));
    waiting.pending();
    for value in [6, 7] {
        sender.send(value).unwrap();
        assert!(waiting.is_woken());
        waiting.pending();
    }
    sender.send(8).unwrap();
    let found = waiting.ready().unwrap();
    assert_eq!(*found, 8);
    drop(found);
    drop(waiting);
    assert!(!receiver.has_changed().unwrap());
    // A last value that comes with the end.
    let mut waiting = probe(receiver.wait_for(|value| *value == 9));
    waiting.pending();
    sender.send(9).unwrap();
    drop(sender);
    assert_eq!(*waiting.ready().unwrap(), 9);
    drop(waiting);
    assert!(
        probe(receiver.wait_for(|value| *value == 1))
            .ready()
            .is_err()
    );
}

#[test]
fn the_last_receiver_that_goes_wakes_the_sender() {
    let (sender, receiver) = watch::channel(0);
    let other = receiver.clone();
    let mut closed = probe(sender.closed());
    closed.pending();
    drop(receiver);
    assert!(!closed.is_woken());
    drop(other);
    assert!(closed.is_woken());
    closed.ready();
    // One came back.
    let mut closed = probe(sender.closed());
    let again = sender.subscribe();
    closed.pending();
    drop(again);
    closed.ready();
}

#[test]
fn every_receiver_ends_with_the_last_value() {
    each(|| async {
        let (sender, receiver) = watch::channel(0);
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let mut receiver = receiver.clone();
                loxley::spawn(async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        let now = *receiver.borrow_and_update();
                        assert!(now > last);
                        last = now;
                    }
                    last
                })
            })
            .collect();
        drop(receiver);
        for value in 1..=200 {
            sender.send(value).unwrap();
            if value % 7 == 0 {
                yield_now().await;
            }
        }
        drop(sender);
        for task in tasks {
            assert_eq!(task.await.unwrap(), 200);
        }
    });
}

#[test]
fn senders_change_one_after_the_other() {
    each(|| async {
        let sender = Sender::new(0_u32);
        let mut receiver = sender.subscribe();
        for _ in 0..10 {
            let sender = sender.clone();
            loxley::spawn(async move {
                for _ in 0..100 {
                    sender.send_modify(|value| *value += 1);
                }
            });
        }
        assert_eq!(
            *receiver.wait_for(|value| *value == 1000).await.unwrap(),
            1000
        );
    });
}

#[test]
fn handles_know_their_channel() {
    let (one, receiver) = watch::channel(0);
    let (two, other) = watch::channel(0);
    assert!(one.same_channel(&one.clone()) && !one.same_channel(&two));
    assert!(receiver.same_channel(&receiver.clone()) && !receiver.same_channel(&other));
    assert!(format!("{:?}", receiver.borrow()).contains("inner: 0"));
    let default: Sender<u8> = Sender::default();
    assert_eq!(*default.borrow(), 0);
}

/// Random steps against a model: a value, and for each receiver whether it has seen it.
#[test]
fn the_channel_is_a_value_with_a_version() {
    let mut random = Random::new();
    let (sender, first) = watch::channel(0);
    let mut version = 0;
    let mut receivers = vec![(first, 0)];
    for value in 1..5_000 {
        match random.below(6) {
            0 => {
                sender.send_replace(value);
                version += 1;
            }
            1 if receivers.len() < 8 => receivers.push((sender.subscribe(), version)),
            2 if receivers.len() > 1 => drop(receivers.swap_remove(random.below(receivers.len()))),
            _ => {
                let at = random.below(receivers.len());
                let (receiver, seen) = &mut receivers[at];
                assert_eq!(receiver.has_changed().unwrap(), *seen != version);
                let changed = probe(receiver.changed()).poll().is_ready();
                assert_eq!(changed, *seen != version);
                *seen = version;
                assert_eq!(*receiver.borrow(), *sender.borrow());
            }
        }
        assert_eq!(sender.receiver_count(), receivers.len());
    }
}
