//! Sleeps: never early, never lost, wherever they are polled and whatever becomes of them.

#[path = "support/random.rs"]
mod random;
#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use loxley_core::runtime::{Builder, Runtime};
use loxley_core::spawn;
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use random::Random;
use watch::watched;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn both_flavors() -> [Runtime; 2] {
    [workers(2), current_thread()]
}

const HOUR: Duration = Duration::from_secs(3600);

async fn poll_once(mut sleep: Pin<&mut Sleep>) -> bool {
    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await
}

#[test]
fn a_sleep_is_never_early() {
    watched(|| {
        let mut random = Random::from_environment("sleeps");
        for runtime in both_flavors() {
            runtime.block_on(async {
                let sleeps: Vec<_> = (0..2_000)
                    .map(|number| {
                        let most = [10, 1_000, 8_000, 20_000][number % 4];
                        let duration = Duration::from_nanos(random.below(most * 1_000));
                        spawn(async move {
                            let before = Instant::now();
                            let sleep = Sleep::after(duration);
                            let deadline = sleep.deadline();
                            sleep.await;
                            let after = Instant::now();
                            assert!(after >= deadline, "{:?} early", deadline - after);
                            assert!(after - before >= duration);
                        })
                    })
                    .collect();
                for sleep in sleeps {
                    sleep.await.unwrap();
                }
            });
        }
    });
}

#[test]
fn nothing_and_the_past_are_ready_at_once() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let now = Instant::now();
                let sleeps = [
                    Sleep::after(Duration::ZERO),
                    Sleep::until(now),
                    Sleep::until(now.checked_sub(Duration::from_millis(5)).unwrap_or(now)),
                ];
                for sleep in sleeps {
                    let mut sleep = pin!(sleep);
                    assert!(poll_once(sleep.as_mut()).await);
                    assert!(sleep.is_elapsed());
                    assert!(poll_once(sleep.as_mut()).await, "and stays so");
                }
            });
        }
    });
}

#[test]
fn a_deadline_is_told_as_it_was_set() {
    /// A reading of the runtime's clock is turned into an instant that is later by this at most (`clock.rs`).
    const EXACTNESS: Duration = Duration::from_micros(1);
    let past = Instant::now();
    for runtime in both_flavors() {
        runtime.block_on(async {
            assert_eq!(Sleep::until(past).deadline(), past);
            let millis = [0, 1, 8, 3_600_000].map(Duration::from_millis);
            for duration in millis.into_iter().chain([Duration::from_nanos(1)]) {
                let before = Instant::now();
                let sleep = Sleep::after(duration);
                let bounds = before + duration..=Instant::now() + duration + EXACTNESS;
                assert!(bounds.contains(&sleep.deadline()), "{duration:?}");
            }
        });
    }
}

#[test]
fn absurd_deadlines_saturate_and_can_be_dropped() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let years = Duration::from_secs(86_400 * 365 * 200);
                let mut far = Instant::now();
                for power in (0..63).rev() {
                    let further = far.checked_add(Duration::from_secs(1 << power));
                    far = further.unwrap_or(far);
                }
                let sleeps = [
                    Sleep::after(Duration::MAX),
                    Sleep::after(years),
                    Sleep::until(far),
                ];
                let mut sleeps = sleeps.map(Box::pin);
                for sleep in &mut sleeps {
                    assert!(!poll_once(sleep.as_mut()).await);
                    assert!(!sleep.is_elapsed());
                }
                // The wheel still turns.
                Sleep::after(Duration::from_micros(100)).await;
                let [first, second, _third] = &mut sleeps;
                first.as_mut().reset(Instant::now());
                first.as_mut().await;
                second.as_mut().reset(far);
                assert!(!poll_once(second.as_mut()).await);
            });
        }
    });
}

#[test]
fn a_sleep_below_a_millisecond_is_a_sleep() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                for micros in [1, 10, 50, 100, 300, 999] {
                    let duration = Duration::from_micros(micros);
                    let before = Instant::now();
                    Sleep::after(duration).await;
                    assert!(before.elapsed() >= duration);
                }
            });
        }
    });
}

#[test]
fn a_reset_before_the_deadline_moves_it_either_way() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                // Earlier.
                let mut sleep = pin!(Sleep::after(HOUR));
                assert!(!poll_once(sleep.as_mut()).await);
                sleep
                    .as_mut()
                    .reset(Instant::now() + Duration::from_millis(1));
                sleep.as_mut().await;
                // Later.
                let mut sleep = pin!(Sleep::after(Duration::from_millis(1)));
                let _ = poll_once(sleep.as_mut()).await;
                let later = Instant::now() + Duration::from_millis(4);
                sleep.as_mut().reset(later);
                assert_eq!(sleep.deadline(), later);
                sleep.as_mut().await;
                assert!(Instant::now() >= later);
            });
        }
    });
}

