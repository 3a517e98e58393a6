//! The pages of docs/guide, so that their code is compiled and run: `cargo test -p examples --doc`.

#[doc = include_str!("../../docs/guide/where-to-run.md")]
mod where_to_run {}

#[doc = include_str!("../../docs/guide/knobs.md")]
mod knobs {}

#[doc = include_str!("../../docs/guide/shutdown.md")]
mod shutdown {}

#[doc = include_str!("../../docs/guide/moving.md")]
mod moving {}

#[doc = include_str!("../../docs/guide/libraries.md")]
mod libraries {}

#[doc = include_str!("../../docs/guide/processes.md")]
mod processes {}
