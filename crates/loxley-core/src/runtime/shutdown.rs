//! The end of a runtime, in steps.
//!
//! - E1 the monitor is ended and joined, which takes no longer than a round of its: it runs no foreign code. The pools
//!   of spares and of blocking threads take no more jobs; what they have not started is cancelled. A stand-in that comes
//!   later finds E2 done and leaves; one that is there counts as a worker until it has left.
//! - E2 every home is closed: a spawn from now on is cancelled at once, and its handle says so. The idle word is
//!   closed: nobody parks any more, and what is pushed into the injector is left to E4 and E5: who wakes a task may hold
//!   a lock that the drop of its future takes.
//! - E3 every sleep is ended.
//! - E4 each worker, when it comes back from its poll, cancels the idle tasks of all homes, empties its slot and
//!   deque into the injector, and drops what waits anywhere. A task that runs elsewhere is cancelled when its poll
//!   ends. Somebody in `block_in_place` may wait for a task that only this step ends: if there is one, whoever shuts
//!   down does this step, too; and who enters such a section after E2 does it first.
//! - E5 the last worker closes pollers and timers: sockets and sleeps answer with an error from then on. It drops what
//!   waits in the injector for the last time; for what is pushed after that, by a thread that was in the middle of a
//!   wake, a thread is started.
//! - E6 whoever shuts down waits for the threads that come back in time and leaves the others alone; then for the
//!   tasks that other threads were about to wake, which end on the threads of E5. A thread of the runtime itself, in a
//!   section that may block, does not wait for itself: it goes on, and leaves later.
//!
//! Nothing is freed here: the shared part lives as long as any task's cell (rule 2 of `task/owned.rs`) and any
//! handle, so a worker that comes back late, and a waker that is called years later, find live memory.
//!
//! Checked by `tests/runtime_shutdown.rs` and `loom-tests/tests/{shutdown,spare}.rs`.

use std::time::{Duration, Instant};

use super::Handle;
use super::handle::Inner;
use crate::monitor::{Stop, Tally};
use crate::primitive::{Arc, Condvar, Mutex, thread};
use crate::task::{Home, WakeList};
use crate::worker::{Worker, with_any_current};

/// Between two looks at whether tasks that were being woken have ended.
const BETWEEN_LOOKS: Duration = Duration::from_micros(50);

/// The worker threads that have not left yet, and those that stand in for them.
#[derive(Default)]
pub struct Threads {
    running: Mutex<Running>,
    left: Condvar,
}

#[derive(Default)]
struct Running {
    count: usize,
    /// Of those, how many are past their last task.
    leaving: usize,
    handles: Vec<thread::JoinHandle<()>>,
}

impl Running {
    /// True for the last one.
    fn leaving(&mut self) -> bool {
        self.leaving += 1;
        self.leaving == self.count
    }
}

impl Threads {
    /// A worker is about to start.
    pub fn arrive(&self) {
        self.running.lock().count += 1;
    }

    /// A stand-in comes; false if it is too late, because the last one has left or is about to.
    pub fn join_in(&self) -> bool {
        let mut running = self.running.lock();
        let late = running.leaving == running.count;
        if !late {
            running.count += 1;
        }
        !late
    }

    /// A worker has started.
    pub fn started(&self, handle: thread::JoinHandle<()>) {
        self.running.lock().handles.push(handle);
    }

    /// A worker could not be started.
    pub fn stay_away(&self) {
        self.running.lock().count -= 1;
    }

    /// A worker leaves. The last one runs `finish`, and only then is nobody left.
    pub fn depart(&self, finish: impl FnOnce()) {
        let last = self.running.lock().leaving();
        if last {
            finish();
        }
        {
            let mut running = self.running.lock();
            running.count -= 1;
            running.leaving -= 1;
        }
        self.left.notify_all();
    }

    /// True if there is nobody to leave.
    fn is_empty(&self) -> bool {
        self.running.lock().count == 0
    }

