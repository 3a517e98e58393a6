//! The end of a runtime: what is dropped, who is waited for, and what still works afterwards.
#![cfg(target_os = "linux")]

#[path = "support/census.rs"]
mod census;
#[path = "support/until.rs"]
mod until;
#[path = "support/watch.rs"]
mod watch;

use std::future::{pending, poll_fn};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use census::{descriptors, threads_named};
use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::task::{JoinHandle, yield_now};
use loxley_core::time::Sleep;
use loxley_core::{block_in_place, spawn, spawn_blocking};
use until::until;
use watch::watched;

/// These tests count what the whole process holds, so they run one at a time; a thread that one of them has left alone may
/// close its descriptors after that test, so each begins when there are as many as in the beginning.
fn alone() -> MutexGuard<'static, Option<usize>> {
    static AT_FIRST: Mutex<Option<usize>> = Mutex::new(None);
    let mut at_first = AT_FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    let count = *at_first.get_or_insert_with(descriptors);
    watched(move || until(|| descriptors() == count));
    at_first
}

const NAME: &str = "shutdown-test";

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(count)
        .thread_name(NAME)
        .enable_all()
        .build()
        .unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Counts its drops.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn guard(&self) -> Guard {
        Guard(self.0.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// One task of each kind; none of them ends by itself. Returns how many guards they hold.
fn one_of_each_kind(drops: &Drops, wakers: &Arc<Mutex<Vec<Waker>>>) -> usize {
    let guard = drops.guard();
    spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    let guard = drops.guard();
    spawn(async move {
        let _guard = guard;
        loop {
            yield_now().await;
        }
    });
    let guard = drops.guard();
    let sleeper = spawn(async move {
        let _guard = guard;
        Sleep::after(Duration::from_secs(3600)).await;
    });
    let guard = drops.guard();
    spawn(async move {
        let _guard = guard;
        let _ = sleeper.await;
        pending::<()>().await;
    });
    let guard = drops.guard();
    spawn(async move {
        let _guard = guard;
        let (_near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let far = Source::new(far).unwrap();
        let _ = far
            .async_io(Interest::READABLE, |mut io| io.read(&mut [0]))
            .await;
        pending::<()>().await;
    });
    let (guard, wakers) = (drops.guard(), wakers.clone());
    spawn(poll_fn(move |cx| {
        let _guard = &guard;
        wakers.lock().unwrap().push(cx.waker().clone());
        Poll::<()>::Pending
    }));
    let guard = drops.guard();
    spawn(async move {
        let _guard = guard;
        spawn_blocking(|| ()).await.unwrap();
        pending::<()>().await;
    });
    7
}

#[test]
fn every_future_is_dropped_exactly_once() {
    let _alone = alone();
    for flavor in 0..4 {
        watched(move || {
            let base = descriptors();
            let runtime = match flavor {
                0 => current_thread(),
                count => workers(count),
            };
            let (drops, wakers) = (Drops::default(), Arc::default());
            let mut guards = 0;
            runtime.block_on(async {
                for _ in 0..20 {
                    guards += one_of_each_kind(&drops, &wakers);
                    yield_now().await;
                }
            });
            // And some that have never been polled.
            let _guard = runtime.enter();
            guards += one_of_each_kind(&drops, &wakers);
            drop(_guard);
            let (handle, metrics) = (runtime.handle().clone(), runtime.metrics());
            drop(runtime);
            assert_eq!(drops.get(), guards);
            assert_eq!(metrics.num_alive_tasks(), 0);
            assert_eq!(
                metrics.spawned_tasks_count(),
                metrics.completed_tasks_count()
            );
            assert_eq!(threads_named(NAME), 0);
            drop((handle, metrics));
            wakers.lock().unwrap().drain(..).for_each(Waker::wake);
            assert_eq!(drops.get(), guards);
            assert_eq!(descriptors(), base);
        });
    }
}

#[test]
fn handles_of_dropped_tasks_say_cancelled() {
    let _alone = alone();
    watched(|| {
        let runtime = workers(2);
        let tasks: Vec<_> = (0..100).map(|_| runtime.spawn(pending::<()>())).collect();
        let done = runtime.spawn(async { 5 });
        until(|| done.is_finished());
        let handle = runtime.handle().clone();
        drop(runtime);
        for task in tasks {
            assert!(handle.block_on(task).unwrap_err().is_cancelled());
        }
        assert_eq!(
            handle.block_on(done).unwrap(),
            5,
            "an output outlives its runtime"
        );
    });
}

#[test]
fn a_task_in_the_middle_of_a_poll_is_waited_for() {
    let _alone = alone();
    watched(|| {
        let runtime = workers(2);
        let (started, has_started) = channel();
        let (resume, resumed) = channel::<()>();
        let finished = Arc::new(AtomicUsize::new(0));
        let task = {
            let finished = finished.clone();
            runtime.spawn(async move {
                started.send(()).unwrap();
                resumed.recv().unwrap();
                finished.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                finished.fetch_add(1, Ordering::SeqCst);
            })
        };
        has_started.recv().unwrap();
        let handle = runtime.handle().clone();
        let dropper = thread::spawn(move || drop(runtime));
        // Closed already: the shutdown has begun, and waits.
        until(|| handle.spawn(pending::<()>()).is_finished());
        // And this task is marked: the other worker has swept before it ended.
        until(|| threads_named(NAME) == 1);
        assert!(!dropper.is_finished());
        resume.send(()).unwrap();
        dropper.join().unwrap();
        assert_eq!(
            finished.load(Ordering::SeqCst),
            1,
            "the poll ends, the next await does not"
        );
        assert!(handle.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn shutdown_timeout_leaves_a_stuck_worker_alone_and_it_cleans_up() {
    let _alone = alone();
    for count in [1, 2] {
        watched(move || {
            let base = descriptors();
            let runtime = workers(count);
            let drops = Drops::default();
            let (started, has_started) = channel();
            let (resume, resumed) = channel::<()>();
            let stuck = {
                let guard = drops.guard();
                runtime.spawn(async move {
                    let _guard = guard;
                    started.send(()).unwrap();
                    resumed.recv().unwrap();
                    pending::<()>().await;
                })
            };
            has_started.recv().unwrap();
            let others: Vec<_> = (0..50)
                .map(|_| {
                    let guard = drops.guard();
                    runtime.spawn(async move {
                        let _guard = guard;
                        pending::<()>().await;
                    })
                })
                .collect();
            runtime.shutdown_timeout(Duration::from_millis(20));
            assert!(!stuck.is_finished());
            assert!(threads_named(NAME) >= 1, "it is still there");
            resume.send(()).unwrap();
            until(|| threads_named(NAME) == 0);
            assert!(stuck.is_finished());
            assert!(others.iter().all(JoinHandle::is_finished));
            assert_eq!(drops.get(), 51);
            drop((stuck, others));
            until(|| descriptors() == base);
        });
    }
}

#[test]
fn shutdown_timeout_does_not_wait_longer_than_needed() {
    let _alone = alone();
    watched(|| {
        let runtime = workers(2);
        let task = runtime.spawn(pending::<()>());
        // The watchdog would notice.
        runtime.shutdown_timeout(Duration::MAX);
        assert!(task.is_finished());
        assert_eq!(threads_named(NAME), 0);
    });
}

#[test]
fn wakers_may_be_used_after_the_shutdown() {
    let _alone = alone();
    for flavor in [0, 2] {
        watched(move || {
            let runtime = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let wakers = Arc::new(Mutex::new(Vec::new()));
            let keep = |_| {
                let wakers = wakers.clone();
                runtime.spawn(poll_fn(move |cx| {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::<()>::Pending
                }))
            };
            let tasks: Vec<_> = (0..100).map(keep).collect();
            runtime.block_on(async {
                while wakers.lock().unwrap().len() < 100 {
                    yield_now().await;
                }
            });
            drop(runtime);
            assert!(tasks.iter().all(JoinHandle::is_finished));
            let wakers = std::mem::take(&mut *wakers.lock().unwrap());
            for (index, waker) in wakers.into_iter().enumerate() {
                let clone = waker.clone();
                clone.wake_by_ref();
                match index % 3 {
                    0 => waker.wake(),
                    1 => drop(waker),
                    _ => thread::spawn(move || waker.wake()).join().unwrap(),
                }
                drop(clone);
            }
        });
    }
}

#[test]
fn four_threads_wake_while_the_runtime_ends() {
    let _alone = alone();
    for round in 0..60 {
        watched(move || {
            let base = descriptors();
            let runtime = workers(1 + round % 3);
            let drops = Drops::default();
            let wakers = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for _ in 0..64 {
                let (wakers, guard) = (wakers.clone(), drops.guard());
                let mut first = true;
                tasks.push(runtime.spawn(poll_fn(move |cx| {
                    let _guard = &guard;
                    if std::mem::take(&mut first) {
                        wakers.lock().unwrap().push(cx.waker().clone());
                    }
                    Poll::<()>::Pending
                })));
            }
            until(|| wakers.lock().unwrap().len() == 64);
            let wakers = std::mem::take(&mut *wakers.lock().unwrap());
            let (go, gone) = sync_channel::<()>(0);
            let gone = Arc::new(Mutex::new(gone));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (wakers, gone, handle) =
                        (wakers.clone(), gone.clone(), runtime.handle().clone());
                    thread::spawn(move || {
                        let _ = gone.lock().unwrap().recv();
                        for _ in 0..50 {
                            wakers.iter().for_each(Waker::wake_by_ref);
                            handle.spawn(async {});
                        }
                        wakers.into_iter().for_each(Waker::wake);
                    })
                })
                .collect();
            drop(go);
            drop(runtime);
            for thread in threads {
                thread.join().unwrap();
            }
            drop(wakers);
            // Who was in the middle of a wake when the last worker left may have left a drop to a thread of its own.
            until(|| tasks.iter().all(JoinHandle::is_finished));
            until(|| drops.get() == 64);
            drop(tasks);
            until(|| descriptors() == base);
        });
    }
}

#[test]
fn two_hundred_runtimes_leave_nothing_behind() {
    let _alone = alone();
    watched(|| {
        let base = descriptors();
        for round in 0..200 {
            let runtime = if round % 4 == 0 {
                current_thread()
            } else {
                workers(round % 4)
            };
            runtime.block_on(async {
                spawn(Sleep::after(Duration::from_micros(10)))
                    .await
                    .unwrap();
                let (_near, far) = UnixStream::pair().unwrap();
                far.set_nonblocking(true).unwrap();
                spawn(async move { Source::new(far)?.ready(Interest::READABLE).await });
            });
            if round % 10 == 0 {
                runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
            }
        }
        assert_eq!(descriptors(), base);
        until(|| threads_named(NAME) == 0);
    });
}

#[test]
fn dropping_a_runtime_where_tasks_are_driven_panics_and_says_what_to_do() {
    let _alone = alone();
    for flavor in [0, 2] {
        watched(move || {
            let base = descriptors();
            let other = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let handle = other.handle().clone();
            let host = workers(1);
            let payload = host
                .block_on(host.spawn(async move { drop(other) }))
                .unwrap_err()
                .into_panic();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            assert!(text.unwrap().contains("shutdown_background"), "{text:?}");
            // It is shut down all the same.
            assert!(handle.spawn(async {}).is_finished());
            drop((host, handle));
            until(|| threads_named(NAME) == 0 && descriptors() == base);
        });
    }
}

#[test]
fn shutdown_background_is_allowed_everywhere() {
    let _alone = alone();
    watched(|| {
        let base = descriptors();
        let drops = Drops::default();
        let host = workers(1);
        for flavor in [0, 1, 2] {
            let guest = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let guard = drops.guard();
            guest.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            host.block_on(host.spawn(async move { guest.shutdown_background() }))
                .unwrap();
        }
        // Of itself, in one of its own tasks.
        let (send, receive) = channel::<Runtime>();
        let own = workers(2);
        let task = own.spawn(async move { receive.recv().unwrap().shutdown_background() });
        send.send(own).unwrap();
        host.block_on(task).unwrap();
        drop(host);
        until(|| threads_named(NAME) == 0 && descriptors() == base && drops.get() == 3);
    });
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_blocking_thread() {
    let _alone = alone();
    for flavor in [0, 2] {
        watched(move || {
            let base = descriptors();
            let runtime = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let handle = runtime.handle().clone();
            let (send, receive) = channel::<Runtime>();
            let (dropped, is_dropped) = channel();
            let task = handle.spawn_blocking(move || {
                drop(receive.recv().unwrap());
                dropped.send(()).unwrap();
            });
            send.send(runtime).unwrap();
            is_dropped.recv().unwrap();
            handle.block_on(task).unwrap();
            drop(handle);
            until(|| threads_named(NAME) == 0 && descriptors() == base);
        });
    }
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_worker_that_blocks_in_place() {
    let _alone = alone();
    watched(|| {
        let base = descriptors();
        let runtime = workers(2);
        let handle = runtime.handle().clone();
        let (send, receive) = channel::<Runtime>();
        let (dropped, is_dropped) = channel();
        let task = handle.spawn(async move {
            block_in_place(|| drop(receive.recv().unwrap()));
            dropped.send(()).unwrap();
        });
        send.send(runtime).unwrap();
        is_dropped.recv().unwrap();
        handle.block_on(task).unwrap();
        drop(handle);
        until(|| threads_named(NAME) == 0 && descriptors() == base);
    });
}

#[test]
fn a_runtime_may_be_dropped_in_a_blocking_section_of_another() {
    let _alone = alone();
    watched(|| {
        let base = descriptors();
        let (host, guest, third) = (workers(1), workers(1), current_thread());
        host.block_on(host.spawn_blocking(move || drop(guest)))
            .unwrap();
        host.block_on(host.spawn(async move { block_in_place(|| drop(third)) }))
            .unwrap();
        drop(host);
        until(|| threads_named(NAME) == 0 && descriptors() == base);
    });
}

#[test]
fn blocking_jobs_that_run_are_waited_for_and_the_others_cancelled() {
    let _alone = alone();
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .thread_name(NAME)
            .build()
            .unwrap();
        let (started, has_started) = channel();
        let (resume, resumed) = channel::<()>();
        let running = runtime.spawn_blocking(move || {
            started.send(()).unwrap();
            resumed.recv().unwrap();
            6
        });
        has_started.recv().unwrap();
        let drops = Drops::default();
        let queued: Vec<_> = (0..10)
            .map(|_| {
                let guard = drops.guard();
                runtime.spawn_blocking(move || drop(guard))
            })
            .collect();
        let handle = runtime.handle().clone();
        let dropper = thread::spawn(move || drop(runtime));
        until(|| queued.iter().all(JoinHandle::is_finished));
        assert_eq!(drops.get(), 10);
        assert!(!dropper.is_finished());
        resume.send(()).unwrap();
        dropper.join().unwrap();
        assert_eq!(handle.block_on(running).unwrap(), 6);
        for job in queued {
            assert!(handle.block_on(job).unwrap_err().is_cancelled());
        }
        assert_eq!(threads_named(NAME), 0);
    });
}

#[test]
fn a_worker_that_blocks_in_place_is_waited_for_or_left_alone() {
    let _alone = alone();
    for wait in [true, false] {
        watched(move || {
            let base = descriptors();
            let runtime = workers(1);
            let (started, has_started) = channel();
            let (resume, resumed) = channel::<()>();
            let task = runtime.spawn(async move {
                block_in_place(|| {
                    started.send(()).unwrap();
                    resumed.recv().unwrap();
                });
                yield_now().await;
                unreachable!("cancelled at its first await");
            });
            has_started.recv().unwrap();
            if wait {
                let handle = runtime.handle().clone();
                let dropper = thread::spawn(move || drop(runtime));
                until(|| handle.spawn(pending::<()>()).is_finished());
                resume.send(()).unwrap();
                dropper.join().unwrap();
                assert!(task.is_finished());
            } else {
                runtime.shutdown_timeout(Duration::from_millis(5));
                resume.send(()).unwrap();
            }
            until(|| threads_named(NAME) == 0);
            assert!(task.is_finished());
            drop(task);
            until(|| descriptors() == base);
        });
    }
}

#[test]
fn a_worker_that_blocks_in_place_on_a_task_of_its_own_runtime_is_not_left_there() {
    let _alone = alone();
    for count in [1, 2] {
        for when in 0..3 {
            watched(move || {
                let base = descriptors();
                let runtime = workers(count);
                let (started, has_started) = channel();
                let (resume, resumed) = channel::<()>();
                let task = runtime.spawn(async move {
                    // In the slot, in the deque and idle: none of them ends by itself.
                    let others = (0..3).map(|_| spawn(pending::<()>()));
                    let others: Vec<_> = others.collect();
                    if when == 0 {
                        started.send(()).unwrap();
                    } else {
                        // The shutdown begins before the section.
                        started.send(()).unwrap();
                        resumed.recv().unwrap();
                    }
                    block_in_place(|| {
                        for other in others {
                            let ended = loxley_core::runtime::Handle::current().block_on(other);
                            assert!(ended.unwrap_err().is_cancelled());
                        }
                    });
                });
                has_started.recv().unwrap();
                let handle = runtime.handle().clone();
                let dropper = thread::spawn(move || drop(runtime));
                if when == 2 {
                    until(|| handle.spawn(pending::<()>()).is_finished());
                }
                let _ = resume.send(());
                dropper.join().unwrap();
                handle.block_on(task).unwrap();
                drop(handle);
                until(|| threads_named(NAME) == 0 && descriptors() == base);
            });
        }
    }
}

#[test]
fn futures_that_spawn_and_wake_when_dropped_do_no_harm() {
    struct Busy(
        Option<loxley_core::runtime::Handle>,
        Drops,
        Arc<Mutex<Vec<Waker>>>,
    );
    impl Drop for Busy {
        fn drop(&mut self) {
            let wakers = std::mem::take(&mut *self.2.lock().unwrap());
            wakers.iter().for_each(Waker::wake_by_ref);
            if let Some(handle) = self.0.take() {
                let late = Busy(None, self.1.clone(), self.2.clone());
                let task = handle.spawn(async move {
                    let _late = late;
                    pending::<()>().await;
                });
                task.abort();
                let guard = self.1.guard();
                handle.spawn_blocking(move || drop(guard));
            }
            drop(self.1.guard());
        }
    }
    let _alone = alone();
    for flavor in 0..3 {
        watched(move || {
            let runtime = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let (drops, wakers) = (Drops::default(), Arc::new(Mutex::new(Vec::new())));
            let gate = Arc::new(AtomicUsize::new(0));
            for _ in 0..50 {
                let busy = Busy(
                    Some(runtime.handle().clone()),
                    drops.clone(),
                    wakers.clone(),
                );
                let (gate, wakers) = (gate.clone(), wakers.clone());
                runtime.spawn(poll_fn(move |cx| {
                    let _busy = &busy;
                    wakers.lock().unwrap().push(cx.waker().clone());
                    gate.fetch_add(1, Ordering::SeqCst);
                    Poll::<()>::Pending
                }));
            }
            runtime.block_on(async {
                while gate.load(Ordering::SeqCst) < 50 {
                    yield_now().await;
                }
            });
            let metrics = runtime.metrics();
            drop(runtime);
            // Each one itself, the task that it spawned too late, and the job.
            until(|| drops.get() == 150);
            assert_eq!(metrics.num_alive_tasks(), 0);
        });
    }
}

/// Two tasks that share a lock, as the two ends of a connection do.
#[derive(Default)]
struct Pair {
    lock: Mutex<()>,
    wakers: Mutex<[Option<Waker>; 2]>,
    drops: Drops,
}

/// The one half: at its end it wakes the other, under the lock. (quinn's endpoint does so.)
struct Half(Arc<Pair>, usize);

impl Half {
    async fn wait(self) {
        poll_fn(|cx| {
            self.0.wakers.lock().unwrap()[self.1].get_or_insert_with(|| cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let other = self.0.wakers.lock().unwrap()[1 - self.1].take();
        let _locked = self.0.lock.lock().unwrap();
        other.into_iter().for_each(Waker::wake);
        drop(self.0.drops.guard());
    }
}

#[test]
fn a_wake_under_a_lock_at_the_end_does_not_drop_what_takes_the_lock() {
    let _alone = alone();
    for flavor in 0..3 {
        watched(move || {
            let runtime = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let pair = Arc::new(Pair::default());
            for half in 0..2 {
                runtime.spawn(Half(pair.clone(), half).wait());
            }
            runtime.block_on(async {
                while pair.wakers.lock().unwrap().iter().any(Option::is_none) {
                    yield_now().await;
                }
            });
            drop(runtime);
            assert_eq!(pair.drops.get(), 2);
        });
    }
}

#[test]
fn a_wake_under_a_lock_while_somebody_blocks_in_place_does_not_drop_what_takes_the_lock() {
    let _alone = alone();
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let ((started, has_started), (release, released)) = (channel(), channel());
            let pair = Arc::new(Pair::default());
            for half in 0..2 {
                runtime.spawn(Half(pair.clone(), half).wait());
            }
            until(|| pair.wakers.lock().unwrap().iter().all(Option::is_some));
            runtime.spawn(async move {
                block_in_place(|| {
                    started.send(()).unwrap();
                    let () = released.recv().unwrap();
                });
            });
            has_started.recv().unwrap();
            // Whoever blocks in place may wait for the two, so they are dropped before it comes back.
            runtime.shutdown_background();
            until(|| pair.drops.get() == 2);
            release.send(()).unwrap();
            until(|| threads_named(NAME) == 0);
        });
    }
}

#[test]
fn a_wake_before_the_sweep_leaves_the_drop_to_the_sweep() {
    let _alone = alone();
    watched(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).rescue(false).build().unwrap();
        let pair = Arc::new(Pair::default());
        runtime.spawn(Half(pair.clone(), 0).wait());
        until(|| pair.wakers.lock().unwrap()[0].is_some());
        let ((started, has_started), (release, released)) = (channel(), channel());
        runtime.spawn(async move {
            started.send(()).unwrap();
            let () = released.recv().unwrap();
        });
        has_started.recv().unwrap();
        // The only worker is stuck, so nobody has swept yet.
        runtime.shutdown_background();
        let waker = pair.wakers.lock().unwrap()[0].take().unwrap();
        let locked = pair.lock.lock().unwrap();
        waker.wake();
        drop(locked);
        assert_eq!(pair.drops.get(), 0, "dropped by who woke it");
        release.send(()).unwrap();
        until(|| pair.drops.get() == 1);
    });
}

#[test]
fn tasks_that_were_about_to_be_woken_have_ended_when_the_shutdown_returns() {
    const TASKS: usize = 64;
    let _alone = alone();
    for flavor in 0..2 {
        watched(move || {
            for _ in 0..200 {
                let runtime = match flavor {
                    0 => current_thread(),
                    _ => workers(flavor),
                };
                let (drops, (offer, offered)) = (Drops::default(), channel());
                for _ in 0..TASKS {
                    let (guard, offer) = (drops.guard(), offer.clone());
                    runtime.spawn(poll_fn(move |cx| {
                        let _guard = &guard;
                        let _ = offer.send(cx.waker().clone());
                        Poll::<()>::Pending
                    }));
                }
                runtime.block_on(yield_now());
                let wakers: Vec<Waker> = offered.iter().take(TASKS).collect();
                let together = Arc::new(Barrier::new(2));
                let waking = thread::spawn({
                    let together = together.clone();
                    move || {
                        together.wait();
                        wakers.into_iter().for_each(Waker::wake);
                    }
                });
                together.wait();
                drop(runtime);
                assert_eq!(drops.get(), TASKS);
                waking.join().unwrap();
            }
        });
    }
}

#[test]
fn a_runtime_that_panics_with_its_owner_is_shut_down() {
    let _alone = alone();
    watched(|| {
        let base = descriptors();
        let drops = Drops::default();
        let guard = drops.guard();
        let caught = catch_unwind(AssertUnwindSafe(move || {
            let runtime = workers(1);
            runtime.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            panic!("on purpose");
        }));
        assert!(caught.is_err());
        assert_eq!(drops.get(), 1);
        assert_eq!((threads_named(NAME), descriptors()), (0, base));
    });
}

#[test]
fn a_runtime_kept_alive_by_its_own_task_is_freed() {
    let _alone = alone();
    watched(|| {
        let base = descriptors();
        for flavor in [0, 2] {
            let runtime = if flavor == 0 {
                current_thread()
            } else {
                workers(flavor)
            };
            let handle = runtime.handle().clone();
            let waker = Arc::new(Mutex::new(None));
            let kept = waker.clone();
            let task = runtime.spawn(poll_fn(move |cx| {
                let _cycle = &handle;
                *kept.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            }));
            runtime.block_on(async {
                while waker.lock().unwrap().is_none() {
                    yield_now().await;
                }
            });
            drop(runtime);
            assert!(task.is_finished());
            drop(task);
            drop(waker.lock().unwrap().take());
            assert_eq!(descriptors(), base);
        }
    });
}

#[test]
fn the_root_of_a_runtime_that_is_shut_down_is_not_left_asleep() {
    let _alone = alone();
    watched(|| {
        // Waits for a task, on another thread, while the runtime ends.
        let runtime = workers(2);
        let handle = runtime.handle().clone();
        let task = runtime.spawn(pending::<()>());
        let waiter = thread::spawn(move || handle.block_on(task));
        runtime.shutdown_timeout(Duration::from_secs(60));
        assert!(waiter.join().unwrap().unwrap_err().is_cancelled());
    });
}
