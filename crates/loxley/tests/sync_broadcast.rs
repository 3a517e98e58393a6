//! The laws of `broadcast`.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loxley::sync::broadcast::error::{RecvError, SendError, TryRecvError};
use loxley::sync::broadcast::{self, Receiver, Sender, WeakSender};
use loxley::task::yield_now;
use support::{Random, assert_send_sync, current, each, panic_of, probe};

#[test]
fn handles_cross_threads_as_far_as_the_value_moves() {
    auto_traits! {
        Sender<u8>: yes yes yes;
        Sender<Cell<u8>>: yes yes yes;
        Sender<Rc<u8>>: no no yes;
        Receiver<Cell<u8>>: yes yes yes;
        Receiver<Rc<u8>>: no no yes;
        WeakSender<Cell<u8>>: yes yes yes;
        SendError<u8>: yes yes yes;
        RecvError: yes yes yes;
        TryRecvError: yes yes yes;
    }
    let (sender, mut receiver) = broadcast::channel(1);
    assert_send_sync(&sender.closed());
    sender.send(Cell::new(1)).unwrap();
    assert_send_sync(&receiver.recv());
}

/// RUSTSEC-2025-0023: values that may move but not be shared are never cloned by two threads at once.
#[test]
fn clones_of_one_value_are_made_one_after_the_other() {
    struct Alone(Arc<AtomicUsize>, Cell<u8>);
    impl Clone for Alone {
        fn clone(&self) -> Self {
            assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            std::thread::yield_now();
            self.0.fetch_sub(1, Ordering::SeqCst);
            Self(self.0.clone(), self.1.clone())
        }
    }
    let (sender, _keep) = broadcast::channel(4);
    let receivers: Vec<_> = (0..4).map(|_| sender.subscribe()).collect();
    for number in 0..4 {
        assert!(
            sender
                .send(Alone(Arc::default(), Cell::new(number)))
                .is_ok()
        );
    }
    std::thread::scope(|scope| {
        for mut receiver in receivers {
            scope.spawn(move || {
                for number in 0..4 {
                    let value = receiver.blocking_recv();
                    assert!(value.is_ok_and(|value| value.1.get() == number));
                }
            });
        }
    });
}

#[test]
fn every_receiver_gets_every_value_in_order() {
    each(|| async {
        let (sender, _) = broadcast::channel(64);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let mut receiver = sender.subscribe();
                loxley::spawn(async move {
                    let mut next = 0;
                    loop {
                        match receiver.recv().await {
                            Ok(number) => {
                                assert_eq!(number, next);
                                next += 1;
                            }
                            Err(RecvError::Lagged(missed)) => next += missed,
                            Err(RecvError::Closed) => return next,
                        }
                    }
                })
            })
            .collect();
        for number in 0..500_u64 {
            assert_eq!(sender.send(number).unwrap(), 10);
            if number % 32 == 0 {
                yield_now().await;
            }
        }
        drop(sender);
        for task in tasks {
            assert_eq!(task.await.unwrap(), 500);
        }
    });
}

#[test]
fn a_value_wakes_all_who_wait_once() {
    let (sender, _keep) = broadcast::channel(2);
    let mut receivers: Vec<_> = (0..1000).map(|_| sender.subscribe()).collect();
    let mut waiting: Vec<_> = receivers.iter_mut().map(|r| probe(r.recv())).collect();
    waiting.iter_mut().for_each(|one| one.pending());
    assert_eq!(sender.send(5).unwrap(), 1001);
    for one in &mut waiting {
        assert_eq!(one.wakes(), 1);
        assert_eq!(one.ready(), Ok(5));
    }
}

#[test]
fn a_slow_receiver_is_told_what_it_has_missed() {
    let (sender, mut slow) = broadcast::channel(4);
    let mut waiting = sender.subscribe();
    for number in 0..4 {
        sender.send(number).unwrap();
    }
    assert_eq!(slow.try_recv(), Ok(0));
    for number in 4..10 {
        sender.send(number).unwrap();
    }
    assert_eq!((slow.len(), waiting.len()), (9, 10));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(5)));
    assert_eq!(probe(waiting.recv()).ready(), Err(RecvError::Lagged(6)));
    for number in 6..10 {
        assert_eq!(
            (slow.try_recv(), waiting.try_recv()),
            (Ok(number), Ok(number))
        );
    }
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn room_is_a_power_of_two() {
    let (sender, mut receiver) = broadcast::channel(3);
    for number in 0..4 {
        sender.send(number).unwrap();
    }
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(panic_of(|| broadcast::channel::<u8>(0)).contains("cannot be zero"));
    assert!(panic_of(|| Sender::<u8>::new(usize::MAX)).contains("usize::MAX / 2"));
}

