//! Stand-ins and `block_in_place` against the end of a runtime: E1 to E5 of `runtime/shutdown.rs`, C1 to C3 and B1, B2 of
//! `blocking.rs`.
//!
//! - E1 the pool of spares takes no more jobs; a stand-in that comes later finds that everybody is leaving.
//! - E4 whoever blocks in place may wait for a task that only the sweep ends: he or whoever shuts down does it.
//! - E5 the last one closes pollers and timers, once, when nobody is inside any more.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use loom::sync::Notify;
use loom::thread;
use loom_tests::{Tracked, Twin, check, must_fail};
use loxley_core::doors::Clock;
use loxley_core::doors::atomic::{AtomicBool, AtomicUsize, Ordering};
use loxley_core::doors::blocking::{BlockingPool, Config as PoolConfig, Job};
use loxley_core::doors::fault::How;
use loxley_core::doors::shutdown::Threads;
use loxley_core::doors::task::next_id;
use loxley_core::doors::timer::Timers;
use loxley_core::doors::worker::{Config, Scheduler, Station, Worker, block_in_place};

/// What workers and stand-ins use, and the last of them closes.
#[derive(Clone)]
struct House {
    threads: Arc<Threads>,
    sockets: Tracked,
    closed: Arc<AtomicUsize>,
}

impl House {
    fn new() -> Self {
        Self {
            threads: Arc::new(Threads::default()),
            sockets: Tracked::new(),
            closed: Arc::new(AtomicUsize::new(0)),
        }
    }

    fn work(&self) {
        assert_eq!(
            self.closed.load(Ordering::Relaxed),
            0,
            "somebody works in a closed house"
        );
        self.sockets.look();
    }

    /// E5.
    fn depart(&self) {
        self.threads.depart(|| {
            self.sockets.touch();
            self.closed.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// A worker loop on a thread of the pool.
struct StandIn {
    house: House,
    asks: bool,
}

impl Job for StandIn {
    fn run(self: Box<Self>) {
        if !self.asks {
            self.house.threads.arrive();
        } else if !self.house.threads.join_in() {
            return;
        }
        self.house.work();
        self.house.depart();
    }

    fn cancel(self: Box<Self>) {}
}

/// A worker calls a stand-in and leaves, while the runtime is shut down.
fn a_stand_in_at_the_end(asks: bool) {
    let spares = Arc::new(BlockingPool::new(PoolConfig {
        max_threads: 1,
        keep_alive: Duration::ZERO,
        name: Arc::new(String::new),
        stack_size: None,
        on_start: None,
        on_stop: None,
        enter: Arc::new(|live| live()),
    }));
    let house = House::new();
    house.threads.arrive();
    let worker = {
        let (spares, house) = (spares.clone(), house.clone());
        thread::spawn(move || {
            let stand_in = StandIn {
                house: house.clone(),
                asks,
            };
            let _ = spares.submit(Box::new(stand_in));
            house.work();
            house.depart();
        })
    };
    spares.close(); // E1
    house.threads.wait(None, false); // E6
    spares.wait(None);
    assert_eq!(house.closed.load(Ordering::Relaxed), 1, "closed once");
    worker.join().unwrap();
}

#[test]
fn a_stand_in_comes_before_the_end_or_not_at_all() {
    check(2, || a_stand_in_at_the_end(true));
}

/// A worker blocks until a task is gone that waits for ever, while the runtime is shut down.
fn a_block_at_the_end() {
    let clock = Clock::manual(1);
    let station = Station::new(None, Arc::new(Timers::new(clock.clone())));
    let config = Config {
        workers: 1,
        stand_ins: 0,
        event_interval: Some(4),
        time_enabled: true,
        ..Config::default()
    };
    let scheduler = Scheduler::new(config, clock, vec![station]);
    let gone = Arc::new((AtomicBool::new(false), Notify::new()));
    idle_task(&scheduler, Gone(gone.clone()));
    let worker = {
        let scheduler = scheduler.clone();
        thread::spawn(move || {
            let local = scheduler.seat(0).queue.sit_down().expect("vacant");
            scheduler.stations[0].settle(0);
            let worker = Worker::new(scheduler.clone(), 0, 0, local, None);
            worker.enter(|_| {
                block_in_place(|| {
                    while !gone.0.load(Ordering::Acquire) {
                        gone.1.wait();
                    }
                });
            });
            worker.leave();
            scheduler.sweep();
        })
    };
    for home in scheduler.homes() {
        home.close(); // E2
    }
    scheduler.idle.close();
    if scheduler.is_blocked_in_place() {
        scheduler.sweep(); // E4
    }
    worker.join().unwrap();
}

/// Raised when the task's future is dropped.
struct Gone(Arc<(AtomicBool, Notify)>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
        self.0.1.notify();
    }
}

/// A task that was polled once and waits for ever.
fn idle_task(scheduler: &Arc<Scheduler>, held: Gone) {
    let future = poll_fn(move |_| {
        let _ = &held;
        Poll::<()>::Pending
    });
    let (task, handle) = spawn(scheduler, future);
    let local = scheduler.seat(0).queue.sit_down().expect("vacant");
    let worker = Worker::new(scheduler.clone(), 0, 0, local, None);
    let again = task.expect("the home is open").run(&worker);
    assert!(again.is_none(), "it waits");
    worker.stand_up();
    drop(handle);
}

type Spawned<T> = (
    Option<loxley_core::doors::worker::Task>,
    loxley_core::task::JoinHandle<T>,
);

fn spawn<F>(scheduler: &Arc<Scheduler>, future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let id = next_id();
    let home = scheduler.home_for(None, id);
    let (task, handle) = home.spawn(id, Location::caller(), future);
    (task.ok(), handle)
}

#[test]
fn whoever_blocks_at_the_end_does_not_wait_for_ever() {
    check(2, || a_block_at_the_end());
}

#[test]
fn twin_e1_a_stand_in_that_does_not_ask() {
    must_fail(None, "closed", 2, || a_stand_in_at_the_end(false));
}

fn without_fence(file: &'static str, after: &'static str) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line: "fence(",
        how: How::Weaken,
    })
}

#[test]
fn twin_e4_a_block_without_its_fence() {
    let twin = without_fence("worker/block.rs", "fn block_in_place(&self");
    must_fail(twin, "deadlock", 2, || a_block_at_the_end());
}

#[test]
fn twin_e2_a_close_without_its_fence() {
    let twin = without_fence("idle.rs", "pub fn close");
    must_fail(twin, "deadlock", 2, || a_block_at_the_end());
}
