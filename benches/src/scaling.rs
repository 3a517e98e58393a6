//! What would hurt with more workers than there are processors, by counts alone.
//!
//! Each row runs in a process of its own with 2, 4, 8 and 64 workers, and loxley says what it has counted: *sleeps* of
//! workers, each of which somebody ends; *searches*, rounds over the queues of all peers; *tries*, peers whose queue was
//! taken from, with or without success; *steals*, those that gave something; *polls* of pollers, each a call of
//! `epoll_wait`. A row *grows* when a figure with the most workers is twice what it is with the fewest, unless what it counts
//! comes less than once in a hundred operations: that is the start, the end and time slices.
//!
//! Times are not shown: with more busy threads than processors they tell of the kernel's time slices.
//!
//! *Checked by* the test below.

use std::io::{self, Write as _};
use std::process::Command;

use crate::harness::{Amount, Row};
use crate::meter::Sample;
use crate::report::chosen;

/// The rows that are shown unless others are asked for.
const ROWS: [&str; 13] = [
    "spawn_local",
    "spawn_one",
    "chained_spawn",
    "skynet",
    "spawn_remote_1",
    "yield_many",
    "yield_self",
    "ping_pong",
    "mpsc_1_1",
    "mpsc_64_1",
    "timer_cancel",
    "sleep_many",
    "echo_64b_64",
];
const WORKERS: [usize; 4] = [2, 4, 8, 64];
/// What comes less often per operation does not count as growing.
const RARE: f64 = 0.01;

/// Figures of a sample, by heading: what is divided by what; nothing stands for the operations.
const FIGURES: [Figure; 4] = [
    Figure::of("sleeps/op", "sleeps", None),
    Figure::of("searches/op", "searches", None),
    Figure::of("tries/steal", "tries", Some("steals")),
    Figure::of("polls/op", "polls", None),
];

struct Figure {
    heading: &'static str,
    count: &'static str,
    per: Option<&'static str>,
}

impl Figure {
    const fn of(heading: &'static str, count: &'static str, per: Option<&'static str>) -> Self {
        Self {
            heading,
            count,
            per,
        }
    }

    /// `None` if there is nothing to divide by.
    fn read(&self, sample: &Sample) -> Option<f64> {
        let per = match self.per {
            None => sample.ops as f64,
            Some(name) => sample.extra(name)?,
        };
        (per > 0.0).then_some(sample.extra(self.count)? / per)
    }

    /// Whether it grows from few workers to many.
    fn grows(&self, few: &Sample, many: &Sample) -> bool {
        let often = |count: f64| count > RARE * many.ops as f64;
        let grown = |read: f64| self.read(few).is_none_or(|few| read > 2.0 * few);
        many.extra(self.count).is_some_and(often) && self.read(many).is_some_and(grown)
    }
}

/// Runs the rows and prints their table; true if nothing grows.
///
/// # Errors
///
/// If a row does not exist or its process fails.
pub fn run(names: &[String], amount: Option<u64>) -> io::Result<bool> {
    let usual: Vec<String> = ROWS.iter().map(|&row| row.to_owned()).collect();
    let rows = chosen(if names.is_empty() { &usual } else { names })?;
    let mut out = io::stdout();
    write!(out, "{:<16}{:>8}", "row", "workers")?;
    for figure in &FIGURES {
        write!(out, "{:>14}", figure.heading)?;
    }
    writeln!(out)?;
    let mut growing = Vec::new();
    for row in rows {
        let mut samples = Vec::new();
        for workers in WORKERS {
            let sample = measure(row, workers, amount)?;
            write!(out, "{:<16}{workers:>8}", row.name)?;
            for figure in &FIGURES {
                let cell = figure
                    .read(&sample)
                    .map_or("-".to_owned(), |read| format!("{read:.4}"));
                write!(out, "{cell:>14}")?;
            }
            writeln!(out)?;
            samples.push(sample);
        }
        let (few, many) = (&samples[0], &samples[samples.len() - 1]);
        growing.extend(
            FIGURES
                .iter()
                .filter(|figure| figure.grows(few, many))
                .map(|figure| format!("{} of {}", figure.heading, row.name)),
        );
    }
    match growing.is_empty() {
        true => writeln!(out, "nothing grows with the workers")?,
        false => writeln!(out, "growing with the workers: {}", growing.join(", "))?,
    }
    Ok(growing.is_empty())
}

fn measure(row: &Row, workers: usize, amount: Option<u64>) -> io::Result<Sample> {
    let (Amount::Ops(amount) | Amount::Millis(amount)) = row.amount.or(amount);
    let output = Command::new(std::env::current_exe()?)
        .args(["one", row.name, "loxley", "--no-warm-up", "--counts"])
        .args(["--workers", &workers.to_string()])
        .args(["--amount", &amount.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().parse() {
        Ok(sample) if output.status.success() => Ok(sample),
        _ => Err(io::Error::other(format!(
            "{} with {workers} workers: {}\n{}",
            row.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_grows_when_it_more_than_doubles_and_is_not_rare() {
        let sample = |sleeps: u32, steals: u32| -> Sample {
            let line =
                format!("sample ops=1000 wall_ns=1 cpu_ns=1 sleeps={sleeps} steals={steals}");
            line.parse().unwrap()
        };
        let figure = Figure::of("sleeps/op", "sleeps", None);
        assert!(figure.grows(&sample(100, 0), &sample(201, 0)));
        assert!(!figure.grows(&sample(100, 0), &sample(200, 0)));
        assert!(!figure.grows(&sample(1, 0), &sample(9, 0)));
        let ratio = Figure::of("sleeps/steal", "sleeps", Some("steals"));
        assert!(ratio.grows(&sample(100, 100), &sample(300, 100)));
        assert!(!ratio.grows(&sample(100, 100), &sample(300, 300)));
        assert!(ratio.read(&sample(100, 0)).is_none());
    }

    #[test]
    fn every_row_of_the_table_exists() {
        for row in ROWS {
            assert!(crate::rows::named(row).is_some(), "{row}");
        }
    }
}
