//! The doors to the outside: every lock, atomic, thread and deque of the crate is named here.
//!
//! Two faces with one shape. [`real`] is std, parking_lot and crossbeam; `model` is loom, chosen by
//! our own `--cfg loxley_loom`, so that a user's bare `--cfg loom` never changes this crate. The rest of
//! the crate names neither: a lint forbids std's atomics and locks anywhere else, and `cargo xtask doors`
//! greps for the packages.
//!
//! Rules that every protocol of the crate follows:
//!
//! - **Fences, not `SeqCst` accesses.** A "store here, look there" pair is relaxed accesses with one
//!   `fence(SeqCst)` on each side: loom models the fence exactly and a `SeqCst` access only as `AcqRel`.
//! - **The stand-ins are no stronger than the real thing's contract.** A loom mutex in place of a lock-free
//!   queue adds ordering that the queue does not promise, and has hidden a missing fence.
//! - `Arc` is std's in both faces: its counts order nothing that we rely on.

#[cfg(loxley_counted)]
pub mod counted;
#[cfg(loxley_counted)]
pub use counted::global;
#[cfg(loxley_loom)]
mod model;
mod os;
#[cfg(not(loxley_loom))]
mod real;

#[cfg(loxley_loom)]
pub use model::*;
#[cfg(not(loxley_loom))]
pub use real::*;

pub use crossbeam_utils::CachePadded;
pub use os::{Process, monotonic, thread_number, times_put_off};
pub use std::sync::{Arc, OnceLock, Weak};

/// Numbers and addresses that no protocol depends on: std's in both faces, so that a model does not pay for them.
#[cfg(not(loxley_counted))]
#[expect(clippy::disallowed_types, reason = "this is the door")]
pub mod global {
    pub use parking_lot::Mutex;
    pub use std::sync::atomic::Ordering;
    pub use std::thread_local;

    pub type AtomicPtr<T> = std::sync::atomic::AtomicPtr<T>;
    pub type AtomicU64 = std::sync::atomic::AtomicU64;
}
