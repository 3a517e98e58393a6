//! Tasks: [`spawn`] them, await their [`JoinHandle`], end them with an [`AbortHandle`].
//!
//! What would block its thread belongs into [`spawn_blocking`], or, from within a task and if the rest of
//! its worker's work shall go on elsewhere, into [`block_in_place`].
//!
//! A future that is not `Send` is spawned by [`spawn_local`], into a [`LocalSet`] or a
//! [`LocalRuntime`](crate::runtime::LocalRuntime); one that is made on its thread, by a [`LocalPoolHandle`].
//!
//! Several at once: a [`JoinSet`] gives their outputs as they end, a [`JoinMap`] with a key, a [`JoinQueue`] in the order of
//! their spawns; a [`TaskTracker`] waits until all have ended, and a [`TaskGroup`] cancels all when one fails.
//! [`as_completed()`] and [`map_concurrent()`] give the outputs of many futures.

mod abort_on_drop;
mod as_completed;
mod bells;
mod join_map;
mod join_queue;
pub mod join_set;
mod local_key;
#[cfg(feature = "sync")]
mod local_pool;
mod map_concurrent;
#[cfg(feature = "sync")]
mod task_group;
#[cfg(feature = "sync")]
pub mod task_tracker;

pub mod coop {
    //! The budget that keeps a task from holding its worker.
    //!
    //! Each poll of a task may do a number of operations; then every socket, timer and stream of ours says
    //! `Pending` although it is ready, and the task goes to the end of the queue.

    #[doc(inline)]
    pub use loxley_core::coop::{
        Coop, RestoreOnPending, Unconstrained, consume_budget, cooperative, has_budget_remaining,
        poll_proceed, unconstrained,
    };
}

pub mod futures {
    //! Futures that have a name.

    pub use super::local_key::TaskLocalFuture;
}

#[doc(no_inline)]
pub use self::coop::{Unconstrained, consume_budget, unconstrained};
pub use abort_on_drop::{AbortOnDrop, AbortOnDropHandle};
pub use as_completed::{AsCompleted, as_completed};
pub use join_map::{JoinMap, JoinMapKeys};
pub use join_queue::JoinQueue;
#[doc(inline)]
pub use join_set::JoinSet;
pub use local_key::{AccessError, LocalKey};
#[cfg(feature = "sync")]
pub use local_pool::LocalPoolHandle;
#[doc(inline)]
pub use loxley_core::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id, yield_now};
#[doc(inline)]
pub use loxley_core::{
    LocalEnterGuard, LocalSet, TaskBuilder as Builder, block_in_place, spawn, spawn_blocking,
    spawn_local,
};
pub use map_concurrent::{MapConcurrent, map_concurrent};
#[cfg(feature = "sync")]
pub use task_group::{GroupError, TaskGroup};
#[doc(inline)]
#[cfg(feature = "sync")]
pub use task_tracker::TaskTracker;
