//! Channels and locks between tasks.
//!
//! | to | use |
//! |---|---|
//! | hand over one value | [`oneshot`] |
//! | hand over many values, to one receiver | [`mpsc`] |
//! | hand each value to every receiver | [`broadcast`] |
//! | let others see the newest value | [`watch`] |
//! | wake without a value | [`Notify`] |
//! | share something that is changed across an `await` | [`Mutex`], [`RwLock`] |
//! | let only so many do something at a time | [`Semaphore`] |
//! | wait until all have come | [`Barrier`] |
//! | make a value once | [`OnceCell`], [`SetOnce`] |
//! | ask tasks to end | [`CancellationToken`] |
//!
//! None of them needs a runtime: tasks of different runtimes, and threads without one, meet in them. Only what
//! has a time limit ([`mpsc::Sender::send_timeout`]) needs a runtime with timers. In a task of ours each of them
//! takes part in the [budget](crate::task::coop).
//!
//! A lock that is not held across an `await` is better std's or parking_lot's.
//!
//! # How it is built
//!
//! ```text
//! mutex rwlock     semaphore  mpsc  once_cell     watch  set_once  cancellation      barrier  broadcast   oneshot
//!      \ guard /        |      / queue                  \   |      /                    |        |
//!           permits ---------------                      notify                         |        |
//!                            \______________________ waiters ___________________________/________/
//!                                               wakes | primitive
//! ```
//!
//! Every list of tasks that wait is the one in `waiters.rs`; one waiting task needs none of it (`oneshot`, the
//! receiver of `mpsc`). No waker is called, cloned or dropped while a lock is held.

mod barrier;
mod blocking;
mod cancellation_token;
mod error;
mod guard;
mod mutex;
mod notify;
mod once;
mod once_cell;
mod permits;
mod poll_semaphore;
mod poll_sender;
mod primitive;
mod reusable_box;
mod rwlock;
mod semaphore;
mod set_once;
mod waiters;
mod wakes;

pub mod broadcast;
pub mod mpsc;
pub mod oneshot;
pub mod watch;

pub mod futures {
    //! Futures that have a name.

    pub use super::notify::{Notified, OwnedNotified};
}

pub use barrier::{Barrier, BarrierWaitResult};
pub use cancellation_token::{
    CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
pub use error::{AcquireError, TryAcquireError, TryLockError};
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
pub use notify::Notify;
pub use once_cell::{OnceCell, SetError};
pub use poll_semaphore::PollSemaphore;
pub use poll_sender::{PollSendError, PollSender};
pub use reusable_box::ReusableBoxFuture;
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use set_once::{SetOnce, SetOnceError};
