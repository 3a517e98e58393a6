//! Panics of foreign code, wherever it is called: they end one task, and nobody else.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/watch.rs"]
mod watch;

use std::any::Any;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use gate::Gate;
use loxley_core::runtime::{Builder, Runtime};
use loxley_core::spawn;
use loxley_core::task::{JoinError, JoinHandle, yield_now};
use loxley_core::time::Sleep;
use watch::watched;

/// One worker, so that everybody has to live with what the others did to it; and no worker thread at all.
fn both_flavors() -> [Runtime; 2] {
    [
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap(),
        Builder::new_current_thread().enable_all().build().unwrap(),
    ]
}

/// The worker is there and well.
fn assert_well(runtime: &Runtime) {
    let ok = runtime.block_on(runtime.spawn(async {
        Sleep::after(Duration::from_micros(50)).await;
        spawn(async { 1 }).await.unwrap()
    }));
    assert_eq!(ok.unwrap(), 1);
    let metrics = runtime.metrics();
    assert_eq!(metrics.num_alive_tasks(), 0);
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap()
}

fn assert_panicked<T>(result: Result<T, JoinError>, with: &str) {
    let Err(error) = result else {
        panic!("it has not panicked");
    };
    assert!(error.is_panic() && !error.is_cancelled());
    assert!(error.to_string().contains(with), "{error}");
    assert_eq!(text(&*error.into_panic()), with);
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

#[test]
fn a_panic_in_a_poll_is_the_tasks_error() {
    watched(|| {
        for runtime in both_flavors() {
            let at_once = runtime.spawn(async { panic!("at once") });
            assert_panicked::<()>(runtime.block_on(at_once), "at once");
            let later = runtime.spawn(async {
                yield_now().await;
                Sleep::after(Duration::from_micros(10)).await;
                panic!("later");
            });
            assert_panicked::<()>(runtime.block_on(later), "later");
            // Nobody asks.
            drop(runtime.spawn(async { panic!("detached") }));
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(yield_now());
            }
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_panic_ends_one_task_and_the_others_go_on() {
    watched(|| {
        for runtime in both_flavors() {
            let tasks: Vec<_> = (0..200)
                .map(|number| {
                    runtime.spawn(async move {
                        yield_now().await;
                        assert!(number % 2 == 0, "odd");
                        number
                    })
                })
                .collect();
            for (number, task) in tasks.into_iter().enumerate() {
                match runtime.block_on(task) {
                    Ok(output) => assert_eq!(output, number),
                    failed => {
                        assert_eq!(number % 2, 1);
                        assert_panicked(failed, "odd");
                    }
                }
            }
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_panic_in_the_drop_of_a_future_is_the_tasks_error() {
    watched(|| {
        for runtime in both_flavors() {
            // After it was ready: the future goes before its output counts.
            let mut bomb = Some(Bomb("ready"));
            let ready = runtime.spawn(poll_fn(move |_| {
                let _ = &mut bomb;
                Poll::Ready(3)
            }));
            assert_panicked(runtime.block_on(ready), "ready");
            // On abort.
            let bomb = Bomb("aborted");
            let aborted = runtime.spawn(async move {
                let _bomb = bomb;
                pending::<()>().await;
            });
            runtime.block_on(yield_now());
            aborted.abort();
            assert_panicked(runtime.block_on(aborted), "aborted");
            // Without anybody who asks.
            let bomb = Bomb("detached");
            drop(runtime.spawn(async move { drop(bomb) }));
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(yield_now());
            }
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_future_that_panics_in_its_poll_and_its_drop_gives_the_first_panic() {
    watched(|| {
        for runtime in both_flavors() {
            let mut bomb = Some(Bomb("second"));
            let task = runtime.spawn(poll_fn(move |_| -> Poll<()> {
                let _ = &mut bomb;
                panic!("first");
            }));
            assert_panicked(runtime.block_on(task), "first");
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_panic_in_the_drop_of_a_future_at_shutdown_harms_nobody() {
    watched(|| {
        for runtime in both_flavors() {
            let drops = Arc::new(AtomicUsize::new(0));
            struct Counted(Arc<AtomicUsize>);
            impl Drop for Counted {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::SeqCst);
                    panic!("at shutdown");
                }
            }
            let tasks: Vec<JoinHandle<()>> = (0..20)
                .map(|_| {
                    let counted = Counted(drops.clone());
                    runtime.spawn(async move {
                        let _counted = counted;
                        pending::<()>().await;
                    })
                })
                .collect();
            let handle = runtime.handle().clone();
            drop(runtime);
            assert_eq!(drops.load(Ordering::SeqCst), 20);
            for task in tasks {
                assert_panicked(handle.block_on(task), "at shutdown");
            }
        }
    });
}

#[test]
fn a_panic_in_the_drop_of_an_output_nobody_wants_is_contained() {
    watched(|| {
        for runtime in both_flavors() {
            // Dropped by the worker.
            drop(runtime.spawn(async { Bomb("output") }));
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(yield_now());
            }
            // Dropped by the handle.
            let task = runtime.spawn(async { Bomb("output") });
            while !task.is_finished() {
                runtime.block_on(yield_now());
            }
            drop(task);
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_payload_that_panics_when_dropped_is_contained() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("the payload's own panic");
        }
    }
    watched(|| {
        for runtime in both_flavors() {
            drop(runtime.spawn(async { std::panic::panic_any(Payload) }));
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(yield_now());
            }
            let task = runtime.spawn(async { std::panic::panic_any(Payload) });
            while !task.is_finished() {
                runtime.block_on(yield_now());
            }
            drop(task);
            // A future whose drop panics with such a payload, after its poll did.
            struct Both;
            impl Drop for Both {
                fn drop(&mut self) {
                    std::panic::panic_any(Payload);
                }
            }
            let mut both = Some(Both);
            drop(runtime.spawn(poll_fn(move |_| -> Poll<()> {
                let _ = &mut both;
                std::panic::panic_any(Payload)
            })));
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(yield_now());
            }
            assert_well(&runtime);
        }
    });
}

/// A waker whose functions panic as told, and that counts its live clones.
struct Bad {
    live: AtomicUsize,
    wake: bool,
    drop: bool,
}

static BAD: RawWakerVTable = RawWakerVTable::new(bad_clone, bad_wake, bad_wake_by_ref, bad_drop);

fn bad(data: *const ()) -> &'static Bad {
    // SAFETY: the only data of this vtable is a `Bad` in `KEPT`, which nothing leaves.
    unsafe { &*data.cast::<Bad>() }
}

fn bad_clone(data: *const ()) -> RawWaker {
    bad(data).live.fetch_add(1, Ordering::SeqCst);
    RawWaker::new(data, &BAD)
}

fn bad_wake(data: *const ()) {
    bad(data).live.fetch_sub(1, Ordering::SeqCst);
    bad_wake_by_ref(data);
}

fn bad_wake_by_ref(data: *const ()) {
    assert!(!bad(data).wake, "a waker's own panic");
}

fn bad_drop(data: *const ()) {
    bad(data).live.fetch_sub(1, Ordering::SeqCst);
    assert!(!bad(data).drop, "a waker's own panic");
}

/// Every `Bad` there ever was: wakers may outlive a test, and what is lost is none of these.
static KEPT: Mutex<Vec<&'static Bad>> = Mutex::new(Vec::new());

fn bad_waker(wake: bool, drop: bool) -> (&'static Bad, Waker) {
    let bad: &Bad = Box::leak(Box::new(Bad {
        live: AtomicUsize::new(1),
        wake,
        drop,
    }));
    KEPT.lock().unwrap().push(bad);
    let data = std::ptr::from_ref(bad).cast();
    // SAFETY: the functions of the vtable keep a waker's contract: they may panic, the data lives for ever.
    (bad, unsafe { Waker::from_raw(RawWaker::new(data, &BAD)) })
}

#[test]
fn a_join_waker_that_panics_when_woken_harms_nobody() {
    watched(|| {
        for runtime in both_flavors() {
            let gate = Gate::default();
            let mut task = runtime.spawn(gate.clone());
            let (bad, waker) = bad_waker(true, false);
            let polled = pin!(&mut task).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            gate.open();
            while !task.is_finished() {
                runtime.block_on(yield_now());
            }
            runtime.block_on(task).unwrap();
            assert_well(&runtime);
            drop(waker);
            assert_eq!(
                bad.live.load(Ordering::SeqCst),
                0,
                "each clone is gone once"
            );
        }
    });
}

#[test]
fn a_join_waker_that_panics_when_dropped_harms_nobody() {
    watched(|| {
        for runtime in both_flavors() {
            let gate = Gate::default();
            let mut task = runtime.spawn(gate.clone());
            let (bad, waker) = bad_waker(false, true);
            let polled = pin!(&mut task).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            // The handle goes, and with it the waker.
            drop(task);
            gate.open();
            while runtime.metrics().num_alive_tasks() > 0 {
                runtime.block_on(yield_now());
            }
            assert_well(&runtime);
            assert_eq!(bad.live.load(Ordering::SeqCst), 1);
            std::mem::forget(waker);
        }
    });
}

#[test]
fn a_waker_that_panics_in_a_timer_or_socket_harms_nobody() {
    watched(|| {
        for runtime in both_flavors() {
            let _guard = runtime.enter();
            let sleep = Sleep::after(Duration::from_millis(1));
            let mut sleep = Box::pin(sleep);
            let (bad, waker) = bad_waker(true, false);
            let _ = sleep.as_mut().poll(&mut Context::from_waker(&waker));
            // Due in the same batch, behind it.
            let others: Vec<_> = (0..10)
                .map(|_| runtime.spawn(Sleep::after(Duration::from_millis(1))))
                .collect();
            for other in others {
                runtime.block_on(other).unwrap();
            }
            runtime.block_on(async {
                while !sleep.is_elapsed() {
                    yield_now().await;
                }
            });
            assert_well(&runtime);
            drop((sleep, waker));
            assert_eq!(bad.live.load(Ordering::SeqCst), 0);
        }
    });
}

#[test]
fn the_panic_of_a_foreign_waker_reaches_the_task_that_calls_it() {
    struct Angry;
    impl Wake for Angry {
        fn wake(self: Arc<Self>) {
            panic!("angry");
        }
    }
    watched(|| {
        for runtime in both_flavors() {
            let task = runtime.spawn(async { Waker::from(Arc::new(Angry)).wake() });
            assert_panicked(runtime.block_on(task), "angry");
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_panic_in_a_blocking_job_is_its_error() {
    watched(|| {
        for runtime in both_flavors() {
            for _ in 0..5 {
                let job = runtime.spawn_blocking(|| panic!("job"));
                assert_panicked::<()>(runtime.block_on(job), "job");
            }
            assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 2)).unwrap(), 2);
            assert_well(&runtime);
        }
    });
}

#[test]
fn a_panic_in_block_in_place_is_the_tasks_error() {
    watched(|| {
        let [runtime, _] = both_flavors();
        for _ in 0..5 {
            let task = runtime.spawn(async { loxley_core::block_in_place(|| panic!("in place")) });
            assert_panicked::<()>(runtime.block_on(task), "in place");
        }
        assert_well(&runtime);
    });
}

#[test]
fn a_panic_while_others_wake_the_task_is_its_end() {
    watched(|| {
        for runtime in both_flavors() {
            for _ in 0..50 {
                let slot = Arc::new(Mutex::new(None::<Waker>));
                let shared = slot.clone();
                let mut polls = 0;
                let task = runtime.spawn(poll_fn(move |cx| -> Poll<()> {
                    *shared.lock().unwrap() = Some(cx.waker().clone());
                    polls += 1;
                    assert!(polls < 3, "third");
                    Poll::Pending
                }));
                let waker = std::thread::scope(|scope| {
                    let wake = scope.spawn(|| {
                        while !task.is_finished() {
                            let waker = slot.lock().unwrap().clone();
                            waker.iter().for_each(Waker::wake_by_ref);
                        }
                        slot.lock().unwrap().take()
                    });
                    runtime.block_on(async {
                        while !task.is_finished() {
                            yield_now().await;
                        }
                    });
                    wake.join().unwrap()
                });
                waker.into_iter().for_each(Waker::wake);
                assert_panicked(runtime.block_on(task), "third");
            }
            assert_well(&runtime);
        }
    });
}
