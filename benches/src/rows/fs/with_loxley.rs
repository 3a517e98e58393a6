//! The workloads against loxley.

pub use crate::runtimes::Loxley as R;
pub use ::loxley as lib;

#[path = "work.rs"]
pub mod work;
