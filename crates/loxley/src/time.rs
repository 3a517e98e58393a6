//! Waiting: [`sleep`](fn@sleep), [`timeout`](fn@timeout), [`interval`](fn@interval).
//!
//! A timer lives in the wheel of the worker that first polls it; nothing is allocated and no system call
//! is made to start or cancel one. A timer never fires early. Durations up to 8 ms are kept exactly, as
//! far as the system allows; longer ones may be rounded up to the next millisecond so that wakes are shared.
//! Deadlines beyond what the clock can count saturate: they are then decades away.
//!
//! Every function here needs a runtime with [`enable_time`](crate::runtime::Builder::enable_time), and
//! panics without one.
//!
//! Names and meaning are tokio's, and tokio-util's for [`DelayQueue`]. With the feature `test-util` a test can stop
//! the clock: `pause`, `advance`, `resume`.

#[cfg(feature = "test-util")]
mod clock;
pub mod delay_queue;
pub mod error;
mod future_ext;
mod instant;
mod interval;
mod sleep;
mod timeout;

#[cfg(feature = "sync")]
pub mod futures {
    //! Futures that have a name.

    pub use super::future_ext::cancellable::{
        WithCancellationTokenFuture, WithCancellationTokenFutureOwned,
    };
}

#[doc(no_inline)]
pub use std::time::Duration;

#[cfg(feature = "test-util")]
pub use self::clock::{advance, pause, resume};
#[doc(inline)]
pub use self::delay_queue::DelayQueue;
pub use self::future_ext::FutureExt;
pub use self::instant::Instant;
pub use self::interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use self::sleep::{Sleep, sleep, sleep_until};
pub use self::timeout::{Timeout, timeout, timeout_at};
