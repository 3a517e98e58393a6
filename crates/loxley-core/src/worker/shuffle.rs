//! Orders drawn by lot: the seeded schedule, in which a test meets orders that are rare, and meets them again.
//!
//! - Z1 a task that is woken or spawned goes into the slot or to the tail.
//! - Z2 the task whose turn it is may be sent to the tail a few times, and the next one runs.
//! - Z3 the next look at injector, poller and timers comes after any number of polls up to the usual one, which no clock
//!   decides.
//! - Z4 victims are chosen by lot in any case.
//!
//! All lots come from the worker's own stream (`random.rs`). What is promised holds: the deque's bound, and that whoever
//! waits gets his turn. Workers that are not shuffled never come here.

use super::{SHUFFLES, Task, Worker};

/// How often a task is sent to the tail at most.
const DELAYS: u32 = 3;

impl Worker {
    pub(super) fn tosses_heads(&self) -> bool {
        self.random.below(2) == 0
    }

    /// Z2.
    pub(super) fn shuffled(&self, mut task: Task) -> Task {
        if self.mode.get() & SHUFFLES == 0 {
            return task;
        }
        for _ in 0..DELAYS {
            if self.local.length() == 0 || self.tosses_heads() {
                break;
            }
            let Some(next) = self.local.pop(&self.seat.queue) else {
                break;
            };
            self.push(task);
            task = next;
        }
        task
    }

    /// Z3.
    pub(super) fn shuffle_pace(&self) {
        if self.mode.get() & SHUFFLES != 0 {
            let left = self.pace.left() as usize;
            self.pace.shorten(1 + self.random.below(left) as u32);
        }
    }
}
