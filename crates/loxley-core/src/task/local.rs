//! Tasks that stay on one thread: the scheduler behind `LocalSet` and `LocalRuntime`.
//!
//! It uses the cell, the state word, wakers and handles of every other task. What differs is who may hold a `Notified`:
//! the future, and an output that nobody takes, need not be `Send`, so they are touched and dropped on the thread that
//! spawned them, whoever wakes or aborts the task (RUSTSEC-2021-0072).
//!
//! # Words
//!
//! [`LocalTasks`]: the owner's side; it never leaves its thread. [`Arrivals`]: the side that every thread reaches.
//! *Arrived*: woken by somebody who was not inside the set. *Round*: what one poll of the set runs at most.
//!
//! # Rules
//!
//! 1. `LocalTasks` is not `Send`, so each call of its methods comes from the thread that made it, the *owner*. A task is
//!    spawned by a method of it.
//! 2. A `Notified` is run, cancelled or dropped by methods of `LocalTasks` alone. Any other thread that makes one, by a
//!    wake or an abort, puts it into `arrived` and nowhere else, and only the owner takes it out.
//! 3. `arrived` is not dropped with something in it: what is in it keeps its cell in the home, which keeps
//!    [`Arrivals`] alive (`owned.rs`, rule 2).
//! 4. The counts of tasks are written by the owner alone.
//!
//! # A wake
//!
//! - L1 on the owner's thread, inside the set: the task goes to the tail of `queue`, and the poll that is under way runs
//!   it. Inside the set but not in a poll of it ([`LocalTasks::enter`]): L3 follows.
//! - L2 anywhere else: the task goes to `arrived`, under its lock; then L3.
//! - L3 whoever polls the set is woken, through a slot.
//!
//! # A poll of the set
//!
//! - P1 the waker is put into the slot, before anything is looked at: what arrives later wakes it.
//! - P2 everything that has arrived goes to the tail of `queue`, at the beginning and whenever `queue` is empty.
//! - P3 at most [`ROUND`] tasks run, each with a full budget. If more are there, the poller is woken and gives way.
//!
//! So whatever the tasks do, one from outside waits for those that came before it and for one round, and others that
//! share the thread wait for one round.
//!
//! # The end of the set
//!
//! - E1 the home is closed: a spawn from now on is cancelled.
//! - E2 idle tasks are cancelled; scheduled ones are marked.
//! - E3 what is in `queue` and `arrived` is cancelled, until all have ended. A task that is neither idle nor queued is
//!   in the hands of a thread between the change of its state word and L2: the owner waits for it, which takes as long as
//!   a few instructions of that thread. No foreign code runs there, so it comes.
//!
//! After E3 every task is complete: wakes and aborts do nothing, and nothing ever arrives again.
//!
//! # Rejected
//!
//! Letting shutdown take a scheduled task from its `Notified`, so that E3 need not wait: the start of *every* task would
//! then be a compare-and-swap. Handing the drop to the waking thread: that is the hole in RUSTSEC-2021-0072. A set
//! without the cell, over boxed futures: it would need abort, join and panics once more.
//!
//! Checked by `tests/task_local_*.rs` of the crate `loxley` and `loom-tests/tests/task_local.rs`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::owned::{Home, Runner, Schedule};
use super::raw::Notified;
use super::{
    Id, JoinHandle, TaskMeta, TaskPanic, TaskRef, WakerSlot, contain, outside_tasks, wake_caught,
};
use crate::budget;
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::primitive::{Arc, Condvar, Mutex, thread_local};
use crate::trace::Leaf;

/// Tasks that one poll of a set runs at most.
pub const ROUND: usize = 61;

type Task = Notified<Arrivals>;

