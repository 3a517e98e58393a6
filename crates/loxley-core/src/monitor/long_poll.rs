//! The event: one poll that held its thread for long.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::os::Stack;
use crate::primitive::Arc;
use crate::task::Id;

/// What a thread did during a long poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LongPollKind {
    /// Most of the time it was asleep in the kernel: it waited for a lock, a file, another thread.
    Slept,
    /// Most of the time it computed, or waited for a processor to do so.
    Computed,
}

impl fmt::Display for LongPollKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slept => "slept",
            Self::Computed => "computed",
        })
    }
}

/// One poll that was longer than the builder's `long_poll_threshold`.
///
/// It comes when the poll is over, or once when it has lasted for ten seconds and is not. One more comes, at most once per
/// second and however short the poll is, if it holds a thread while work waits and nobody is left to do it
/// ([`LongPoll::is_unrelieved`]).
#[derive(Clone, Debug)]
pub struct LongPoll {
    pub(super) runtime: Option<Arc<str>>,
    pub(super) worker: usize,
    pub(super) task: Option<(Id, &'static Location<'static>)>,
    pub(super) task_name: Option<Arc<str>>,
    pub(super) duration: Duration,
    pub(super) kind: LongPollKind,
    pub(super) is_over: bool,
    pub(super) is_unrelieved: bool,
    pub(super) suppressed: u64,
    pub(super) stack: Option<Stack>,
}

impl LongPoll {
    /// The task that was polled. `None` if it was none: a waker of another library, or a hook.
    pub fn task_id(&self) -> Option<Id> {
        self.task.map(|(id, _)| id)
    }

    /// The name that [`TaskBuilder::name`](crate::TaskBuilder::name) gave to that task.
    pub fn task_name(&self) -> Option<&str> {
        self.task_name.as_deref()
    }

    /// Where that task was spawned.
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.task.map(|(_, spawned_at)| spawned_at)
    }

    /// How long it took, or has taken so far; up to 5 ms too short, because nobody reads a clock at the start.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What the thread did meanwhile.
    pub fn kind(&self) -> LongPollKind {
        self.kind
    }

    /// False if the poll still lasts; no second event comes when it ends, unless this one [is
    /// unrelieved](Self::is_unrelieved).
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// True if all threads were stuck, this one for longest, work waited, and no spare thread could be started for it:
    /// `max_rescue_threads` were there, or the system refused.
    pub fn is_unrelieved(&self) -> bool {
        self.is_unrelieved
    }

    /// The worker; a number from the number of workers on is a thread that stands in for one.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The builder's `name`.
    pub fn runtime_name(&self) -> Option<&str> {
        self.runtime.as_deref()
    }

    /// Events that were left out since the last one, because there were too many.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// The functions that the thread was in when the poll became long, innermost first. Empty without the feature
    /// `stall-backtrace`, and where the stack could not be had.
    ///
    /// Looking them up takes long at the first time, when the program's debug information is read.
    pub fn backtrace(&self) -> Vec<String> {
        self.stack.as_ref().map(Stack::names).unwrap_or_default()
    }
}

impl fmt::Display for LongPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.task, &self.task_name) {
            (Some((id, spawned_at)), Some(name)) => {
                write!(f, "task {id} named {name:?} and spawned at {spawned_at} ")?;
            }
            (Some((id, spawned_at)), None) => write!(f, "task {id} spawned at {spawned_at} ")?,
            (None, _) => f.write_str("something that is no task ")?,
        }
        let verb = if self.is_over { "held" } else { "has held" };
        write!(
            f,
            "{verb} worker {} for {:?} ({})",
            self.worker, self.duration, self.kind
        )?;
        match self.is_unrelieved {
            true => f.write_str(", and no thread is left to stand in"),
            false => Ok(()),
        }
    }
}
