//! The machine of the loxley runtime.

mod blocking;
mod budget;
mod clock;
mod park;
mod poller;
mod primitive;
mod task;
mod timer;

/// The cooperative budget, under tokio's names.
pub mod coop {
    pub use crate::budget::{
        Coop, RestoreOnPending, Unconstrained, consume_budget, cooperative, has_budget_remaining,
        poll_proceed, unconstrained,
    };
}