/// Who is told of a set's tasks. What it does must not unwind.
pub trait Observer: Send + Sync {
    /// A task panicked; true if the set shall run no more of them.
    fn panicked(&self, panic: &TaskPanic<'_>) -> bool;

    /// True if it wants to hear the rest, too.
    fn attends(&self) -> bool {
        false
    }

    /// A task was spawned.
    fn spawned(&self, _: &TaskMeta<'_>) {}

    /// A task is about to be polled.
    fn before_poll(&self, _: &TaskMeta<'_>) {}

    /// A task was polled.
    fn after_poll(&self, _: &TaskMeta<'_>) {}

    /// A task has ended.
    fn ended(&self, _: &TaskMeta<'_>) {}

    /// A traced poll has found what this task waits for.
    fn traced(&self, _: Id, _: Vec<Leaf>) {}

    /// How many units of budget each poll has.
    fn budget(&self) -> u32 {
        budget::DEFAULT
    }
}

/// What every thread reaches.
pub struct Arrivals {
    home: Home<Arrivals>,
    arrived: Mutex<VecDeque<Task>>,
    /// Told of each arrival.
    arrival: Condvar,
    /// Who polls the set.
    poller: WakerSlot,
    spawned: AtomicU64,
    ended: AtomicU64,
    /// A panic shall be the last thing that happened here.
    halted: AtomicBool,
    observer: Box<dyn Observer>,
    attended: bool,
}

impl Arrivals {
    /// Adds a reference to each task that is alive.
    pub fn collect(&self, tasks: &mut Vec<TaskRef>) {
        self.home.collect(tasks);
    }

    /// How many tasks were spawned, and how many of them have ended.
    pub fn counts(&self) -> (u64, u64) {
        // The ended ones first: what ends in between is then counted alive.
        let ended = self.ended.load(Ordering::Relaxed);
        (self.spawned.load(Ordering::Relaxed), ended)
    }

    fn is_empty(&self) -> bool {
        let (spawned, ended) = self.counts();
        spawned == ended
    }

    /// L3.
    fn wake_poller(&self) {
        if let Some(waker) = self.poller.take() {
            wake_caught(waker);
        }
    }
}

impl Schedule for Arrivals {
    type Runner = LocalTasks;

    fn schedule(&self, task: Task) {
        match current().filter(|tasks| std::ptr::eq(&*tasks.arrivals, self)) {
            Some(tasks) => tasks.push(task), // L1
            None => {
                self.arrived.lock().push_back(task); // L2
                self.arrival.notify_one();
                self.wake_poller();
            }
        }
    }

    fn cancelled(&self, task: &TaskMeta<'_>) {
        add_one(&self.ended);
        if self.attended {
            self.observer.ended(task);
        }
    }

    fn panicked(&self, panic: &TaskPanic<'_>) {
        if self.observer.panicked(panic) {
            self.halted.store(true, Ordering::Relaxed);
        }
    }

    fn traced(&self, id: Id, leaves: Vec<Leaf>) {
        self.observer.traced(id, leaves);
    }
}

/// Rule 4: for the owner alone.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// E1 to E3.
    Ending,
    Ended,
}

/// The owner's side.
pub struct LocalTasks {
    arrivals: Arc<Arrivals>,
    queue: RefCell<VecDeque<Task>>,
    phase: Cell<Phase>,
    /// Units for each poll.
    budget: u32,
    /// A poll of the set is under way, and will run what is queued.
    polled: Cell<bool>,
    /// Rule 1.
    owner: PhantomData<*mut ()>,
}

thread_local! {
    /// The set that this thread is inside.
    static CURRENT: RefCell<Option<Rc<LocalTasks>>> = const { RefCell::new(None) };
}

/// The set that this thread is inside, if any.
pub fn current() -> Option<Rc<LocalTasks>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

/// Leaves the set when dropped, for the one before.
pub struct Inside {
    before: Option<Rc<LocalTasks>>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let before = self.before.take();
        let left = CURRENT.try_with(|current| current.replace(before));
        drop(left);
    }
}

impl LocalTasks {
    /// Without a task.
    pub fn new(observer: Box<dyn Observer>) -> Rc<Self> {
        let arrivals = Arc::new_cyclic(|weak| Arrivals {
            home: Home::new(weak),
            arrived: Mutex::new(VecDeque::new()),
            arrival: Condvar::new(),
            poller: WakerSlot::new(),
            spawned: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            halted: AtomicBool::new(false),
            attended: observer.attends(),
            observer,
        });
        arrivals.home.open(&arrivals);
        Rc::new(Self {
            budget: arrivals.observer.budget(),
            arrivals,
            queue: RefCell::new(VecDeque::new()),
            phase: Cell::new(Phase::Open),
            polled: Cell::new(false),
            owner: PhantomData,
        })
    }

    /// The side that other threads may have.
    pub fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    /// Spawns a task; after the end it is cancelled at once.
    pub fn spawn<F>(
        &self,
        id: Id,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let arrivals = &self.arrivals;
        add_one(&arrivals.spawned);
        // SAFETY: this is the owner's thread (rule 1), and no other one runs, cancels or drops a `Notified` of the home
        // (rules 2 and 3), nor sweeps it, which `end` does.
        let (entered, handle) = unsafe { arrivals.home.spawn_local(id, spawned_at, future) };
        if arrivals.attended {
            let seen = match &entered {
                Ok(task) => task.task_ref(),
                Err(refused) => refused.task_ref(),
            };
            arrivals.observer.spawned(&seen.meta());
        }
        match entered {
            Ok(task) => self.push(task),
            // Into the queue, not on the stack: one that is dropped may spawn the next.
            Err(refused) if self.phase.get() == Phase::Ending => self.push(refused.into_task()),
            Err(refused) => drop(refused),
        }
        handle
    }

    /// Makes this the set that the thread is inside.
    pub fn enter(self: &Rc<Self>) -> Inside {
        let entered = CURRENT.try_with(|current| current.replace(Some(self.clone())));
        // A thread whose locals are gone is inside nothing: what is woken arrives.
        let before = entered.ok().flatten();
        Inside { before }
    }

    /// Runs a part of a poll of the set, inside it. Register the waker first (P1).
    pub fn while_polled<R>(self: &Rc<Self>, part: impl FnOnce() -> R) -> R {
        struct Restore<'a>(&'a LocalTasks, bool);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.polled.set(self.1);
            }
        }
        let _inside = self.enter();
        let _restore = Restore(self, self.polled.replace(true));
        part()
    }

