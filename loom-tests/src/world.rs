//! What models put into the core and look for afterwards.

use std::future::Future;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::Notify;
use loxley_core::doors::queue::{Injector, SlotItem};
use loxley_core::doors::task::{Home, Notified, Runner, Schedule, next_id};
use loxley_core::task::{JoinHandle, TaskMeta, TaskPanic};

/// Something that loom misses if it is never dropped, and that must not be touched twice at once.
///
/// Clones are one object. A future, an output or a waker that holds one is thereby watched.
#[derive(Clone, Debug)]
pub struct Tracked(loom::sync::Arc<loom::cell::UnsafeCell<u32>>);

// SAFETY: the cell holds nothing, and to find out who reaches it at the same time is what it is for: loom ends the
// model there, before the second access.
unsafe impl Send for Tracked {}
// SAFETY: as above.
unsafe impl Sync for Tracked {}

impl Tracked {
    /// A new object.
    pub fn new() -> Self {
        Self(loom::sync::Arc::new(loom::cell::UnsafeCell::new(0)))
    }

    /// Changes it; loom complains if somebody else is there who is not ordered before or after.
    pub fn touch(&self) {
        self.0.with_mut(|_| {});
    }

    /// Reads it; loom complains if a change is not ordered before or after.
    pub fn look(&self) {
        self.0.with(|_| {});
    }

    /// How many clones there are, this one included.
    pub fn count(&self) -> usize {
        loom::sync::Arc::strong_count(&self.0)
    }
}

impl Default for Tracked {
    fn default() -> Self {
        Self::new()
    }
}

/// A queue's item: a number, with no memory of its own, so that a twin which hands it out twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item(usize);

impl SlotItem for Item {
    fn into_ptr(self) -> NonNull<()> {
        NonNull::new(ptr::without_provenance_mut(self.0 + 1)).expect("no item is the last number")
    }

    unsafe fn from_ptr(ptr: NonNull<()>) -> Self {
        Self(ptr.addr().get() - 1)
    }
}

/// What the items of one model stand for.
#[derive(Clone, Debug)]
pub struct Items(Arc<Vec<Tracked>>);

impl Items {
    /// So many of them.
    pub fn new(count: usize) -> Self {
        Self(Arc::new((0..count).map(|_| Tracked::new()).collect()))
    }

    /// Makes an item, by the thread that is going to put it somewhere.
    pub fn make(&self, number: usize) -> Item {
        self.0[number].touch();
        Item(number)
    }

    /// Uses an item, by the thread that has taken it out; gives its number.
    pub fn take(&self, item: Item) -> usize {
        self.0[item.0].touch();
        item.0
    }

    /// # Panics
    ///
    /// Unless each item is among `taken` once.
    pub fn assert_all(&self, mut taken: Vec<usize>) {
        taken.sort_unstable();
        assert!(
            taken.iter().copied().eq(0..self.0.len()),
            "each item once, not {taken:?}"
        );
    }
}

/// A waker's other end, for one thread that waits.
#[derive(Debug)]
pub struct Woken {
    notify: Notify,
    /// loom misses it if a waker is leaked.
    tracked: Tracked,
}

impl Woken {
    /// The end, and its waker.
    pub fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self {
            notify: Notify::new(),
            tracked: Tracked::new(),
        });
        (woken.clone(), Waker::from(woken))
    }

    /// Waits for a wake; may return without one.
    pub fn wait(&self) {
        self.notify.wait();
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.tracked.look();
        self.notify.notify();
    }
}

/// The least scheduler: one queue, run by whoever calls [`Pool::run`].
#[derive(Debug)]
pub struct Pool {
    /// Where its tasks are entered.
    pub home: Home<Pool>,
    queue: Injector<Notified<Pool>>,
    /// Told of each task that is queued.
    announced: Notify,
}

impl Pool {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        let pool = Arc::new_cyclic(|weak| Self {
            home: Home::new(weak),
            queue: Injector::new(),
            announced: Notify::new(),
        });
        pool.home.open(&pool);
        pool
    }

    /// Spawns and queues; a closed home cancels instead.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = self.home.spawn(next_id(), Location::caller(), future);
        if let Ok(task) = task {
            self.schedule(task);
        }
        handle
    }

    /// Asks every idle task what it waits for.
    pub fn trace(&self) {
        let mut tasks = Vec::new();
        self.home.collect(&mut tasks);
        for task in &tasks {
            task.trace();
        }
    }

    /// Runs what is queued.
    pub fn run(&self) {
        while let Some(task) = self.queue.pop() {
            if let Some(again) = task.run(self) {
                self.schedule(again);
            }
        }
    }

    /// Runs until `done` says so; sleeps in between, so a lost wake is a deadlock.
    pub fn run_until(&self, done: impl Fn() -> bool) {
        loop {
            self.run();
            if done() {
                return;
            }
            self.announced.wait();
        }
    }

    /// Lets the home go, which keeps its scheduler as long as it holds a cell.
    ///
    /// # Panics
    ///
    /// If a cell is still there: somebody has kept or leaked a reference.
    pub fn end(self: Arc<Self>) {
        self.home.close();
        self.home.cancel_all();
        // The last cell takes along what the home held of its scheduler.
        assert_eq!(Arc::strong_count(&self), 1, "a cell is left");
    }
}

impl Schedule for Pool {
    type Runner = Self;

    fn schedule(&self, task: Notified<Self>) {
        self.queue.push(task);
        self.announced.notify();
    }

    fn cancelled(&self, _: &TaskMeta<'_>) {}

    fn panicked(&self, _: &TaskPanic<'_>) {}
}

impl Runner<Self> for Pool {
    fn completed(&self) {}
}
