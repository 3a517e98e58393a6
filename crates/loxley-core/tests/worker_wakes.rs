//! Wakes from elsewhere: none is lost, whatever the worker is just doing.

#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use loxley_core::runtime::{Builder, Runtime};
use loxley_core::task::{JoinHandle, yield_now};
use loxley_core::time::Sleep;
use watch::watched;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

/// A number that a thread raises and a task waits for.
#[derive(Default)]
struct Bell {
    rung: AtomicU64,
    waiting: Mutex<Option<Waker>>,
}

impl Bell {
    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        let waker = self.waiting.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }

    async fn reaches(&self, number: u64) {
        poll_fn(|cx| {
            *self.waiting.lock().unwrap() = Some(cx.waker().clone());
            if self.rung.load(Ordering::SeqCst) >= number {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn wait_for(&self, number: u64) {
        while self.rung.load(Ordering::SeqCst) < number {
            thread::yield_now();
        }
    }
}

/// A task that answers each ring of `there` with one of `back`, until it is aborted.
fn answers(runtime: &Runtime, there: &Arc<Bell>, back: &Arc<Bell>) -> JoinHandle<()> {
    let (there, back) = (there.clone(), back.clone());
    runtime.spawn(async move {
        for round in 1.. {
            there.reaches(round).await;
            back.ring();
        }
    })
}

/// Rings and waits for the answer, so often; fewer times on a machine where each round waits for a processor.
fn ask(there: &Bell, back: &Bell, rounds: u64) {
    const LONG: Duration = Duration::from_secs(10);
    let began = Instant::now();
    for round in 1..=rounds {
        there.ring();
        back.wait_for(round);
        if began.elapsed() > LONG {
            return;
        }
    }
}

fn end(runtime: &Runtime, task: JoinHandle<()>) {
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn a_thread_and_a_task_wake_each_other_for_long() {
    const ROUNDS: u64 = 20_000;
    for count in [1, 2, 4] {
        watched(move || {
            let runtime = workers(count);
            let (there, back) = (Arc::<Bell>::default(), Arc::<Bell>::default());
            let task = answers(&runtime, &there, &back);
            ask(&there, &back, ROUNDS);
            end(&runtime, task);
            let metrics = runtime.metrics();
            let parks: u64 = (0..count)
                .map(|worker| metrics.worker_park_count(worker))
                .sum();
            assert!(parks > 0, "the workers did go to sleep in between");
            assert_eq!(metrics.recheck_found_count(), 0);
        });
    }
}

#[test]
fn threads_and_tasks_wake_each_other_beside_timers() {
    const ROUNDS: u64 = 2_000;
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let stop = Arc::new(AtomicBool::new(false));
            // Makes the workers sleep with and without deadlines, shorter and longer ones.
            let ticks = {
                let stop = stop.clone();
                runtime.spawn(async move {
                    let mut micros = 1;
                    while !stop.load(Ordering::SeqCst) {
                        Sleep::after(Duration::from_micros(micros)).await;
                        micros = micros * 7 % 1_009;
                        yield_now().await;
                    }
                })
            };
            let players: Vec<_> = (0..3)
                .map(|_| {
                    let (there, back) = (Arc::<Bell>::default(), Arc::<Bell>::default());
                    let task = answers(&runtime, &there, &back);
                    let thread = thread::spawn(move || ask(&there, &back, ROUNDS));
                    (task, thread)
                })
                .collect();
            for (task, thread) in players {
                thread.join().unwrap();
                end(&runtime, task);
            }
            stop.store(true, Ordering::SeqCst);
            runtime.block_on(ticks).unwrap();
            assert_eq!(runtime.metrics().recheck_found_count(), 0);
        });
    }
}

#[test]
fn many_wakes_of_one_task_are_at_least_one_poll_after_the_last() {
    watched(|| {
        let runtime = workers(2);
        let written = Arc::new(AtomicU64::new(0));
        let seen = Arc::new(AtomicU64::new(0));
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let task = {
            let (written, seen, waker) = (written.clone(), seen.clone(), waker.clone());
            runtime.spawn(poll_fn(move |cx| {
                waker
                    .lock()
                    .unwrap()
                    .get_or_insert_with(|| cx.waker().clone());
                // Relaxed: what makes the write visible is the wake itself.
                let now = written.load(Ordering::Relaxed);
                seen.store(now, Ordering::SeqCst);
                if now == 100_000 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }))
        };
        let waker = loop {
            if let Some(waker) = waker.lock().unwrap().clone() {
                break waker;
            }
            thread::yield_now();
        };
        for number in 1..=100_000 {
            written.store(number, Ordering::Relaxed);
            waker.wake_by_ref();
            if number % 1_000 == 0 {
                while seen.load(Ordering::SeqCst) < number {
                    thread::yield_now();
                }
            }
        }
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn who_comes_from_outside_waits_for_one_round() {
    const BUSY: u64 = 8;
    watched(|| {
        // No spare takes the busy ones over while the worker waits for the thread below.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .rescue(false)
            .build()
            .unwrap();
        let (polls, came) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let busy: Vec<_> = (0..BUSY)
            .map(|_| {
                let (polls, came) = (polls.clone(), came.clone());
                runtime.spawn(async move {
                    while came.load(Ordering::Relaxed) == 0 {
                        polls.fetch_add(1, Ordering::Relaxed);
                        yield_now().await;
                    }
                })
            })
            .collect();
        let handle = runtime.handle().clone();
        let (counted, seen) = (polls.clone(), came.clone());
        let sends = runtime.spawn(async move {
            // Until all are in the deque, and the worker knows how short their polls are.
            while counted.load(Ordering::Relaxed) < 10_000 {
                yield_now().await;
            }
            let before = counted.load(Ordering::Relaxed);
            let outside =
                async move { seen.store(counted.load(Ordering::Relaxed), Ordering::Relaxed) };
            let outside = thread::spawn(move || handle.spawn(outside)).join().unwrap();
            outside.await.unwrap();
            before
        });
        let before = runtime.block_on(sends).unwrap();
        for task in busy {
            runtime.block_on(task).unwrap();
        }
        let waited = came.load(Ordering::Relaxed) - before;
        // The rest of the round that it came in, and none of the looks at a hundredth of the rate.
        assert!(
            waited <= 2 * BUSY,
            "{waited} polls of others came before it"
        );
    });
}
