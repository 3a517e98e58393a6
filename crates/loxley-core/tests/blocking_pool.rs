//! Closures on threads of their own: at the same time, in each other, and at the limit.

#[path = "support/watch.rs"]
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::task::{id, yield_now};
use loxley_core::time::Sleep;
use loxley_core::{spawn, spawn_blocking};
use watch::watched;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

fn both_flavors() -> [Runtime; 2] {
    [
        workers(1),
        Builder::new_current_thread().enable_all().build().unwrap(),
    ]
}

fn limited(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(threads);
    builder.enable_all().build().unwrap()
}

#[test]
fn jobs_run_at_the_same_time() {
    watched(|| {
        for runtime in both_flavors() {
            // Each waits for all the others.
            let meeting = Arc::new(Barrier::new(30));
            let jobs: Vec<_> = (0..30)
                .map(|number| {
                    let meeting = meeting.clone();
                    runtime.spawn_blocking(move || {
                        meeting.wait();
                        number
                    })
                })
                .collect();
            for (number, job) in jobs.into_iter().enumerate() {
                assert_eq!(runtime.block_on(job).unwrap(), number);
            }
            assert_eq!(runtime.metrics().num_blocking_threads(), 30);
        }
    });
}

#[test]
fn a_job_that_blocks_holds_up_no_task() {
    watched(|| {
        for runtime in both_flavors() {
            let (resume, resumed) = channel::<()>();
            let job = runtime.spawn_blocking(move || resumed.recv().unwrap());
            runtime.block_on(async {
                for _ in 0..100 {
                    spawn(yield_now()).await.unwrap();
                }
                Sleep::after(Duration::from_micros(100)).await;
            });
            resume.send(()).unwrap();
            runtime.block_on(job).unwrap();
        }
    });
}

#[test]
fn no_more_threads_than_allowed_and_every_job_runs() {
    watched(|| {
        let runtime = limited(3);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..2_000)
            .map(|number| {
                let (running, most) = (running.clone(), most.clone());
                runtime.spawn_blocking(move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    number
                })
            })
            .collect();
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(runtime.block_on(job).unwrap(), number);
        }
        assert!(most.load(Ordering::SeqCst) <= 3);
        let metrics = runtime.metrics();
        assert!(metrics.num_blocking_threads() <= 3);
        assert_eq!(metrics.blocking_queue_depth(), 0);
    });
}

#[test]
fn jobs_of_one_thread_run_in_order() {
    watched(|| {
        let runtime = limited(1);
        let (ran, order) = channel();
        for number in 0..500 {
            let ran = ran.clone();
            drop(runtime.spawn_blocking(move || ran.send(number).unwrap()));
        }
        drop(ran);
        assert!(order.iter().eq(0..500));
    });
}

#[test]
fn a_thread_that_is_idle_takes_the_next_job() {
    watched(|| {
        let runtime = workers(1);
        for _ in 0..500 {
            runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
            while runtime.metrics().num_idle_blocking_threads() == 0 {
                thread::yield_now();
            }
        }
        // Nearly always one; a job may come before the thread of the last has lain down.
        assert!(runtime.metrics().num_blocking_threads() <= 2);
    });
}

#[test]
fn an_idle_thread_ends_after_its_time() {
    watched(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_keep_alive(Duration::from_millis(1))
            .build()
            .unwrap();
        for _ in 0..20 {
            runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
            while runtime.metrics().num_blocking_threads() > 0 {
                thread::yield_now();
            }
            assert_eq!(runtime.metrics().num_idle_blocking_threads(), 0);
        }
    });
}

#[test]
fn jobs_may_start_jobs_and_wait_for_them() {
    fn nested(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let job = spawn_blocking(move || nested(depth - 1));
        Handle::current().block_on(job).unwrap() + 1
    }
    watched(|| {
        for runtime in both_flavors() {
            let job = runtime.spawn_blocking(|| nested(20));
            assert_eq!(runtime.block_on(job).unwrap(), 20);
        }
    });
}

#[test]
fn jobs_may_spawn_tasks_and_wait_for_them() {
    watched(|| {
        for runtime in both_flavors() {
            let jobs: Vec<_> = (0..8)
                .map(|_| {
                    runtime.spawn_blocking(|| {
                        let task = spawn(async {
                            Sleep::after(Duration::from_micros(50)).await;
                            1
                        });
                        Handle::current().block_on(task).unwrap()
                    })
                })
                .collect();
            let mut sum = 0;
            for job in jobs {
                sum += runtime.block_on(job).unwrap();
            }
            assert_eq!(sum, 8);
        }
    });
}

#[test]
fn panics_cost_no_thread() {
    watched(|| {
        let runtime = limited(1);
        for number in 0..50 {
            let job = runtime
                .spawn_blocking(move || -> () { std::panic::resume_unwind(Box::new(number)) });
            let payload = runtime.block_on(job).unwrap_err().into_panic();
            assert_eq!(payload.downcast_ref(), Some(&number));
        }
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 1)).unwrap(), 1);
        assert_eq!(runtime.metrics().num_blocking_threads(), 1);
    });
}

#[test]
fn jobs_know_their_id_and_are_no_tasks_in_the_count() {
    watched(|| {
        for runtime in both_flavors() {
            let job = runtime.spawn_blocking(id);
            let expected = job.id();
            assert_eq!(runtime.block_on(job).unwrap(), expected);
            assert_eq!(runtime.metrics().spawned_tasks_count(), 0);
        }
    });
}

#[test]
fn many_threads_submit_at_the_same_time() {
    watched(|| {
        let runtime = limited(8);
        let ran = Arc::new(AtomicUsize::new(0));
        let submitters: Vec<_> = (0..8)
            .map(|_| {
                let (handle, ran) = (runtime.handle().clone(), ran.clone());
                thread::spawn(move || {
                    for number in 0..2_000 {
                        let ran = ran.clone();
                        let job = handle.spawn_blocking(move || {
                            ran.fetch_add(1, Ordering::SeqCst);
                        });
                        // Some wait, so that threads fall idle and are woken again.
                        if number % 50 == 0 {
                            handle.block_on(job).unwrap();
                        }
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        while ran.load(Ordering::SeqCst) < 16_000 {
            thread::yield_now();
        }
    });
}
