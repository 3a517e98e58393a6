//! loxley and its rivals in one harness: the rows, and what measures, compares and prints them.
//!
//! ```text
//! cargo run --release -p benches -- rivals [ROW ..] [--runs N] [--workers N] [--amount N] [--with RUNTIME] [--only RUNTIME,..]
//! cargo run --release -p benches -- rescue [CASE ..] [--runs N]
//! cargo run --release -p benches -- instructions [ROW ..]
//! cargo run --release -p benches -- knobs [KNOB ..] [--runs N]
//! cargo run --release -p benches -- scaling [ROW ..]
//! cargo run --release -p benches -- shared [ROW ..]
//! cargo run --release -p benches -- one ROW RUNTIME [--workers N] [--amount N] [--no-warm-up]
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`harness`] | plan, row, the runtime-neutral traits |
//! | [`meter`] | clocks and counters of the process, the sample as a line of text |
//! | [`runtimes`] | loxley, tokio and smol behind those traits |
//! | [`rows`] | one module per family of questions |
//! | [`client`], [`raw`] | the load of the socket rows, and the epoll loops that are their limit |
//! | [`stats`], [`report`] | medians and intervals; the driver that alternates processes, and its table |
//! | [`rescue`] | what a stuck worker does to others: cases, bars and verdicts |
//! | [`instructions`] | instructions per operation, counted by callgrind |
//! | [`knobs`] | what the builder's knobs change |
//! | [`scaling`], [`shared`] | what would hurt on more processors, by counts |
//!
//! Deliberately absent: a gate on time. Time is compared side by side or not at all; what may fail a build is counted.

#![cfg_attr(
    feature = "loxley",
    expect(
        clippy::duplicate_mod,
        reason = "the workloads of `rows::sync` and `rows::fs` are one program against two libraries"
    )
)]

pub mod client;
pub mod harness;
pub mod instructions;
pub mod knobs;
pub mod meter;
pub mod raw;
pub mod report;
pub mod rescue;
pub mod rows;
pub mod runtimes;
pub mod scaling;
pub mod shared;
pub mod stats;
