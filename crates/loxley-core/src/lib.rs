//! The machine of the loxley runtime: tasks, queues, workers, pollers, timers.
//!
//! Programs depend on the `loxley` crate, which has sockets, streams and macros on top of this one. This crate is
//! for those who want to read the machine, or to build something else on it.
//!
//! # Reading order
//!
//! Floors from the ground up; imports point down only.
//!
//! | module | question it answers |
//! |---|---|
//! | `primitive`, `clock`, `random` | what of the outside world do we use? |
//! | `budget`, `trace` | when must a task yield, and what does it wait for? |
//! | `task` | what is a task, and who may touch what of it? |
//! | `park` | how does a thread sleep and wake? |
//! | `queue` | where do ready tasks wait, and how do thieves find them? |
//! | `idle` | who sleeps, who is woken? |
//! | `poller` | how do sockets become ready? |
//! | `timer` | how do deadlines fire? |
//! | `alarm` | how does somebody learn that workers are active, without ticking? |
//! | `worker` | in what order does a thread do all this? |
//! | `monitor` | who notices that a worker is stuck, and what follows? |
//! | `blocking` | where does code run that blocks? |
//! | `runtime` | how is it started, entered and ended? |

#![cfg_attr(not(test), deny(clippy::disallowed_types))]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the heads of the modules are for readers of the source, and name what they find there"
)]
#![cfg_attr(
    loxley_loom,
    expect(
        missing_docs,
        missing_debug_implementations,
        dead_code,
        unnameable_types,
        clippy::len_without_is_empty,
        clippy::new_without_default,
        reason = "the doors below show models what nobody else sees"
    )
)]
#![cfg_attr(
    loxley_fuzz,
    allow(
        missing_docs,
        missing_debug_implementations,
        unnameable_types,
        reason = "the doors below show targets of `fuzz` what nobody else sees"
    )
)]

mod alarm;
mod blocking;
mod budget;
mod clock;
mod idle;
mod monitor;
mod park;
mod poller;
mod primitive;
mod queue;
mod random;
pub mod runtime;
pub mod task;
mod timer;
mod trace;
mod worker;

pub use runtime::{
    LocalEnterGuard, LocalSet, TaskBuilder, block_in_place, spawn, spawn_blocking, spawn_local,
};

/// The cooperative budget, under tokio's names.
pub mod coop {
    pub use crate::budget::{
        Coop, RestoreOnPending, Unconstrained, consume_budget, cooperative, has_budget_remaining,
        poll_proceed, unconstrained,
    };
}

/// Descriptors in a worker's poller.
pub mod io {
    pub use crate::poller::{Direction, Interest, Ready, ReadyEvent};
    pub use crate::runtime::Source;
}

/// Deadlines.
pub mod time {
    pub use crate::runtime::Sleep;
    #[cfg(feature = "test-util")]
    pub use crate::runtime::{advance, now, pause, resume};
}

/// What the `loxley` crate shares with this one; no part of the API.
#[doc(hidden)]
pub mod shared {
    pub use crate::poller::shut_down;
    pub use crate::random::below as random_below;
    pub use crate::runtime::may_block;
    pub use crate::task::WakerSlot;
}

/// What the machine has written, for the benches.
#[cfg(loxley_counted)]
#[doc(hidden)]
pub use primitive::counted::counts as counted;

/// The insides, for the models of `loom-tests`.
#[cfg(loxley_loom)]
pub mod doors {
    pub use crate::clock::Clock;
    pub use crate::primitive::{Condvar, Mutex, MutexGuard, UnsafeCell, atomic, fault, thread};

    pub mod alarm {
        pub use crate::alarm::{Alarm, PERIOD};
    }

    pub mod blocking {
        pub use crate::blocking::{BlockingPool, Config, Job, Refused};
    }

    pub mod task {
        pub use crate::task::doors::*;
        pub use crate::task::local::{LocalTasks, Observer};
    }

    pub mod queue {
        pub use crate::queue::{Injector, Local, Public, Push, Slot, SlotItem, Stolen};
    }

    pub mod park {
        pub use crate::park::{How, NEVER, Park, Prepared};
    }

    pub mod idle {
        pub use crate::idle::{Announce, Bed, Idle, Unparked, Wish};
    }

    pub mod poller {
        pub use crate::poller::{
            Direction, Interest, PollGuard, Poller, Ready, ReadyEvent, Registration, Timeout,
        };
    }

    pub mod timer {
        pub use crate::timer::{Closed, Deadline, Entry, Here, Timers};
    }

    pub mod worker {
        pub use crate::worker::{
            Config, Interrupt, Scheduler, Seat, Station, Step, Task, Worker, block_in_place,
        };
    }

    pub mod shutdown {
        pub use crate::runtime::doors::Threads;
    }
}

/// The insides, for the targets of `fuzz`.
#[cfg(loxley_fuzz)]
pub mod doors {
    pub use crate::clock::Clock;
    pub use crate::poller::Readiness;
    pub use crate::task::doors::*;
    pub use crate::timer::{END_OF_TIME, Entry, Here, Timers};
}
