//! The blocking pool: B1 to B4, I1 to I5, X1 to X4 and C1 to C3 of `blocking.rs`.
//!
//! Submitter: B1 push, fence; B2 closed: cancel; B3 take a sleeper off the stack and wake it; B4 else start a thread.
//!
//! Thread: I1 onto the stack; I2 publish the park word, fence; I3 look once more; I4 sleep; I5 come off the stack.
//! Leaving: X1 leave the count; X2 fence; X3 look a last time; X4 leave the roster.
//!
//! Close: C1 set `closed`; C2 fence; C3 end every sleep, cancel what is queued.
//!
//! No patience at all stands for a time-out: a model has no clock. A job that nobody comes for leaves its submitter
//! waiting, which loom reports.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::Notify;
use loom::thread;
use loom_tests::{Tracked, Twin, check, must_fail};
use loxley_core::doors::atomic::{AtomicUsize, Ordering};
use loxley_core::doors::blocking::{BlockingPool, Config, Job};
use loxley_core::doors::fault::How;

/// No time at all: the thread leaves when there is no job.
const NONE: Duration = Duration::ZERO;
/// For ever, in a model.
const LONG: Duration = Duration::from_secs(1);

fn pool(max_threads: usize, keep_alive: Duration) -> Arc<BlockingPool> {
    Arc::new(BlockingPool::new(Config {
        max_threads,
        keep_alive,
        name: Arc::new(String::new),
        stack_size: None,
        on_start: None,
        on_stop: None,
        enter: Arc::new(|live| live()),
    }))
}

/// What became of a job.
struct Fate {
    ended: Notify,
    runs: AtomicUsize,
    cancels: AtomicUsize,
}

struct Watched {
    fate: Arc<Fate>,
    held: Tracked,
    /// Runs only after this one has.
    after: Option<Arc<Fate>>,
}

impl Job for Watched {
    fn run(self: Box<Self>) {
        self.held.touch();
        if let Some(other) = &self.after {
            other.wait();
        }
        self.fate.runs.fetch_add(1, Ordering::Relaxed);
        self.fate.ended.notify();
    }

    fn cancel(self: Box<Self>) {
        self.held.touch();
        self.fate.cancels.fetch_add(1, Ordering::Relaxed);
        self.fate.ended.notify();
    }
}

impl Fate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ended: Notify::new(),
            runs: AtomicUsize::new(0),
            cancels: AtomicUsize::new(0),
        })
    }

    fn count(&self) -> usize {
        self.runs.load(Ordering::Relaxed) + self.cancels.load(Ordering::Relaxed)
    }

    fn wait(&self) {
        while self.count() == 0 {
            self.ended.wait();
        }
    }
}

fn submit(pool: &Arc<BlockingPool>, fate: &Arc<Fate>, after: Option<Arc<Fate>>) {
    let held = Tracked::new();
    held.touch();
    let fate = fate.clone();
    let _ = pool.submit(Box::new(Watched { fate, held, after }));
}

fn end(pool: &Arc<BlockingPool>) {
    pool.close();
    assert!(pool.wait(None));
    assert_eq!((pool.threads(), pool.idle(), pool.queued()), (0, 0, 0));
}

/// A second job comes while the only thread rests or leaves after the first.
fn a_job_after_a_job(keep_alive: Duration) {
    let pool = pool(1, keep_alive);
    let fates = [Fate::new(), Fate::new()];
    for fate in &fates {
        submit(&pool, fate, None);
    }
    for fate in &fates {
        fate.wait();
    }
    loom::stop_exploring();
    end(&pool);
}

#[test]
fn a_job_at_the_cap_finds_the_thread_that_goes_to_rest() {
    check(2, || a_job_after_a_job(LONG));
}

#[test]
fn a_job_at_the_cap_is_run_although_the_thread_leaves() {
    check(2, || a_job_after_a_job(NONE));
}

/// Two jobs and one thread that has nothing to do: they need a thread each, for the first waits for the second
/// (tokio #8056).
fn two_jobs_one_idle_thread() {
    loom::stop_exploring();
    let pool = pool(2, LONG);
    let before = Fate::new();
    submit(&pool, &before, None);
    before.wait();
    while pool.idle() == 0 {
        thread::yield_now();
    }
    loom::explore();
    let fates = [Fate::new(), Fate::new()];
    submit(&pool, &fates[0], Some(fates[1].clone()));
    submit(&pool, &fates[1], None);
    fates[0].wait();
    loom::stop_exploring();
    end(&pool);
}

#[test]
fn two_jobs_never_count_on_one_idle_thread() {
    check(2, || two_jobs_one_idle_thread());
}

/// A job is submitted while the pool closes: it is run or cancelled, once.
fn a_job_against_the_close(keep_alive: Duration) {
    let (pool, fate) = (pool(1, keep_alive), Fate::new());
    let submitter = {
        let (pool, fate) = (pool.clone(), fate.clone());
        thread::spawn(move || submit(&pool, &fate, None))
    };
    pool.close();
    assert!(pool.wait(None));
    submitter.join().unwrap();
    assert!(pool.wait(None));
    assert_eq!(fate.count(), 1, "a job has one fate");
}

#[test]
fn a_job_has_one_fate_when_the_pool_closes() {
    check(2, || a_job_against_the_close(LONG));
}

/// The pool closes while its thread goes to rest.
fn a_rest_against_the_close() {
    let (pool, fate) = (pool(1, LONG), Fate::new());
    submit(&pool, &fate, None);
    end(&pool);
    assert_eq!(fate.count(), 1, "a job has one fate");
}

#[test]
fn nobody_rests_in_a_closed_pool() {
    check(2, || a_rest_against_the_close());
}

const fn twin(file: &'static str, after: &'static str, line: &'static str) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how: How::Weaken,
    })
}

#[test]
fn twin_b1_against_a_thread_that_rests() {
    let twin = twin("blocking.rs", "pub fn submit", "fence(");
    must_fail(twin, "deadlock", 2, || a_job_after_a_job(LONG));
}

#[test]
fn twin_i2() {
    let twin = twin("park.rs", "pub fn prepare", "fence(");
    must_fail(twin, "deadlock", 2, || a_job_after_a_job(LONG));
}

#[test]
fn twin_b1_against_a_thread_that_leaves() {
    let twin = twin("blocking.rs", "pub fn submit", "fence(");
    must_fail(twin, "deadlock", 2, || a_job_after_a_job(NONE));
}

#[test]
fn twin_x2() {
    let twin = twin("blocking/thread.rs", "fn leave", "fence(");
    must_fail(twin, "deadlock", 2, || a_job_after_a_job(NONE));
}

#[test]
fn twin_c2_against_a_submission() {
    let twin = twin("blocking.rs", "pub fn close", "fence(");
    must_fail(twin, "one fate", 2, || a_job_against_the_close(LONG));
}
