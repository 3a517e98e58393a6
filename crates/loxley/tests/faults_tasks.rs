//! Tasks that do what nobody expects: park their thread, forget what they hold, panic where others clean up.

#[path = "support/faults.rs"]
mod faults;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use faults::{both_flavors, connection, pool, watched};
use loxley::io::AsyncReadExt;
use loxley::runtime::Handle;
use loxley::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, oneshot, watch};
use loxley::task::{JoinSet, spawn_blocking, yield_now};
use loxley::time::{Duration, interval, sleep, timeout};

#[test]
fn a_task_may_park_and_unpark_threads_as_it_likes() {
    watched(|| {
        for runtime in both_flavors() {
            let over = Arc::new(AtomicBool::new(false));
            let (worker, thread) = mpsc::channel();
            // Unparks a worker at any time: whoever relies on the token of std wakes for nothing or not at all.
            let troubler = {
                let over = over.clone();
                std::thread::spawn(move || {
                    let worker: std::thread::Thread = thread.recv().unwrap();
                    while !over.load(Ordering::Relaxed) {
                        worker.unpark();
                        std::thread::yield_now();
                    }
                })
            };
            runtime.block_on(async {
                loxley::spawn(async move {
                    worker.send(std::thread::current()).unwrap();
                    for _ in 0..200 {
                        std::thread::current().unpark();
                        std::thread::park();
                        sleep(Duration::from_micros(50)).await;
                    }
                    // Leaves a token behind.
                    std::thread::current().unpark();
                })
                .await
                .unwrap();
                for _ in 0..100 {
                    loxley::spawn(yield_now()).await.unwrap();
                }
            });
            over.store(true, Ordering::Relaxed);
            troubler.join().unwrap();
        }
    });
}

#[test]
fn two_tasks_that_wake_each_other_wake_few_other_workers() {
    watched(|| {
        const ROUNDS: u64 = 20_000;
        let runtime = pool(4).build().unwrap();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let answers = {
                let (ping, pong) = (ping.clone(), pong.clone());
                loxley::spawn(async move {
                    for _ in 0..ROUNDS {
                        ping.notified().await;
                        pong.notify_one();
                    }
                })
            };
            loxley::spawn(async move {
                for _ in 0..ROUNDS {
                    ping.notify_one();
                    pong.notified().await;
                }
            })
            .await
            .unwrap();
            answers.await.unwrap();
        });
        let of = |worker| metrics.worker_steal_count(worker) + metrics.worker_park_count(worker);
        let paid: u64 = (0..4).map(of).sum();
        // A preempted worker is helped out now and then; a wake for each message would be 40,000.
        assert!(paid < ROUNDS / 10, "{paid} steals and parks");
    });
}

#[test]
fn a_task_that_has_yielded_runs_while_its_worker_blocks() {
    watched(|| {
        let runtime = pool(1).build().unwrap();
        for declared in [true, false] {
            let (done, wait) = mpsc::channel();
            runtime
                .block_on(runtime.spawn(async move {
                    loxley::spawn(async move {
                        yield_now().await;
                        yield_now().await;
                        done.send(()).unwrap();
                    });
                    // The other one has yielded at least once by now, or is still queued.
                    yield_now().await;
                    match declared {
                        true => loxley::task::block_in_place(|| wait.recv().unwrap()),
                        false => wait.recv().unwrap(),
                    }
                }))
                .unwrap();
        }
    });
}

/// Panics when dropped, and counts.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a drop of its own");
    }
}

