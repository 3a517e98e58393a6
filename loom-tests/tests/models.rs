//! The core's protocols under loom, one file each; `loom_tests` says what a model and a twin are.

#![cfg_attr(
    loxley_loom,
    expect(
        clippy::redundant_closure,
        reason = "the type of a closure names the test that it is written in"
    )
)]

#[cfg(not(loxley_loom))]
#[test]
fn the_models_need_a_build_of_their_own() {
    println!(
        "the models run with: RUSTFLAGS='--cfg loxley_loom' CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
         cargo test --release -p loom-tests --features loom --target-dir target/loom -- --nocapture"
    );
}

#[cfg(loxley_loom)]
mod alarm;
#[cfg(loxley_loom)]
mod blocking;
#[cfg(loxley_loom)]
mod idle;
#[cfg(loxley_loom)]
mod injector;
#[cfg(loxley_loom)]
mod keeper;
#[cfg(loxley_loom)]
mod park;
#[cfg(loxley_loom)]
mod queue;
#[cfg(loxley_loom)]
mod readiness;
#[cfg(loxley_loom)]
mod rescue;
#[cfg(loxley_loom)]
mod shutdown;
#[cfg(loxley_loom)]
mod slot;
#[cfg(loxley_loom)]
mod spare;
#[cfg(loxley_loom)]
mod station;
#[cfg(loxley_loom)]
mod sync;
#[cfg(loxley_loom)]
mod task_join;
#[cfg(loxley_loom)]
mod task_local;
#[cfg(loxley_loom)]
mod task_state;
#[cfg(loxley_loom)]
mod timer;
#[cfg(loxley_loom)]
mod waker_slot;
#[cfg(loxley_loom)]
mod worker;
