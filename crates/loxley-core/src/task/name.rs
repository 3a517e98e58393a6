//! Names of tasks, for reports: a table beside the tasks, so that one without a name pays nothing.
//!
//! The future of a named task carries an [`Entry`], and leaves the table when it is dropped. Reports look a name up by
//! the task's id, from any thread and whether the task still exists or not.
//!
//! Rejected: a field in the header, which has no room, or behind the stage, which every task would pay for and which a
//! watcher without a reference could not read.
//!
//! Checked by `tests/task_names.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Id;
use crate::primitive::Arc;
use crate::primitive::global::Mutex;

/// Parts of the table, each with its own lock. Threads draw their ids in blocks, so each thread mostly has a part of its
/// own.
const PARTS: u64 = 16;

type Part = Mutex<BTreeMap<Id, Arc<str>>>;

static TABLE: [Part; PARTS as usize] = [const { Mutex::new(BTreeMap::new()) }; PARTS as usize];

fn part_of(id: Id) -> &'static Part {
    &TABLE[(id.block() % PARTS) as usize]
}

/// The name of a task that has one and has not ended.
pub fn name_of(id: Id) -> Option<Arc<str>> {
    part_of(id).lock().get(&id).cloned()
}

/// A line of the table; dropping it removes the line.
pub struct Entry(Id);

impl Entry {
    /// Names the task that is going to have this id.
    pub fn new(id: Id, name: &str) -> Self {
        part_of(id).lock().insert(id, name.into());
        Self(id)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let name = part_of(self.0).lock().remove(&self.0);
        drop(name);
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&name_of(self.0)).finish()
    }
}

pin_project! {
    /// The future of a named task.
    #[derive(Debug)]
    pub struct Named<F> {
        // Dropped before the entry: its drop can be reported, too.
        #[pin]
        future: F,
        entry: Entry,
    }
}

impl<F> Named<F> {
    /// Names the task that is going to run `future` with this id.
    pub fn new(id: Id, name: &str, future: F) -> Self {
        let entry = Entry::new(id, name);
        Self { future, entry }
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}