#[test]
fn the_end_comes_after_the_last_value() {
    let (sender, mut receiver) = broadcast::channel(4);
    let other = sender.clone();
    let mut idle = sender.subscribe();
    let mut waiting = probe(idle.recv());
    waiting.pending();
    drop(sender);
    assert!(!waiting.is_woken() && !receiver.is_closed());
    other.send(5).unwrap();
    assert_eq!(waiting.ready(), Ok(5));
    drop(waiting);
    let mut waiting = probe(idle.recv());
    waiting.pending();
    drop(other);
    assert!(waiting.is_woken());
    assert_eq!(waiting.ready(), Err(RecvError::Closed));
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Ok(5));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(probe(receiver.recv()).ready(), Err(RecvError::Closed));
    assert_eq!(receiver.resubscribe().try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn values_go_as_soon_as_nobody_needs_them() {
    let value = Arc::new(());
    let count = || Arc::strong_count(&value) - 1;
    let (sender, mut one) = broadcast::channel(4);
    let two = sender.subscribe();
    for _ in 0..3 {
        sender.send(value.clone()).unwrap();
    }
    assert_eq!((count(), sender.len()), (3, 3));
    drop(one.try_recv());
    assert_eq!((count(), sender.len()), (3, 3));
    drop(two);
    assert_eq!((count(), sender.len()), (2, 2));
    drop(one.try_recv());
    assert_eq!((count(), sender.len()), (1, 1));
    drop(one);
    assert_eq!((count(), sender.len()), (0, 0));
    assert!(sender.is_empty());
    assert!(sender.send(value.clone()).is_err());
    assert_eq!(count(), 0);
    // Overwritten.
    let slow = sender.subscribe();
    for _ in 0..9 {
        sender.send(value.clone()).unwrap();
    }
    assert_eq!((count(), slow.len()), (4, 9));
    drop(slow);
    assert_eq!(count(), 0);
}

/// The last receiver is given the value itself.
#[test]
fn one_receiver_needs_no_clone() {
    #[derive(Debug, PartialEq)]
    struct Only(u8);
    impl Clone for Only {
        fn clone(&self) -> Self {
            panic!("there is one receiver")
        }
    }
    let (sender, mut receiver) = broadcast::channel(4);
    sender.send(Only(1)).unwrap();
    assert_eq!(receiver.try_recv(), Ok(Only(1)));
}

#[test]
fn a_clone_that_panics_costs_its_receiver_the_value_and_nobody_else() {
    #[derive(Debug)]
    struct Picky(bool);
    impl Clone for Picky {
        fn clone(&self) -> Self {
            assert!(!self.0, "on purpose");
            Self(self.0)
        }
    }
    let (sender, mut one) = broadcast::channel(4);
    let mut two = sender.subscribe();
    sender.send(Picky(true)).unwrap();
    sender.send(Picky(false)).unwrap();
    panic_of(|| one.try_recv());
    assert!(one.try_recv().is_ok());
    assert!(two.try_recv().is_ok() && two.try_recv().is_ok());
    assert!(sender.is_empty());
}

#[test]
fn the_last_receiver_that_goes_wakes_the_sender() {
    let (sender, receiver) = broadcast::channel::<u8>(4);
    let other = sender.subscribe();
    let mut closed = probe(sender.closed());
    closed.pending();
    drop(receiver);
    assert!(!closed.is_woken());
    drop(other);
    assert!(closed.is_woken());
    closed.ready();
    assert_eq!(sender.send(5).unwrap_err().to_string(), "channel closed");
    let mut again = sender.subscribe();
    sender.send(6).unwrap();
    assert_eq!(again.try_recv(), Ok(6));
    probe(sender.closed()).pending();
}

#[test]
fn a_receiver_that_stops_waiting_loses_nothing() {
    let (sender, mut receiver) = broadcast::channel(4);
    let mut waiting = probe(receiver.recv());
    waiting.pending();
    sender.send(5).unwrap();
    drop(waiting);
    assert_eq!(receiver.try_recv(), Ok(5));
    let mut waiting = probe(receiver.recv());
    waiting.pending();
    assert_eq!(waiting.wakers_held(), 1);
    drop(waiting);
    sender.send(6).unwrap();
    assert_eq!(receiver.try_recv(), Ok(6));
}

#[test]
fn weak_senders_do_not_keep_the_channel_open() {
    let (sender, mut receiver) = broadcast::channel(4);
    let weak = sender.downgrade();
    let twice = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 2));
    assert_eq!(
        (receiver.sender_strong_count(), receiver.sender_weak_count()),
        (1, 2)
    );
    weak.upgrade().unwrap().send(5).unwrap();
    drop((sender, twice));
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
    assert!(weak.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Ok(5));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn the_blocking_way_waits_and_refuses_where_tasks_are_driven() {
    let (sender, mut receiver) = broadcast::channel(4);
    let thread = std::thread::spawn(move || receiver.blocking_recv());
    sender.send(5).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(5));
    let mut receiver = sender.subscribe();
    let message = current().block_on(async { panic_of(|| receiver.blocking_recv()) });
    assert!(message.contains("recv().await"), "{message}");
}

/// Random steps against a model: a list of all values, and each receiver's place in it.
#[test]
fn the_channel_is_a_window_over_all_values() {
    let mut random = Random::new();
    const ROOM: u64 = 8;
    let (sender, first) = broadcast::channel(ROOM as usize);
    let mut sent = 0_u64;
    let mut receivers = vec![(first, 0_u64)];
    for _ in 0..20_000 {
        match random.below(8) {
            0..=2 => {
                assert_eq!(sender.send(sent).unwrap(), receivers.len());
                sent += 1;
            }
            3 if receivers.len() < 6 => receivers.push((sender.subscribe(), sent)),
            4 if receivers.len() > 1 => drop(receivers.swap_remove(random.below(receivers.len()))),
            _ => {
                let at = random.below(receivers.len());
                let (receiver, next) = &mut receivers[at];
                assert_eq!(receiver.len() as u64, sent - *next);
                let oldest = sent.saturating_sub(ROOM);
                let expected = if *next == sent {
                    Err(TryRecvError::Empty)
                } else if *next < oldest {
                    let missed = oldest - *next;
                    *next = oldest;
                    Err(TryRecvError::Lagged(missed))
                } else {
                    *next += 1;
                    Ok(*next - 1)
                };
                assert_eq!(receiver.try_recv(), expected);
            }
        }
        let behind = receivers.iter().map(|(_, next)| sent - *next).max();
        assert_eq!(sender.len() as u64, behind.unwrap().min(ROOM));
    }
}