#[test]
fn a_reset_to_earlier_wakes_the_task_that_waits() {
    watched(|| {
        for runtime in both_flavors() {
            let sleep = {
                let _guard = runtime.enter();
                Arc::new(Mutex::new(Box::pin(Sleep::after(HOUR))))
            };
            let waits = Arc::new(AtomicUsize::new(0));
            let waiter = {
                let (sleep, waits) = (sleep.clone(), waits.clone());
                runtime.spawn(poll_fn(move |cx| {
                    let polled = sleep.lock().unwrap().as_mut().poll(cx);
                    waits.fetch_add(1, Ordering::SeqCst);
                    polled
                }))
            };
            runtime.block_on(async {
                while waits.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
            });
            // By a thread that is no worker: the worker sleeps, for an hour as it thinks.
            let resetter = {
                let sleep = sleep.clone();
                thread::spawn(move || {
                    let soon = Instant::now() + Duration::from_millis(1);
                    sleep.lock().unwrap().as_mut().reset(soon);
                })
            };
            runtime.block_on(waiter).unwrap();
            resetter.join().unwrap();
        }
    });
}

#[test]
fn a_sleep_that_has_fired_can_be_reset_and_awaited_again() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let mut sleep = pin!(Sleep::after(Duration::from_micros(10)));
                for _ in 0..50 {
                    sleep.as_mut().await;
                    assert!(sleep.is_elapsed());
                    let next = Instant::now() + Duration::from_micros(100);
                    sleep.as_mut().reset(next);
                    assert!(!sleep.is_elapsed() || Instant::now() >= next);
                    sleep.as_mut().await;
                    assert!(Instant::now() >= next);
                }
            });
        }
    });
}

#[test]
fn a_sleep_that_is_due_can_be_dropped() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let mut sleeps: Vec<_> = (0..100)
                    .map(|_| Box::pin(Sleep::after(Duration::from_micros(50))))
                    .collect();
                for sleep in &mut sleeps {
                    let _ = poll_once(sleep.as_mut()).await;
                }
                let last = Instant::now() + Duration::from_micros(100);
                // The worker has no chance to fire them meanwhile, if it is this thread.
                while Instant::now() < last {
                    std::hint::spin_loop();
                }
                drop(sleeps);
                Sleep::after(Duration::from_micros(100)).await;
            });
        }
    });
}

/// Counts its wakes.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_sleep_may_be_polled_outside_the_runtimes_threads() {
    watched(|| {
        let runtime = workers(1);
        let mut sleep = {
            let _guard = runtime.enter();
            Box::pin(Sleep::after(Duration::from_millis(2)))
        };
        let counting = Arc::new(Counting::default());
        let waker = Waker::from(counting.clone());
        let mut cx = Context::from_waker(&waker);
        // On one thread, and then on another; neither is in a runtime.
        let _ = sleep.as_mut().poll(&mut cx);
        thread::spawn(move || {
            let waker = waker;
            while sleep
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                while counting.0.swap(0, Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
            }
            assert!(sleep.is_elapsed());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    watched(|| {
        let runtime = workers(1);
        let _guard = runtime.enter();
        let mut lead = Duration::from_millis(3);
        let (sleep, wakers) = loop {
            let mut sleep = Box::pin(Sleep::after(lead));
            let wakers: [Arc<Counting>; 3] = Default::default();
            let mut waits = |counting: &Arc<Counting>| {
                let waker = Waker::from(counting.clone());
                let polled = sleep.as_mut().poll(&mut Context::from_waker(&waker));
                polled.is_pending()
            };
            if wakers.iter().all(&mut waits) {
                break (sleep, wakers);
            }
            // This thread came too late.
            lead *= 2;
        };
        while wakers[2].0.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let woken = wakers
            .each_ref()
            .map(|counting| counting.0.load(Ordering::SeqCst));
        assert_eq!(woken, [0, 0, 1]);
        drop(sleep);
        // The worker lets go of the last one when its wake has returned.
        while wakers
            .iter()
            .any(|counting| Arc::strong_count(counting) > 1)
        {
            thread::yield_now();
        }
    });
}

/// Sleeps of many tasks, in the order in which they ended; `None` if the first was due before the last was entered.
async fn many_sleeps(random: &mut Random, lead: Duration) -> Option<Vec<u64>> {
    let start = Instant::now() + lead;
    let fired = Arc::new(Mutex::new(Vec::with_capacity(SLEEPS)));
    let entered = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..SLEEPS)
        .map(|_| {
            // Whole milliseconds: many are equal.
            let millis = random.below(MILLIS);
            let (fired, entered) = (fired.clone(), entered.clone());
            spawn(async move {
                let mut sleep = pin!(Sleep::until(start + Duration::from_millis(millis)));
                assert!(!poll_once(sleep.as_mut()).await || Instant::now() >= start);
                entered.fetch_add(1, Ordering::SeqCst);
                sleep.await;
                fired.lock().unwrap().push(millis);
            })
        })
        .collect();
    while entered.load(Ordering::SeqCst) < SLEEPS {
        yield_now().await;
    }
    let in_time = Instant::now() < start;
    for task in tasks {
        task.await.unwrap();
    }
    let fired = std::mem::take(&mut *fired.lock().unwrap());
    in_time.then_some(fired)
}

const SLEEPS: usize = 100_000;
const MILLIS: u64 = 200;

#[test]
fn a_hundred_thousand_sleeps_fire_in_the_order_of_their_deadlines() {
    watched(|| {
        let mut random = Random::from_environment("order");
        // One worker and no spare that stands in for it, so that firing order is running order.
        let runtime = current_thread();
        let task = runtime.spawn(async move {
            let mut lead = Duration::from_millis(500);
            loop {
                if let Some(fired) = many_sleeps(&mut random, lead).await {
                    return fired;
                }
                lead *= 2;
            }
        });
        let fired = runtime.block_on(task).unwrap();
        assert_eq!(fired.len(), SLEEPS);
        let overtaken = fired.windows(2).filter(|pair| pair[0] > pair[1]).count();
        // A few at the seams of each batch: the task in the LIFO slot goes first, and those that a full deque spilled
        // come after later ones that found room again.
        assert!(overtaken as u64 <= 5 * MILLIS, "{overtaken} out of order");
    });
}

#[test]
fn a_timer_set_again_and_again_starves_no_other_task() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let again = spawn(async {
                    let mut sleep = pin!(Sleep::after(Duration::ZERO));
                    loop {
                        sleep.as_mut().await;
                        sleep.as_mut().reset(Instant::now());
                    }
                });
                for _ in 0..100 {
                    spawn(yield_now()).await.unwrap();
                    Sleep::after(Duration::from_micros(10)).await;
                }
                again.abort();
                assert!(again.await.unwrap_err().is_cancelled());
            });
        }
    });
}

