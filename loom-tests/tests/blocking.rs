//! The hand-over of a job to a thread: the steps of `blocking.rs`.
//!
//! - B1, I2 a submission and a thread that falls asleep see each other.
//! - B1, X2 a submission and a thread that leaves see each other, also at the cap (tokio #8056's kin).
//! - B3 no two submissions are content with one idle thread (tokio #8056).
//! - C2 a submission and the close see each other: every job has one fate.
//!
//! loom has no clock: no patience at all stands for every time-out.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use loom_tests::{Bound, Tracked, Twin, check, must_fail};
use loxley_core::doors::blocking::{BlockingPool, Config, Job, Refused};
use loxley_core::doors::fault::How;
use loxley_core::doors::{Condvar, Mutex};

/// A thread that finds nothing leaves at once.
const NONE: Duration = Duration::ZERO;
/// A thread that finds nothing sleeps until it is woken.
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

/// How many jobs came to their end.
#[derive(Default)]
struct Count {
    jobs: Mutex<usize>,
    told: Condvar,
}

impl Count {
    fn add(&self) {
        *self.jobs.lock() += 1;
        self.told.notify_all();
    }

    /// A lost job shows here as a deadlock.
    fn wait_for(&self, jobs: usize) {
        let mut ended = self.jobs.lock();
        while *ended < jobs {
            self.told.wait(&mut ended);
        }
    }
}

#[derive(Clone, Default)]
struct Fates {
    run: Arc<Count>,
    cancelled: Arc<Count>,
    /// Jobs wait in the middle until so many are there.
    meet: usize,
    met: Arc<Count>,
}

struct Counted {
    fates: Fates,
    /// loom misses it if a job is leaked.
    _held: Tracked,
}

impl Job for Counted {
    fn run(self: Box<Self>) {
        if self.fates.meet > 0 {
            self.fates.met.add();
            self.fates.met.wait_for(self.fates.meet);
        }
        self.fates.run.add();
    }

    fn cancel(self: Box<Self>) {
        self.fates.cancelled.add();
    }
}

fn submit(pool: &Arc<BlockingPool>, fates: &Fates) -> Result<(), Refused> {
    pool.submit(Box::new(Counted {
        fates: fates.clone(),
        _held: Tracked::new(),
    }))
}

fn end(pool: &Arc<BlockingPool>) {
    pool.close();
    assert!(pool.wait(None));
    assert_eq!((pool.threads(), pool.idle(), pool.queued()), (0, 0, 0));
    assert_eq!(Arc::strong_count(pool), 1, "a joined thread holds the pool");
}

/// The second submission meets the first one's thread anywhere between its job and its end.
fn two_submissions(max_threads: usize, patience: Duration, meet: usize) {
    let pool = pool(max_threads, patience);
    let fates = Fates {
        meet,
        ..Fates::default()
    };
    submit(&pool, &fates).unwrap();
    submit(&pool, &fates).unwrap();
    fates.run.wait_for(2);
    end(&pool);
}

fn two_submitters(max_threads: usize, patience: Duration, meet: usize) {
    let pool = pool(max_threads, patience);
    let fates = Fates {
        meet,
        ..Fates::default()
    };
    let other = {
        let (pool, fates) = (pool.clone(), fates.clone());
        thread::spawn(move || submit(&pool, &fates).unwrap())
    };
    submit(&pool, &fates).unwrap();
    other.join().unwrap();
    fates.run.wait_for(2);
    end(&pool);
}

fn a_submission_against_the_close() {
    let pool = pool(1, LONG);
    let fates = Fates::default();
    let other = {
        let (pool, fates) = (pool.clone(), fates.clone());
        thread::spawn(move || {
            let _ = submit(&pool, &fates);
        })
    };
    pool.close();
    other.join().unwrap();
    assert!(pool.wait(None));
    let ended = *fates.run.jobs.lock() + *fates.cancelled.jobs.lock();
    assert_eq!(ended, 1, "a job has one fate");
    assert_eq!((pool.threads(), pool.idle(), pool.queued()), (0, 0, 0));
}

#[test]
fn a_submission_and_a_falling_asleep_see_each_other() {
    check(Bound::Short, || two_submissions(1, LONG, 0));
}

#[test]
fn a_submission_and_a_leave_see_each_other_at_the_cap() {
    check(Bound::Short, || two_submissions(1, NONE, 0));
}

#[test]
fn two_submitters_share_a_thread_that_sleeps() {
    check(Bound::Short, || two_submitters(1, LONG, 0));
}

#[test]
fn two_submitters_share_a_thread_that_leaves() {
    check(Bound::Short, || two_submitters(1, NONE, 0));
}

#[test]
fn jobs_that_wait_for_each_other_get_two_threads() {
    check(Bound::Short, || two_submissions(2, LONG, 2));
}

#[test]
fn jobs_of_one_idle_thread_get_a_second_one() {
    check(Bound::Short, || {
        let pool = pool(2, LONG);
        let first = Fates::default();
        submit(&pool, &first).unwrap();
        first.run.wait_for(1);
        let fates = Fates {
            meet: 2,
            ..Fates::default()
        };
        submit(&pool, &fates).unwrap();
        submit(&pool, &fates).unwrap();
        fates.run.wait_for(2);
        end(&pool);
    });
}

#[test]
fn a_submission_and_the_close_see_each_other() {
    check(Bound::Short, || a_submission_against_the_close());
}

#[test]
fn a_falling_asleep_and_the_close_see_each_other() {
    check(Bound::Short, || {
        let pool = pool(1, LONG);
        submit(&pool, &Fates::default()).unwrap();
        end(&pool);
    });
}

fn twin(file: &'static str, after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how,
    })
}

fn no_fence_in_submit() -> Option<Twin> {
    twin("blocking.rs", "self.queue.push(job)", "fence(", How::Weaken)
}

#[test]
fn without_the_submitters_fence_a_sleeper_is_not_seen() {
    must_fail(no_fence_in_submit(), "deadlock", Bound::Short, || {
        two_submissions(1, LONG, 0);
    });
}

#[test]
fn without_the_submitters_fence_a_leave_is_not_seen() {
    must_fail(no_fence_in_submit(), "deadlock", Bound::Short, || {
        two_submissions(1, NONE, 0);
    });
}

#[test]
fn without_the_sleepers_fence_a_job_is_not_seen() {
    let twin = twin("park.rs", "pub fn prepare", "fence(", How::Weaken);
    must_fail(twin, "deadlock", Bound::Short, || {
        two_submissions(1, LONG, 0)
    });
}

#[test]
fn without_the_leavers_fence_a_job_is_not_seen() {
    let twin = twin("blocking/thread.rs", "fn leave", "fence(", How::Weaken);
    must_fail(twin, "deadlock", Bound::Short, || {
        two_submissions(1, NONE, 0)
    });
}

#[test]
fn a_sleeper_that_is_not_counted_is_not_found() {
    let twin = twin(
        "blocking/thread.rs",
        "fn rest",
        "pool.idle.store",
        How::Omit,
    );
    must_fail(twin, "deadlock", Bound::Short, || {
        two_submissions(1, LONG, 0)
    });
}

#[test]
fn without_the_fence_of_the_close_a_job_has_no_fate() {
    let twin = twin("blocking.rs", "pub fn close", "fence(", How::Weaken);
    must_fail(twin, "one fate", Bound::Short, || {
        a_submission_against_the_close()
    });
}

#[test]
fn without_the_submitters_fence_the_close_is_not_seen() {
    must_fail(no_fence_in_submit(), "one fate", Bound::Short, || {
        a_submission_against_the_close()
    });
}
