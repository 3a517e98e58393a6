//! A dump: every task of a runtime, what it does, and what it waits for.
//!
//! # Steps
//!
//! - D1 a thread of its own collects a reference to every task, under the lock of each home.
//! - D2 it asks each task that is idle to be traced (`trace.rs`), which puts it into a queue like a wake.
//! - D3 workers poll these tasks as they poll all others, and leave what they find in the scheduler. The thread waits until
//!   all are done, or its patience is over: a stuck worker, or none at all, cannot keep it.
//! - D4 it looks where the others run, and writes down what it knows.
//!
//! Nobody else waits for anything; one dump is made at a time.
//!
//! # Rejected
//!
//! Polling idle tasks on the thread that dumps: their code would find itself on a thread that it does not know.
//! Stopping all workers meanwhile, as tokio does: one that is stuck then stops the dump and the others.
//!
//! Checked by `tests/runtime_dump.rs` and `loxley/tests/runtime_dump.rs`.

mod frames;
mod root;

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::slice;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

pub use frames::{Backtrace, BacktraceFrame, BacktraceSymbol};
pub use root::Root;

use super::Handle;
use super::handle::Inner;
use crate::budget::{self, poll_proceed};
use crate::primitive::{Arc, Mutex, thread};
use crate::task::{Id, TaskRef, WakerSlot};
use crate::trace::{self, Leaf};

/// How long [`Handle::dump`] waits for the workers.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at whether they are done.
const LOOK: Duration = Duration::from_millis(1);

/// All tasks of a runtime at one moment: see [`Handle::dump`]. Its text is for people.
#[derive(Clone, Debug)]
pub struct Dump {
    runtime: Option<String>,
    tasks: Tasks,
}

/// The tasks of a [`Dump`].
#[derive(Clone, Debug)]
pub struct Tasks(Vec<Task>);

/// One task of a [`Dump`].
#[derive(Clone, Debug)]
pub struct Task {
    id: Id,
    name: Option<Arc<str>>,
    spawned_at: &'static Location<'static>,
    state: TaskState,
    blocking: bool,
    since: Option<Duration>,
    trace: Trace,
}

/// What a task did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It waited: [`Task::trace`] says for what.
    Idle,
    /// It waited for a worker, or a closure for a thread.
    Scheduled,
    /// It was polled, or its future dropped.
    Running {
        /// The worker; a number from the number of workers on is a thread that stands in for one.
        worker: Option<usize>,
        /// The thread was found stuck: it has not come back from this poll for some milliseconds.
        stuck: bool,
    },
    /// It ended while the dump was made.
    Ended,
}

/// What a task waits for.
///
/// Empty if it does not wait, or waits for nothing of this runtime: a channel of another library, or for ever.
#[derive(Clone, Debug)]
pub struct Trace {
    waits: Vec<Wait>,
    /// The workers have not answered in time.
    unanswered: bool,
}

/// One thing that a task waits for; with `select!` and `join!` there are several.
#[derive(Clone, Debug)]
pub struct Wait(Leaf);

