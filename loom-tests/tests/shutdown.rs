//! The end of a runtime against everything else: H1 and H2 and rule 2 of `task/owned.rs`, E2 and E4 of
//! `runtime/shutdown.rs`.
//!
//! - H1, E2 every home is closed: a spawn from now on is cancelled at once. The idle word is closed: here, as after E5,
//!   who pushes into the injector drops what is there. That it is left to the last sweep before is in `worker.rs`.
//! - H2, E4 each worker cancels the idle tasks of all homes, and drops what is queued. A task that runs elsewhere is
//!   cancelled when its poll ends.
//! - H3, E6 whoever shuts down goes when those tasks have ended, too.
//! - rule 2 a home holds its scheduler alive until it is closed and empty: whoever takes the last cell out drops it as
//!   the very last thing (async-executor #163).

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;
use loom_tests::{FULL, Tracked, Twin, check, must_fail};
use loxley_core::doors::Mutex;
use loxley_core::doors::fault::How;
use loxley_core::doors::idle::{Announce, Idle};
use loxley_core::doors::queue::Injector;
use loxley_core::doors::task::{Home, Notified, Runner, Schedule, next_id};
use loxley_core::task::{JoinHandle, TaskMeta, TaskPanic};

/// Home, injector and idle word, as the scheduler puts them together.
struct Machine {
    home: Home<Machine>,
    injector: Injector<Notified<Machine>>,
    idle: Idle,
    /// Looked at by everybody who is inside, changed by the end.
    alive: Tracked,
    /// Whoever hears *closed* empties the injector; a twin leaves it out.
    pushers_drain: bool,
}

impl Machine {
    fn new(pushers_drain: bool) -> Arc<Self> {
        let machine = Arc::new_cyclic(|weak| Self {
            home: Home::new(weak),
            injector: Injector::new(),
            idle: Idle::new(1),
            alive: Tracked::new(),
            pushers_drain,
        });
        machine.home.open(&machine);
        machine
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
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

    fn run(&self, task: Notified<Self>) {
        if let Some(again) = task.run(self) {
            self.schedule(again);
        }
    }

    fn drain(&self) {
        while let Some(task) = self.injector.pop() {
            drop(task);
        }
    }

    /// E2 and E4.
    fn shut_down(&self) {
        self.home.close();
        self.idle.close();
        self.sweep();
    }

    /// E4.
    fn sweep(&self) {
        self.home.cancel_all();
        self.drain();
    }
}

impl Schedule for Machine {
    type Runner = Self;

    fn schedule(&self, task: Notified<Self>) {
        self.injector.push(task);
        if self.idle.announce() == Announce::Closed && self.pushers_drain {
            self.drain();
        }
        self.alive.look();
    }

