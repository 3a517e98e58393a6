//! What the knobs of the runtime's builder change, and what their defaults were chosen by.
//!
//! Each knob has rows that it matters to: one that its small values slow down, and where there is one, one that its large
//! values do. loxley runs them with each value, in processes that take turns, and once with the default. A line ends with
//! the ratio of its first figure to the default's, taken within a round: median and 95 % bootstrap interval.
//!
//! *Rejected.* A default that is the best of one row: most rows do not care, and the value that wins moves with the machine.
//! A default is a value from which neither way gains what its spread does not hide.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::harness::Metric;
use crate::report::{Rivals, Turn, chosen, heading, interval_cell, spread_cell, take_turns};
use crate::stats::{bootstrap, paired_ratios};

/// The contender whose knobs are as they come.
const DEFAULT: &str = "loxley";

/// A knob: its name in the builder, the values that are tried, the rows that it matters to.
#[derive(Debug)]
struct Knob {
    name: &'static str,
    default: &'static str,
    values: &'static [u32],
    rows: &'static [&'static str],
}

const KNOBS: [Knob; 6] = [
    Knob {
        name: "poll_budget",
        default: "128",
        values: &[8, 32, 512, 8192],
        rows: &["mpsc_1_1", "mpsc_64_1"],
    },
    Knob {
        name: "event_interval",
        default: "measured: about 100 µs",
        values: &[4, 16, 61, 256, 1024],
        rows: &["yield_many", "echo_64b_64"],
    },
    Knob {
        name: "global_queue_interval",
        default: "after each round",
        values: &[4, 16, 61, 256],
        rows: &["wake_busy", "spawn_remote_1"],
    },
    Knob {
        name: "lifo_slot_cap",
        default: "32",
        values: &[1, 4, 16, 64, 1024],
        rows: &["ping_pong", "sync_mutex_64"],
    },
    Knob {
        name: "max_io_events_per_tick",
        default: "256",
        values: &[8, 32, 128],
        rows: &["echo_64b_1000"],
    },
    // More workers than processors: what they cost each other.
    Knob {
        name: "worker_threads",
        default: "as many as there are processors",
        values: &[4, 8],
        rows: &[
            "spawn_local",
            "chained_spawn",
            "skynet",
            "spawn_remote_1",
            "spawn_remote_2",
            "yield_many",
            "yield_self",
            "ping_pong",
            "mpsc_1_1",
            "mpsc_64_1",
            "timer_cancel",
            "sleep_many",
            "blocking_64",
            "wake_idle",
            "wake_busy",
            "idle_cpu",
            "echo_64b_64",
            "echo_16k_64",
            "churn",
            "http_hello",
        ],
    },
];

/// Runs the knobs of those names, or all; true if every process delivered.
///
/// # Errors
///
/// If there is no such knob, or standard output is closed.
pub fn run(options: &Rivals) -> io::Result<bool> {
    let names = &options.rows;
    if let Some(stranger) = names.iter().find(|name| named(name).is_none()) {
        return Err(io::Error::other(format!("no knob {stranger:?}")));
    }
    let mut out = io::stdout();
    out.write_all(heading(options).as_bytes())?;
    let mut delivered = true;
    for knob in KNOBS
        .iter()
        .filter(|knob| names.is_empty() || names.iter().any(|it| it == knob.name))
    {
        writeln!(out, "\n{} · default: {}", knob.name, knob.default)?;
        let rows: Vec<String> = knob.rows.iter().map(|row| (*row).to_owned()).collect();
        for row in chosen(&rows)? {
            let turns = take_turns(row, &knob.contenders(options));
            let mut text = format!("  {} ({})\n  {:<10}", row.name, row.question, "value");
            for metric in row.metrics {
                let _ = write!(text, "{:>25}", metric.label);
            }
            text.push('\n');
            for turn in &turns {
                let value = turn
                    .label
                    .split_once('=')
                    .map_or("default", |(_, value)| value);
                let _ = write!(text, "  {value:<10}");
                for metric in row.metrics {
                    let _ = write!(text, "{:>25}", spread_cell(&turn.values(metric)));
                }
                text += &ratio_to_default(&turns, turn, &row.metrics[0]);
                text.push('\n');
                delivered &= turn.failures.is_empty();
            }
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(delivered)
}

/// Of a figure, within rounds; nothing for the default itself.
fn ratio_to_default(turns: &[Turn], turn: &Turn, metric: &Metric) -> String {
    let default = turns.iter().find(|other| other.label == DEFAULT);
    default
        .filter(|default| default.label != turn.label)
        .and_then(|default| {
            bootstrap(&paired_ratios(
                &turn.values(metric),
                &default.values(metric),
            ))
        })
        .map_or(String::new(), |interval| {
            format!("{:>25}", interval_cell(&interval))
        })
}

fn named(name: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.name == name)
}

impl Knob {
    /// loxley with each of its values.
    fn contenders(&self, options: &Rivals) -> Rivals {
        let value = |value| format!("loxley+{}={value}", self.name);
        let values = self.values.iter().map(value);
        Rivals {
            runtimes: values.chain([DEFAULT.to_owned()]).collect(),
            twice: false,
            ..options.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn every_knob_has_rows_and_at_least_two_values() {
        for knob in &KNOBS {
            assert!(knob.values.len() > 1 && !knob.rows.is_empty());
            for row in knob.rows {
                assert!(rows::named(row).is_some(), "{}: no row {row}", knob.name);
            }
        }
    }

    #[test]
    fn a_knob_without_a_name_here_is_refused() {
        assert!(named("poll_budget").is_some() && named("budget").is_none());
    }
}
