//! A panic that ended a task, for whoever listens.

use std::any::Any;
use std::fmt;
use std::panic::Location;

use super::{Id, TaskMeta};
use crate::primitive::Arc;

/// A panic that has ended a task, or a closure of `spawn_blocking`. Its `JoinHandle` is told, too, a moment later.
///
/// As text it names the task, where that was spawned, and the message.
pub struct TaskPanic<'a> {
    pub(crate) task: TaskMeta<'a>,
    pub(crate) payload: &'a (dyn Any + Send),
}

impl TaskPanic<'_> {
    /// The task's id.
    pub fn id(&self) -> Id {
        self.task.id
    }

    /// The name that [`TaskBuilder::name`](crate::TaskBuilder::name) gave to it, unless the panic came from dropping its
    /// future.
    pub fn name(&self) -> Option<Arc<str>> {
        self.task.name()
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.task.spawned_at
    }

    /// The panic's message, if it is a text, as that of `panic!` is.
    pub fn message(&self) -> Option<&str> {
        let text = self.payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| self.payload.downcast_ref::<&'static str>().copied())
    }

    /// What the panic carries.
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }
}

impl fmt::Display for TaskPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, spawned_at) = (self.id(), self.spawned_at());
        match self.name() {
            Some(name) => write!(
                f,
                "task {id} named {name:?} and spawned at {spawned_at} panicked"
            )?,
            None => write!(f, "task {id} spawned at {spawned_at} panicked")?,
        }
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TaskPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic")
            .field("task", &self.task)
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}