#[test]
fn a_set_whose_futures_and_outputs_panic_when_dropped_drops_each_once() {
    watched(|| {
        for runtime in both_flavors() {
            let dropped = Arc::new(AtomicUsize::new(0));
            runtime.block_on(async {
                let mut set = JoinSet::new();
                for _ in 0..10 {
                    let bomb = Bomb(dropped.clone());
                    set.spawn(async move {
                        let _bomb = bomb;
                        pending::<()>().await;
                    });
                }
                set.shutdown().await;
                let mut set = JoinSet::new();
                for _ in 0..10 {
                    let dropped = dropped.clone();
                    set.spawn(async move { Bomb(dropped) });
                }
                // Outputs that nobody takes.
                let metrics = Handle::current().metrics();
                while metrics.num_alive_tasks() > 0 {
                    yield_now().await;
                }
                drop(set);
                let mut set = JoinSet::new();
                set.spawn(async { 5 });
                assert_eq!(set.join_next().await.unwrap().unwrap(), 5);
            });
            drop(runtime);
            assert_eq!(dropped.load(Ordering::SeqCst), 20);
        }
    });
}

/// Polls once, and never again: the future is forgotten where it waits.
fn begin_and_forget<F: Future>(future: F) {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(Waker::noop());
    let _ = future.as_mut().poll(&mut cx);
    std::mem::forget(future);
}

/// The same with the waker of the task that asks.
async fn forget_here<F: Future>(future: F) {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        let _ = Pin::new(&mut future).poll(cx);
        Poll::Ready(())
    })
    .await;
    std::mem::forget(future);
}

#[test]
fn what_is_forgotten_harms_nobody() {
    watched(|| {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let (mut near, far, listener) = connection().await;
                forget_here(sleep(Duration::from_millis(1))).await;
                forget_here(sleep(Duration::from_secs(3600))).await;
                forget_here(timeout(Duration::from_secs(3600), pending::<()>())).await;
                forget_here(yield_now()).await;
                forget_here(loxley::spawn(pending::<()>())).await;
                forget_here(spawn_blocking(|| {})).await;
                forget_here(listener.accept()).await;
                forget_here(async move { near.read(&mut [0; 1]).await }).await;
                std::mem::forget(far);
                std::mem::forget(interval(Duration::from_millis(1)));
                std::mem::forget(loxley::spawn(async {}).abort_handle());

                let lock = Arc::new(Mutex::new(0));
                begin_and_forget(lock.clone().lock_owned());
                std::mem::forget(lock.clone().try_lock_owned());
                begin_and_forget(lock.clone().lock_owned());
                let both = Arc::new(RwLock::new(0));
                std::mem::forget(both.read().await);
                begin_and_forget(both.clone().write_owned());
                let permits = Arc::new(Semaphore::new(2));
                std::mem::forget(permits.acquire().await.unwrap());
                assert_eq!(permits.available_permits(), 1, "a forgotten permit is gone");
                begin_and_forget(permits.clone().acquire_many_owned(2));
                let notify = Arc::new(Notify::new());
                begin_and_forget(notify.clone().notified_owned());
                notify.notify_one();
                notify.notify_waiters();
                let (sender, receiver) = oneshot::channel::<Arc<()>>();
                begin_and_forget(receiver);
                let _ = sender.send(Arc::new(()));
                let (sender, mut receiver) = loxley::sync::mpsc::channel(1);
                std::mem::forget(sender.reserve().await.unwrap());
                assert!(sender.try_send(1).is_err(), "a forgotten place is gone");
                begin_and_forget(async move { receiver.recv().await });
                let (sender, _) = watch::channel(0);
                std::mem::forget(sender.borrow());
                let (sender, mut receiver) = broadcast::channel(2);
                sender.send(1).unwrap();
                begin_and_forget(async move {
                    receiver.recv().await.unwrap();
                    receiver.recv().await
                });
                sender.send(2).unwrap();

                // A timer that fires for a forgotten future, and everything else goes on.
                sleep(Duration::from_millis(3)).await;
                for number in 0..100 {
                    assert_eq!(loxley::spawn(async move { number }).await.unwrap(), number);
                }
            });
            // Nothing that was forgotten keeps the runtime from ending.
            drop(runtime);
        }
    });
}
