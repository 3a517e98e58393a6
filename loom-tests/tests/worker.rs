//! The worker that ships, whole: W1 to W6 of `worker.rs` with the steps of queue, idle and park under it.
//!
//! One worker and an outsider: two whole workers in one model took more than a million executions. What two workers
//! do to each other is in `idle.rs`, with the worker's loop cut down.
//!
//! - A task that is spawned or woken runs, whoever else is busy or asleep.
//! - The worker leaves when the runtime closes, and leaves no task behind.
//! - A wake drops no future, also when nobody is left to run it: who wakes may hold a lock that the drop takes.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::Notify;
use loom::thread;
use loom_tests::{Tracked, Twin, Woken, check, must_fail};
use loxley_core::doors::atomic::{AtomicBool, Ordering};
use loxley_core::doors::fault::How;
use loxley_core::doors::task::next_id;
use loxley_core::doors::timer::Timers;
use loxley_core::doors::worker::{Config, Scheduler, Station, Worker};
use loxley_core::doors::{Clock, Mutex};
use loxley_core::task::JoinHandle;

fn scheduler(workers: usize) -> Arc<Scheduler> {
    let clock = Clock::manual(1);
    let station = |_| Station::new(None, Arc::new(Timers::new(clock.clone())));
    let stations = (0..workers).map(station).collect();
    let config = Config {
        workers,
        stand_ins: 0,
        event_interval: Some(4),
        time_enabled: true,
        ..Config::default()
    };
    Scheduler::new(config, clock, stations)
}

/// A worker's thread, as the runtime starts it.
fn start(scheduler: &Arc<Scheduler>, index: usize) -> thread::JoinHandle<()> {
    let scheduler = scheduler.clone();
    thread::spawn(move || {
        let local = scheduler
            .seat(index)
            .queue
            .sit_down()
            .expect("the seat is vacant");
        scheduler.stations[index].settle(index);
        let worker = Worker::new(scheduler.clone(), index, index, local, None);
        worker.enter(Worker::run);
        worker.leave();
        for home in scheduler.homes() {
            home.cancel_all();
        }
        scheduler.end();
    })
}

/// Spawns from a thread that is no worker.
fn spawn<F>(scheduler: &Scheduler, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let id = next_id();
    let home = scheduler.home_for(None, id);
    let (task, handle) = home.spawn(id, Location::caller(), future);
    if let Ok(task) = task {
        scheduler.inject(task);
    }
    handle
}

fn shut_down(scheduler: &Scheduler, workers: Vec<thread::JoinHandle<()>>) {
    for home in scheduler.homes() {
        home.close();
    }
    scheduler.idle.close();
    scheduler.unpark_all();
    for worker in workers {
        worker.join().unwrap();
    }
}

/// Something that happens once, for one thread that waits.
#[derive(Clone)]
struct Event(Arc<(AtomicBool, Notify)>);

impl Event {
    fn new() -> Self {
        Self(Arc::new((AtomicBool::new(false), Notify::new())))
    }

    fn raise(&self) {
        self.0.0.store(true, Ordering::Release);
        self.0.1.notify();
    }

    fn wait(&self) {
        while !self.0.0.load(Ordering::Acquire) {
            self.0.1.wait();
        }
    }
}

/// One task from outside.
fn a_spawn() {
    let scheduler = scheduler(1);
    let worker = start(&scheduler, 0);
    let (ran, held) = (Event::new(), Tracked::new());
    let raised = ran.clone();
    let handle = spawn(&scheduler, async move {
        held.touch();
        raised.raise();
    });
    ran.wait();
    loom::stop_exploring();
    drop(handle);
    shut_down(&scheduler, vec![worker]);
}

#[test]
fn a_worker_runs_what_is_spawned_outside() {
    check(2, || a_spawn());
}

/// A task that has been polled once and waits for its wake.
struct Sleeper {
    handle: JoinHandle<()>,
    waker: Waker,
    /// Set before the wake; the task must see it.
    wanted: Arc<AtomicBool>,
    ran: Event,
}

