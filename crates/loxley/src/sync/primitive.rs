//! The door to locks, atomics and cells: the real ones, or loom's in a model.
//!
//! The protocols of this folder name nothing else, so that a model runs the code that ships. The model's face is
//! the core's, whose operations can be broken one at a time; what it lacks is added here.

#[cfg(loxley_loom)]
mod model;
#[cfg(not(loxley_loom))]
mod real;

#[cfg(loxley_loom)]
pub(crate) use model::*;
#[cfg(not(loxley_loom))]
pub(crate) use real::*;
