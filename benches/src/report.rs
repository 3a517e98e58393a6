//! The driver of `rivals`: it alternates processes and prints the table.
//!
//! *Protocol* of one row:
//! - **D1** One process per measurement. In each round every runtime has its turn, loxley twice; the round after
//!   begins with the next one, so that nobody always follows the same neighbour.
//! - **D2** Figures of one round are paired: ratios are taken within it, and the interval is that of their median.
//! - **D3** loxley against itself is printed first. Its ratio must hold 1.00; if it does not, the machine was too restless
//!   for the row, and the table says so. One in twenty does so by chance.
//! - **D4** What other processes used of the machine meanwhile is printed with the row.
//! - **D5** Lost rows are printed like won ones, and once more at the end.
//!
//! *Rejected.* Repeating rows until they look right; leaving out the slowest run.
//!
//! *Checked by* the tests below and those of `stats`; a sample's line by `harness`.

mod machine;
mod table;

use std::io::{self, Write as _};
use std::process::Command;

use machine::Load;
pub(crate) use machine::heading;
pub(crate) use table::{interval_cell, spread_cell};
use table::{sign, table};

use crate::harness::{Metric, Row};
use crate::meter::Sample;
use crate::rescue::program_with_options;
use crate::rows;
use crate::runtimes::WITH_OPTIONS;
use crate::stats::{Interval, bootstrap, paired_ratios};

/// What `rivals` was asked for.
#[derive(Debug, Clone)]
pub struct Rivals {
    /// Rows by name; empty means all.
    pub rows: Vec<String>,
    /// Rounds.
    pub runs: usize,
    /// Worker threads, where the row does not say.
    pub workers: usize,
    /// How much one process does, where the row's own amount is not wanted.
    pub amount: Option<u64>,
    /// Runtimes that take turns.
    pub runtimes: Vec<String>,
    /// Whether loxley has two turns, to be compared with itself.
    pub twice: bool,
}

/// The runtimes that take turns unless others are asked for.
pub const RUNTIMES: [&str; 4] = ["loxley", "tokio", "smol", "raw"];

/// The runtime that is measured twice per round.
const OURS: &str = "loxley";
/// The runtime that ratios refer to.
const YARDSTICK: &str = "tokio";

/// Runs the rows and prints their tables; true if every process delivered.
///
/// # Errors
///
/// If a row does not exist, or standard output is closed.
pub fn run(options: &Rivals) -> io::Result<bool> {
    let rows = chosen(&options.rows)?;
    let mut out = io::stdout();
    out.write_all(heading(options).as_bytes())?;
    let (mut lost, mut restless, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let load = Load::now();
        let turns = take_turns(row, options);
        write!(out, "\n{}", table(row, options, &turns, load.foreign()))?;
        out.flush()?;
        let judged = verdict(row, &turns);
        lost.extend(judged.lost);
        restless.extend(judged.restless);
        failed.extend(turns.iter().flat_map(|turn| {
            turn.failures
                .iter()
                .map(|why| format!("{} on {}: {why}", row.name, turn.label))
        }));
    }
    for (what, list) in [
        (
            "Lost to tokio (the interval of the first figure lies on the wrong side)",
            &lost,
        ),
        (
            "loxley against itself did not read 1.00; do not trust",
            &restless,
        ),
        ("Failed", &failed),
    ] {
        if !list.is_empty() {
            writeln!(out, "\n{what}:")?;
            list.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
    }
    Ok(failed.is_empty())
}

/// The rows of those names, in the table's order.
///
/// # Errors
///
/// If there is no such row; the message lists those that there are.
pub fn chosen(names: &[String]) -> io::Result<Vec<&'static Row>> {
    if let Some(stranger) = names.iter().find(|name| rows::named(name).is_none()) {
        let all: Vec<_> = rows::all().map(|row| row.name).collect();
        return Err(io::Error::other(format!(
            "no row {stranger:?}; there are: {}",
            all.join(" ")
        )));
    }
    Ok(rows::all()
        .filter(|row| names.is_empty() || names.iter().any(|name| name == row.name))
        .collect())
}

/// One column: a runtime's samples, round by round.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) label: String,
    runtime: String,
    samples: Vec<Option<Sample>>,
    pub(crate) failures: Vec<String>,
}