    /// P1.
    pub fn register(&self, waker: &Waker) {
        self.arrivals.poller.register(waker);
    }

    /// P2 and P3: true if tasks are left that can run. Inside [`LocalTasks::while_polled`].
    pub fn run_round(&self) -> bool {
        self.receive();
        outside_tasks(|| {
            for _ in 0..ROUND {
                if self.is_halted() {
                    return;
                }
                match self.pop() {
                    None => return,
                    Some(task) if self.arrivals.attended => self.run_attended(task),
                    Some(task) => self.run_task(task),
                }
            }
        });
        !self.queue.borrow().is_empty()
    }

    fn run_task(&self, task: Task) {
        if let Some(again) = task.run(self) {
            self.push(again);
        }
    }

    fn run_attended(&self, task: Task) {
        let observer = &self.arrivals.observer;
        let seen = task.task_ref();
        observer.before_poll(&seen.meta());
        self.run_task(task);
        observer.after_poll(&seen.meta());
        if seen.state().is_complete() {
            observer.ended(&seen.meta());
        }
    }

    /// True if every task has ended.
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// True once the observer has asked for the end.
    pub fn is_halted(&self) -> bool {
        self.arrivals.halted.load(Ordering::Relaxed)
    }

    /// L1.
    fn push(&self, task: Task) {
        self.queue.borrow_mut().push_back(task);
        if !self.polled.get() {
            self.arrivals.wake_poller();
        }
    }

    fn pop(&self) -> Option<Task> {
        let next = || self.queue.borrow_mut().pop_front();
        next().or_else(|| {
            self.receive();
            next()
        })
    }

    /// P2.
    fn receive(&self) {
        let mut arrived = self.arrivals.arrived.lock();
        self.queue.borrow_mut().append(&mut arrived);
    }

    /// E1 to E3. Whoever drops the set calls it, inside [`LocalTasks::while_polled`].
    pub fn end(&self) {
        self.close();
        self.cancel_queued();
        while !self.is_empty() {
            self.await_arrival();
            self.cancel_queued();
        }
        self.phase.set(Phase::Ended);
        let waker = self.arrivals.poller.take();
        contain(|| drop(waker));
    }

    /// E1 and E2.
    pub fn close(&self) {
        self.phase.set(Phase::Ending);
        self.arrivals.home.close();
        outside_tasks(|| self.arrivals.home.cancel_all());
    }

    /// E3, for what is queued.
    pub fn cancel_queued(&self) {
        outside_tasks(|| {
            while let Some(task) = self.pop() {
                task.cancel();
            }
        });
    }

    /// E3, for what is on its way.
    fn await_arrival(&self) {
        let mut arrived = self.arrivals.arrived.lock();
        while arrived.is_empty() {
            self.arrivals.arrival.wait(&mut arrived);
        }
    }
}

impl Runner<Arrivals> for LocalTasks {
    fn budget(&self) -> u32 {
        self.budget
    }

    fn completed(&self) {
        add_one(&self.arrivals.ended);
    }
}

impl fmt::Debug for LocalTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTasks")
            .field("phase", &self.phase.get())
            .field("counts", &self.arrivals.counts())
            .finish_non_exhaustive()
    }
}
