//! Threads for work that blocks.
//!
//! # Words
//!
//! *Job*: something that is run once, or cancelled. *Idle*: a thread on the stack of sleepers, or about to
//! sleep there. *Sleeper*: its place to sleep, a [`Park`] of its own. *Roster*: who has started and not ended.
//!
//! # Protocol
//!
//! A job in the queue needs a thread that is going to look there; threads that run a job do not count, for it
//! may block for ever. So every submission *sends* one thread: an idle one, or a new one, or, at the cap with
//! nobody idle, the next that has finished its job. Wake and start are decided from two words, and each has
//! the same shape: publish, fence, look.
//!
//! Submitter:
//! - B1 push the job, then `fence(SeqCst)` (pairs with I2, X2, C2).
//! - B2 the pool is closed: cancel what is queued.
//! - B3 `idle` is not 0: take one sleeper off the stack, under its lock, and end its sleep. Whoever takes a
//!   sleeper off also takes it off the count, so one idle thread is never sent twice.
//! - B4 nobody was idle and `threads` is below the cap: start one, under the lock of the roster. The system
//!   refuses: the job waits for a thread that is busy; if there is none, a queued job is cancelled.
//!
//! Thread, until the queue is empty: take a job and run it. Then:
//! - I1 put the sleeper on the stack and count it, under the lock.
//! - I2 publish the park word, then `fence(SeqCst)` (in [`Park::prepare`]; pairs with B1, C2).
//! - I3 look at the queue and at `closed` once more.
//! - I4 sleep, at most `keep_alive`.
//! - I5 come off the stack. Still there and not woken: the time is up, go to X1. Else look for a job; in
//!   particular, somebody who is no longer there was sent and must look.
//!
//! Thread that leaves:
//! - X1 leave `threads`, under the lock of the roster.
//! - X2 `fence(SeqCst)` (pairs with B1): a submitter either sees the smaller number, and starts somebody, or its
//!   job is seen in
//! - X3 look at the queue a last time; a job: join `threads` again if the cap allows. If it does not, others
//!   have started since X1, and they look at the queue.
//! - X4 run the hook, leave the roster, and join the thread that left it before, so that one join at the end
//!   is a join of all.
//!
//! Close:
//! - C1 set `closed`.
//! - C2 `fence(SeqCst)` (pairs with B1, I2).
//! - C3 end every sleep, and cancel what is queued. A job that was pushed too late for C3 is seen by
//!   its own submitter at B2, or by a thread, which cancels too.
//!
//! Jobs, hooks and their drops are foreign code: they run without a lock, and a panic is caught and counted.
//!
//! # Rejected
//!
//! One mutex around queue and counters, as in tokio: 16 submitting threads took 247.8 ms instead of 22.4
//! (#7757). Shards with a count of idle threads beside them: the count was lowered by the woken, not by the waker, and
//! two submissions were content with one idle thread (#8056). A queue per thread and stealing: 8 to 15 times
//! slower (affinitypool #28), and jobs that block would hide others behind them.
//!
//! Checked by `blocking/tests.rs` and `loom-tests/tests/blocking.rs`.

mod roster;
mod thread;

#[cfg(all(test, not(loxley_loom)))]
mod tests;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::park::Park;
use crate::primitive::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(loxley_loom))]
use crate::primitive::deque;
use crate::primitive::{Arc, CachePadded, Mutex, thread as system};
#[cfg(loxley_loom)]
use crate::queue::model as deque;

use roster::Roster;

/// Work for the pool: exactly one of the two functions is called, once.
pub trait Job: Send {
    /// Does the work, on a thread of the pool.
    fn run(self: Box<Self>);
    /// The work is not going to be done.
    fn cancel(self: Box<Self>);
}

/// Called on a thread of the pool.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// Called once on each thread, with what the thread lives for.
pub type Enter = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// What a pool is made of.
pub struct Config {
    /// The most threads at a time; at least 1.
    pub max_threads: usize,
    /// How long a thread waits for a job before it ends.
    pub keep_alive: Duration,
    /// Names a new thread.
    pub name: Arc<dyn Fn() -> String + Send + Sync>,
    /// The stack of each thread in bytes; `None` leaves it to the system.
    pub stack_size: Option<usize>,
    /// Runs when a thread has started, before its first job.
    pub on_start: Option<Hook>,
    /// Runs when a thread ends, after its last job.
    pub on_stop: Option<Hook>,
    /// Wraps the life of a thread: sets the runtime's context up, calls its argument once, takes it down. It must
    /// not keep the pool alive.
    pub enter: Enter,
}

/// Why a job was not accepted. It, or another queued job in its stead, has been cancelled.
#[derive(Debug)]
pub enum Refused {
    /// The pool is closed.
    Closed,
    /// There is no thread, and the system would not start one.
    NoThread(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Closed => f.write_str("the blocking pool is closed"),
            Refused::NoThread(error) => {
                write!(f, "no thread could be started for blocking work: {error}")
            }
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Refused::Closed => None,
            Refused::NoThread(error) => Some(error),
        }
    }
}

