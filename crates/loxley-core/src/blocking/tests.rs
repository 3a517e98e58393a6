//! The laws of the blocking pool.

use std::cell::Cell;
use std::sync::mpsc::channel;
use std::thread::spawn;

use super::*;

/// What has become of a job.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Ran,
    Cancelled,
}

struct Task<W, R> {
    work: W,
    report: R,
}

impl<W: FnOnce() + Send, R: FnOnce(Fate) + Send> Job for Task<W, R> {
    fn run(self: Box<Self>) {
        (self.work)();
        (self.report)(Fate::Ran);
    }

    fn cancel(self: Box<Self>) {
        (self.report)(Fate::Cancelled);
    }
}

/// What becomes of a job; nothing does if it panics.
type Fates = Box<dyn Iterator<Item = Fate> + Send>;

fn job(work: impl FnOnce() + Send + 'static) -> (Box<dyn Job>, Fates) {
    let (told, fate) = channel();
    let report = move |fate| {
        let _ = told.send(fate);
    };
    (Box::new(Task { work, report }), Box::new(fate.into_iter()))
}

fn run(pool: &Arc<BlockingPool>, work: impl FnOnce() + Send + 'static) -> Fates {
    let (job, fate) = job(work);
    pool.submit(job).unwrap();
    fate
}

const LONG: Duration = Duration::from_secs(3_600);

fn config(max_threads: usize) -> Config {
    Config {
        max_threads,
        keep_alive: LONG,
        name: Arc::new(|| "a blocking thread".into()),
        stack_size: None,
        on_start: None,
        on_stop: None,
        enter: Arc::new(|live| live()),
    }
}

fn pool(max_threads: usize) -> Arc<BlockingPool> {
    Arc::new(BlockingPool::new(config(max_threads)))
}

fn end(pool: &Arc<BlockingPool>) {
    pool.close();
    assert!(pool.wait(None));
    assert_eq!((pool.threads(), pool.idle(), pool.queued()), (0, 0, 0));
    assert_eq!(Arc::strong_count(pool), 1, "a joined thread holds the pool");
}

/// Waits for a state that is certain to come.
fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        std::thread::yield_now();
    }
}

#[test]
fn a_job_runs_on_a_thread_of_the_pool_under_its_name() {
    let pool = pool(4);
    let (name, seen) = channel();
    let _ = run(&pool, move || {
        let here = std::thread::current();
        name.send(here.name().map(str::to_owned)).unwrap();
    });
    assert_eq!(seen.recv().unwrap().as_deref(), Some("a blocking thread"));
    end(&pool);
}

#[test]
fn jobs_that_wait_for_each_other_all_get_a_thread() {
    let pool = pool(8);
    let arrived = Arc::new(AtomicUsize::new(0));
    let fates: Vec<_> = (0..8)
        .map(|_| {
            let arrived = arrived.clone();
            run(&pool, move || {
                arrived.fetch_add(1, Ordering::Relaxed);
                until(|| arrived.load(Ordering::Relaxed) == 8);
            })
        })
        .collect();
    for mut fate in fates {
        assert_eq!(fate.next(), Some(Fate::Ran));
    }
    assert_eq!(pool.threads(), 8);
    end(&pool);
}

#[test]
fn two_jobs_never_count_on_one_idle_thread() {
    // tokio #8056: the second of two submissions was content with a thread that had been sent already.
    for _ in 0..500 {
        let pool = pool(2);
        run(&pool, || {}).next().unwrap();
        until(|| pool.idle() == 1);
        let (go, gone) = channel::<()>();
        let mut first = run(&pool, move || gone.recv().unwrap());
        let mut second = run(&pool, move || go.send(()).unwrap());
        assert_eq!(second.next(), Some(Fate::Ran));
        assert_eq!(first.next(), Some(Fate::Ran));
        end(&pool);
    }
}

#[test]
fn no_more_threads_than_the_cap() {
    let pool = pool(2);
    let running = Arc::new(AtomicUsize::new(0));
    let fates: Vec<_> = (0..200)
        .map(|_| {
            let running = running.clone();
            run(&pool, move || {
                assert!(running.fetch_add(1, Ordering::Relaxed) < 2);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::Relaxed);
            })
        })
        .collect();
    assert!(pool.threads() <= 2);
    for mut fate in fates {
        assert_eq!(fate.next(), Some(Fate::Ran));
    }
    end(&pool);
}

#[test]
fn an_idle_thread_is_used_again() {
    let pool = pool(8);
    for _ in 0..100 {
        assert_eq!(run(&pool, || {}).next(), Some(Fate::Ran));
        until(|| pool.idle() == 1);
    }
    assert_eq!(pool.threads(), 1);
    end(&pool);
}

