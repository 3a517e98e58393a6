//! Knobs: what each of them changes.

#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, RngSeed, Runtime};
use loxley_core::shared::random_below;
use loxley_core::task::yield_now;
use loxley_core::{coop, spawn};
use watch::watched;

fn seed(number: u64) -> RngSeed {
    RngSeed::from_bytes(&number.to_le_bytes())
}

/// Who ran when, of some tasks that spawn, yield and join.
fn order(runtime: &Runtime) -> Vec<(u32, u32)> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let log = log.clone();
            runtime.spawn(async move {
                let inner = spawn({
                    let log = log.clone();
                    async move {
                        for step in 10..13 {
                            log.lock().unwrap().push((number, step));
                            yield_now().await;
                        }
                    }
                });
                for step in 0..5 {
                    log.lock().unwrap().push((number, step));
                    yield_now().await;
                }
                inner.await.unwrap();
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    let log = log.lock().unwrap();
    log.clone()
}

#[test]
fn a_shuffled_order_is_met_again_with_its_seed() {
    watched(|| {
        let shuffled = |number| {
            let mut builder = Builder::new_current_thread();
            order(&builder.shuffle_schedule(seed(number)).build().unwrap())
        };
        let mut orders: Vec<_> = (0..20).map(shuffled).collect();
        for (number, order) in orders.iter().enumerate() {
            assert_eq!(*order, shuffled(number as u64), "seed {number}");
        }
        orders.sort();
        orders.dedup();
        assert!(orders.len() > 15, "20 seeds led to {} orders", orders.len());
    });
}

#[test]
fn everybody_has_his_turn_in_a_shuffled_pool() {
    watched(|| {
        for number in 0..10 {
            let mut builder = Builder::new_multi_thread();
            let runtime = builder
                .worker_threads(3)
                .shuffle_schedule(seed(number))
                .build();
            let runtime = runtime.unwrap();
            assert_eq!(order(&runtime).len(), 8 * 8);
        }
    });
}

#[test]
fn the_numbers_of_tasks_and_roots_follow_from_the_seed() {
    watched(|| {
        let draw = || (0..20).map(|_| random_below(1000)).collect::<Vec<_>>();
        let numbers = |number: Option<u64>| {
            let mut builder = Builder::new_current_thread();
            if let Some(number) = number {
                builder.rng_seed(seed(number));
            }
            let runtime = builder.build().unwrap();
            let root = runtime.block_on(async { draw() });
            let task = runtime
                .block_on(runtime.spawn(async move { draw() }))
                .unwrap();
            let again = runtime.block_on(async { draw() });
            [root, task, again]
        };
        let first = numbers(Some(1));
        assert_eq!(numbers(Some(1)), first);
        assert_ne!(numbers(Some(2)), first);
        assert_ne!(numbers(None), numbers(None));
        assert!(first[0] != first[1] && first[0] != first[2] && first[1] != first[2]);
        // Each worker of a pool, too: one of them here.
        let pool = |number| {
            let mut builder = Builder::new_multi_thread();
            let builder = builder
                .worker_threads(1)
                .rescue(false)
                .rng_seed(seed(number));
            let runtime = builder.build().unwrap();
            runtime
                .block_on(runtime.spawn(async move { draw() }))
                .unwrap()
        };
        assert_eq!(pool(1), pool(1));
        assert_ne!(pool(1), pool(2));
    });
}

#[test]
fn the_budget_is_as_large_as_was_asked_for() {
    watched(|| {
        for (units, yields) in [(1, 99), (10, 9), (65_536, 0)] {
            let mut builder = Builder::new_current_thread();
            let runtime = builder.poll_budget(units).build().unwrap();
            let work = async {
                for _ in 0..100 {
                    coop::consume_budget().await;
                }
            };
            runtime.block_on(runtime.spawn(work)).unwrap();
            let metrics = runtime.metrics();
            assert_eq!(metrics.budget_forced_yield_count(), yields, "of {units}");
            assert_eq!(metrics.worker_poll_count(0), yields + 1);
            // The root has as much.
            runtime.block_on(work_of(100));
            assert_eq!(metrics.budget_forced_yield_count(), 2 * yields);
        }
    });
}

async fn work_of(units: u32) {
    for _ in 0..units {
        coop::consume_budget().await;
    }
}

#[test]
fn without_the_slot_tasks_run_in_the_order_of_their_wakes() {
    watched(|| {
        let order = |builder: &mut Builder| {
            let runtime = builder.build().unwrap();
            let log = Arc::new(Mutex::new(Vec::new()));
            let all = log.clone();
            runtime
                .block_on(runtime.spawn(async move {
                    let tasks = [1, 2, 3].map(|number| {
                        let log = log.clone();
                        spawn(async move { log.lock().unwrap().push(number) })
                    });
                    for task in tasks {
                        task.await.unwrap();
                    }
                }))
                .unwrap();
            let all = all.lock().unwrap();
            all.clone()
        };
        let current_thread = Builder::new_current_thread;
        assert_eq!(order(current_thread().lifo_slot_cap(32)), [3, 1, 2]);
        assert_eq!(
            order(current_thread().lifo_slot_cap(32).disable_lifo_slot()),
            [1, 2, 3]
        );
        assert_eq!(order(&mut current_thread()), [1, 2, 3], "the default here");
    });
}

/// Polls of a pair of tasks that wake each other, while a third one waits for its turn; of some such tasks the most.
fn polls_of_a_pair(builder: &mut Builder) -> usize {
    const VICTIMS: usize = 5;
    let runtime = builder.build().unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let waits: Arc<Mutex<Vec<usize>>> = Arc::default();
    let waiting = Arc::new(AtomicBool::new(false));
    let wakers: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
    let partner = |own: usize| {
        let (polls, waits) = (polls.clone(), waits.clone());
        let (waiting, wakers) = (waiting.clone(), wakers.clone());
        poll_fn(move |cx| {
            let before = polls.fetch_add(1, Ordering::Relaxed) + 1;
            if own == 0 && !waiting.swap(true, Ordering::Relaxed) {
                let (polls, waits, waiting) = (polls.clone(), waits.clone(), waiting.clone());
                // The wake below sends it from the slot to the deque.
                spawn(async move {
                    waits
                        .lock()
                        .unwrap()
                        .push(polls.load(Ordering::Relaxed) - before);
                    waiting.store(false, Ordering::Relaxed);
                });
            }
            *wakers[own].lock().unwrap() = Some(cx.waker().clone());
            let other = wakers[1 - own].lock().unwrap().take();
            if let Some(other) = other {
                other.wake();
            }
            match waits.lock().unwrap().len() < VICTIMS {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
    };
    let (first, second) = (partner(0), partner(1));
    runtime.block_on(async {
        let pair = (spawn(first), spawn(second));
        pair.0.await.unwrap();
        pair.1.await.unwrap();
    });
    let waits = waits.lock().unwrap();
    *waits.iter().max().unwrap()
}

#[test]
fn a_pair_keeps_the_slot_for_as_many_polls_as_were_asked_for() {
    watched(|| {
        for cap in [1, 4, 16, 50] {
            let polls = polls_of_a_pair(Builder::new_current_thread().lifo_slot_cap(cap));
            // One or two of the turns were over when the third task came.
            let cap = cap as usize;
            assert!(
                (cap.saturating_sub(3)..=cap + 1).contains(&polls),
                "{polls} of {cap}"
            );
        }
    });
}

#[test]
fn events_come_in_batches_of_the_size_that_was_asked_for() {
    const SOCKETS: usize = 20;
    watched(|| {
        for portable in [false, true] {
            for busy in [None, Some(3)] {
                let mut builder = Builder::new_current_thread();
                builder
                    .enable_all()
                    .portable(portable)
                    .max_io_events_per_tick(1);
                if let Some(busy) = busy {
                    builder.max_io_events_per_busy_tick(busy);
                }
                let runtime = builder.build().unwrap();
                let metrics = runtime.metrics();
                runtime.block_on(async {
                    let mut writers = Vec::new();
                    let readers: Vec<_> = (0..SOCKETS)
                        .map(|_| {
                            let (here, there) = UnixStream::pair().unwrap();
                            there.set_nonblocking(true).unwrap();
                            writers.push(here);
                            let there = Source::new(there).unwrap();
                            spawn(async move { there.ready(Interest::READABLE).await.map(drop) })
                        })
                        .collect();
                    // Until all wait in the poller, with the event that each has been writable from the start.
                    while metrics.io_driver_fd_registered_count() < SOCKETS as u64 {
                        yield_now().await;
                    }
                    for writer in &mut writers {
                        writer.write_all(b"x").unwrap();
                    }
                    for reader in readers {
                        reader.await.unwrap().unwrap();
                    }
                });
                let events = metrics.worker_event_count(0);
                let polls = metrics.worker_poller_poll_count(0);
                let most = busy.unwrap_or(1) as u64;
                assert!(events >= SOCKETS as u64, "{events}");
                assert!(events <= polls * most, "{events} in {polls} polls");
            }
        }
    });
}

#[test]
fn a_knob_out_of_its_range_panics_and_names_it() {
    type Turn = fn(&mut Builder);
    let refused: [(&str, Turn); 8] = [
        ("poll_budget", |builder| {
            builder.poll_budget(0);
        }),
        ("poll_budget", |builder| {
            builder.poll_budget(65_537);
        }),
        ("lifo_slot_cap", |builder| {
            builder.lifo_slot_cap(0);
        }),
        ("max_io_events_per_tick", |builder| {
            builder.max_io_events_per_tick(0);
        }),
        ("max_io_events_per_busy_tick", |builder| {
            builder.max_io_events_per_busy_tick(0);
        }),
        ("event_interval", |builder| {
            builder.event_interval(0);
        }),
        ("global_queue_interval", |builder| {
            builder.global_queue_interval(0);
        }),
        ("max_blocking_threads", |builder| {
            builder.max_blocking_threads(0);
        }),
    ];
    for (name, turn) in refused {
        let mut builder = Builder::new_multi_thread();
        let panic = catch_unwind(AssertUnwindSafe(|| turn(&mut builder))).unwrap_err();
        let text = match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().unwrap().to_string(),
        };
        assert!(text.contains(name), "{text}");
    }
}