#[test]
fn sleeps_created_and_cancelled_by_the_thousand_leave_nothing_behind() {
    watched(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            let rounds = if cfg!(debug_assertions) { 100 } else { 1_000 };
            for round in 0..rounds {
                let mut sleeps: Vec<_> = (0..1_000)
                    .map(|number| {
                        Box::pin(Sleep::after(HOUR + Duration::from_millis(number * round)))
                    })
                    .collect();
                for sleep in &mut sleeps {
                    assert!(!poll_once(sleep.as_mut()).await);
                }
            }
            // All of them are gone: what comes now comes alone.
            Sleep::after(Duration::from_micros(100)).await;
        });
        runtime.block_on(task).unwrap();
        assert_eq!(runtime.metrics().worker_timer_count(0), 1);
    });
}

#[test]
fn sleeps_move_between_tasks_and_workers() {
    watched(|| {
        let runtime = workers(3);
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                runtime.spawn(async {
                    let mut sleep = Box::pin(Sleep::after(Duration::from_millis(2)));
                    // Registered by this task, awaited by another, wherever it runs.
                    let _ = poll_once(sleep.as_mut()).await;
                    spawn(sleep).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn resets_cancels_and_firings_race() {
    watched(|| {
        let mut random = Random::from_environment("races");
        let runtime = workers(2);
        for _ in 0..300 {
            let sleep = {
                let _guard = runtime.enter();
                Arc::new(Mutex::new(Some(Box::pin(Sleep::after(
                    Duration::from_micros(200),
                )))))
            };
            let waiter = {
                let sleep = sleep.clone();
                runtime.spawn(poll_fn(move |cx| match sleep.lock().unwrap().as_mut() {
                    Some(sleep) => sleep.as_mut().poll(cx),
                    None => Poll::Ready(()),
                }))
            };
            let spins = random.below(20_000);
            let drops = random.below(4) == 0;
            for _ in 0..spins {
                std::hint::spin_loop();
            }
            if drops {
                // Then nobody wakes the waiter.
                drop(sleep.lock().unwrap().take());
                waiter.abort();
                let _ = runtime.block_on(waiter);
            } else {
                let later = Instant::now() + Duration::from_micros(random.below(300));
                if let Some(sleep) = sleep.lock().unwrap().as_mut() {
                    sleep.as_mut().reset(later);
                }
                // A sleep that had fired and is reset is not polled again by itself; whoever resets it wakes.
                let mut waiter = waiter;
                let polled =
                    runtime.block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut waiter).poll(cx))));
                match polled {
                    Poll::Ready(done) => done.unwrap(),
                    Poll::Pending => runtime.block_on(waiter).unwrap(),
                }
            }
        }
    });
}

#[test]
fn timers_of_a_blocked_worker_fire_elsewhere() {
    watched(|| {
        let runtime = workers(2);
        let (fired, has_fired) = channel();
        let task = runtime.spawn(async move {
            // In this worker's wheel; then the thread is gone until it has fired.
            let sleep = Sleep::after(Duration::from_millis(1));
            let mut sleep = Box::pin(sleep);
            let _ = poll_once(sleep.as_mut()).await;
            spawn(async move {
                sleep.await;
                fired.send(()).unwrap();
            });
            loxley_core::block_in_place(|| has_fired.recv().unwrap());
        });
        runtime.block_on(task).unwrap();
    });
}