impl Handle {
    /// Finds out what every task of this runtime does and waits for.
    ///
    /// Each task that is idle is polled once more for it, on its worker, in a way in which nothing of this runtime makes
    /// progress; then once in the ordinary way. Nobody waits for that, and no wake is lost. Tasks that run or wait for a
    /// worker are left alone. When workers are stuck, or a current-thread runtime is driven by nobody, the dump says
    /// after a second at most what is known without them. Meanwhile nothing is slowed down but by these polls, so it may
    /// be used in production, now and then. When no dump is made, it costs nothing.
    ///
    /// With debug information the text contains the line of each `.await` in between, else the functions. Tasks that are
    /// polled inside others, as by `FuturesUnordered` or a `LocalSet`, are seen as parts of these.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use loxley_core::runtime::{Handle, Runtime};
    /// use loxley_core::time::Sleep;
    ///
    /// let runtime = Runtime::new()?;
    /// let sleeper = runtime.spawn(async { Sleep::after(Duration::from_secs(60)).await });
    /// let dump = runtime.block_on(async { Handle::current().dump().await });
    /// let task = dump.tasks().iter().find(|task| task.id() == sleeper.id()).unwrap();
    /// assert_eq!(task.spawned_at().file(), file!());
    /// println!("{dump}"); // task 1 spawned at src/main.rs:6:23: idle, waits for a timer ...
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping it leaves the dump to be made for nobody.
    pub async fn dump(&self) -> Dump {
        let answer = Arc::new((Mutex::new(None), WakerSlot::new()));
        let (handle, giver) = (self.clone(), answer.clone());
        let give = move || {
            let dump = handle.blocking_dump(PATIENCE);
            *giver.0.lock() = Some(dump);
            if let Some(waker) = giver.1.take() {
                waker.wake();
            }
        };
        if thread::spawn("loxley-dump".into(), None, give).is_err() {
            // The system refuses: what is known without the workers.
            return self.blocking_dump(Duration::ZERO);
        }
        poll_fn(|cx| {
            let unit = ready!(poll_proceed(cx));
            answer.1.register(cx.waker());
            match answer.0.lock().take() {
                Some(dump) => {
                    unit.made_progress();
                    Poll::Ready(dump)
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// As [`Handle::dump`], on this thread, which waits for the workers as long as `patience` says: for a signal handler's
    /// thread, a debugger, or a thread that serves diagnostics.
    ///
    /// On a worker it holds up the tasks of that worker; the others are waited for all the same.
    pub fn blocking_dump(&self, patience: Duration) -> Dump {
        let inner = &*self.inner;
        let scheduler = &inner.scheduler;
        let _one_at_a_time = inner.dumping.lock();
        trace::allow_stacks();
        *scheduler.traces.lock() = Some(HashMap::new());
        let seen = inner.ask_tasks();
        let began = Instant::now();
        while seen.iter().any(Seen::is_awaited) && began.elapsed() < patience {
            thread::sleep(LOOK);
        }
        let mut traces = scheduler.traces.lock().take().unwrap_or_default();
        let mut tasks: Vec<Task> = seen
            .iter()
            .map(|seen| inner.describe(seen, traces.remove(&seen.task.meta().id)))
            .collect();
        tasks.extend(inner.blocking_tasks.collect().iter().map(describe_closure));
        tasks.sort_by_key(Task::id);
        Dump {
            runtime: inner.name.clone(),
            tasks: Tasks(tasks),
        }
    }
}

/// A task at D2.
struct Seen {
    task: TaskRef,
    state: TaskState,
    /// It is going to be traced.
    asked: bool,
}

impl Seen {
    fn is_awaited(&self) -> bool {
        self.asked && self.task.state().is_traced() && !self.task.state().is_complete()
    }
}

impl Inner {
    /// D1 and D2.
    fn ask_tasks(&self) -> Vec<Seen> {
        let mut tasks = Vec::new();
        for home in self.scheduler.homes() {
            home.collect(&mut tasks);
        }
        if let Some(arrivals) = self.local.get() {
            arrivals.collect(&mut tasks);
        }
        let driven = !self.is_current_thread() || self.scheduler.seat(0).watch.thread().is_some();
        let see = |task: TaskRef| {
            let state = state_of(&task);
            let asked = driven && state == TaskState::Idle && task.trace();
            Seen { task, state, asked }
        };
        tasks.into_iter().map(see).collect()
    }

    /// D4.
    fn describe(&self, seen: &Seen, found: Option<Vec<Leaf>>) -> Task {
        let meta = seen.task.meta();
        let mut state = match state_of(&seen.task) {
            TaskState::Ended => TaskState::Ended,
            _ => seen.state,
        };
        if let TaskState::Running { worker, stuck } = &mut state {
            let seats = self.scheduler.seats().enumerate();
            let runs = seats.filter(|(_, seat)| {
                seat.watch
                    .running
                    .get()
                    .is_some_and(|(id, _)| id == meta.id)
            });
            if let Some((index, seat)) = runs.last() {
                (*worker, *stuck) = (Some(index), seat.is_stuck());
            }
        }
        let unanswered = state == TaskState::Idle && found.is_none();
        let waits = found.unwrap_or_default().into_iter().map(Wait).collect();
        let scheduled_at = Some(seen.task.scheduled_at()).filter(|&at| at != 0);
        let ago = |at| Duration::from_nanos(self.scheduler.machine_time().saturating_sub(at));
        Task {
            id: meta.id,
            name: meta.name(),
            spawned_at: meta.spawned_at,
            state,
            blocking: false,
            // A trace schedules the task, too.
            since: scheduled_at.filter(|_| !seen.asked).map(ago),
            trace: Trace { waits, unanswered },
        }
    }
}

fn describe_closure(task: &TaskRef) -> Task {
    let meta = task.meta();
    Task {
        id: meta.id,
        name: meta.name(),
        spawned_at: meta.spawned_at,
        state: state_of(task),
        blocking: true,
        since: None,
        trace: Trace {
            waits: Vec::new(),
            unanswered: false,
        },
    }
}

fn state_of(task: &TaskRef) -> TaskState {
    let state = task.state();
    if state.is_complete() {
        TaskState::Ended
    } else if state.is_running() {
        TaskState::Running {
            worker: None,
            stuck: false,
        }
    } else if state.is_scheduled() {
        TaskState::Scheduled
    } else {
        TaskState::Idle
    }
}

impl Dump {
    /// The tasks, in the order of their ids.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

impl Tasks {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if the runtime has no task.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Tasks {
    type Item = &'a Task;
    type IntoIter = slice::Iter<'a, Task>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Task {
    /// Its id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name that [`TaskBuilder::name`](crate::TaskBuilder::name) gave to it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// What it did.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// True for a closure of `spawn_blocking`.
    pub fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// How long ago a task that runs or waits for a worker was woken, with
    /// [`Builder::track_task_schedule_latency`](super::Builder::track_task_schedule_latency).
    pub fn scheduled_for(&self) -> Option<Duration> {
        self.since
    }

    /// What it waits for.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl Trace {
    /// Runs `f`, the poll of a future, to find out what that waits for.
    ///
    /// What of this runtime `f` comes to does nothing, wakes its task and says `Pending`. So poll the future once more in the
    /// ordinary way: who only captures makes no progress, and is polled again and again. The backtraces end at the poll of the
    /// task, or at a [`Trace::root`]. A capture inside another, or inside a dump, is told of its own part.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::{Future, poll_fn};
    /// use std::pin::pin;
    /// use std::task::Poll;
    /// use loxley_core::runtime::{Runtime, dump::Trace};
    /// use loxley_core::task::yield_now;
    /// use loxley_core::time::Sleep;
    ///
    /// let trace = Runtime::new()?.block_on(Trace::root(async {
    ///     let mut work = pin!(async { Sleep::after(std::time::Duration::from_millis(1)).await });
    ///     let (polled, trace) =
    ///         poll_fn(|cx| Poll::Ready(Trace::capture(|| work.as_mut().poll(cx)))).await;
    ///     assert!(polled.is_pending());
    ///     work.await;
    ///     trace
    /// }));
    /// assert_eq!(trace.waits()[0].resource(), "a timer");
    /// assert_eq!(trace.resolve_backtraces().len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn capture<F, R>(f: F) -> (R, Trace)
    where
        F: FnOnce() -> R,
    {
        let around = trace::take();
        trace::allow_stacks();
        let result = budget::with_units(budget::TRACED, f);
        let found = trace::take();
        trace::resume(around);
        let trace = Trace {
            waits: found.into_iter().map(Wait).collect(),
            unanswered: false,
        };
        (result, trace)
    }

    /// The functions that lead to each of [`Trace::waits`].
    ///
    /// Finding their names takes long at the first time, when the program's debug information is read: do it where that
    /// delays nobody.
    pub fn resolve_backtraces(&self) -> Vec<Backtrace> {
        self.waits.iter().map(Wait::backtrace).collect()
    }

    /// Each thing that the task waits for.
    pub fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// False if no worker had the time to find out.
    pub fn is_known(&self) -> bool {
        !self.unanswered
    }
}

impl Wait {
    /// What it is: `a timer`, `a descriptor`, `the end of a task`, or a module, `sync::mpsc`.
    pub fn resource(&self) -> String {
        let file = self.0.place.file().replace('\\', "/");
        let file = file.rsplit_once("/src/").map_or(&*file, |(_, file)| file);
        match file.trim_end_matches(".rs") {
            "poller/source" => "a descriptor".into(),
            "runtime/time" => "a timer".into(),
            "task/join" => "the end of a task".into(),
            "budget" => "something made cooperative".into(),
            module => module.replace('/', "::"),
        }
    }

    /// The place in the runtime's source where it waits.
    pub fn place(&self) -> &'static Location<'static> {
        self.0.place
    }

    /// The functions from there outwards to the task's own future, as far as the program tells. Empty beyond some thousand
    /// waits in one dump.
    ///
    /// Finding their names takes long at the first time, when the program's debug information is read.
    pub fn backtrace(&self) -> Backtrace {
        frames::of_poll(self.0.stack.as_deref())
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks", self.tasks.len())?;
        if let Some(name) = &self.runtime {
            write!(f, " of the runtime {name:?}")?;
        }
        for task in &self.tasks {
            write!(f, "\n{task}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.blocking { "closure" } else { "task" };
        write!(f, "{kind} {} ", self.id)?;
        if let Some(name) = &self.name {
            write!(f, "named {name:?} and ")?;
        }
        write!(f, "spawned at {}: {}", self.spawned_at, self.state)?;
        if let Some(since) = self.since {
            write!(f, ", woken {since:?} ago")?;
        }
        if self.state == TaskState::Idle {
            write!(f, ", {}", self.trace)?;
        }
        Ok(())
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Scheduled => f.write_str("scheduled"),
            Self::Ended => f.write_str("ended just now"),
            Self::Running { worker, stuck } => {
                f.write_str("running")?;
                if let Some(worker) = worker {
                    write!(f, " on worker {worker}")?;
                }
                f.write_str(if *stuck { ", which is stuck in it" } else { "" })
            }
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unanswered {
            return f.write_str("no worker had time to find out for what");
        }
        if self.waits.is_empty() {
            return f.write_str("waits for nothing of this runtime");
        }
        f.write_str("waits for")?;
        for wait in &self.waits {
            write!(f, "\n    {wait}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.resource(), self.place())?;
        for frame in self.backtrace().frames() {
            write!(f, "\n        {frame}")?;
        }
        Ok(())
    }
}