/// The threads and their queue.
pub struct BlockingPool {
    config: Config,
    queue: deque::Injector<Box<dyn Job>>,
    closed: AtomicBool,
    /// The length of `sleepers`, written under its lock.
    idle: CachePadded<AtomicUsize>,
    /// The one that fell asleep last is woken first, so that the others' time runs out.
    sleepers: Mutex<Vec<Arc<Park>>>,
    roster: Roster,
    panics: AtomicU64,
}

impl BlockingPool {
    /// A pool without threads: each is started by the job that finds no other.
    ///
    /// # Panics
    ///
    /// If `max_threads` is 0: no job would ever run.
    pub fn new(config: Config) -> Self {
        assert!(
            config.max_threads > 0,
            "a blocking pool needs at least one thread"
        );
        Self {
            roster: Roster::new(config.max_threads),
            config,
            queue: deque::Injector::new(),
            closed: AtomicBool::new(false),
            idle: CachePadded::new(AtomicUsize::new(0)),
            sleepers: Mutex::new(Vec::new()),
            panics: AtomicU64::new(0),
        }
    }

    /// Has the job run on a thread of the pool, or cancelled if the pool closes first.
    pub fn submit(self: &Arc<Self>, job: Box<dyn Job>) -> Result<(), Refused> {
        if self.is_closed() {
            self.catch(|| job.cancel());
            return Err(Refused::Closed);
        }
        self.queue.push(job);
        fence(Ordering::SeqCst); // B1, pairs with I2, X2, C2
        if self.is_closed() {
            self.cancel_queued(); // B2
            return Ok(());
        }
        let sent = self.idle.load(Ordering::Relaxed) > 0 && self.wake_one(); // B3
        if sent || self.threads() >= self.config.max_threads {
            return Ok(());
        }
        self.start() // B4
    }

    /// Takes no more jobs, cancels those that no thread has begun, and lets the threads end.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed); // C1
        fence(Ordering::SeqCst); // C2, pairs with B1 and I2
        let sleepers = {
            let mut sleepers = self.sleepers.lock();
            self.idle.store(0, Ordering::Relaxed);
            std::mem::take(&mut *sleepers)
        };
        for sleeper in sleepers {
            sleeper.unpark(); // C3
        }
        self.cancel_queued();
    }

    /// Waits for the threads of a closed pool; false if some had not come back at `deadline`.
    ///
    /// Those are left alone: each ends after its job, and keeps the pool alive until then. A thread of the pool
    /// does not wait for itself.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        self.roster.wait(deadline)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.roster.threads()
    }

    /// How many of them wait for a job.
    pub fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    /// How many jobs wait for a thread.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// True if a job would have to wait for another to end.
    pub fn is_saturated(&self) -> bool {
        self.idle() == 0 && self.threads() >= self.config.max_threads
    }

    /// How many panics of jobs and hooks were caught here.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// B3: sends an idle thread, if one is left.
    fn wake_one(&self) -> bool {
        let sleeper = {
            let mut sleepers = self.sleepers.lock();
            let sleeper = sleepers.pop();
            self.idle.store(sleepers.len(), Ordering::Relaxed);
            sleeper
        };
        sleeper.is_some_and(|sleeper| {
            sleeper.unpark();
            true
        })
    }

    /// B4: sends a new thread.
    #[cold]
    fn start(self: &Arc<Self>) -> Result<(), Refused> {
        let mut name = String::from("loxley-blocking");
        self.catch(|| name = (self.config.name)());
        let Err(error) = self.roster.start(self, name) else {
            return Ok(());
        };
        // Nobody is there for this job, nor for any other in the queue. A thread at X3 may still take it.
        match self.pop() {
            None => Ok(()),
            Some(job) => {
                self.catch(|| job.cancel());
                Err(Refused::NoThread(error))
            }
        }
    }

    /// The job that waits longest.
    fn pop(&self) -> Option<Box<dyn Job>> {
        loop {
            match self.queue.steal() {
                deque::Steal::Success(job) => return Some(job),
                deque::Steal::Empty => return None,
                // Somebody else has just taken one. Trying again at once would make both slower.
                deque::Steal::Retry => system::yield_now(),
            }
        }
    }

    fn cancel_queued(&self) {
        while let Some(job) = self.pop() {
            self.catch(|| job.cancel());
        }
    }

    /// Runs foreign code; the panic hook has reported what is caught here.
    fn catch(&self, foreign: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(foreign)).is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool")
            .field("threads", &self.threads())
            .field("idle", &self.idle())
            .field("queued", &self.queued())
            .field("closed", &self.is_closed())
            .field("panics", &self.panics())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("max_threads", &self.max_threads)
            .field("keep_alive", &self.keep_alive)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