    /// E6: joins the threads, or gives up at the deadline. `oneself`: the caller is one of them.
    pub fn wait(&self, deadline: Option<Instant>, oneself: bool) -> bool {
        let mut running = self.running.lock();
        while running.count > usize::from(oneself) {
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.left.wait(&mut running),
                Some(Duration::ZERO) => return false,
                Some(left) => drop(self.left.wait_for(&mut running, left)),
            }
        }
        let handles = std::mem::take(&mut running.handles);
        drop(running);
        if oneself {
            // One of the handles is our own. The other threads are past their last task.
            return true;
        }
        for handle in handles {
            // The body catches everything: there is no panic to hear about.
            let _ = handle.join();
        }
        true
    }
}

/// The monitor of a runtime.
pub struct Watching {
    stop: Stop,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    pub(super) tally: Arc<Tally>,
}

impl Watching {
    /// A monitor that runs.
    pub fn new(stop: Stop, thread: thread::JoinHandle<()>, tally: Arc<Tally>) -> Self {
        let thread = Mutex::new(Some(thread));
        Self {
            stop,
            thread,
            tally,
        }
    }

    fn end(&self) {
        self.stop.stop();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Handle {
    /// E1 to E6. `wait`: how long, for ever if `None`.
    pub(super) fn shut_down(&self, wait: Option<Duration>) {
        if !self.inner.scheduler.is_here() {
            // A forked child: nobody to wait for, and nothing here is its own. It keeps its copy of the memory.
            std::mem::forget(self.clone());
            return;
        }
        let inner = &*self.inner;
        // Asked now: from E2 on workers leave.
        let nobody = inner.threads.is_empty();
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        // A limit beyond the clock's range is no limit; one of zero is over at once.
        if let Some(watching) = inner.watching.get() {
            watching.end(); // E1
        }
        inner.spares.close();
        inner.tellers.close();
        inner.blocking.close();
        inner.blocking_tasks.close();
        for home in inner.scheduler.homes() {
            home.close(); // E2
        }
        inner.scheduler.idle.close();
        inner.scheduler.unpark_all(); // E3
        if inner.scheduler.is_blocked_in_place() {
            inner.scheduler.sweep();
        }
        // Somebody else may drive a current-thread runtime just now, for a future of his own.
        let abandoned = nobody && !self.retire_here();
        let scheduler = &inner.scheduler;
        let oneself =
            with_any_current(|worker| worker.is_some_and(|worker| worker.works_for(scheduler)));
        let all_left = inner
            .threads
            .wait(deadline, oneself && !inner.is_current_thread());
        if all_left && !oneself && !abandoned {
            inner.settle(deadline);
        }
        inner.spares.wait(deadline);
        inner.tellers.wait(deadline);
        inner.blocking.wait(deadline);
    }

    /// E4 and E5 for a runtime without threads: a current-thread one, or one that could not start any. False if somebody
    /// has its seat.
    fn retire_here(&self) -> bool {
        let _guard = super::context::enter(self);
        let scheduler = &self.inner.scheduler;
        let local = scheduler.seat(0).queue.sit_down();
        let vacant = local.is_some();
        if let Some(local) = local {
            retire(Worker::new(scheduler.clone(), 0, 0, local, None));
        }
        self.inner.finish();
        vacant
    }
}

/// E4: a worker leaves for good.
pub fn retire(worker: Worker) {
    let scheduler = worker.scheduler().clone();
    worker.leave();
    scheduler.sweep();
}

impl Inner {
    /// E5.
    pub(super) fn finish(&self) {
        let mut wakes = WakeList::new();
        for station in &self.scheduler.stations {
            if let Some(poller) = &station.poller {
                poller.close(&mut wakes);
            }
            station.timers.close(&mut wakes);
        }
        // All tasks are gone; these are the wakers of `block_on` and of other runtimes.
        wakes.wake_all(|_| false, || {});
        self.scheduler.end();
    }

    /// E6: waits for the tasks that were about to be woken.
    fn settle(&self, deadline: Option<Instant>) {
        // Seldom more than one round, if any: a wake is a few instructions, and no word is spent on who is in it.
        while !self.scheduler.homes().all(Home::is_settled) {
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}
