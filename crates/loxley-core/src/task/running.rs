//! Which task a thread is polling, for a watcher in another thread.

use std::panic::Location;
use std::ptr;

use super::Id;
use super::owned::Schedule;
use super::raw::{Notified, header_of, site_of};
use crate::primitive::global::{AtomicPtr, AtomicU64, Ordering};

/// Written at every poll by one thread; read by a watcher who knows otherwise that the thread is still in that poll.
///
/// A watcher that is wrong about this may read the id of one task and the place of another: it is a report, and no
/// more.
#[derive(Debug, Default)]
pub struct Running {
    id: AtomicU64,
    spawned_at: AtomicPtr<Location<'static>>,
}

impl Running {
    /// The thread is about to poll this task.
    #[inline]
    pub fn set<S: Schedule>(&self, task: &Notified<S>) {
        if cfg!(loxley_without_rescue) {
            return;
        }
        let (header, site) = (header_of(task.header()), site_of(task.header()));
        self.id.store(header.id.number(), Ordering::Relaxed);
        let spawned_at = ptr::from_ref(site.spawned_at).cast_mut();
        self.spawned_at.store(spawned_at, Ordering::Relaxed);
    }

    /// The thread does something else.
    pub fn clear(&self) {
        self.id.store(0, Ordering::Relaxed);
    }

    /// The task's id and where it was spawned.
    pub fn get(&self) -> Option<(Id, &'static Location<'static>)> {
        let id = Id::from_number(self.id.load(Ordering::Relaxed))?;
        let spawned_at = self.spawned_at.load(Ordering::Relaxed);
        // SAFETY: null or a `&'static` of a site (rule 5); what it points to is part of the program, and constant.
        let spawned_at = unsafe { spawned_at.as_ref() }?;
        Some((id, spawned_at))
    }
}