#[test]
fn one_thread_serves_in_order_of_submission() {
    let pool = pool(1);
    let (log, seen) = channel();
    for number in 0..100 {
        let log = log.clone();
        let _ = run(&pool, move || log.send(number).unwrap());
    }
    drop(log);
    assert_eq!(
        seen.iter().collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
    end(&pool);
}

#[test]
fn a_thread_leaves_when_its_patience_ends() {
    let mut config = config(4);
    config.keep_alive = Duration::from_millis(1);
    let pool = Arc::new(BlockingPool::new(config));
    for _ in 0..3 {
        assert_eq!(run(&pool, || {}).next(), Some(Fate::Ran));
        until(|| pool.threads() == 0);
        assert_eq!(pool.idle(), 0);
    }
    end(&pool);
}

#[test]
fn a_panic_of_a_job_ends_that_job_alone() {
    let pool = pool(1);
    let mut fate = run(&pool, || panic!("a job's own panic"));
    assert!(fate.next().is_none());
    assert_eq!(run(&pool, || {}).next(), Some(Fate::Ran));
    assert_eq!((pool.threads(), pool.panics()), (1, 1));
    end(&pool);
}

#[test]
fn hooks_run_on_each_thread_and_may_panic() {
    let (log, seen) = channel();
    let hook = |what: &'static str| -> Option<Hook> {
        let log = log.clone();
        Some(Arc::new(move || {
            log.send((what, std::thread::current().id())).unwrap();
            panic!("a hook's own panic");
        }))
    };
    let mut config = config(2);
    (config.on_start, config.on_stop) = (hook("start"), hook("stop"));
    let pool = Arc::new(BlockingPool::new(config));
    let (mine, id) = channel();
    assert_eq!(
        run(&pool, move || mine
            .send(std::thread::current().id())
            .unwrap())
        .next(),
        Some(Fate::Ran)
    );
    end(&pool);
    let id = id.recv().unwrap();
    assert_eq!(
        seen.try_iter().collect::<Vec<_>>(),
        [("start", id), ("stop", id)]
    );
    assert_eq!(pool.panics(), 2);
}

#[test]
fn a_threads_life_is_inside_the_wrapper() {
    thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
    fn inside() -> bool {
        INSIDE.with(Cell::get)
    }
    let mut config = config(1);
    config.enter = Arc::new(|live| {
        INSIDE.with(|flag| flag.set(true));
        live();
        INSIDE.with(|flag| flag.set(false));
    });
    config.on_start = Some(Arc::new(|| assert!(inside())));
    config.on_stop = Some(Arc::new(|| assert!(inside())));
    let pool = Arc::new(BlockingPool::new(config));
    run(&pool, || assert!(inside())).next().unwrap();
    end(&pool);
    assert_eq!(pool.panics(), 0);
}

#[test]
fn after_the_close_nothing_is_begun_and_what_runs_is_finished() {
    let pool = pool(1);
    let (go, gone) = channel::<()>();
    let (began, begun) = channel();
    let mut running = run(&pool, move || {
        began.send(()).unwrap();
        gone.recv().unwrap();
    });
    begun.recv().unwrap();
    let mut queued = run(&pool, || unreachable!("it was not begun"));
    pool.close();
    assert_eq!(queued.next(), Some(Fate::Cancelled));
    let (late, mut fate) = job(|| unreachable!("it came too late"));
    assert!(matches!(pool.submit(late), Err(Refused::Closed)));
    assert_eq!(fate.next(), Some(Fate::Cancelled));
    assert!(
        !pool.wait(Some(Instant::now())),
        "the first job is still there"
    );
    go.send(()).unwrap();
    assert_eq!(running.next(), Some(Fate::Ran));
    end(&pool);
}

#[test]
fn a_thread_that_comes_back_too_late_finds_live_memory() {
    let pool = pool(1);
    let (go, gone) = channel::<()>();
    let (began, begun) = channel();
    let mut late = run(&pool, move || {
        began.send(()).unwrap();
        gone.recv().unwrap();
    });
    begun.recv().unwrap();
    pool.close();
    assert!(!pool.wait(Some(Instant::now())));
    let weak = Arc::downgrade(&pool);
    drop(pool);
    assert!(weak.upgrade().is_some());
    go.send(()).unwrap();
    assert_eq!(late.next(), Some(Fate::Ran));
    until(|| weak.strong_count() == 0);
}

#[test]
fn a_job_that_ends_its_own_pool_does_not_wait_for_itself() {
    let pool = pool(3);
    let mut other = run(&pool, || {});
    let inner = pool.clone();
    let mut fate = run(&pool, move || {
        inner.close();
        assert!(inner.wait(None));
    });
    assert_eq!(fate.next(), Some(Fate::Ran));
    assert!(other.next().is_some());
    end(&pool);
}