    fn panicked(&self, _: &TaskPanic<'_>) {}

    fn cancelled(&self, _: &TaskMeta<'_>) {
        self.alive.look();
    }
}

impl Runner<Self> for Machine {
    fn completed(&self) {
        self.alive.look();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.alive.touch();
    }
}

/// A task that waits for ever, with its waker; it has been polled once.
fn idle_task(machine: &Machine) -> (JoinHandle<()>, Waker) {
    let place = Arc::new(Mutex::new(None));
    let (offered, held) = (place.clone(), Tracked::new());
    let handle = machine.spawn(poll_fn(move |cx| {
        held.touch();
        offered.lock().get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }));
    let task = machine.injector.pop().expect("the task is queued");
    machine.run(task);
    let waker = place.lock().take();
    (handle, waker.expect("the task offers its waker"))
}

/// Somebody spawns while the machine is shut down.
fn a_spawn(pushers_drain: bool) {
    let machine = Machine::new(pushers_drain);
    let spawner = {
        let machine = machine.clone();
        thread::spawn(move || {
            let held = Tracked::new();
            machine.spawn(async move { held.touch() })
        })
    };
    machine.shut_down();
    let handle = spawner.join().unwrap();
    assert!(handle.is_finished(), "a task is left behind");
}

#[test]
fn a_task_spawned_at_the_end_is_cancelled() {
    check(2, || a_spawn(true));
}

/// Somebody wakes an idle task while the machine is shut down; nobody holds the machine but its home.
fn a_wake(pushers_drain: bool) {
    let machine = Machine::new(pushers_drain);
    let (handle, waker) = idle_task(&machine);
    let waking = thread::spawn(move || waker.wake());
    machine.shut_down();
    drop(machine);
    waking.join().unwrap();
    assert!(handle.is_finished(), "a task is left behind");
}

#[test]
fn a_task_woken_at_the_end_is_cancelled() {
    check(2, || a_wake(true));
}

/// The same, and whoever shuts down does not go before the task has ended; a twin of it does not wait.
fn a_wake_that_is_waited_for(waits: bool) {
    let machine = Machine::new(true);
    let (handle, waker) = idle_task(&machine);
    let waking = thread::spawn(move || waker.wake());
    machine.shut_down();
    while waits && !machine.home.is_settled() {
        thread::yield_now();
    }
    assert!(handle.is_finished(), "a task is left behind");
    waking.join().unwrap();
}

#[test]
fn a_task_woken_at_the_end_has_ended_when_the_shutdown_returns() {
    check(2, || a_wake_that_is_waited_for(true));
}

/// One thread runs the task, another drops its last waker, a third shuts down.
fn a_run_and_the_last_waker() {
    let machine = Machine::new(true);
    let (handle, waker) = idle_task(&machine);
    waker.wake_by_ref();
    let task = machine.injector.pop().expect("the task was woken");
    let running = {
        let machine = machine.clone();
        thread::spawn(move || machine.run(task))
    };
    let dropping = thread::spawn(move || drop(waker));
    machine.shut_down();
    drop((machine, handle));
    // That the future is dropped, loom sees: it holds a tracked object.
    running.join().unwrap();
    dropping.join().unwrap();
}

#[test]
fn a_task_that_runs_at_the_end_is_cancelled_after_its_poll() {
    check(2, || a_run_and_the_last_waker());
}

/// Two workers sweep the same homes.
fn two_sweeps() {
    let machine = Machine::new(true);
    let tasks = [idle_task(&machine), idle_task(&machine)];
    machine.home.close();
    machine.idle.close();
    let sweeping = {
        let machine = machine.clone();
        thread::spawn(move || machine.sweep())
    };
    machine.sweep();
    drop(machine);
    sweeping.join().unwrap();
    for (handle, waker) in tasks {
        assert!(handle.is_finished(), "a task is left behind");
        drop(waker);
    }
}

#[test]
fn two_workers_may_sweep_at_once() {
    check(2, || two_sweeps());
}

const fn twin(
    file: &'static str,
    after: &'static str,
    line: &'static str,
    how: How,
) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how,
    })
}

#[test]
fn twin_a_pusher_that_does_not_drop() {
    must_fail(None, "a task is left behind", FULL, || a_spawn(false));
}

#[test]
fn twin_a_waker_that_does_not_drop() {
    must_fail(None, "a task is left behind", 2, || a_wake(false));
}

#[test]
fn twin_a_shutdown_that_does_not_wait_for_a_wake() {
    must_fail(None, "a task is left behind", 2, || {
        a_wake_that_is_waited_for(false)
    });
}

#[test]
fn twin_a_close_without_its_fence() {
    let twin = twin("idle.rs", "pub fn close", "fence(", How::Weaken);
    must_fail(twin, "a task is left behind", 2, || a_spawn(true));
}

#[test]
fn twin_an_announcement_without_its_fence() {
    let twin = twin("idle.rs", "pub fn announce", "fence(", How::Weaken);
    must_fail(twin, "a task is left behind", 2, || a_spawn(true));
}

#[test]
fn twin_a_sweep_in_two_steps() {
    let twin = twin(
        "task/state.rs",
        "fn update",
        "compare_exchange_weak",
        How::Split,
    );
    must_fail(twin, "", 2, || a_wake(true));
}

#[test]
fn twin_a_reference_given_up_without_order() {
    let twin = twin("task/state.rs", "fn ref_dec", "fetch_sub", How::Weaken);
    must_fail(twin, "Causality violation", 2, || {
        a_run_and_the_last_waker()
    });
}
