//! Random programs on tasks, beside a reference model that says after every step what must have happened.
//!
//! The driver is the root of a current-thread runtime, so nothing runs between two steps but when a step lets it: how often
//! each future is polled, when it is dropped, what its handle says and how often the joiner is woken is then known
//! exactly. What several threads may do at the same time is for the models of `loom-tests` and for `stress.rs`.
//!
//! A program that fails is shrunk, and the shortest that still fails is printed. More of them, or the same again:
//! `LOXLEY_PROGRAMS=1000000 LOXLEY_TEST_SEED=…`.

#[path = "support/random.rs"]
mod random;
#[path = "support/shrink.rs"]
mod shrink;
#[path = "support/watch.rs"]
mod watch;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use loxley_core::runtime::Builder;
use loxley_core::task::{JoinHandle, yield_now};
use random::Random;
use shrink::shrunk;
use watch::watched;

/// Tasks of one program; a step that names another one does nothing.
const TASKS: usize = 6;
/// Steps of one program.
const STEPS: u64 = 60;
/// Turns of the root after which everybody has run who can: all tasks twice, one a turn at least.
const TURNS: usize = 2 * TASKS + 1;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    /// Pending, until something else is ordered and a wake comes.
    Stay,
    /// Wake yourself, and stay from the next poll on.
    Yield,
    Finish,
    Panic,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Spawn,
    /// What the task's next poll does.
    Order(usize, Order),
    WakeByRef(usize),
    /// The waker is spent.
    Wake(usize),
    CloneAndWake(usize),
    DropWaker(usize),
    Abort(usize),
    /// Polls the handle once, with the joiner's waker.
    Join(usize),
    DropHandle(usize),
    /// Everybody runs who can.
    Run,
}

