//! What a task costs in memory, and what costs none.
//!
//! One test in this file: its allocator counts for the whole process.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

#[path = "support/watch.rs"]
mod watch;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loxley_core::runtime::{Builder, Runtime};
use loxley_core::spawn;
use loxley_core::task::yield_now;
use loxley_core::time::Sleep;
use watch::watched;

/// Counts the allocations of one thread, the one that asks.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
/// What they take of glibc's heap.
static BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local!(static COUNTS: Cell<bool> = const { Cell::new(false) });

/// A chunk of glibc: 8 bytes more than asked for, in multiples of 16, at least 32.
fn chunk(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(chunk(layout), Ordering::Relaxed);
        }
        // SAFETY: by this function's own contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: by this function's own contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// How many allocations `body` made on this thread, and their bytes.
fn counted<R>(body: impl FnOnce() -> R) -> (usize, usize, R) {
    let read = || {
        (
            ALLOCATIONS.load(Ordering::Relaxed),
            BYTES.load(Ordering::Relaxed),
        )
    };
    let before = read();
    COUNTS.set(true);
    let result = body();
    COUNTS.set(false);
    let after = read();
    (after.0 - before.0, after.1 - before.1, result)
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A future of a given size that is never ready.
struct Idle<const SIZE: usize>([u8; SIZE]);

impl<const SIZE: usize> Future for Idle<SIZE> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        std::hint::black_box(&self.0);
        Poll::Pending
    }
}

/// Bytes of heap of one idle task with such a future.
fn bytes_of_idle<const SIZE: usize>(runtime: &Runtime) -> usize {
    const TASKS: usize = 1_000;
    runtime.block_on(async {
        let measure = async || {
            let (mut allocations, mut bytes) = (0, 0);
            for _ in 0..TASKS {
                let (count, size, task) = counted(|| spawn(Idle([0_u8; SIZE])));
                allocations += count;
                bytes += size;
                drop(task);
                yield_now().await;
            }
            (allocations, bytes)
        };
        // Room in the queues, and the record that the first task from a line of code brings.
        measure().await;
        let (allocations, bytes) = measure().await;
        assert_eq!(allocations, TASKS, "one allocation per spawn");
        bytes / TASKS
    })
}

fn an_idle_task_costs_its_future_and_little_more() {
    let runtime = current_thread();
    let [small, middle, large] = [
        bytes_of_idle::<0>(&runtime),
        bytes_of_idle::<64>(&runtime),
        bytes_of_idle::<1000>(&runtime),
    ];
    println!("bytes of an idle task with a future of 0, 64, 1000: {small}, {middle}, {large}");
    assert!(small <= 80, "{small}");
    assert!(middle <= 128, "{middle}");
    assert!(large <= 1072, "{large}");
}

/// Runs `body` twice, first to warm up, and gives the allocations of the second time.
fn allocations_in(runtime: &Runtime, mut body: impl AsyncFnMut()) -> usize {
    runtime.block_on(async {
        body().await;
        COUNTS.set(true);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        body().await;
        COUNTS.set(false);
        ALLOCATIONS.load(Ordering::Relaxed) - before
    })
}

/// Hands its waker out, once, and then waits to be woken.
fn parked(
    slot: &Arc<Mutex<Option<Waker>>>,
    woken: &Arc<AtomicUsize>,
) -> impl Future<Output = ()> + use<> {
    let (slot, woken) = (slot.clone(), woken.clone());
    poll_fn(move |cx| {
        *slot.lock().unwrap() = Some(cx.waker().clone());
        woken.fetch_add(1, Ordering::Relaxed);
        Poll::Pending
    })
}

fn waking_yielding_and_sleeping_allocate_nothing() {
    let runtime = current_thread();
    let yields = allocations_in(&runtime, async || {
        for _ in 0..1_000 {
            yield_now().await;
        }
    });
    assert_eq!(yields, 0, "in yields");

    let (slot, woken) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    let task = runtime.spawn(parked(&slot, &woken));
    runtime.block_on(yield_now());
    let wakes = allocations_in(&runtime, async || {
        for _ in 0..1_000 {
            let before = woken.load(Ordering::Relaxed);
            let waker = slot.lock().unwrap().take();
            waker.unwrap().wake();
            while woken.load(Ordering::Relaxed) == before {
                yield_now().await;
            }
        }
    });
    assert_eq!(wakes, 0, "in wakes");
    task.abort();

    let cancels = allocations_in(&runtime, async || {
        for _ in 0..1_000 {
            let mut sleep = pin!(Sleep::after(Duration::from_secs(60)));
            let ready = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
            assert!(!ready);
        }
    });
    assert_eq!(cancels, 0, "in timers that are created and cancelled");

    // Each goes through park, poller, and the wheel.
    let sleeps = allocations_in(&runtime, async || {
        for _ in 0..100 {
            Sleep::after(Duration::from_micros(20)).await;
        }
    });
    assert_eq!(sleeps, 0, "in sleeps");
}

/// The worker itself counts: it is its hooks' thread.
fn a_worker_that_is_woken_from_outside_allocates_nothing() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_park(|| COUNTS.set(true))
        .build()
        .unwrap();
    let (slot, woken) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    let task = runtime.spawn(parked(&slot, &woken));
    let wake = || {
        let before = woken.load(Ordering::Relaxed);
        let waker = loop {
            if let Some(waker) = slot.lock().unwrap().take() {
                break waker;
            }
            std::thread::yield_now();
        };
        waker.wake();
        while woken.load(Ordering::Relaxed) == before {
            std::thread::yield_now();
        }
    };
    (0..200).for_each(|_| wake());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..1_000).for_each(|_| wake());
    let allocated = ALLOCATIONS.load(Ordering::Relaxed) - before;
    // The injector is a list of blocks of 31 tasks (crossbeam's), and the worker frees what this thread allocates.
    assert_eq!(allocated, 0, "by the worker");
    task.abort();
}

#[test]
fn tasks_cost_what_they_promise() {
    watched(|| {
        an_idle_task_costs_its_future_and_little_more();
        waking_yielding_and_sleeping_allocate_nothing();
        a_worker_that_is_woken_from_outside_allocates_nothing();
    });
}
