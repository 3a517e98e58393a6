//! The laws of `mpsc`.

mod support;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use loxley::sync::mpsc::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use loxley::sync::mpsc::{
    self, OwnedPermit, Permit, PermitIterator, Receiver, Sender, UnboundedReceiver,
    UnboundedSender, WeakSender, WeakUnboundedSender,
};
use loxley::task::yield_now;
use support::{Random, assert_send_sync, current, each, panic_of, probe};

#[test]
fn handles_cross_threads_as_far_as_messages_do() {
    type Local = Rc<u8>;
    type Shy = std::cell::Cell<u8>;
    auto_traits! {
        Sender<u8>: yes yes yes;
        Sender<Shy>: yes yes yes;
        Sender<Local>: no no yes;
        Receiver<Shy>: yes yes yes;
        Receiver<Local>: no no yes;
        WeakSender<Shy>: yes yes yes;
        WeakSender<Local>: no no yes;
        UnboundedSender<Shy>: yes yes yes;
        UnboundedSender<Local>: no no yes;
        UnboundedReceiver<Shy>: yes yes yes;
        UnboundedReceiver<Local>: no no yes;
        WeakUnboundedSender<Shy>: yes yes yes;
        Permit<'static, Shy>: yes yes yes;
        Permit<'static, Local>: no no yes;
        PermitIterator<'static, Shy>: yes yes yes;
        OwnedPermit<Shy>: yes yes yes;
        OwnedPermit<Local>: no no yes;
        SendError<u8>: yes yes yes;
    }
    fn unwinds<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    unwinds::<Sender<std::cell::Cell<u8>>>();
    unwinds::<Receiver<std::cell::Cell<u8>>>();
    let (sender, mut receiver) = mpsc::channel::<Shy>(1);
    assert_send_sync(&sender.reserve());
    assert_send_sync(&sender.reserve_many(1));
    assert_send_sync(&sender.clone().reserve_owned());
    assert_send_sync(&sender.closed());
    assert_send_sync(&receiver.recv());
}

#[test]
fn messages_come_in_the_order_in_which_they_were_sent() {
    each(|| async {
        for room in [1, 2, 100] {
            let (sender, mut receiver) = mpsc::channel(room);
            let (fast, mut other) = mpsc::unbounded_channel();
            loxley::spawn(async move {
                for number in 0..500 {
                    sender.send(number).await.unwrap();
                    fast.send(number).unwrap();
                }
            });
            for number in 0..500 {
                assert_eq!(receiver.recv().await, Some(number));
                assert_eq!(other.recv().await, Some(number));
            }
            assert_eq!((receiver.recv().await, other.recv().await), (None, None));
        }
    });
}

#[test]
fn many_senders_lose_nothing() {
    each(|| async {
        let (sender, mut receiver) = mpsc::channel(3);
        let (fast, mut other) = mpsc::unbounded_channel();
        for name in 0..10 {
            let (sender, fast) = (sender.clone(), fast.clone());
            loxley::spawn(async move {
                for number in 0..100 {
                    sender.send((name, number)).await.unwrap();
                    fast.send((name, number)).unwrap();
                    if number % 16 == 0 {
                        yield_now().await;
                    }
                }
            });
        }
        drop((sender, fast));
        let (mut next, mut others) = ([0; 10], [0; 10]);
        while let Some((name, number)) = receiver.recv().await {
            assert_eq!(std::mem::replace(&mut next[name], number + 1), number);
        }
        let mut messages = Vec::new();
        while other.recv_many(&mut messages, 7).await > 0 {
            for (name, number) in messages.drain(..) {
                assert_eq!(std::mem::replace(&mut others[name], number + 1), number);
            }
        }
        assert_eq!((next, others), ([100; 10], [100; 10]));
    });
}

#[test]
fn a_full_channel_makes_senders_wait_in_order() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let (mut one, mut two) = (probe(sender.send(1)), probe(sender.send(2)));
    one.pending();
    two.pending();
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(one.is_woken() && !two.is_woken());
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    one.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    two.ready().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_message_wakes_the_receiver_once() {
    let (sender, mut receiver) = mpsc::channel(10);
    let mut receiving = probe(receiver.recv());
    receiving.pending();
    for number in 0..3 {
        sender.try_send(number).unwrap();
    }
    assert_eq!(receiving.wakes(), 1);
    assert_eq!(receiving.ready(), Some(0));
}

