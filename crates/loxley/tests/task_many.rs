//! The laws of `as_completed` and `map_concurrent`.

mod support;
#[path = "../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::{FutureExt, StreamExt};
use loxley::sync::oneshot;
use loxley::task::{AsCompleted, MapConcurrent, as_completed, map_concurrent, yield_now};
use support::{each, panic_of, probe, runtimes};
use watch::watched;

/// Runs a law as a task of each kind of runtime; fails if it hangs.
fn law<F, T>(law: F)
where
    F: Fn() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    watched(move || each(law));
}

#[test]
fn they_cross_threads_if_what_is_in_them_does() {
    type Mapped<T> = MapConcurrent<std::vec::IntoIter<u8>, fn(u8) -> T, T>;
    auto_traits! {
        AsCompleted<std::future::Ready<u8>>: yes yes yes;
        AsCompleted<std::future::Ready<Rc<u8>>>: no no yes;
        Mapped<std::future::Ready<u8>>: yes yes yes;
    }
}

#[test]
fn outputs_come_when_they_are_ready() {
    law(|| async {
        let (opens, gates): (Vec<_>, Vec<_>) = (0..20).map(|_| oneshot::channel()).unzip();
        let mut outputs = as_completed(gates);
        assert_eq!(outputs.len(), 20);
        for (number, open) in opens.into_iter().enumerate().rev() {
            open.send(number).unwrap();
            assert_eq!(outputs.next().await, Some(Ok(number)));
            assert_eq!(outputs.len(), number);
        }
        assert_eq!(outputs.next().await, None);
        outputs.push(oneshot::channel().1);
        assert!(outputs.next().await.unwrap().is_err());
    });
}

#[test]
fn they_run_where_they_are_awaited_and_may_borrow() {
    watched(|| {
        for runtime in runtimes() {
            let sum = Rc::new(Cell::new(0));
            runtime.block_on(async {
                let add = |number| {
                    let sum = &sum;
                    async move {
                        yield_now().await;
                        sum.set(sum.get() + number);
                    }
                };
                let mut outputs = as_completed((1..=10).map(add));
                while outputs.next().await.is_some() {}
            });
            assert_eq!(sum.get(), 55);
        }
    });
}

#[test]
fn a_wake_of_one_polls_that_one_alone() {
    let polls = [const { Cell::new(0) }; 10];
    let (opens, gates): (Vec<_>, Vec<_>) = (0..10).map(|_| oneshot::channel::<()>()).unzip();
    let counted = gates
        .into_iter()
        .zip(&polls)
        .map(|(gate, polls)| async move {
            let mut gate = pin!(gate);
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                gate.as_mut().poll(cx)
            })
            .await
        });
    let mut outputs = as_completed(counted);
    probe(outputs.next()).pending();
    for (number, open) in opens.into_iter().enumerate() {
        let mut next = probe(outputs.next());
        next.pending();
        open.send(()).unwrap();
        assert!(next.is_woken());
        next.ready();
        let expected: Vec<_> = (0..10)
            .map(|other| 1 + i32::from(other <= number))
            .collect();
        assert_eq!(polls.each_ref().map(Cell::get).to_vec(), expected);
    }
}

#[test]
fn one_that_wakes_itself_for_ever_lets_the_others_and_its_thread_go_on() {
    async fn busy() -> u8 {
        loop {
            yield_now().await;
        }
    }
    let mut outputs =
        as_completed([Box::pin(busy()) as std::pin::Pin<Box<dyn Future<Output = u8>>>]);
    let mut next = probe(outputs.next());
    next.pending();
    assert!(next.is_woken());
    drop(next);
    outputs.push(Box::pin(ready(5)));
    assert_eq!(probe(outputs.next()).ready(), Some(5));
}

#[test]
fn always_ready_futures_spend_the_budget() {
    law(|| async {
        let mut outputs = as_completed((0..10_000).map(ready));
        let mut turns = 0;
        let mut all = pin!(async { while outputs.next().await.is_some() {} });
        poll_fn(|cx| {
            turns += 1;
            all.as_mut().poll(cx)
        })
        .await;
        assert!(turns > 10, "{turns} polls");
    });
}

#[test]
fn both_are_streams() {
    law(|| async {
        let completed: Vec<_> = as_completed([1, 2].map(ready)).collect().await;
        assert_eq!(completed, [1, 2]);
        let mapped: Vec<_> = map_concurrent([1, 2, 3], 2, ready).collect().await;
        assert_eq!(mapped, [1, 2, 3]);
    });
}

#[test]
fn mapped_outputs_come_in_the_order_of_their_items() {
    law(|| async {
        for limit in [1, 2, 7, 1000] {
            let work = |number: usize| async move {
                for _ in 0..number * 7 % 5 {
                    yield_now().await;
                }
                number
            };
            let mut outputs = map_concurrent(0..100, limit, work);
            for number in 0..100 {
                assert_eq!(outputs.next().await, Some(number));
            }
            assert_eq!(outputs.next().await, None);
            assert_eq!(outputs.next().await, None);
        }
    });
}