impl Step {
    fn random(random: &mut Random) -> Self {
        let task = random.below(TASKS as u64) as usize;
        match random.below(20) {
            0..=2 => Self::Spawn,
            3 => Self::Order(task, Order::Stay),
            4 => Self::Order(task, Order::Yield),
            5 | 6 => Self::Order(task, Order::Finish),
            7 => Self::Order(task, Order::Panic),
            8 | 9 => Self::WakeByRef(task),
            10 => Self::Wake(task),
            11 => Self::CloneAndWake(task),
            12 => Self::DropWaker(task),
            13 => Self::Abort(task),
            14 | 15 => Self::Join(task),
            16 => Self::DropHandle(task),
            _ => Self::Run,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Finished,
    Cancelled,
    Panicked,
}

/// What the reference model knows of a task.
#[derive(Debug)]
struct Expected {
    order: Order,
    scheduled: bool,
    aborted: bool,
    polls: usize,
    ended: Option<Outcome>,
    /// The driver holds a waker of its.
    has_waker: bool,
    has_handle: bool,
    /// The joiner waits.
    is_joined: bool,
    joiner_wakes: usize,
}

impl Expected {
    fn new() -> Self {
        Self {
            order: Order::Stay,
            scheduled: true,
            aborted: false,
            polls: 0,
            ended: None,
            has_waker: false,
            has_handle: true,
            is_joined: false,
            joiner_wakes: 0,
        }
    }

    fn wake(&mut self) {
        self.scheduled |= self.ended.is_none();
    }

    fn run(&mut self) {
        while self.scheduled && self.ended.is_none() {
            self.scheduled = false;
            if self.aborted {
                self.end(Outcome::Cancelled);
                return;
            }
            self.polls += 1;
            self.has_waker = true;
            match self.order {
                Order::Stay => {}
                Order::Yield => {
                    self.order = Order::Stay;
                    self.scheduled = true;
                }
                Order::Finish => self.end(Outcome::Finished),
                Order::Panic => self.end(Outcome::Panicked),
            }
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.ended = Some(outcome);
        if self.is_joined && self.has_handle {
            self.joiner_wakes += 1;
        }
        self.is_joined = false;
    }
}

/// What a task and the driver share.
struct Shared {
    order: Order,
    waker: Option<Waker>,
    polls: usize,
    drops: usize,
}

type Cell = Arc<Mutex<Shared>>;

/// The future of every task.
struct Scripted(Cell);

impl Future for Scripted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.0.lock().unwrap();
        shared.polls += 1;
        shared.waker = Some(cx.waker().clone());
        match shared.order {
            Order::Stay => Poll::Pending,
            Order::Yield => {
                shared.order = Order::Stay;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Order::Finish => Poll::Ready(()),
            Order::Panic => {
                // A poisoned lock would be another failure than the one that is tried.
                drop(shared);
                resume_unwind(Box::new("ordered"))
            }
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.0.lock().unwrap().drops += 1;
    }
}

/// Who waits for a handle.
#[derive(Default)]
struct Joiner(AtomicUsize);

impl Wake for Joiner {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Real {
    cell: Cell,
    handle: Option<JoinHandle<()>>,
    joiner: Arc<Joiner>,
}

impl Real {
    fn spawn() -> Self {
        let cell = Arc::new(Mutex::new(Shared {
            order: Order::Stay,
            waker: None,
            polls: 0,
            drops: 0,
        }));
        Self {
            handle: Some(loxley_core::spawn(Scripted(cell.clone()))),
            joiner: Arc::default(),
            cell,
        }
    }

    fn take_waker(&self) -> Option<Waker> {
        self.cell.lock().unwrap().waker.take()
    }

    fn poll_handle(&mut self) -> Option<Outcome> {
        let waker = Waker::from(self.joiner.clone());
        let handle = pin!(self.handle.as_mut()?);
        match handle.poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => Some(Outcome::Finished),
            Poll::Ready(Err(error)) if error.is_cancelled() => Some(Outcome::Cancelled),
            Poll::Ready(Err(_)) => Some(Outcome::Panicked),
        }
    }

    fn check(&self, expected: &Expected) {
        let shared = self.cell.lock().unwrap();
        assert_eq!(shared.polls, expected.polls, "polls");
        let ended = expected.ended.is_some();
        assert_eq!(shared.drops, usize::from(ended), "drops of the future");
        let wakes = self.joiner.0.load(Ordering::Relaxed);
        assert_eq!(wakes, expected.joiner_wakes, "wakes of the joiner");
        if let Some(handle) = &self.handle {
            assert_eq!(handle.is_finished(), ended, "is_finished");
        }
    }
}

/// Runs a program beside the model.
fn run(steps: &[Step]) {
    let mut builder = Builder::new_current_thread();
    // They were ordered, and would be printed.
    let runtime = builder.on_task_panic(|_| {}).build().unwrap();
    let mut tasks: Vec<(Real, Expected)> = Vec::new();
    runtime.block_on(async {
        for (number, step) in steps.iter().enumerate() {
            perform(*step, &mut tasks).await;
            for (task, (real, expected)) in tasks.iter().enumerate() {
                let checked = catch_unwind(AssertUnwindSafe(|| real.check(expected)));
                if let Err(payload) = checked {
                    println!("task {task} after step {number}, {step:?}: {expected:?}");
                    resume_unwind(payload);
                }
            }
        }
    });
    let metrics = runtime.metrics();
    assert_eq!(metrics.spawned_tasks_count(), tasks.len() as u64);
    drop(runtime);
    for (real, _) in &tasks {
        assert_eq!(real.cell.lock().unwrap().drops, 1, "drops at the end");
        drop(real.take_waker());
        assert_eq!(
            Arc::strong_count(&real.cell),
            1,
            "who holds the future still?"
        );
    }
}

async fn perform(step: Step, tasks: &mut Vec<(Real, Expected)>) {
    match step {
        Step::Spawn => {
            if tasks.len() < TASKS {
                tasks.push((Real::spawn(), Expected::new()));
            }
        }
        Step::Run => {
            for _ in 0..TURNS {
                yield_now().await;
            }
            tasks.iter_mut().for_each(|(_, expected)| expected.run());
        }
        Step::Order(task, _)
        | Step::WakeByRef(task)
        | Step::Wake(task)
        | Step::CloneAndWake(task)
        | Step::DropWaker(task)
        | Step::Abort(task)
        | Step::Join(task)
        | Step::DropHandle(task) => {
            if let Some((real, expected)) = tasks.get_mut(task) {
                meddle(step, real, expected);
            }
        }
    }
}

/// What is done to one task while nobody runs.
fn meddle(step: Step, real: &mut Real, expected: &mut Expected) {
    match step {
        Step::Order(_, order) => {
            real.cell.lock().unwrap().order = order;
            expected.order = order;
        }
        Step::WakeByRef(_) | Step::Wake(_) | Step::CloneAndWake(_) | Step::DropWaker(_) => {
            let waker = real.take_waker();
            assert_eq!(waker.is_some(), expected.has_waker, "a waker");
            let Some(waker) = waker else { return };
            if !matches!(step, Step::DropWaker(_)) {
                expected.wake();
            }
            match step {
                Step::WakeByRef(_) => {
                    waker.wake_by_ref();
                    real.cell.lock().unwrap().waker = Some(waker);
                }
                Step::CloneAndWake(_) => {
                    let clone = waker.clone();
                    clone.wake();
                    real.cell.lock().unwrap().waker = Some(waker);
                }
                Step::Wake(_) => {
                    waker.wake();
                    expected.has_waker = false;
                }
                _ => {
                    drop(waker);
                    expected.has_waker = false;
                }
            }
        }
        Step::Abort(_) => {
            if let Some(handle) = &real.handle {
                handle.abort();
                expected.aborted |= expected.ended.is_none();
                expected.wake();
            }
        }
        Step::Join(_) => {
            if real.handle.is_some() {
                assert_eq!(real.poll_handle(), expected.ended, "what the handle says");
                // A handle that has said it is polled no more.
                if expected.ended.is_some() {
                    real.handle = None;
                    expected.has_handle = false;
                }
                expected.is_joined = expected.ended.is_none();
            }
        }
        Step::DropHandle(_) => {
            real.handle = None;
            expected.has_handle = false;
        }
        Step::Spawn | Step::Run => {}
    }
}

#[test]
fn a_random_program_on_tasks_does_what_the_reference_says() {
    let mut random = Random::from_environment("programs on tasks");
    let programs = match std::env::var("LOXLEY_PROGRAMS") {
        Ok(text) => text.parse().expect("LOXLEY_PROGRAMS is a number"),
        Err(_) => 5_000,
    };
    watched(move || {
        for _ in 0..programs {
            let steps: Vec<Step> = (0..random.below(STEPS))
                .map(|_| Step::random(&mut random))
                .collect();
            let fails = |steps: &[Step]| catch_unwind(|| run(steps)).is_err();
            if fails(&steps) {
                let steps = shrunk(&steps, fails);
                println!("the shortest program that fails: {steps:?}");
                run(&steps);
                panic!("a program failed, and then did not");
            }
        }
        println!("{programs} programs");
    });
}

#[test]
fn a_failing_list_is_shrunk_to_what_makes_it_fail() {
    let list: Vec<u32> = (0..100).collect();
    let fails = |list: &[u32]| {
        let at = |number| list.iter().position(|it| *it == number);
        at(17).is_some_and(|first| at(61).is_some_and(|second| first < second))
    };
    assert_eq!(shrunk(&list, fails), [17, 61]);
    assert_eq!(shrunk(&[1, 2, 3], |list| list.len() >= 2).len(), 2);
    assert!(shrunk(&[1, 2, 3], |_| true).is_empty());
}