#[test]
fn a_receiver_that_stops_waiting_loses_nothing() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for number in 0..100 {
        probe(receiver.recv()).pending();
        sender.send(number).unwrap();
        assert_eq!(probe(receiver.recv()).ready(), Some(number));
    }
    let mut receiving = probe(receiver.recv());
    receiving.pending();
    sender.send(1).unwrap();
    assert!(receiving.is_woken());
    drop(receiving);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn the_last_sender_that_goes_wakes_the_receiver() {
    let (sender, mut receiver) = mpsc::channel::<u8>(1);
    let (fast, mut other) = mpsc::unbounded_channel::<u8>();
    let (more, weak) = (sender.clone(), fast.downgrade());
    let (mut receiving, mut waiting) = (probe(receiver.recv()), probe(other.recv()));
    receiving.pending();
    waiting.pending();
    drop(sender);
    assert!(!receiving.is_woken());
    drop((more, fast));
    assert!(receiving.is_woken() && waiting.is_woken());
    assert_eq!((receiving.ready(), waiting.ready()), (None, None));
    assert!(weak.upgrade().is_none());
    drop((receiving, waiting));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert!(receiver.is_closed() && other.is_closed());
}

/// Every way in which a place comes back after the receiver has closed wakes it (tokio #8260, #8021, #7996, #4867).
#[test]
fn however_the_last_place_comes_back_a_closed_receiver_is_woken() {
    type Way = (&'static str, fn(Sender<u8>, &mut Receiver<u8>) -> Vec<u8>);
    fn waits(receiver: &mut Receiver<u8>, then: impl FnOnce()) -> Vec<u8> {
        receiver.close();
        let mut receiving = probe(receiver.recv());
        receiving.pending();
        then();
        assert!(receiving.is_woken(), "the receiver sleeps on");
        let first = receiving.ready();
        drop(receiving);
        let rest = std::iter::from_fn(|| probe(receiver.recv()).ready());
        first.into_iter().chain(rest).collect()
    }
    let ways: [Way; 9] = [
        ("permit dropped", |sender, receiver| {
            let permit = sender.try_reserve().unwrap();
            waits(receiver, || drop(permit))
        }),
        ("permit used", |sender, receiver| {
            let permit = sender.try_reserve().unwrap();
            waits(receiver, || permit.send(7))
        }),
        ("owned dropped", |sender, receiver| {
            let permit = sender.clone().try_reserve_owned().unwrap();
            waits(receiver, || drop(permit))
        }),
        ("owned released", |sender, receiver| {
            let permit = sender.clone().try_reserve_owned().unwrap();
            waits(receiver, || drop(permit.release()))
        }),
        ("owned used", |sender, receiver| {
            let permit = sender.clone().try_reserve_owned().unwrap();
            waits(receiver, || drop(permit.send(7)))
        }),
        ("many dropped", |sender, receiver| {
            let mut permits = sender.try_reserve_many(2).unwrap();
            permits.next().unwrap().send(7);
            assert_eq!(receiver.try_recv(), Ok(7));
            waits(receiver, || drop(permits));
            vec![7]
        }),
        ("granted and dropped", |sender, receiver| {
            let held = sender.try_reserve_many(2).unwrap();
            let mut waiting = probe(sender.reserve());
            waiting.pending();
            drop(held);
            assert!(waiting.is_woken());
            waits(receiver, || drop(waiting))
        }),
        (
            "granted to an owned request and dropped",
            |sender, receiver| {
                let held = sender.try_reserve_many(2).unwrap();
                let mut waiting = probe(sender.clone().reserve_owned());
                waiting.pending();
                drop(held);
                assert!(waiting.is_woken());
                waits(receiver, || drop(waiting))
            },
        ),
        ("granted to a send and dropped", |sender, receiver| {
            let held = sender.try_reserve_many(2).unwrap();
            let mut waiting = probe(sender.send(9));
            waiting.pending();
            drop(held);
            waits(receiver, || drop(waiting))
        }),
    ];
    for (name, way) in ways {
        println!("{name}");
        let (sender, mut receiver) = mpsc::channel(2);
        let got = way(sender.clone(), &mut receiver);
        assert!(got.is_empty() || got == [7], "{name}: {got:?}");
        assert_eq!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected),
            "{name}"
        );
        assert!(sender.is_closed());
    }
}

