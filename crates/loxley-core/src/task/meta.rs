//! What hooks and reports are told of a task.

use std::panic::Location;
use std::time::Duration;

use super::{Id, name_of};
use crate::primitive::Arc;

/// What a hook of the builder is told of a task.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use loxley_core::runtime::Builder;
///
/// let (send, receive) = mpsc::channel();
/// let runtime = Builder::new_current_thread()
///     .on_task_spawn(move |task| send.send((task.id(), task.spawned_at().line())).unwrap())
///     .build()?;
/// let task = runtime.spawn(async {});
/// assert_eq!(receive.recv().unwrap(), (task.id(), line!() - 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TaskMeta<'a> {
    pub(crate) id: Id,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) schedule_latency: Option<Duration>,
    pub(crate) lifetime: std::marker::PhantomData<&'a ()>,
}

impl TaskMeta<'_> {
    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name that [`TaskBuilder::name`](crate::TaskBuilder::name) gave to it, until its future is dropped.
    pub fn name(&self) -> Option<Arc<str>> {
        name_of(self.id)
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// How long the task has waited for this poll, since it was woken or spawned; for the hooks around polls, if
    /// [`Builder::track_task_schedule_latency`](crate::runtime::Builder::track_task_schedule_latency) was called.
    pub fn schedule_latency(&self) -> Option<Duration> {
        self.schedule_latency
    }
}
