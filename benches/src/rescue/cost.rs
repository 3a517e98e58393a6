//! What the readiness to rescue costs while nobody offends: instructions and system calls per operation, counted.
//!
//! The yardstick is this program built once more with `--cfg loxley_without_rescue`, which leaves out of the machine what
//! only rescue needs: the note of who is polled, the look at the stuck mask, the alarm, the monitor. The builder's option
//! is the third column; it leaves out the monitor alone.
//!
//! One worker, as in [`crate::instructions`], where the method stands; here its instructions alone, for the monitor works by
//! the clock, which callgrind lets run ahead. System calls are the kernel's own count, of all threads of the runtime, the
//! monitor's too, and not of the client beside it. Server and client share one processor and do not preempt each other, so
//! that the messages of a look are the same in number each time; and the figures are medians.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::build_again;
use crate::instructions::{CALLS, Count, Counter, WORKER_INSTRUCTIONS, count};
use crate::runtimes::WITHOUT_RESCUE;
use crate::stats::median;

/// The name of the case, beside those of the rows.
pub const NAME: &str = "cost";
const ROWS: [Count; 4] = [
    count("ping_pong", 10_000, 30_000, None),
    count("spawn_local", 20_000, 60_000, None),
    count("yield_many", 200_000, 600_000, None),
    count("echo_64b_64", 1_000, 3_000, None),
];
const COUNTERS: [(&str, &Counter, Bar); 2] = [
    ("instructions/op", &WORKER_INSTRUCTIONS, instructions_bar),
    ("system calls/op", &CALLS, calls_bar),
];
/// The most that a figure may be, by that of the build without rescue; and in words.
type Bar = fn(f64) -> (f64, &'static str);

fn instructions_bar(without: f64) -> (f64, &'static str) {
    (f64::max(without * 1.02, without + 5.0), "2 % or 5 more")
}

fn calls_bar(without: f64) -> (f64, &'static str) {
    (without + 0.01, "0.01 more")
}

/// Counts, prints the table, and returns the lines of the bars that were missed.
///
/// # Errors
///
/// If valgrind or perf is missing or fails, or the other program does not build.
pub fn run(runs: usize) -> io::Result<Vec<String>> {
    let own = std::env::current_exe()?;
    let without = program_without_rescue().map_err(io::Error::other)?;
    let columns: [(&str, &Path, &str); 3] = [
        ("loxley", &own, "loxley"),
        ("built without", &without, "loxley"),
        ("option off", &own, WITHOUT_RESCUE),
    ];
    let mut out = io::stdout();
    write!(
        out,
        "\n{NAME} · 1 worker\n  what does the readiness to rescue cost where nobody offends?\n  {:<30}",
        ""
    )?;
    for (label, ..) in columns {
        write!(out, "{label:>16}")?;
    }
    writeln!(out)?;
    let mut missed = Vec::new();
    for row in &ROWS {
        for (figure, counter, bar) in COUNTERS {
            write!(out, "  {:<30}", format!("{} {figure}", row.row))?;
            let mut figures = Vec::new();
            for (_, program, runtime) in columns {
                let counts = (0..runs).map(|_| row.per_operation(program, runtime, counter));
                let counts = counts.collect::<io::Result<Vec<_>>>()?;
                let figure = median(&counts).ok_or(io::Error::other("nothing was counted"))?;
                write!(out, "{figure:>16.3}")?;
                out.flush()?;
                figures.push(figure);
            }
            let (most, words) = bar(figures[1]);
            let verdict = if figures[0] <= most { "met" } else { "missed" };
            let line = format!("at most {words} than built without: {verdict}");
            writeln!(out, "  bar: {line}")?;
            if verdict == "missed" {
                missed.push(format!("{NAME}: {} {figure} {line}", row.row));
            }
        }
    }
    Ok(missed)
}

fn program_without_rescue() -> Result<PathBuf, String> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || build_again("without-rescue", "--cfg loxley_without_rescue", &[]);
    PROGRAM.get_or_init(build).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_leaves_two_percent_or_five_instructions_and_a_hundredth_of_a_call() {
        assert_eq!(instructions_bar(100.0).0, 105.0);
        assert_eq!(instructions_bar(1_000.0).0, 1_020.0);
        assert!((calls_bar(2.0).0 - 2.01).abs() < 1e-9);
    }

    #[test]
    fn every_counted_row_exists() {
        for count in ROWS {
            assert!(crate::rows::named(count.row).is_some(), "{}", count.row);
        }
    }
}