#[test]
fn a_panic_of_a_cancelled_job_leaves_the_others_cancelled() {
    struct Bad;
    impl Job for Bad {
        fn run(self: Box<Self>) {}
        fn cancel(self: Box<Self>) {
            panic!("a job's own panic");
        }
    }
    let pool = pool(1);
    let (go, gone) = channel::<()>();
    let (began, begun) = channel();
    let _ = run(&pool, move || {
        began.send(()).unwrap();
        gone.recv().unwrap();
    });
    begun.recv().unwrap();
    pool.submit(Box::new(Bad)).unwrap();
    let mut last = run(&pool, || {});
    pool.close();
    assert_eq!(last.next(), Some(Fate::Cancelled));
    go.send(()).unwrap();
    end(&pool);
    assert_eq!(pool.panics(), 1);
}

#[test]
fn without_any_thread_the_job_is_cancelled_and_the_error_says_why() {
    let mut pool = BlockingPool::new(config(4));
    pool.roster
        .spawn_with(|_, _, _| Err(io::Error::from_raw_os_error(11)));
    let pool = Arc::new(pool);
    let (refused, mut fate) = job(|| {});
    let error = pool.submit(refused).unwrap_err();
    assert!(error.to_string().starts_with("no thread could be started"));
    assert_eq!(fate.next(), Some(Fate::Cancelled));
    end(&pool);
}

#[test]
fn with_a_thread_left_a_refused_start_only_delays_the_job() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let mut pool = BlockingPool::new(config(4));
    pool.roster.spawn_with(|name, stack, body| {
        if STARTED.fetch_add(1, Ordering::Relaxed) == 0 {
            return crate::primitive::thread::spawn(name, stack, body);
        }
        Err(io::Error::from_raw_os_error(11))
    });
    let pool = Arc::new(pool);
    let (go, gone) = channel::<()>();
    let mut first = run(&pool, move || gone.recv().unwrap());
    let mut second = run(&pool, || {});
    assert_eq!(pool.threads(), 1);
    go.send(()).unwrap();
    assert_eq!(first.next(), Some(Fate::Ran));
    assert_eq!(second.next(), Some(Fate::Ran));
    end(&pool);
}

#[test]
fn a_failed_name_costs_no_job() {
    let mut config = config(1);
    config.name = Arc::new(|| panic!("a namer's own panic"));
    let pool = Arc::new(BlockingPool::new(config));
    assert_eq!(run(&pool, || {}).next(), Some(Fate::Ran));
    assert_eq!(pool.panics(), 1);
    end(&pool);
}

/// `submitters` threads hand in jobs, each waiting for one of its own now and then; every job runs once.
fn every_job_runs_once(max_threads: usize, keep_alive: Duration) {
    const SUBMITTERS: usize = 6;
    const JOBS: usize = 3_000;
    let mut config = config(max_threads);
    config.keep_alive = keep_alive;
    let pool = Arc::new(BlockingPool::new(config));
    let runs: Arc<Vec<AtomicUsize>> = Arc::new(
        (0..SUBMITTERS * JOBS)
            .map(|_| AtomicUsize::new(0))
            .collect(),
    );
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let (pool, runs) = (pool.clone(), runs.clone());
            spawn(move || {
                for number in 0..JOBS {
                    let runs = runs.clone();
                    let mut fate = run(&pool, move || {
                        runs[submitter * JOBS + number].fetch_add(1, Ordering::Relaxed);
                    });
                    if number % (submitter + 2) == 0 {
                        assert_eq!(fate.next(), Some(Fate::Ran));
                    }
                }
            })
        })
        .collect();
    for submitter in submitters {
        submitter.join().unwrap();
    }
    until(|| runs.iter().all(|runs| runs.load(Ordering::Relaxed) > 0));
    end(&pool);
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
}

#[test]
fn every_job_of_many_submitters_runs_exactly_once() {
    for max_threads in [1, 2, 8] {
        // Patience of any length: none, some that runs out in the middle, and enough.
        for keep_alive in [Duration::ZERO, Duration::from_micros(50), LONG] {
            every_job_runs_once(max_threads, keep_alive);
        }
    }
}

#[test]
fn every_job_has_one_fate_when_the_pool_closes_meanwhile() {
    for round in 0..200 {
        let pool = pool(1 + round % 3);
        let submitters: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                spawn(move || {
                    let jobs = (0..20).map(|_| {
                        let (job, fate) = job(|| {});
                        let _ = pool.submit(job);
                        fate
                    });
                    jobs.collect::<Vec<_>>()
                })
            })
            .collect();
        if round % 2 == 0 {
            std::thread::yield_now();
        }
        pool.close();
        for submitter in submitters {
            for mut fate in submitter.join().unwrap() {
                assert!(fate.next().is_some(), "a job was neither run nor cancelled");
                assert!(fate.next().is_none(), "a job had two fates");
            }
        }
        end(&pool);
    }
}