#[test]
fn no_more_items_than_the_limit_are_under_way() {
    law(|| async {
        let (taken, given) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let under_way = {
            let (taken, given) = (taken.clone(), given.clone());
            move || taken.load(Ordering::SeqCst) - given.load(Ordering::SeqCst)
        };
        for ordered in [true, false] {
            let seen = under_way.clone();
            let taken = taken.clone();
            let items = (0..50).inspect(move |_| {
                taken.fetch_add(1, Ordering::SeqCst);
                assert!(seen() <= 3, "{} are under way", seen());
            });
            let mut outputs = map_concurrent(items, 3, |number| async move { number });
            if !ordered {
                outputs = outputs.unordered();
            }
            while outputs.next().await.is_some() {
                given.fetch_add(1, Ordering::SeqCst);
                // The consumer is slow: the source waits for it.
                yield_now().await;
                assert!(under_way() <= 3);
            }
            assert_eq!(under_way(), 0);
        }
    });
}

#[test]
fn tasks_go_on_while_the_consumer_does_something_else() {
    law(|| async {
        let (open, gate) = oneshot::channel::<()>();
        let mut open = Some(open);
        let mut outputs = map_concurrent(0..2, 2, move |number| {
            let open = open.take_if(|_| number == 1);
            async move {
                if let Some(open) = open {
                    open.send(()).unwrap();
                }
            }
        });
        outputs.next().await.unwrap();
        // The second opens it, although nobody asks for its output.
        gate.await.unwrap();
        outputs.next().await.unwrap();
    });
}

#[test]
fn a_slow_item_keeps_no_other_waiting_where_order_does_not_matter() {
    law(|| async {
        let (open, gate) = oneshot::channel::<()>();
        let mut gate = Some(gate);
        let work = move |number: usize| {
            let gate = gate.take();
            async move {
                if let Some(gate) = gate {
                    gate.await.unwrap();
                }
                number
            }
        };
        let mut outputs = map_concurrent(0..50, 2, work).unordered();
        for _ in 1..50 {
            assert_ne!(outputs.next().await.unwrap(), 0);
        }
        open.send(()).unwrap();
        assert_eq!(outputs.next().await, Some(0));
        assert_eq!(outputs.next().await, None);
    });
}

#[test]
fn a_panic_goes_on_in_the_consumer() {
    law(|| async {
        let mut outputs = map_concurrent([1], 1, |_| async { panic!("on purpose") });
        let joined = loxley::spawn(async move { outputs.next().await }).await;
        let payload = joined.unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    });
    let text = panic_of(|| map_concurrent([1], 0, ready));
    assert!(text.contains("at least 1"), "{text}");
}

#[test]
fn who_catches_a_panic_gets_the_outputs_of_the_others() {
    law(|| async {
        for (limit, ordered) in [(1, true), (1, false), (3, true), (3, false), (20, true)] {
            let work = |number: u8| async move {
                assert_ne!(number % 3, 1, "on purpose");
                number
            };
            let mut outputs = map_concurrent(0..10, limit, work);
            if !ordered {
                outputs = outputs.unordered();
            }
            let (mut numbers, mut panics) = (Vec::new(), 0);
            loop {
                let next = AssertUnwindSafe(outputs.next()).catch_unwind();
                match next.await {
                    Ok(Some(number)) => numbers.push(number),
                    Ok(None) => break,
                    Err(_) => panics += 1,
                }
            }
            if !ordered {
                numbers.sort_unstable();
            }
            assert_eq!((numbers, panics), (vec![0, 2, 3, 5, 6, 8, 9], 3));
        }
    });
}

#[test]
fn outputs_that_wait_for_their_turn_are_not_lost_when_the_order_no_longer_matters() {
    law(|| async {
        let (open, gate) = oneshot::channel::<()>();
        let mut gate = Some(gate);
        let mut outputs = map_concurrent(0..4, 4, move |number| {
            let gate = gate.take();
            async move {
                if let Some(gate) = gate {
                    gate.await.unwrap();
                }
                number
            }
        });
        // The others end before the first, and wait for it.
        for _ in 0..100 {
            assert!(poll_fn(|cx| Poll::Ready(outputs.poll_next(cx).is_pending())).await);
            yield_now().await;
        }
        let mut outputs = outputs.unordered();
        let mut numbers = Vec::new();
        for _ in 0..3 {
            numbers.extend(outputs.next().await);
        }
        open.send(()).unwrap();
        numbers.extend(outputs.next().await);
        assert_eq!(outputs.next().await, None);
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3]);
    });
}

#[test]
fn dropping_the_outputs_aborts_what_is_under_way() {
    law(|| async {
        let alive = Arc::new(());
        let held = alive.clone();
        let mut outputs = map_concurrent(0..10, 4, move |_| {
            let held = held.clone();
            async move {
                let _held = held;
                pending::<()>().await;
            }
        });
        let started = poll_fn(|cx| Poll::Ready(outputs.poll_next(cx).is_pending())).await;
        assert!(started);
        drop(outputs);
        while Arc::strong_count(&alive) > 1 {
            yield_now().await;
        }
    });
}
