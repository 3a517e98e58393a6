//! The workloads against tokio.

pub use crate::runtimes::Tokio as R;
pub use ::tokio as lib;

#[path = "work.rs"]
pub mod work;
