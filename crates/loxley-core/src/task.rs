//! A task's life, and who may touch which part of its cell.
//!
//! A task is one allocation: a header that fits a cache line, then the future, which the output replaces.
//!
//! # Words
//!
//! [`Notified`]: the right and the duty to run a task once; what queues hold. [`JoinHandle`]: waits for the
//! output. [`Home`]: the list in which a task is entered from spawn to deallocation, so that shutdown and dumps
//! find it. *Site*: what tasks of one home share that the same code spawned (`sites.rs`). *Stage*: the place of the future
//! and, later, of the output.
//!
//! # A life
//!
//! 1. [`Home::spawn`] allocates the cell, enters it, and returns one `Notified` and one `JoinHandle`.
//! 2. Running a `Notified` polls the future. `Pending`: the task is idle until a waker makes the next
//!    `Notified` and gives it to [`Schedule::schedule`]. If that came in the middle of the poll, whoever ran it gets the
//!    next `Notified` back.
//! 3. `Ready`, a panic or a cancellation drops the future, stores the output and wakes the handle.
//! 4. The last reference leaves the list and frees the cell.
//!
//! # Rules of access
//!
//! 1. Whoever holds a reference (a `Notified`, a waker, a handle) may read the header: the cell is freed by the
//!    last reference only.
//! 2. The stage belongs to whoever set `RUNNING`, from then until it completes the task or makes it idle.
//! 3. After `COMPLETE` the stage holds the output: it belongs to the handle if `JOIN_INTEREST` was set at that
//!    moment, else to whoever completed the task, who drops it.
//! 4. The links belong to the lock of the task's home.
//! 5. `site` and `id` are written before the first reference exists, and never again; so is all that a site holds.
//! 6. The home, its sites and the scheduler behind it live as long as any cell that is entered there: a home keeps its
//!    scheduler alive from the first to the last cell (`owned.rs`).
//! 7. The functions of the site's vtable are made for the very types with which the cell was allocated.
//!
//! # Who may touch the join waker
//!
//! While `JOIN_WAKER` is clear: the handle alone. While it is set and the task is not complete: nobody; the handle
//! takes the field back by clearing the bit. If it was set at the moment of completion: whoever completed the task,
//! who takes the waker out; the handle never looks at it after `COMPLETE`. Thus each waker is dropped exactly once, and two tasks that
//! wait for each other leak nothing (tokio #4724, #6505).
//!
//! # Rejected
//!
//! The `async-task` crate: no id, no spawn place, no list for shutdown, and a waker that schedules through a
//! closure in the cell. Aligning cells to 128 bytes, as tokio does: a cell of 128 bytes then costs 319 under
//! glibc. Dropping a future that nobody can wake any more at once: it saves memory and changes what tokio's
//! users rely on (a guard held by `pending().await` stays held until shutdown). Removing a task from its list at
//! completion: the scheduler could then be gone while a waker is still inside `schedule`
//! (async-executor #163); entering lasts as long as the cell, which costs the same single lock.
//!
//! Checked by `loom-tests/tests/task_state.rs`, `task_join.rs` and the tests of each part.

mod cells;
mod depth;
mod error;
mod id;
mod join;
mod lent;
pub(crate) mod local;
mod meta;
mod name;
mod owned;
mod panic;
mod raw;
mod running;
mod sites;
mod state;
mod wake_list;
mod waker;
mod waker_slot;
mod yields;

pub use error::JoinError;
pub use id::Id;
pub(crate) use id::outside_tasks;
pub use join::{AbortHandle, JoinHandle};
pub(crate) use lent::Lent;
pub use meta::TaskMeta;
pub(crate) use name::{Entry, Named, name_of};
pub(crate) use owned::{Home, Runner, Schedule};
pub use panic::TaskPanic;
pub(crate) use raw::{Notified, TaskRef, contain};
pub(crate) use running::Running;
pub(crate) use wake_list::{WakeList, wake_caught};
pub(crate) use waker::is_task_waker;
#[doc(hidden)]
pub use waker_slot::WakerSlot;
pub use yields::{YieldNow, yield_now};

/// What models and targets of `fuzz` reach.
#[cfg(any(loxley_loom, loxley_fuzz))]
pub mod doors {
    #[cfg(loxley_loom)]
    pub use super::owned::{Home, Runner, Schedule};
    #[cfg(loxley_loom)]
    pub use super::raw::Notified;
    pub use super::state::{Completed, DropJoin, Idle, Start, State, Wake};
    pub use super::wake_list::WakeList;
    #[cfg(loxley_loom)]
    pub use super::waker_slot::WakerSlot;

    #[cfg(loxley_loom)]
    pub fn next_id() -> super::Id {
        super::Id::next()
    }
}

/// The id of the running task.
///
/// # Panics
///
/// Outside a task; [`try_id`] does not. The future of `block_on` is no task.
#[track_caller]
pub fn id() -> Id {
    try_id().expect("there is no running task here: `task::id` must be called from a task")
}

/// The id of the running task, if there is one.
///
/// # Examples
///
/// ```
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// let task = runtime.spawn(async { loxley_core::task::try_id() });
/// let id = task.id();
/// assert_eq!(runtime.block_on(task).unwrap(), Some(id));
/// assert_eq!(loxley_core::task::try_id(), None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn try_id() -> Option<Id> {
    id::current_id()
}
