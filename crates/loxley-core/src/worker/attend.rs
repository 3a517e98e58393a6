//! Polls that somebody wants to hear of: hooks of the user's, and histograms.
//!
//! A worker that nobody listens to never comes here, and reads no clock: one flag decides, which it looks at anyway
//! (`Worker::run_task`). A hook runs with no lock held; a panic in it is the hook's own.
//!
//! # Schedule latency
//!
//! Whoever puts a task into a queue notes the time in the task's cell, which has a place for that where somebody wants to
//! know, and whoever polls it looks there. A task that is woken while it waits keeps its time; one that is woken while it
//! runs begins to wait when its poll ends.
//!
//! # Rejected
//!
//! A second function that polls tasks that are measured: every future would be compiled twice. The time beside the task in
//! the queue: every queue would hold twice as much.

use std::time::{Duration, Instant};

use super::histogram::{Histogram, Scale};
use super::{STAMPS, Scheduler, Task, Worker};
use crate::clock::duration_ns;
use crate::primitive::Arc;
use crate::task::{TaskMeta, contain};

/// A hook of the user's that is told of a task; its panics are caught.
pub type TaskHook = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

/// Who wants to hear of tasks.
#[derive(Clone, Default)]
pub struct TaskHooks {
    /// A task was spawned, and is not scheduled yet.
    pub spawn: Option<TaskHook>,
    /// A task has ended, and its future is dropped.
    pub terminate: Option<TaskHook>,
    /// A task is about to be polled.
    pub before_poll: Option<TaskHook>,
    /// A task was polled.
    pub after_poll: Option<TaskHook>,
}

/// What is measured of polls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measures {
    /// How long they take.
    pub poll_times: Option<Scale>,
    /// How long the task has waited.
    pub latencies: Option<Scale>,
    /// Hooks are told how long the task has waited.
    pub track_latency: bool,
}

impl Measures {
    /// True if tasks bear the time at which they were scheduled.
    pub fn stamps(&self) -> bool {
        self.track_latency || self.latencies.is_some()
    }
}

/// The histograms of one seat.
#[derive(Debug, Default)]
pub struct Times {
    /// How long polls took.
    pub polls: Option<Histogram>,
    /// How long tasks waited for them.
    pub latencies: Option<Histogram>,
}

impl Times {
    /// Those that are wanted.
    pub fn new(measures: &Measures) -> Self {
        Self {
            polls: measures.poll_times.map(Histogram::new),
            latencies: measures.latencies.map(Histogram::new),
        }
    }
}

/// Calls a hook, if there is one.
pub fn call(hook: Option<&TaskHook>, task: &TaskMeta<'_>) {
    if let Some(hook) = hook {
        contain(|| hook(task));
    }
}

impl Scheduler {
    /// True if a poll is more than a poll.
    pub(super) fn is_attended(&self) -> bool {
        let (hooks, measures) = (&self.config.hooks, &self.config.measures);
        if self.config.shuffle {
            return true;
        }
        let hooked = [&hooks.terminate, &hooks.before_poll, &hooks.after_poll];
        hooked.iter().any(|hook| hook.is_some())
            || measures.stamps()
            || measures.poll_times.is_some()
    }

    /// Notes when a task was scheduled; called only if somebody wants to know.
    #[cold]
    pub(super) fn stamp(&self, task: &Task) {
        task.set_scheduled_at(self.machine_time());
    }

    /// Nanoseconds by the machine's clock, which a paused one does not stop.
    pub fn machine_time(&self) -> u64 {
        duration_ns(self.began.elapsed())
    }
}

impl Worker {
    /// `run_task` with everything that somebody listens to.
    #[cold]
    pub(super) fn run_attended(&self, task: Task) {
        if let Some(pace) = &self.injector_pace {
            self.keep_injector_pace(pace);
        }
        if !self.scheduler.is_attended() {
            self.run_plainly(task, 1);
            return;
        }
        let task = self.shuffled(task);
        let (hooks, measures) = (
            &self.scheduler.config.hooks,
            &self.scheduler.config.measures,
        );
        let seen = task.task_ref();
        let mut meta = seen.meta();
        if measures.stamps() {
            let now = self.scheduler.machine_time();
            let waited = now.saturating_sub(task.scheduled_at());
            meta.schedule_latency = Some(Duration::from_nanos(waited));
            if let Some(latencies) = &self.seat.times.latencies {
                latencies.record(waited);
            }
        }
        call(hooks.before_poll.as_ref(), &meta);
        let ended_before = self.counters().completed.get();
        match &self.seat.times.polls {
            None => self.run_stamped(task),
            Some(times) => {
                let began = Instant::now();
                self.run_stamped(task);
                times.record(duration_ns(began.elapsed()));
            }
        }
        call(hooks.after_poll.as_ref(), &meta);
        if self.counters().completed.get() != ended_before {
            meta.schedule_latency = None;
            call(hooks.terminate.as_ref(), &meta);
        }
    }

    /// A poll; a task that is ready again begins to wait.
    fn run_stamped(&self, task: Task) {
        self.seat.watch.running.set(&task);
        let Some(again) = self.poll(&self.seat, task) else {
            return;
        };
        if self.mode.get() & STAMPS != 0 {
            self.scheduler.stamp(&again);
        }
        self.push(again);
    }
}
