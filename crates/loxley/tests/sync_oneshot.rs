//! The laws of `oneshot`.

mod support;

use std::rc::Rc;
use std::sync::Arc;

use loxley::sync::oneshot::error::{RecvError, TryRecvError};
use loxley::sync::oneshot::{self, Receiver, Sender};
use loxley::task::yield_now;
use support::{assert_send_sync, current, each, panic_of, probe};

#[test]
fn halves_cross_threads_as_far_as_the_value_does() {
    auto_traits! {
        Sender<u8>: yes yes yes;
        Receiver<u8>: yes yes yes;
        Sender<std::cell::Cell<u8>>: yes yes yes;
        Receiver<std::cell::Cell<u8>>: yes yes yes;
        Sender<Rc<u8>>: no no yes;
        Receiver<Rc<u8>>: no no yes;
        RecvError: yes yes yes;
        TryRecvError: yes yes yes;
    }
    let (mut sender, _receiver) = oneshot::channel::<u8>();
    assert_send_sync(&sender.closed());
}

#[test]
fn the_value_comes_whoever_is_first() {
    each(|| async {
        for turns in 0..4 {
            let (sender, receiver) = oneshot::channel();
            let task = loxley::spawn(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                sender.send(turns)
            });
            for _ in turns..3 {
                yield_now().await;
            }
            assert_eq!(receiver.await, Ok(turns));
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn sending_wakes_the_receiver_once() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = probe(receiver);
    receiver.pending();
    receiver.pending();
    assert_eq!(receiver.wakers_held(), 1);
    sender.send(5).unwrap();
    assert_eq!((receiver.wakes(), receiver.wakers_held()), (1, 0));
    assert_eq!(receiver.ready(), Ok(5));
    assert!(panic_of(|| receiver.poll()).contains("polled again"));
}

#[test]
fn a_sender_that_goes_wakes_the_receiver() {
    let (sender, receiver) = oneshot::channel::<u8>();
    let mut receiver = probe(receiver);
    receiver.pending();
    drop(sender);
    assert!(receiver.is_woken());
    assert!(receiver.ready().is_err());
}

#[test]
fn a_receiver_that_goes_or_closes_wakes_the_sender() {
    for close in [false, true] {
        let (mut sender, mut receiver) = oneshot::channel::<u8>();
        let mut closed = probe(sender.closed());
        closed.pending();
        closed.pending();
        match close {
            true => receiver.close(),
            false => drop(receiver),
        }
        assert_eq!((closed.wakes(), closed.wakers_held()), (1, 0));
        closed.ready();
        drop(closed);
        assert!(sender.is_closed());
        assert_eq!(sender.send(1), Err(1));
    }
}

#[test]
fn a_closed_receiver_gets_what_was_sent_before() {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(5).unwrap();
    receiver.close();
    assert_eq!(probe(receiver).ready(), Ok(5));
    let (sender, mut receiver) = oneshot::channel::<u8>();
    receiver.close();
    receiver.close();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    // Although the sender lives.
    assert!(probe(receiver).ready().is_err());
    assert_eq!(sender.send(5), Err(5));
}

#[test]
fn a_receiver_that_has_waited_and_goes_keeps_no_waker() {
    let (sender, receiver) = oneshot::channel::<u8>();
    let mut receiving = probe(async move {
        let mut receiver = receiver;
        (&mut receiver).await.unwrap();
        std::future::pending::<()>().await;
    });
    receiving.pending();
    let held = receiving.wakers_held();
    assert_eq!(held, 1);
    drop(receiving);
    assert!(sender.is_closed());
    drop(sender);
}

#[test]
fn the_state_can_be_looked_at() {
    let (sender, mut receiver) = oneshot::channel();
    assert!(receiver.is_empty() && !receiver.is_terminated());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(format!("{sender:?}"), "Sender { closed: false }");
    sender.send(5).unwrap();
    assert!(!receiver.is_empty() && !receiver.is_terminated());
    assert_eq!(receiver.try_recv(), Ok(5));
    assert!(receiver.is_empty() && receiver.is_terminated());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    let (sender, mut receiver) = oneshot::channel::<u8>();
    drop(sender);
    assert!(receiver.is_empty());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn every_value_is_dropped_once() {
    let value = Arc::new(());
    let count = || Arc::strong_count(&value) - 1;
    let (sender, receiver) = oneshot::channel();
    sender.send(value.clone()).unwrap();
    assert_eq!(count(), 1);
    drop(receiver);
    assert_eq!(count(), 0);
    let (sender, receiver) = oneshot::channel();
    drop(receiver);
    drop(sender.send(value.clone()));
    assert_eq!(count(), 0);
    let (sender, receiver) = oneshot::channel();
    let mut receiver = probe(receiver);
    receiver.pending();
    sender.send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(count(), 0);
}

#[test]
fn halves_are_one_pointer_each() {
    assert_eq!(size_of::<Sender<[u8; 100]>>(), size_of::<usize>());
    assert_eq!(size_of::<Receiver<[u8; 100]>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Sender<u8>>>(), size_of::<usize>());
}

/// All orders of a few threads; leaks and double frees are for the sanitizers.
#[test]
fn halves_that_end_at_the_same_time_agree() {
    each(|| async {
        for round in 0..300 {
            let (mut sender, mut receiver) = oneshot::channel::<Box<u32>>();
            let one = loxley::spawn(async move {
                match round % 4 {
                    0 => sender.send(Box::new(round)).is_ok(),
                    1 => {
                        sender.closed().await;
                        sender.send(Box::new(round)).is_ok()
                    }
                    2 => {
                        drop(sender);
                        false
                    }
                    _ => {
                        yield_now().await;
                        sender.send(Box::new(round)).is_ok()
                    }
                }
            });
            let two = loxley::spawn(async move {
                match round % 3 {
                    0 => {
                        drop(receiver);
                        None
                    }
                    1 => {
                        receiver.close();
                        receiver.await.ok()
                    }
                    _ if round % 4 == 1 => None,
                    _ => receiver.await.ok(),
                }
            });
            let (sent, got) = (one.await.unwrap(), two.await.unwrap());
            assert!(got.is_none() || sent);
            assert!(got.is_none_or(|got| *got == round));
        }
    });
}

#[test]
fn the_blocking_way_waits_and_refuses_where_tasks_are_driven() {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::spawn(move || receiver.blocking_recv());
    sender.send(5).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(5));
    let (sender, receiver) = oneshot::channel::<u8>();
    let message = current().block_on(async { panic_of(|| receiver.blocking_recv()) });
    assert!(message.contains(".await"), "{message}");
    assert!(sender.is_closed());
}