#[test]
fn closing_refuses_what_comes_and_gives_what_is_there() {
    let (sender, mut receiver) = mpsc::channel(2);
    let (fast, mut other) = mpsc::unbounded_channel();
    sender.try_send(1).unwrap();
    fast.send(1).unwrap();
    let full = sender.try_reserve().unwrap();
    let mut waiting = probe(sender.send(2));
    waiting.pending();
    let mut closed = probe(sender.closed());
    closed.pending();
    receiver.close();
    other.close();
    assert!(waiting.is_woken() && closed.is_woken());
    assert_eq!(waiting.ready(), Err(SendError(2)));
    closed.ready();
    assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    assert_eq!(fast.send(3), Err(SendError(3)));
    assert!(sender.is_closed() && fast.is_closed());
    assert_eq!((receiver.try_recv(), other.try_recv()), (Ok(1), Ok(1)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(other.try_recv(), Err(TryRecvError::Disconnected));
    full.send(4);
    assert_eq!(probe(receiver.recv()).ready(), Some(4));
    assert_eq!(probe(receiver.recv()).ready(), None);
    assert_eq!(probe(other.recv()).ready(), None);
}

#[test]
fn a_receiver_that_goes_drops_what_is_there_and_tells_the_senders() {
    let value = Arc::new(());
    let (sender, receiver) = mpsc::channel(50);
    let (fast, other) = mpsc::unbounded_channel();
    for _ in 0..40 {
        sender.try_send(value.clone()).unwrap();
        fast.send(value.clone()).unwrap();
    }
    let late = sender.try_reserve().unwrap();
    let (mut closed, mut told) = (probe(sender.closed()), probe(fast.closed()));
    closed.pending();
    told.pending();
    drop((receiver, other));
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(closed.is_woken() && told.is_woken());
    late.send(value.clone());
    drop((closed, told));
    drop((sender, fast));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_message_whose_drop_panics_takes_no_other_along() {
    struct Loud(Arc<AtomicUsize>, bool);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            if self.1 {
                std::panic::resume_unwind(Box::new(()));
            }
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::unbounded_channel();
    for number in 0..5 {
        assert!(sender.send(Loud(dropped.clone(), number == 1)).is_ok());
    }
    panic_of(|| drop(receiver));
    assert_eq!(dropped.load(Ordering::SeqCst), 5);
}

#[test]
fn places_are_counted() {
    let (sender, mut receiver) = mpsc::channel(5);
    assert_eq!((sender.capacity(), sender.max_capacity()), (5, 5));
    sender.try_send(1).unwrap();
    let mut many = sender.try_reserve_many(3).unwrap();
    assert_eq!((many.len(), sender.capacity(), receiver.len()), (3, 1, 1));
    many.next().unwrap().send(2);
    drop(many.next());
    assert_eq!((many.size_hint(), sender.capacity()), ((1, Some(1)), 2));
    drop(many);
    assert_eq!(
        (receiver.capacity(), receiver.max_capacity(), receiver.len()),
        (3, 5, 2)
    );
    assert!(matches!(
        sender.try_reserve_many(4),
        Err(TrySendError::Full(()))
    ));
    assert!(matches!(
        sender.try_reserve_many(6),
        Err(TrySendError::Full(()))
    ));
    assert!(probe(sender.reserve_many(6)).ready().is_err());
    assert_eq!(probe(sender.reserve_many(0)).ready().unwrap().count(), 0);
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
    assert!(receiver.is_empty());
}

#[test]
fn wrong_numbers_of_places_are_refused() {
    assert!(panic_of(|| mpsc::channel::<u8>(0)).contains("buffer > 0"));
    assert!(panic_of(|| mpsc::channel::<u8>(usize::MAX)).contains("MAX_PERMITS"));
    let (sender, _receiver) = mpsc::channel::<u8>(loxley::sync::Semaphore::MAX_PERMITS);
    assert_eq!(sender.capacity(), usize::MAX >> 3);
}

#[test]
fn taking_many_takes_what_is_there_and_frees_as_many_places() {
    let (sender, mut receiver) = mpsc::channel(4);
    let mut got = vec![9];
    assert_eq!(probe(receiver.recv_many(&mut got, 0)).ready(), 0);
    probe(receiver.recv_many(&mut got, 5)).pending();
    for number in 0..4 {
        sender.try_send(number).unwrap();
    }
    let mut waiting = probe(sender.reserve_many(3));
    waiting.pending();
    assert_eq!(probe(receiver.recv_many(&mut got, 3)).ready(), 3);
    assert_eq!(got, [9, 0, 1, 2]);
    drop(waiting.ready());
    drop(waiting);
    drop(sender);
    assert_eq!(probe(receiver.recv_many(&mut got, usize::MAX)).ready(), 1);
    assert_eq!(probe(receiver.recv_many(&mut got, usize::MAX)).ready(), 0);
}

#[test]
fn weak_senders_do_not_keep_the_channel_open() {
    let (sender, mut receiver) = mpsc::channel(1);
    let weak = sender.downgrade();
    let twice = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 2));
    let strong = weak.upgrade().unwrap();
    assert_eq!((weak.strong_count(), weak.weak_count()), (2, 2));
    assert_eq!(
        (receiver.sender_strong_count(), receiver.sender_weak_count()),
        (2, 2)
    );
    drop((sender, twice));
    strong.try_send(5).unwrap();
    drop(strong);
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
    assert!(weak.upgrade().is_none());
    assert_eq!(probe(receiver.recv()).ready(), Some(5));
    assert_eq!(probe(receiver.recv()).ready(), None);
}

#[test]
fn handles_know_their_channel() {
    let (one, _r1) = mpsc::channel::<u8>(2);
    let (two, _r2) = mpsc::channel::<u8>(2);
    assert!(one.same_channel(&one.clone()) && !one.same_channel(&two));
    let permits = [&one, &two].map(|sender| sender.clone().try_reserve_owned().unwrap());
    assert!(permits[0].same_channel(&permits[0]) && !permits[0].same_channel(&permits[1]));
    assert!(permits[0].same_channel_as_sender(&one) && !permits[0].same_channel_as_sender(&two));
    let full = two.clone().try_reserve_owned().unwrap();
    let Err(TrySendError::Full(back)) = two.clone().try_reserve_owned() else {
        panic!("there is no place");
    };
    assert!(back.same_channel(&two));
    drop(full);
}

#[test]
fn sending_with_a_limit_in_time_gives_the_message_back() {
    each(|| async {
        let (sender, mut receiver) = mpsc::channel(1);
        let short = Duration::from_millis(2);
        sender.send_timeout(1, short).await.unwrap();
        let late = sender.send_timeout(2, short).await;
        assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(sender.capacity(), 1);
        receiver.close();
        let closed = sender.send_timeout(3, short).await;
        assert_eq!(closed, Err(SendTimeoutError::Closed(3)));
    });
}

#[test]
fn a_receiver_that_always_has_something_yields() {
    each(|| async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..1000 {
            sender.send(number).unwrap();
        }
        let mut taken = 0;
        let polls = std::future::poll_fn(|cx| {
            while let Poll::Ready(Some(_)) = receiver.poll_recv(cx) {
                taken += 1;
            }
            Poll::Ready(taken)
        });
        assert!(polls.await < 1000);
    });
}