impl Sleeper {
    /// To be called without exploring.
    fn new(scheduler: &Scheduler) -> Self {
        let place = Arc::new(Mutex::new(None::<Waker>));
        let (polled, ran, wanted) = (Event::new(), Event::new(), Arc::new(AtomicBool::new(false)));
        let (offered, first) = (place.clone(), polled.clone());
        let (raised, seen) = (ran.clone(), wanted.clone());
        let handle = spawn(
            scheduler,
            poll_fn(move |cx| {
                if seen.load(Ordering::Relaxed) {
                    raised.raise();
                    return Poll::Ready(());
                }
                *offered.lock() = Some(cx.waker().clone());
                first.raise();
                Poll::Pending
            }),
        );
        polled.wait();
        let waker = place.lock().take().expect("the task offers its waker");
        Self {
            handle,
            waker,
            wanted,
            ran,
        }
    }

    fn wake(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }
}

/// A task that waits is woken from outside.
fn a_wake() {
    let scheduler = scheduler(1);
    loom::stop_exploring();
    let worker = start(&scheduler, 0);
    let task = Sleeper::new(&scheduler);
    loom::explore();
    task.wake();
    task.ran.wait();
    loom::stop_exploring();
    drop((task.handle, task.waker));
    shut_down(&scheduler, vec![worker]);
}

#[test]
fn a_worker_runs_what_is_woken_outside() {
    check(2, || a_wake());
}

/// Waits for the end of a task; one that is left behind is a deadlock.
fn finish(mut handle: JoinHandle<()>) {
    let (woken, waker) = Woken::new();
    let mut cx = Context::from_waker(&waker);
    while Pin::new(&mut handle).poll(&mut cx).is_pending() {
        woken.wait();
    }
}

/// A task is spawned while the runtime ends: it runs or is cancelled, and nothing is left.
fn a_spawn_at_the_end() {
    let scheduler = scheduler(1);
    let worker = start(&scheduler, 0);
    let spawner = {
        let scheduler = scheduler.clone();
        thread::spawn(move || {
            let held = Tracked::new();
            spawn(&scheduler, async move { held.touch() })
        })
    };
    shut_down(&scheduler, vec![worker]);
    finish(spawner.join().unwrap());
}

#[test]
fn a_task_spawned_at_the_end_runs_or_is_cancelled() {
    check(2, || a_spawn_at_the_end());
}

/// Takes a lock when it is dropped.
struct Locks(Arc<Mutex<()>>);

impl Drop for Locks {
    fn drop(&mut self) {
        drop(self.0.lock());
    }
}

/// A task is woken under the lock that the drop of its future takes, while the runtime ends.
fn a_wake_under_a_lock_at_the_end() {
    let scheduler = scheduler(1);
    loom::stop_exploring();
    let worker = start(&scheduler, 0);
    let (place, polled) = (Arc::new(Mutex::new(None::<Waker>)), Event::new());
    let lock = Arc::new(Mutex::new(()));
    let (offered, first, locks) = (place.clone(), polled.clone(), Locks(lock.clone()));
    let handle = spawn(
        &scheduler,
        poll_fn(move |cx| {
            let _ = &locks;
            *offered.lock() = Some(cx.waker().clone());
            first.raise();
            Poll::Pending
        }),
    );
    polled.wait();
    let waker = place.lock().take().expect("the task offers its waker");
    loom::explore();
    let waking = thread::spawn(move || {
        let _locked = lock.lock();
        waker.wake();
    });
    shut_down(&scheduler, vec![worker]);
    waking.join().unwrap();
    finish(handle);
}

#[test]
fn a_wake_at_the_end_does_not_drop_what_takes_the_wakers_lock() {
    check(2, || a_wake_under_a_lock_at_the_end());
}

const fn twin(file: &'static str, after: &'static str) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line: "fence(",
        how: How::Weaken,
    })
}

#[test]
fn twin_an_end_without_its_fence() {
    let twin = twin("worker/scheduler.rs", "pub fn end");
    must_fail(twin, "deadlock", 2, || a_spawn_at_the_end());
}

#[test]
fn twin_without_a2() {
    let twin = twin("idle.rs", "pub fn announce");
    must_fail(twin, "deadlock", 2, || a_spawn());
}

#[test]
fn twin_without_i2() {
    let twin = twin("park.rs", "pub fn prepare");
    must_fail(twin, "deadlock", 2, || a_wake());
}
