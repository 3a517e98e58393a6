//! `spawn_blocking` and `block_in_place`: closures as tasks of the blocking pool.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::context::{self, Entered};
use super::{Handle, Hold};
use crate::blocking::{BlockingPool, Job, Refused};
use crate::budget;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::{Arc, CachePadded};
use crate::task::{
    Home, Id, JoinHandle, Notified, Runner, Schedule, TaskMeta, TaskPanic, TaskRef, contain,
};
use crate::worker::{self, PanicHook, Worker};

/// Lists of closures, so that one lock is not shared by all who spawn.
const HOMES: usize = 4;

/// The scheduler of closures: each is run once, so nothing is ever scheduled again.
pub struct BlockingTasks {
    homes: [CachePadded<Home<BlockingTasks>>; HOMES],
    next: AtomicUsize,
    on_panic: PanicHook,
}

impl BlockingTasks {
    pub(super) fn new(on_panic: PanicHook) -> Arc<Self> {
        let tasks = Arc::new_cyclic(|weak| Self {
            homes: [(); HOMES].map(|()| CachePadded::new(Home::new(weak))),
            next: AtomicUsize::new(0),
            on_panic,
        });
        for home in &tasks.homes {
            home.open(&tasks);
        }
        tasks
    }

    pub(super) fn spawn<F, R>(
        &self,
        pool: &Arc<BlockingPool>,
        id: Id,
        spawned_at: &'static Location<'static>,
        hold: Hold,
        f: F,
    ) -> (JoinHandle<R>, Result<(), Refused>)
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let home = &self.homes[turn % HOMES];
        let (task, handle) = home.spawn(id, spawned_at, Closure(Some(f)));
        if let Ok(task) = task {
            let submitted = pool.submit(Box::new(BlockingJob(task, hold)));
            return (handle, submitted);
        }
        (handle, Err(Refused::Closed))
    }

    /// Every closure that has not ended, for a dump.
    pub(super) fn collect(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for home in &self.homes {
            home.collect(&mut tasks);
        }
        tasks
    }

    /// Shutdown: the lists let go of this structure once their last cell is gone.
    pub(super) fn close(&self) {
        for home in &self.homes {
            home.close();
            home.cancel_all();
        }
    }
}

impl Schedule for BlockingTasks {
    type Runner = Thread;

    fn schedule(&self, task: Notified<Self>) {
        // A closure is never idle: it is queued, running or complete.
        debug_assert!(false, "a blocking task was woken: {task:?}");
    }

    fn cancelled(&self, _: &TaskMeta<'_>) {}

    fn panicked(&self, panic: &TaskPanic<'_>) {
        contain(|| (self.on_panic)(panic));
    }
}

/// Who runs a closure has nothing to do after it.
pub struct Thread;

impl Runner<BlockingTasks> for Thread {
    fn completed(&self) {}
}

struct BlockingJob(Notified<BlockingTasks>, Hold);

impl Job for BlockingJob {
    fn run(self: Box<Self>) {
        let Self(task, hold) = *self;
        let again = task.run(&Thread);
        debug_assert!(again.is_none(), "a blocking task asked to run again");
        // After the result is known: a paused clock must not move in between.
        drop(hold);
    }

    fn cancel(self: Box<Self>) {
        // Dropping what has not run cancels it.
        drop(self.0);
    }
}

/// A closure in the shape of a future that is ready at its first poll.
struct Closure<F>(Option<F>);

impl<F> Unpin for Closure<F> {}

impl<F: FnOnce() -> R, R> Future for Closure<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let f = self.0.take().expect("a blocking task runs once");
        Poll::Ready(budget::without(f))
    }
}

/// A worker loop on a thread of the blocking pool, while a worker blocks in place.
struct StandIn {
    handle: Handle,
    station: usize,
}

impl Job for StandIn {
    fn run(self: Box<Self>) {
        let inner = &self.handle.inner;
        // Sockets and timers are not closed before it has left.
        if inner.threads.join_in() {
            self.work();
            inner.threads.depart(|| inner.finish());
        }
    }

    fn cancel(self: Box<Self>) {}
}

impl StandIn {
    fn work(&self) {
        let scheduler = &self.handle.inner.scheduler;
        let station = &scheduler.stations[self.station];
        let seats = scheduler.stand_in_seats();
        let seated = seats
            .map(|seat| (seat, scheduler.seat(seat).queue.sit_down()))
            .find_map(|(seat, local)| Some((seat, local?)));
        let Some((seat, local)) = seated else { return };
        let worker = Worker::new(scheduler.clone(), seat, self.station, local, None);
        // Somebody else was faster, or the worker has come back: leaving at once is all there is to do.
        if station.settle(seat) {
            context::with_entered(Entered::Driving, || worker.enter(Worker::run));
        }
        worker.leave();
        if scheduler.idle.is_closed() {
            // E4 in `shutdown.rs`: the worker that it stands in for may be stuck for ever.
            scheduler.sweep();
        }
    }
}

/// Runs a closure that may block on this very thread, while another thread takes over the rest of the worker's
/// work: its queue, its sockets and its timers.
///
/// The task itself makes no progress meanwhile, nor does anything polled inside it. Outside a worker thread the
/// closure is simply run. In the closure `Runtime::block_on` and `Handle::block_on` are allowed.
///
/// # Panics
///
/// On a current-thread runtime, and inside a [`LocalSet`](crate::LocalSet): no other thread could take over.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { loxley_core::block_in_place(|| 5) });
/// assert_eq!(runtime.block_on(task).unwrap(), 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn block_in_place<F: FnOnce() -> R, R>(f: F) -> R {
    match context::entered() {
        Entered::Driving => {}
        Entered::DrivingLocal => panic!(
            "`block_in_place` does not work inside a `LocalSet`: its tasks stay on this thread, so nobody could take \
             over. Use `spawn_blocking`"
        ),
        Entered::Outside | Entered::MayBlock => return f(),
    }
    let handle = Handle::current();
    assert!(
        !handle.inner.is_current_thread(),
        "`block_in_place` needs a multi-thread runtime: on a current-thread runtime nobody could take over. \
         Use `spawn_blocking`"
    );
    worker::block_in_place(|| context::with_entered(Entered::MayBlock, || budget::without(f)))
}

/// Gets somebody for `station`, whose worker is about to block.
pub(super) fn start_stand_in(handle: Handle, station: usize) {
    // A stand-in that waits behind the jobs of a full pool stands in for nobody: then it is a spare's turn.
    let inner = &handle.inner;
    let pool = match inner.blocking.is_saturated() {
        false => inner.blocking.clone(),
        true => inner.spares.clone(),
    };
    // At shutdown the pool refuses, and nobody needs a stand-in.
    let _ = pool.submit(Box::new(StandIn { handle, station }));
}

/// Gets a spare for `station`, whose worker is stuck; false if there are too many, or the system refused.
pub(super) fn start_spare(handle: Handle, station: usize) -> bool {
    let pool = handle.inner.spares.clone();
    // Who would have to wait for another spare to end comes too late.
    !pool.is_saturated() && pool.submit(Box::new(StandIn { handle, station })).is_ok()
}