#[test]
fn the_blocking_ways_wait_and_refuse_where_tasks_are_driven() {
    let (sender, mut receiver) = mpsc::channel(1);
    let thread = std::thread::spawn(move || {
        for number in 0..100 {
            sender.blocking_send(number).unwrap();
        }
    });
    let mut got = Vec::new();
    assert_eq!(receiver.blocking_recv(), Some(0));
    while receiver.blocking_recv_many(&mut got, 10) > 0 {}
    assert!(got.into_iter().eq(1..100));
    thread.join().unwrap();
    let messages = current().block_on(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let (_fast, mut other) = mpsc::unbounded_channel::<u8>();
        [
            panic_of(|| sender.blocking_send(1)),
            panic_of(|| receiver.blocking_recv()),
            panic_of(|| other.blocking_recv()),
            panic_of(|| other.blocking_recv_many(&mut Vec::new(), 1)),
        ]
    });
    assert!(
        messages.iter().all(|message| message.contains("await")),
        "{messages:?}"
    );
}

/// Two runtimes and a thread around one channel.
#[test]
fn a_channel_belongs_to_no_runtime() {
    let [one, two] = [current(), support::multi(2)];
    let (sender, mut receiver) = mpsc::channel(2);
    let sending = two.spawn(async move {
        for number in 0..100 {
            sender.send(number).await.unwrap();
        }
    });
    one.block_on(async {
        for number in 0..100 {
            assert_eq!(receiver.recv().await, Some(number));
        }
        assert_eq!(receiver.recv().await, None);
    });
    two.block_on(sending).unwrap();
}

/// Random steps against a model.
#[test]
fn the_channel_is_a_queue_with_places() {
    let mut random = Random::new();
    for _ in 0..20 {
        let room = random.below(5) + 1;
        let (sender, mut receiver) = mpsc::channel(room);
        let mut model = std::collections::VecDeque::new();
        let mut permits = Vec::new();
        for number in 0..500 {
            let free = room - model.len() - permits.len();
            match random.below(6) {
                0 | 1 => match sender.try_send(number) {
                    Ok(()) => {
                        assert!(free > 0);
                        model.push_back(number);
                    }
                    Err(error) => {
                        assert_eq!((error, free), (TrySendError::Full(number), 0));
                    }
                },
                2 => match sender.try_reserve() {
                    Ok(permit) => permits.push(permit),
                    Err(_) => assert_eq!(free, 0),
                },
                3 if !permits.is_empty() => {
                    let permit = permits.swap_remove(random.below(permits.len()));
                    if random.below(2) == 0 {
                        permit.send(number);
                        model.push_back(number);
                    }
                }
                _ => assert_eq!(receiver.try_recv().ok(), model.pop_front()),
            }
            assert_eq!(receiver.len(), model.len());
            assert_eq!(sender.capacity(), room - model.len() - permits.len());
        }
    }
}
