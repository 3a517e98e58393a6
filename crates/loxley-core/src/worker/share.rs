//! Putting tasks where they wait, and telling the others about them.

use super::{SHUFFLES, STAMPS, TO_TAIL, Task, Worker};
use crate::queue::Push;

impl Worker {
    /// A task was woken or spawned by this thread: into the slot.
    #[inline]
    pub fn schedule(&self, task: Task) {
        self.counters().wakes.add(1);
        let mode = self.mode.get();
        if mode != 0 {
            if mode & STAMPS != 0 {
                self.scheduler.stamp(&task);
            }
            if mode & TO_TAIL != 0 || (mode & SHUFFLES != 0 && self.tosses_heads()) {
                return self.push(task);
            }
        }
        if let Some(displaced) = self.seat.queue.slot.put(task) {
            self.push(displaced);
        }
    }

    /// Puts a task at the tail of the deque.
    pub fn push(&self, task: Task) {
        self.push_inline(task);
    }

    /// [`Worker::push`] for the loop.
    #[inline(always)]
    pub(super) fn push_inline(&self, task: Task) {
        match self.local.push(&self.seat.queue, task) {
            Push::Queued => {
                if self.owed.get() != 0 {
                    self.announce_if_many();
                }
            }
            Push::Announce => self.announce_soon(),
            Push::Full(task) => self.spill(task),
        }
    }

    #[cold]
    fn spill(&self, task: Task) {
        self.counters().spills.add(1);
        self.scheduler.inject(task);
    }

    /// There is work for a peer now. A few short polls are not worth waking one: see `pace.rs`.
    #[cold]
    pub(super) fn announce_soon(&self) {
        if self.holding.get() {
            return self.held.set(true);
        }
        // One more than the patience: 1 means "now".
        self.owed.set(self.pace.patience() + 1);
        self.announce_if_many();
    }

    /// Pays what is owed, before the thread does something that takes long.
    pub(super) fn announce_now(&self) {
        if self.owed.replace(0) != 0 {
            self.scheduler.announce();
        }
    }

    #[inline(never)]
    pub(super) fn announce_if_many(&self) {
        if self.local.length() > self.pace.patience() as usize {
            self.owed.set(0);
            self.scheduler.announce();
        }
    }

    /// After a poll: what still waits is announced when the patience is over.
    #[inline]
    pub(super) fn pay_what_is_owed(&self) {
        let owed = self.owed.get();
        if owed != 0 {
            self.pay(owed);
        }
    }

    fn pay(&self, owed: u32) {
        if self.local.length() == 0 {
            return self.owed.set(0);
        }
        self.owed.set(owed - 1);
        if owed == 1 {
            self.scheduler.announce();
        }
    }
}
