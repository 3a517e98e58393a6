//! loxley under tokio's name.
//!
//! A program that depends on crates made for tokio patches this package in, and they run on loxley. There is nothing in
//! here but names. `docs/drop-in.md` says how to use it, what to look out for, and how to go back.

#![forbid(unsafe_code)]

#[doc(inline)]
pub use loxley::*;

// loxley's own would name `::loxley`, which a program that only knows tokio has not got.
#[cfg(feature = "macros")]
#[doc(inline)]
pub use loxley_macros::{tokio_main as main, tokio_test as test};