impl Turn {
    fn new(label: &str, runtime: &str) -> Turn {
        Turn {
            label: label.to_owned(),
            runtime: runtime.to_owned(),
            samples: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// loxley once more.
    fn is_again(&self) -> bool {
        self.label != self.runtime
    }

    /// One that is neither loxley nor what all others are compared with.
    fn is_peer(&self) -> bool {
        self.runtime != OURS && self.label != YARDSTICK
    }

    pub(crate) fn values(&self, metric: &Metric) -> Vec<Option<f64>> {
        self.samples
            .iter()
            .map(|sample| sample.as_ref().and_then(|sample| metric.of(sample)))
            .collect()
    }
}

/// Lets all contenders run the row in turns.
pub(crate) fn take_turns(row: &Row, options: &Rivals) -> Vec<Turn> {
    let mut turns = Vec::new();
    for runtime in options
        .runtimes
        .iter()
        .filter(|runtime| row.form(runtime).is_some())
    {
        turns.push(Turn::new(runtime, runtime));
        if runtime == OURS && options.twice {
            turns.push(Turn::new("loxley again", runtime)); // D3
        }
    }
    for round in 0..options.runs {
        for place in 0..turns.len() {
            let index = (place + round) % turns.len(); // D1
            let turn = &mut turns[index];
            eprint!(
                "\r{:<20} round {} of {}: {:<14}",
                row.name,
                round + 1,
                options.runs,
                turn.label
            );
            match one(row, &turn.runtime, options) {
                Ok(sample) => turn.samples.push(Some(sample)),
                Err(why) => {
                    turn.samples.push(None);
                    turn.failures.push(why);
                }
            }
        }
    }
    eprint!("\r{:70}\r", "");
    turns
}

/// Runs one process.
fn one(row: &Row, runtime: &str, options: &Rivals) -> Result<Sample, String> {
    let program = if runtime == WITH_OPTIONS {
        program_with_options()?
    } else {
        std::env::current_exe().map_err(|error| error.to_string())?
    };
    let mut command = Command::new(program);
    command.args([
        "one",
        row.name,
        runtime,
        "--workers",
        &options.workers.to_string(),
    ]);
    if let Some(amount) = options.amount {
        command.args(["--amount", &amount.to_string()]);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(3)
            .collect();
        return Err(format!("{}: {}", output.status, said.join(" / ")));
    }
    String::from_utf8_lossy(&output.stdout).trim().parse()
}

struct Verdict {
    lost: Option<String>,
    restless: Option<String>,
}

/// D3, as exactly as the table prints it: bytes per task differ by a page in a million.
fn reads_one(interval: &Interval) -> bool {
    interval.low < 1.005 && interval.high >= 0.995
}

/// Judges a row by its first figure.
fn verdict(row: &Row, turns: &[Turn]) -> Verdict {
    let metric = &row.metrics[0];
    let interval = |ours: &str, theirs: &str| {
        let find = |label: &str| turns.iter().find(|turn| turn.label == label);
        bootstrap(&paired_ratios(
            &find(ours)?.values(metric),
            &find(theirs)?.values(metric),
        ))
    };
    let line = |interval: Interval| {
        format!(
            "{:<16} {} {:.2} [{:.2}-{:.2}]",
            row.name, metric.label, interval.median, interval.low, interval.high
        )
    };
    let lost = interval(OURS, YARDSTICK).filter(|interval| sign(interval, metric.better) == '-');
    let restless = interval("loxley again", OURS).filter(|interval| !reads_one(interval));
    Verdict {
        lost: lost.map(line),
        restless: restless.map(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn turn(label: &str, runtime: &str, walls: &[u64]) -> Turn {
        let sample = |wall_ns: &u64| {
            Some(Sample {
                ops: 1,
                wall_ns: *wall_ns,
                cpu_ns: 1,
                extras: Vec::new(),
            })
        };
        Turn {
            samples: walls.iter().map(sample).collect(),
            ..Turn::new(label, runtime)
        }
    }

    #[test]
    fn a_slower_row_is_lost_and_a_restless_one_is_named() {
        let row = rows::named("spawn_local").unwrap();
        let turns = [
            turn("loxley", "loxley", &[200, 201, 202]),
            turn("loxley again", "loxley", &[100, 101, 102]),
            turn("tokio", "tokio", &[100, 100, 100]),
        ];
        let judged = verdict(row, &turns);
        assert!(judged.lost.unwrap().contains("0.50"));
        assert!(judged.restless.unwrap().contains("1.99"));
    }

    #[test]
    fn a_difference_that_the_table_does_not_show_is_none() {
        let row = rows::named("spawn_local").unwrap();
        let turns = [
            turn("loxley", "loxley", &[100_000, 100_000, 100_000]),
            turn("loxley again", "loxley", &[100_001, 100_002, 100_003]),
        ];
        assert!(verdict(row, &turns).restless.is_none());
    }

    #[test]
    fn an_unknown_row_is_refused_with_the_list_of_those_that_are() {
        let error = chosen(&["spawn".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("spawn_local") && error.contains("http_hello"),
            "{error}"
        );
    }
}
