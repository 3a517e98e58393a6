//! Running models to their end, and twins to their failure.
//!
//! A *model* runs a few threads through the core's own code, in every order and with every stale value that the
//! memory model allows within the bound. `check` fails if the exploration was cut off or ran nothing.
//!
//! A *twin* is a model with one step removed: a fence, a re-check, a read-modify-write. `must_fail` fails if loom
//! finds nothing wrong with it, because the model it belongs to then proves nothing about that step.
//!
//! A model that fails ends the process at once, in the panic's hook: a task's poll would catch the panic, and go
//! on in a world that loom has given up. Code in a model that must panic by intention uses `resume_unwind`.
//!
//! [`explore`] is for what loom is too small for: protocols of more threads, written down again, step by step.
//!
//! # Settings
//!
//! - `LOOM_MAX_PREEMPTIONS`: how often a running thread may be interrupted in one execution, at least; 2 if not set.
//!   Each model names a bound of its own, as high as it can afford in a few seconds.
//! - `LOXLEY_LONG`: the long form, `cargo xtask loom --long`: the models of `check_long` are explored too.
//! - `LOXLEY_SITES`: each model prints the places with an ordering above Relaxed that it has passed.
//! - `LOXLEY_MOST`: a model is cut off after about so many executions, and says so; a multiple of 500.
//! - `LOXLEY_NO_TWINS`: twins are left out.
//! - `LOXLEY_FAULT=file:line:how`: every model runs with this fault (`Weaken`, `Acquire`, `Release`, `AcqRel`, `Split` or `Omit`), to find out
//!   which of them would notice.

pub mod explore;
#[cfg(loxley_loom)]
mod harness;
#[cfg(loxley_loom)]
mod world;

#[cfg(loxley_loom)]
pub use harness::{Bound, FULL, Twin, check, check_long, must_fail};
#[cfg(loxley_loom)]
pub use world::{Item, Items, Pool, Tracked, Woken};
